"""A saved model at work: photos, scans, PDF pages and WFDB records in, probabilities and overlays out."""

from ecgpipe.predict.pages import GivenPage, PageReader
from ecgpipe.predict.predictor import NOTICE, Prediction, Predictor

__all__ = ["NOTICE", "GivenPage", "PageReader", "Prediction", "Predictor"]
