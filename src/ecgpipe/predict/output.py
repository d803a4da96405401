"""Predictions as text for people, and saliency overlays as files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.page_names import ResultNames, source_of
from ecgpipe.artifacts.recording_model import RecordingModel
from ecgpipe.predict.explanation import explain_prediction
from ecgpipe.predict.pages import InputPage
from ecgpipe.predict.prediction import Prediction
from ecgpipe.predict.predictor import Predictor
from ecgpipe.predict.recordings import RecordingPredictor


def format_prediction(prediction: Prediction, model: Mapping[str, Any]) -> str:
    """A few lines: the most probable class, one line per class, how sure, the values read from the page, and notes.

    Args:
        prediction: of a page.
        model: ``Predictor.description``.
    """
    words = explain_prediction(prediction, model)
    lines = [prediction.name + (": page straightened" if prediction.rectified else ""), f"  {words['summary']}"]
    width = max(map(len, prediction.classes))
    for row in words["classes"]:
        lines.append(f"    {row['label']:<{width}}  {row['probability']:6.1%}  {row['result']}".rstrip())
    lines.append(f"  {words['sure']}")
    if words["read"]:
        lines.append("  read: " + "; ".join(f"{term.lower()} {text}" for term, text in words["read"]))
    lines += [f"  note: {note}" for note in words["notes"]]
    if words["unusual"]:
        lines.append(f"  {words['unusual']}")
    return "\n".join(lines)


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
        records = "validation records" if fitted.fitted_on == "validation" else "of the scored records"
        text = f"Probabilities are calibrated ({method} on {fitted.records} {records})."
        if fitted.left_out:
            text += f" Not calibrated: {', '.join(fitted.left_out)}."
    return text if saved.ood is not None else f"{text} No out-of-distribution score available."


class OverlayFolder:
    """Writes saliency overlays, one PNG file per page, named after the page; overlays of other pages are kept.

    Args:
        predictor: the model.
        folder: created if missing.
        method: saliency method; None: the model's default.
        label: the class; None: the most probable class of each page.
        inputs: files that are read, which no overlay replaces.
    """

    def __init__(
        self,
        predictor: Predictor | RecordingPredictor,
        folder: Path,
        method: str | None,
        label: str | None,
        inputs: Iterable[Path] = (),
    ) -> None:
        self.predictor, self.folder, self.method, self.label = predictor, folder, method, label
        self._names = ResultNames(folder, [".png"], inputs)

    def write(self, page: InputPage, prediction: Prediction) -> str:
        """Write the overlay of a page and return its path."""
        label = self.label or prediction.top
        picture = self.predictor.overlay(page, label, self.method)
        path = self.folder / f"{self._names.stem(page.name, label)}.png"
        info = PngInfo()
        info.add_itxt("source", source_of(page.name))
        with atomic_path(path) as partial:
            Image.fromarray(picture).save(partial, pnginfo=info)
        return str(path)
