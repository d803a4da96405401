"""Paper-like ECG images from recordings, image classifiers, and an honest report on them."""

__version__ = "0.1.0"
