"""The public interface (ecgpipe.public) for type checkers."""

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import ConfigError, DataError, EcgpipeError, RecordError
from ecgpipe.explain.overlay import overlay
from ecgpipe.explain.saliency import saliency_maps
from ecgpipe.models.factory import create_model, load_model
from ecgpipe.predict.pages import InputPage, PageReader
from ecgpipe.predict.prediction import Prediction
from ecgpipe.predict.predictor import Predictor
from ecgpipe.predict.recordings import RecordingPredictor, load_predictor
from ecgpipe.preprocess.apply import preprocess as preprocess_page
from ecgpipe.preprocess.apply import preprocess_file
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import Page, render_page

__version__: str
__all__ = [
    "ConfigError",
    "DataError",
    "DegradeConfig",
    "EcgpipeError",
    "InputPage",
    "Page",
    "PageReader",
    "Prediction",
    "Predictor",
    "PreprocessConfig",
    "RecordError",
    "RecordingPredictor",
    "RenderConfig",
    "SavedModel",
    "create_model",
    "degrade_page",
    "load_model",
    "load_predictor",
    "overlay",
    "preprocess_file",
    "preprocess_page",
    "read_image",
    "read_signal",
    "render_page",
    "saliency_maps",
    "simulate_dataset",
]
