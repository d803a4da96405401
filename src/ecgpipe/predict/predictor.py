"""Predictions of a saved model, with calibrated probabilities, thresholds, a word on unusual images, and overlays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpipe.artifacts.images import pack
from ecgpipe.artifacts.model_folder import probabilities_of
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.explain.overlay import overlay
from ecgpipe.explain.saliency import saliency_maps
from ecgpipe.models import load_model
from ecgpipe.models.inputs import to_input
from ecgpipe.models.ood import OodDetector, logits_and_features
from ecgpipe.predict.pages import GivenPage, PageReader
from ecgpipe.preprocess.apply import prepare

CALLED = 0.5  # multi-label: calibrated probability from which a class is called
BATCH = 8
QUARTERS = {"upside down": 2, "clockwise": 1, "anticlockwise": 3}


@dataclass(frozen=True)
class Unusual:
    """How far an image is from the training images.

    Attributes:
        features, ink: distances of the model's features and of where the ink is, each divided by its limit.
    """

    features: float
    ink: float

    @property
    def score(self) -> float:
        """The out-of-distribution score, the larger of both; above 1 is unusual."""
        return max(self.features, self.ink)

    @property
    def unusual(self) -> bool:
        """Whether the image does not look like those of the training."""
        return not self.score <= 1


@dataclass(frozen=True)
class Decision:
    """Whether a class is called at a threshold of the evaluation.

    Attributes:
        specificity: that the threshold was chosen for.
        threshold: of the uncalibrated probability; None: none reaches that specificity, so nothing is called.
        chosen_on: the records that it was chosen on.
    """

    specificity: float
    threshold: float | None
    chosen_on: str
    called: bool


@dataclass(frozen=True)
class Prediction:
    """What a model says of one page.

    Attributes:
        name: of the page.
        kind: image, pdf or record.
        classes: names, in the order of the outputs.
        raw: (classes,) probabilities as the model gives them.
        calibrated: (classes,) with the stored calibration; None: none is stored.
        called: single: the class of the highest probability; multi-label: those of 0.5 or more.
        decisions: by class, at the thresholds of the evaluation; empty without them.
        unusual: distance from the training images; None: no statistics are stored.
        straightened, notes: as of the page.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    raw: np.ndarray
    calibrated: np.ndarray | None
    called: tuple[str, ...]
    decisions: dict[str, tuple[Decision, ...]]
    unusual: Unusual | None
    straightened: bool
    notes: tuple[str, ...]

    @property
    def probabilities(self) -> np.ndarray:
        """(classes,) calibrated where that is stored."""
        return self.raw if self.calibrated is None else self.calibrated

    @property
    def top(self) -> str:
        """The class of the highest probability."""
        return self.classes[int(self.probabilities.argmax())]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready (docs/predict.md)."""
        return {
            "name": self.name,
            "kind": self.kind,
            "straightened": self.straightened,
            "called": list(self.called),
            "classes": {
                label: {
                    "probability": float(self.probabilities[i]),
                    "raw": float(self.raw[i]),
                    "decisions": [vars(decision) for decision in self.decisions.get(label, ())],
                }
                for i, label in enumerate(self.classes)
            },
            "out_of_distribution": self.unusual
            and {
                "score": self.unusual.score,
                "unusual": self.unusual.unusual,
                "features": self.unusual.features,
                "ink": self.unusual.ink,
            },
            "notes": list(self.notes),
        }


class Predictor:
    """A saved model, ready to predict.

    Args:
        folder: of the saved model (``RUN_DIR/model``).
        threads: CPU threads; None leaves PyTorch's choice.
        device: PyTorch's name; None: a GPU if there is one, else the CPU.
        plugin: Python file that registers the architecture, for a model of one's own (``load_model``).

    Raises:
        DataError: no saved model, or broken, or of another version of the format.
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
    def about(self) -> dict[str, Any]:
        """What a reader of predictions should know of the model; JSON-ready."""
        saved, fitted, ood = self.saved, self.saved.calibration, self.saved.ood
        return {
            "folder": str(self.folder),
            "variant": saved.variant,
            "task": saved.task,
            "classes": list(saved.classes),
            "trained_on": {key: saved.training.get(key) for key in ("dataset", "protocol", "seed")},
            "calibration": fitted
            and {"method": fitted.method, "fitted_on": fitted.fitted_on, "records": fitted.records},
            "out_of_distribution": ood and {"threshold": 1.0, "quantile": ood.quantile},
        }

    def reader(self, layout: str | None = None, derive_leads: bool | None = None) -> PageReader:
        """What reads files and records for this model."""
        return PageReader(self.saved, layout, derive_leads)

    def inputs(self, pages: Sequence[GivenPage]) -> torch.Tensor:
        """(n, channels, size, size): what the model sees of pages."""
        packed = np.stack([pack(page.image) for page in pages])
        settings = self.saved.model
        return to_input(torch.from_numpy(packed).to(self.device), settings.image_size, settings.in_chans)

    def predict(self, pages: Sequence[GivenPage]) -> list[Prediction]:
        """Predictions of pages, a few at a time."""
        told = [one for start in range(0, len(pages), BATCH) for one in self._batch(pages[start : start + BATCH])]
        return [self._with_hint(page, one) for page, one in zip(pages, told, strict=True)]

    def _with_hint(self, page: GivenPage, prediction: Prediction) -> Prediction:
        """Of an unusual picture, whether it would be usual if it were turned."""
        if prediction.unusual is None or not prediction.unusual.unusual or page.kind == "record":
            return prediction
        for angle, quarters in QUARTERS.items():
            try:
                image = prepare(np.ascontiguousarray(np.rot90(page.page, -quarters)), self._config).image
            except DataError:
                continue
            turned = self._batch([replace(page, image=image)])[0].unusual
            if turned is not None and not turned.unusual:
                hint = f"turned {angle} it would look like the training images: turn the file and try again"
                return replace(prediction, notes=(*prediction.notes, hint))
        return prediction

    def _batch(self, pages: Sequence[GivenPage]) -> list[Prediction]:
        with torch.inference_mode():
            outputs = logits_and_features(self.model, self.inputs(pages))
        logits, features = (part.float().cpu().numpy() for part in outputs)
        saved = self.saved
        raw = probabilities_of(logits, saved.task)
        calibrated = saved.calibration.probabilities(logits, saved.task) if saved.calibration is not None else None
        distances = None
        if self.detector is not None:
            distances = self.detector.scores(features, np.stack([pack(page.image) for page in pages]))
        return [
            Prediction(
                name=page.name,
                kind=page.kind,
                classes=saved.classes,
                raw=raw[i],
                calibrated=None if calibrated is None else calibrated[i],
                called=self._called((raw if calibrated is None else calibrated)[i]),
                decisions=self._decisions(raw[i]),
                unusual=None if distances is None else Unusual(*map(float, distances[i])),
                straightened=page.straightened,
                notes=page.notes,
            )
            for i, page in enumerate(pages)
        ]

    def _called(self, probabilities: np.ndarray) -> tuple[str, ...]:
        if self.saved.task == "single":
            return (self.saved.classes[int(probabilities.argmax())],)
        return tuple(np.array(self.saved.classes)[probabilities >= CALLED].tolist())

    def _decisions(self, raw: np.ndarray) -> dict[str, tuple[Decision, ...]]:
        """The evaluation's thresholds are of probabilities as they come."""
        decisions = {}
        for label, rows in (self.saved.thresholds or {}).items():
            own = raw[self.saved.classes.index(label)]
            decisions[label] = tuple(
                Decision(
                    specificity=row["asked_specificity"],
                    threshold=row["threshold"],
                    chosen_on=row["chosen_on"],
                    called=row["threshold"] is not None and bool(own >= row["threshold"]),
                )
                for row in rows
            )
        return decisions

    def overlay(self, page: GivenPage, label: str, method: str = "gradcam") -> np.ndarray:
        """Where the model looks for a class, drawn over the readable page.

        Args:
            page: what was predicted.
            label: the class.
            method: gradcam, or another of ``ecgpipe.explain.saliency``.

        Returns:
            uint8 (H, W, 3) RGB.

        Raises:
            ConfigError: no such class, or an architecture that has no maps.
        """
        if label not in self.saved.classes:
            raise ConfigError(f"class {label!r} is none of this model's: {', '.join(self.saved.classes)}")
        inputs = self.inputs([page])
        if self.device.type == "cpu":
            inputs = inputs.contiguous()
        found = saliency_maps(self.model, inputs, [self.saved.classes.index(label)], method, title=None)[0]
        return overlay(page.page, found, self._config.margins)
