"""The public interface: exported names, where they are defined, and the extras that bring their libraries."""

import importlib
from typing import Any

PUBLIC = {
    "ConfigError": "ecgpipe.errors",
    "DataError": "ecgpipe.errors",
    "DegradeConfig": "ecgpipe.config.pages",
    "EcgpipeError": "ecgpipe.errors",
    "InputPage": "ecgpipe.predict.pages",
    "Page": "ecgpipe.render.page",
    "PageReader": "ecgpipe.predict.pages",
    "Prediction": "ecgpipe.predict.prediction",
    "Predictor": "ecgpipe.predict.predictor",
    "PreprocessConfig": "ecgpipe.config.pages",
    "RecordError": "ecgpipe.errors",
    "RecordingPredictor": "ecgpipe.predict.recordings",
    "RenderConfig": "ecgpipe.config.pages",
    "SavedModel": "ecgpipe.artifacts.model_folder",
    "create_model": "ecgpipe.models.factory",
    "degrade_page": "ecgpipe.render.degrade",
    "load_model": "ecgpipe.models.factory",
    "load_predictor": "ecgpipe.predict.recordings",
    "overlay": "ecgpipe.explain.overlay",
    "preprocess_file": "ecgpipe.preprocess.apply",
    "preprocess_page": "ecgpipe.preprocess.apply:preprocess",
    "read_image": "ecgpipe.artifacts.pictures",
    "read_signal": "ecgpipe.artifacts.signals",
    "render_page": "ecgpipe.render.page",
    "saliency_maps": "ecgpipe.explain.saliency",
    "simulate_dataset": "ecgpipe.acquire.simulate.dataset",
}
"""Exported name -> module, with ``:name`` if it has another name there. ``__init__.pyi`` repeats it for mypy."""

EXTRA_OF = {
    "cv2": "data",
    "pandas": "data",
    "pyarrow": "data",
    "sklearn": "data",
    "scipy": "data",
    "wfdb": "data",
    "PIL": "data",
    "requests": "data",
    "matplotlib": "data",
    "yaml": "data",
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "lightning": "train",
    "torchmetrics": "train",
    "safetensors": "train",
    "tensorboard": "tensorboard",
    "pytorch_grad_cam": "explain",
    "jinja2": "report",
    "pypdfium2": "predict",
    "starlette": "serve",
    "uvicorn": "serve",
    "anyio": "serve",
    "snakemake": "workflow",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "shtab": "completion",
}
"""Imported module -> name in ``pip install 'ecgpipe[name]'``."""


def load_public(name: str) -> Any:
    """The object behind a public name.

    Raises:
        AttributeError: no such name.
        ImportError: a required library is not installed; the message names the extra that brings it.
    """
    if name not in PUBLIC:
        raise AttributeError(f"module 'ecgpipe' has no attribute {name!r}")
    module, _, inner = PUBLIC[name].partition(":")
    try:
        return getattr(importlib.import_module(module), inner or name)
    except ImportError as error:
        if (hint := install_hint(error.name)) is None:
            raise
        raise ImportError(f"ecgpipe.{name} {hint}", name=error.name) from error


def install_hint(module: str | None) -> str | None:
    """How to install a module that cannot be imported; None if no extra brings it."""
    name = (module or "").partition(".")[0]
    if name not in EXTRA_OF:
        return None
    return f"requires {name}, which is not installed: pip install 'ecgpipe[{EXTRA_OF[name]}]'"
