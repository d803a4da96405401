"""Prediction with a saved model: from photos, scans, PDF pages and WFDB records to probabilities and overlays."""

from ecgpipe.artifacts.model_folder import NOTICE
from ecgpipe.predict.pages import InputPage, PageReader
from ecgpipe.predict.prediction import Prediction
from ecgpipe.predict.predictor import Predictor
from ecgpipe.predict.recordings import RecordingPredictor, load_predictor

__all__ = ["NOTICE", "InputPage", "PageReader", "Prediction", "Predictor", "RecordingPredictor", "load_predictor"]
