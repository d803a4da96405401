"""Overlays of predictions as files."""

import re
from pathlib import Path

from PIL import Image

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.errors import ConfigError
from ecgpipe.predict.pages import GivenPage
from ecgpipe.predict.predictor import Prediction, Predictor


class OverlayFolder:
    """Writes overlays into a folder, a PNG file a page, named after the page; a name is never used twice.

    Args:
        predictor: the model.
        folder: made where it is not there.
        method: of the saliency.
        label: the class; None: each page's most probable one.

    Raises:
        ConfigError: no such class.
    """

    def __init__(self, predictor: Predictor, folder: Path, method: str, label: str | None) -> None:
        classes = predictor.saved.classes
        if label is not None and label not in classes:
            raise ConfigError(f"--cam-class {label!r} is none of this model's classes: {', '.join(classes)}")
        self.predictor, self.folder, self.method, self.label = predictor, folder, method, label
        self._used: set[str] = set()

    def write(self, page: GivenPage, prediction: Prediction) -> str:
        """The overlay of a page; returns its path."""
        label = self.label or prediction.top
        path = self.folder / f"{self._name(page, label)}.png"
        picture = self.predictor.overlay(page, label, self.method)
        with atomic_path(path) as partial:
            Image.fromarray(picture).save(partial)
        return str(path)

    def _name(self, page: GivenPage, label: str) -> str:
        file, found, number = page.name.rpartition(", page ")
        parts = [Path(file if found else page.name).stem, f"p{number}" if found else "", label]
        plain = re.sub(r"[^\w.+-]+", "-", "-".join(filter(None, parts))).strip("-")
        name, times = plain, 1
        while name.lower() in self._used:  # two folders may have a file of one name
            times += 1
            name = f"{plain}-{times}"
        self._used.add(name.lower())
        return name
