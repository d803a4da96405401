"""A model's prediction for a page: calibrated probabilities, thresholds and an out-of-distribution score."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgpipe.artifacts.model_folder import PREDICTED, SavedModel, probabilities_of
from ecgpipe.artifacts.recording_model import RecordingModel
from ecgpipe.errors import DataError
from ecgpipe.predict.pages import InputPage


@dataclass(frozen=True)
class OodScore:
    """Out-of-distribution score: distances from the training data, each divided by its limit.

    Attributes:
        features: distance of the model's features.
        ink: distance of the spatial distribution of ink; None for a signal model.
    """

    features: float
    ink: float | None = None

    @property
    def score(self) -> float:
        """The larger distance; above 1 is unusual."""
        return self.features if self.ink is None else max(self.features, self.ink)

    @property
    def unusual(self) -> bool:
        """Whether the image differs from the training images; true for NaN."""
        return not self.score <= 1


@dataclass(frozen=True)
class ThresholdResult:
    """Whether a class reaches a threshold of the evaluation.

    Attributes:
        specificity: the target for which the threshold was chosen.
        threshold: of the uncalibrated probability; None: no threshold achieves this specificity.
        chosen_on: the records on which it was chosen.
        reached: whether the uncalibrated probability reaches the threshold.
    """

    specificity: float
    threshold: float | None
    chosen_on: str
    reached: bool


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one page.

    Attributes:
        name, kind, rectified, notes: as in ``InputPage``.
        task: single or multilabel.
        classes: names, in the order of the outputs.
        uncalibrated: (classes,) probabilities of the model's outputs.
        calibrated: (classes,) with the stored calibration; None without one.
        predicted: single-label: the most probable class; multi-label: the classes of 0.5 or more.
        thresholds: class -> its thresholds of the evaluation; empty if none are stored.
        ood: out-of-distribution score; None if no statistics are stored.
        read: values read from the page for a signal model: layout, speed_mm_per_s, gain_mm_per_mv, missing (lead
            names), assumed (speed, gain); None for an image model.
    """

    name: str
    kind: str
    task: str
    classes: tuple[str, ...]
    uncalibrated: np.ndarray
    calibrated: np.ndarray | None
    predicted: tuple[str, ...]
    thresholds: dict[str, tuple[ThresholdResult, ...]]
    ood: OodScore | None
    rectified: bool
    notes: tuple[str, ...]
    read: dict[str, Any] | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """(classes,) calibrated if a calibration is stored."""
        return self.uncalibrated if self.calibrated is None else self.calibrated

    @property
    def top(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON (docs/predict.md)."""
        return {
            "name": self.name,
            "kind": self.kind,
            "rectified": self.rectified,
            "predicted": list(self.predicted),
            "classes": {
                label: {
                    "probability": float(self.probabilities[i]),
                    "uncalibrated": float(self.uncalibrated[i]),
                    "thresholds": [asdict(each) for each in self.thresholds.get(label, ())],
                }
                for i, label in enumerate(self.classes)
            },
            "out_of_distribution": self.ood
            and {"score": self.ood.score, "unusual": self.ood.unusual, **asdict(self.ood)},
            "notes": list(self.notes),
            "read": self.read,
        }


def predictions_of(
    pages: Sequence[InputPage],
    logits: np.ndarray,
    saved: SavedModel | RecordingModel,
    ood: Sequence[OodScore] | None,
) -> list[Prediction]:
    """The predictions of pages from their logits (n, classes), and their out-of-distribution scores, if known.

    Raises:
        DataError: the logits of a page are not finite; the message names it.
    """
    for page, row in zip(pages, logits, strict=True):
        if not np.isfinite(row).all():
            raise DataError(f"{page.name}: the model's output is not finite; train and save the model again")
    uncalibrated = probabilities_of(logits, saved.task)
    calibrated = saved.calibration.probabilities(logits, saved.task) if saved.calibration is not None else None
    return [
        Prediction(
            name=page.name,
            kind=page.kind,
            task=saved.task,
            classes=saved.classes,
            uncalibrated=uncalibrated[i],
            calibrated=None if calibrated is None else calibrated[i],
            predicted=_predicted((uncalibrated if calibrated is None else calibrated)[i], saved),
            thresholds=_thresholds(uncalibrated[i], saved),
            ood=None if ood is None else ood[i],
            rectified=page.rectified,
            notes=page.notes,
            read=None if page.recording is None else page.recording.details,
        )
        for i, page in enumerate(pages)
    ]


def _predicted(probabilities: np.ndarray, saved: SavedModel | RecordingModel) -> tuple[str, ...]:
    if saved.task == "single":
        return (saved.classes[int(probabilities.argmax())],)
    return tuple(np.array(saved.classes)[probabilities >= PREDICTED].tolist())


def _thresholds(uncalibrated: np.ndarray, saved: SavedModel | RecordingModel) -> dict[str, tuple[ThresholdResult, ...]]:
    """Compare the uncalibrated probabilities, on which the evaluation chose the thresholds."""
    results = {}
    for label, rows in (saved.thresholds or {}).items():
        probability = uncalibrated[saved.classes.index(label)]
        results[label] = tuple(
            ThresholdResult(
                specificity=row["asked_specificity"],
                threshold=row["threshold"],
                chosen_on=row["chosen_on"],
                reached=row["threshold"] is not None and bool(probability >= row["threshold"]),
            )
            for row in rows
        )
    return results


def describe_model(saved: SavedModel | RecordingModel, folder: Path) -> dict[str, Any]:
    """The facts about a model that users of its predictions need; values for JSON."""
    fitted, ood = saved.calibration, saved.ood
    return {
        "folder": str(folder),
        "variant": saved.variant,
        "task": saved.task,
        "classes": list(saved.classes),
        "trained_on": {key: saved.training.get(key) for key in ("dataset", "protocol", "seed")},
        "calibration": fitted
        and {
            "method": fitted.method,
            "fitted_on": fitted.fitted_on,
            "records": fitted.records,
            "left_out": list(fitted.left_out),
        },
        "out_of_distribution": ood and {"threshold": 1.0, "quantile": ood.quantile},
    }
