"""A saved model at work: photos, scans, PDF pages and WFDB records in, probabilities and overlays out."""

from ecgpipe.artifacts.model_folder import NOTICE
from ecgpipe.predict.pages import GivenPage, PageReader
from ecgpipe.predict.predictor import Prediction, Predictor

__all__ = ["NOTICE", "GivenPage", "PageReader", "Prediction", "Predictor"]
