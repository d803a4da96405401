"""From records or page files to model-ready images: joins the stages ``render`` and ``preprocess``."""
