"""Predictions as text for people, and saliency overlays as files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.model_folder import PREDICTED, WHY_PREDICTED, SavedModel
from ecgpipe.artifacts.recording_model import RecordingModel
from ecgpipe.errors import ConfigError
from ecgpipe.predict.pages import InputPage
from ecgpipe.predict.prediction import OodScore, Prediction
from ecgpipe.predict.predictor import Predictor
from ecgpipe.predict.recordings import RecordingPredictor


def format_prediction(prediction: Prediction) -> str:
    """A few lines: one line per class, most probable first, then notes."""
    lines = [prediction.name + (": page straightened" if prediction.rectified else "")]
    width = max(map(len, prediction.classes))
    for i in (-prediction.probabilities).argsort(kind="stable"):
        label = prediction.classes[i]
        marks = [WHY_PREDICTED[prediction.task]] if label in prediction.predicted else []
        reached = [each.specificity for each in prediction.thresholds.get(label, ()) if each.reached]
        if reached:
            marks.append(f"reaches its threshold for {max(reached):.0%} specificity")
        lines.append(f"  {label:<{width}}  {prediction.probabilities[i]:6.1%}  {', '.join(marks)}".rstrip())
    if not prediction.predicted:
        lines.append(f"  no class has {PREDICTED:.0%} or more; the most probable is {prediction.top}")
    if prediction.read is not None:
        lines.append(f"  read: {describe_read(prediction.read)}")
    lines += [f"  note: {note}" for note in prediction.notes]
    if prediction.ood is not None and prediction.ood.unusual:
        lines.append(f"  UNUSUAL: {_ood_message(prediction.ood)}")
    return "\n".join(lines)


def describe_read(read: Mapping[str, Any]) -> str:
    """What was read from a page, in a few words."""
    parts = [str(read["layout"])]
    if read["speed_mm_per_s"] is not None:
        parts.append(f"{read['speed_mm_per_s']:.3g} mm/s, {read['gain_mm_per_mv']:g} mm/mV")
    missing = ", ".join(read["missing"])
    return ", ".join([*parts, f"without {missing}" if missing else "all 12 leads"])


def _ood_message(ood: OodScore) -> str:
    if ood.ink is None:
        return (
            f"this page differs from the training records (score {ood.score:.2f}, limit 1). Compare the digitized "
            "leads with the page (ecgpipe digitize). Do not rely on the probabilities."
        )
    part = "the position of its ink" if ood.ink >= ood.features else "the model's features"
    return (
        f"this image differs from the training images ({part}; score {ood.score:.2f}, limit 1). Is it a whole, upright "
        "ECG page in a layout that the model learned? Do not rely on the probabilities."
    )


def describe_calibration(saved: SavedModel | RecordingModel) -> str:
    """One or two sentences on the calibration and the out-of-distribution score of a model."""
    fitted = saved.calibration
    if fitted is None:
        text = (
            "This model has no calibration: its probabilities may be too high or too low (evaluate the run and save it "
            "again: ecgpipe card RUN_DIR)."
        )
    else:
        method = {"temperature": "temperature scaling", "platt": "Platt scaling"}[fitted.method]
        records = "validation records" if fitted.fitted_on == "validation" else "of the reported records"
        text = f"Probabilities are calibrated ({method} on {fitted.records} {records})."
        if fitted.left_out:
            text += f" Not calibrated: {', '.join(fitted.left_out)}."
    return text if saved.ood is not None else f"{text} No out-of-distribution score available."


class OverlayFolder:
    """Writes saliency overlays, one PNG file per page, named after the page; names are unique.

    Args:
        predictor: the model.
        folder: created if missing.
        method: saliency method; None: the model's default.
        label: the class; None: the most probable class of each page.

    Raises:
        ConfigError: no such class.
    """

    def __init__(
        self, predictor: Predictor | RecordingPredictor, folder: Path, method: str | None, label: str | None
    ) -> None:
        classes = predictor.saved.classes
        if label is not None and label not in classes:
            raise ConfigError(f"--cam-class {label!r} is not a class of this model: {', '.join(classes)}")
        self.predictor, self.folder, self.method, self.label = predictor, folder, method, label
        self._used: set[str] = set()

    def write(self, page: InputPage, prediction: Prediction) -> str:
        """Write the overlay of a page and return its path."""
        label = self.label or prediction.top
        path = self.folder / f"{self._name(page, label)}.png"
        picture = self.predictor.overlay(page, label, **({} if self.method is None else {"method": self.method}))
        with atomic_path(path) as partial:
            Image.fromarray(picture).save(partial)
        return str(path)

    def _name(self, page: InputPage, label: str) -> str:
        file, separator, number = page.name.rpartition(", page ")
        parts = [Path(file if separator else page.name).stem, f"p{number}" if separator else "", label]
        plain = re.sub(r"[^\w.+-]+", "-", "-".join(filter(None, parts))).strip("-")
        name, count = plain, 1
        while name.lower() in self._used:  # two folders may have a file of the same name
            count += 1
            name = f"{plain}-{count}"
        self._used.add(name.lower())
        return name
