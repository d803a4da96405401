"""Predictions of a saved image model, and their overlays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecgpipe.artifacts.images import pack
from ecgpipe.errors import ConfigError
from ecgpipe.explain.overlay import overlay
from ecgpipe.models import load_model
from ecgpipe.models.cam import cam_target
from ecgpipe.models.inputs import to_input
from ecgpipe.models.ood import OodDetector, logits_and_features
from ecgpipe.predict.pages import InputPage, PageReader
from ecgpipe.predict.prediction import OodScore, Prediction, describe_model, predictions_of

BATCH = 8


class Predictor:
    """A saved model, ready to predict.

    Args:
        folder: of the saved model (``RUN_DIR/model``).
        threads: CPU threads; None: PyTorch's default.
        device: PyTorch's name; None: the GPU if there is one, else the CPU.
        plugin: Python file that registers the architecture of a user-defined model (``load_model``).

    Raises:
        DataError: not a saved model, damaged, or of another version of the format.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int | None = None,
        device: str | None = None,
        plugin: Path | str | None = None,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.folder = Path(folder)
        model, self.saved = load_model(folder, plugin)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device)
        self._config = self.reader().config
        self.detector = OodDetector.read(folder, self.saved.ood) if self.saved.ood is not None else None

    @property
    def description(self) -> dict[str, Any]:
        """The facts about the model that users of its predictions need; values for JSON."""
        return describe_model(self.saved, self.folder)

    def reader(self, **options: Any) -> PageReader:
        """A reader of files and records for this model; the options are those of ``PageReader``."""
        return PageReader(self.saved, **options)

    def inputs(self, pages: Sequence[InputPage]) -> torch.Tensor:
        """(n, channels, size, size): the model's input for pages."""
        packed = np.stack([pack(page.image) for page in pages])
        settings = self.saved.model
        return to_input(torch.from_numpy(packed).to(self.device), settings.image_size, settings.in_chans)

    def predict(self, pages: Sequence[InputPage]) -> list[Prediction]:
        """Predict pages in batches."""
        return [p for start in range(0, len(pages), BATCH) for p in self._batch(pages[start : start + BATCH])]

    def _batch(self, pages: Sequence[InputPage]) -> list[Prediction]:
        with torch.inference_mode():
            outputs = logits_and_features(self.model, self.inputs(pages))
        logits, features = (part.float().cpu().numpy() for part in outputs)
        ood: list[OodScore] | None = None
        if self.detector is not None:
            distances = self.detector.scores(features, np.stack([pack(page.image) for page in pages]))
            ood = [OodScore(*map(float, row)) for row in distances]
        return predictions_of(pages, logits, self.saved, ood)

    def overlay(self, page: InputPage, label: str, method: str | None = None) -> np.ndarray:
        """Draw the saliency map of a class over the page for display.

        Args:
            page: a predicted page.
            label: the class.
            method: of ``ecgpipe.explain.saliency``; None: gradcam, or integrated-gradients for a model without feature
                maps.

        Returns:
            uint8 (H, W, 3) RGB.

        Raises:
            ConfigError: no such class, or the method requires feature maps, which the model lacks.
        """
        from ecgpipe.explain.saliency import INTEGRATED, saliency_maps  # slow to import, and seldom needed

        if label not in self.saved.classes:
            raise ConfigError(f"class {label!r} is not a class of this model: {', '.join(self.saved.classes)}")
        if method is None:
            method = "gradcam" if _has_feature_maps(self.model) else INTEGRATED
        inputs = self.inputs([page]).cpu().contiguous()  # saliency_maps moves parts of them to the model's device
        saliency = saliency_maps(self.model, inputs, [self.saved.classes.index(label)], method, title=None)[0]
        return overlay(page.page, saliency, self._config.margins)


def _has_feature_maps(model: nn.Module) -> bool:
    try:
        cam_target(model)
    except ConfigError:
        return False
    return True
