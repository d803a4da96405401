"""From records or page files to model-ready images: combines the stages ``render`` and ``preprocess``."""
