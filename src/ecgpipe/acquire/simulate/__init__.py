"""Simulated 12-lead recordings in PTB-XL's own layout, with their ground truth."""
