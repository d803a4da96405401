"""The public interface: which names the package exports, and where each is defined."""

import importlib
from typing import Any

PUBLIC = {
    "ConfigError": "ecgpipe.errors",
    "DataError": "ecgpipe.errors",
    "DegradeConfig": "ecgpipe.config.degrade",
    "EcgpipeError": "ecgpipe.errors",
    "GivenPage": "ecgpipe.predict.pages",
    "Page": "ecgpipe.render.page",
    "PageReader": "ecgpipe.predict.pages",
    "Prediction": "ecgpipe.predict.predictor",
    "Predictor": "ecgpipe.predict.predictor",
    "PreprocessConfig": "ecgpipe.config.preprocess",
    "RecordError": "ecgpipe.errors",
    "RenderConfig": "ecgpipe.config.render",
    "SavedModel": "ecgpipe.artifacts.model_folder",
    "create_model": "ecgpipe.models.factory",
    "degrade_page": "ecgpipe.render.degrade.degrade",
    "load_model": "ecgpipe.models.stored",
    "overlay": "ecgpipe.explain.overlay",
    "preprocess_file": "ecgpipe.preprocess.apply",
    "preprocess_page": "ecgpipe.preprocess.apply:preprocess",
    "read_image": "ecgpipe.preprocess.read",
    "read_signal": "ecgpipe.artifacts.signals",
    "render_page": "ecgpipe.render.draw",
    "saliency_maps": "ecgpipe.explain.saliency",
    "simulate_dataset": "ecgpipe.acquire.simulate.dataset",
}
"""Name to module, with ``:name`` where it has another name there. ``__init__.pyi`` tells type checkers."""


def find(name: str) -> Any:
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
        from ecgpipe.missing import advice

        if (found := advice(error.name)) is None:
            raise
        raise ImportError(f"ecgpipe.{name} {found}", name=error.name) from error
