"""Baselines: what cheap classifiers score on the same records and splits as the models (docs/baselines.md)."""
