"""The public interface: which names the package exports, and where each is defined.

Which extra of this package brings a library that is not installed.
"""

import importlib
from typing import Any

PUBLIC = {
    "ConfigError": "ecgpipe.errors",
    "DataError": "ecgpipe.errors",
    "DegradeConfig": "ecgpipe.config.pages",
    "EcgpipeError": "ecgpipe.errors",
    "GivenPage": "ecgpipe.predict.pages",
    "Page": "ecgpipe.render.page",
    "PageReader": "ecgpipe.predict.pages",
    "Prediction": "ecgpipe.predict.predictor",
    "Predictor": "ecgpipe.predict.predictor",
    "PreprocessConfig": "ecgpipe.config.pages",
    "RecordError": "ecgpipe.errors",
    "RenderConfig": "ecgpipe.config.pages",
    "SavedModel": "ecgpipe.artifacts.model_folder",
    "create_model": "ecgpipe.models.factory",
    "degrade_page": "ecgpipe.render.degrade",
    "load_model": "ecgpipe.models.factory",
    "overlay": "ecgpipe.explain.overlay",
    "preprocess_file": "ecgpipe.preprocess.apply",
    "preprocess_page": "ecgpipe.preprocess.apply:preprocess",
    "read_image": "ecgpipe.preprocess.read",
    "read_signal": "ecgpipe.artifacts.signals",
    "render_page": "ecgpipe.render.page",
    "saliency_maps": "ecgpipe.explain.saliency",
    "simulate_dataset": "ecgpipe.acquire.simulate.dataset",
}
"""Name to module, with ``:name`` where it has another name there. ``__init__.pyi`` tells type checkers."""


def load_public(name: str) -> Any:
    """What a public name stands for.

    Raises:
        AttributeError: there is no such name.
        ImportError: a library that it needs is not installed; the message names the extra that brings it.
    """
    if name not in PUBLIC:
        raise AttributeError(f"module 'ecgpipe' has no attribute {name!r}")
    module, _, inner = PUBLIC[name].partition(":")
    try:
        return getattr(importlib.import_module(module), inner or name)
    except ImportError as error:
        if (found := install_hint(error.name)) is None:
            raise
        raise ImportError(f"ecgpipe.{name} {found}", name=error.name) from error


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
"""Module as imported to the name in ``pip install 'ecgpipe[name]'``."""


def install_hint(module: str | None) -> str | None:
    """What to do about a module that cannot be imported, or None if it is not one of ours to bring."""
    name = (module or "").partition(".")[0]
    if name not in EXTRA_OF:
        return None
    return f"needs {name}, which is not installed: pip install 'ecgpipe[{EXTRA_OF[name]}]'"
