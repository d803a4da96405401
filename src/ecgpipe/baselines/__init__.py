"""Baselines: scores of cheap classifiers on the same records and splits as the models (docs/baselines.md)."""
