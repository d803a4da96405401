"""Predictions of a signal model: the page is digitized, and its leads are the model's input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpipe.artifacts.digitized import DETAILS
from ecgpipe.artifacts.page_files import Picture
from ecgpipe.artifacts.page_transform import LEVEL
from ecgpipe.artifacts.recording_model import holds_recording_model
from ecgpipe.config.box import BOX_FOLDER
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.explain.recordings import heat_of, lead_relevance, mark_traces
from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.models.recording_folder import load_features, load_recording_model, page_output
from ecgpipe.models.recordings import RATE, at_network_rate
from ecgpipe.predict.pages import FileReader, InputPage, ShownLead, ShownRecording
from ecgpipe.predict.prediction import OodScore, Prediction, describe_model, predictions_of
from ecgpipe.predict.predictor import Predictor
from ecgpipe.preprocess.canvas import reader_of
from ecgpipe.reader.digitize import digitize, missing_leads
from ecgpipe.reader.templates import Layout
from ecgpipe.render.page import render_page, short_note

RECORD_LAYOUT = "12x1"
"""Records are drawn in this layout, which shows ten seconds of all leads."""
SIGNAL_METHOD = "integrated-gradients"
"""The saliency method of signal models."""
READ = [*(key for key in DETAILS if key not in ("digitized", "notes")), "assumed"]


class RecordingReader(FileReader):
    """Reads files and records as recordings.

    Args:
        layout: draw records in this layout (a name, or the path of a layout file).
        derive_leads: compute III, aVR, aVL and aVF from I and II if a record lacks them.
        reading: further options of ``read_signal``: lead_names, uncalibrated_gain.
        speed, gain, layouts: of pages, as in ``digitize``.
    """

    def __init__(
        self,
        layout: str | None = None,
        derive_leads: bool | None = None,
        reading: Mapping[str, Any] | None = None,
        speed: float | None = None,
        gain: float | None = None,
        layouts: Sequence[Layout] | None = None,
    ) -> None:
        super().__init__(bool(derive_leads), reading)
        self._known: dict[str, Any] = {"speed": speed, "gain": gain, "layouts": layouts}
        self._drawing = RenderConfig(layout=layout or RECORD_LAYOUT)

    def _picture(self, picture: Picture) -> InputPage:
        recording = digitize(picture.image, reader_of(None), **self._known)
        summary = recording.summary()
        shown = ShownRecording(
            recording.signal,
            recording.sampling_rate,
            tuple(
                ShownLead(lead.name, lead.start, lead.end, line, lead.shown)
                for lead, line in zip(recording.leads, recording.lines, strict=True)
            ),
            {key: summary[key] for key in READ},
        )
        page = recording.page.upright(picture.image)
        return InputPage(
            picture.name,
            picture.kind,
            page,
            np.zeros((0, 0), np.uint8),
            rectified=abs(summary["rotation_degrees"]) > LEVEL,
            notes=recording.notes,
            recording=shown,
        )

    def _record(self, record: Path, name: str) -> InputPage:
        signal, rate = self._signal(record)
        try:
            page = render_page(signal, rate, self._drawing, gaps=True)
        except (ValueError, DataError) as error:  # the layout cannot show this signal, for example one far from 0 mV
            raise DataError(f"{name}: {error}") from error
        count = max(lead.end_sample for lead in page.leads)
        note = short_note(signal.shape[1], rate, self._drawing)
        notes = [note] if note else []
        if signal.shape[1] > 1.01 * count:
            notes.append(f"the model sees the first {count / rate:g} s of {signal.shape[1] / rate:g} s")
        leads = tuple(
            ShownLead(lead.name, lead.start_sample / rate, lead.end_sample / rate, lead.pixels) for lead in page.leads
        )
        seen = signal[:, :count]
        details = dict.fromkeys(READ) | {"layout": "record", "missing": missing_leads(seen), "assumed": []}
        recording = ShownRecording(seen, rate, leads, details)
        return InputPage(
            name, "record", page.image, np.zeros((0, 0), np.uint8), notes=tuple(notes), recording=recording
        )


class RecordingPredictor:
    """A saved signal model, ready to predict; used like ``Predictor``.

    Args:
        folder: of the saved model.
        threads: CPU threads; None: PyTorch's default.

    Raises:
        DataError: not such a model, damaged, or of another version of the format.
    """

    def __init__(self, folder: Path | str, *, threads: int | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.folder = Path(folder)
        self.net, self.saved = load_recording_model(folder)
        self._features = load_features(folder) if self.saved.ood is not None else None

    @property
    def description(self) -> dict[str, Any]:
        """As ``Predictor.description``."""
        return describe_model(self.saved, self.folder)

    def reader(self, **options: Any) -> RecordingReader:
        """A reader of files and records for this model; the options are those of ``RecordingReader``."""
        return RecordingReader(**options)

    def predict(self, pages: Sequence[InputPage]) -> list[Prediction]:
        """Predict pages.

        Raises:
            DataError: a page shows no lead for long enough; the message names it.
        """
        outputs = []
        for page in pages:
            try:
                outputs.append(page_output(self.net, self._signal(page)))
            except DataError as error:
                raise DataError(f"{page.name}: {error}") from error
        if not outputs:
            return []
        ood = None
        if self._features is not None and self.saved.ood is not None:
            distances = self._features.distance(np.stack([each.features for each in outputs]))
            ood = [OodScore(float(distance)) for distance in distances / self.saved.ood.features]
        return predictions_of(pages, np.stack([each.logits for each in outputs]), self.saved, ood)

    def overlay(self, page: InputPage, label: str, method: str | None = None) -> np.ndarray:
        """Mark the seconds of each lead that support a class.

        Args:
            page: a predicted page.
            label: the class.
            method: integrated-gradients, the only one for recordings, or None.

        Returns:
            uint8 (H, W, 3) RGB, the page as displayed.

        Raises:
            ConfigError: no such class or method.
        """
        if method not in (SIGNAL_METHOD, None):
            raise ConfigError(f"{method}: a signal model has only {SIGNAL_METHOD}")
        return marked_page(page, self.heat(page, label))

    def heat(self, page: InputPage, label: str) -> np.ndarray:
        """(12, samples) at 100 Hz, 0 to 1: how much each sample of each lead supports a class.

        Raises:
            ConfigError: no such class.
        """
        if label not in self.saved.classes:
            raise ConfigError(f"class {label!r} is not a class of this model: {', '.join(self.saved.classes)}")
        return heat_of(self.relevance(page, label))

    def relevance(self, page: InputPage, label: str) -> np.ndarray:
        """(12, samples) at 100 Hz: how much each sample adds to the logit of a class (``lead_relevance``)."""
        return lead_relevance(self.net, self._signal(page), self.saved.classes.index(label))

    def _signal(self, page: InputPage) -> np.ndarray:
        if page.recording is None:
            raise ValueError(f"{page.name}: read the page with the reader of this model")
        return at_network_rate(page.recording.signal, page.recording.sampling_rate)


def marked_page(page: InputPage, heat: np.ndarray) -> np.ndarray:
    """Mark heat (12, samples at 100 Hz, 0 to 1) along the traces of a page: uint8 (H, W, 3) RGB."""
    lines = []
    for lead in page.recording.leads if page.recording else ():
        if len(lead.line) < 2 or lead.name not in PRINTED_NAMES:
            continue
        x = lead.line[:, 0]
        seconds = np.interp(x, [x[0], x[-1]], lead.shown or (lead.start, lead.end))
        row = heat[PRINTED_NAMES.index(lead.name)]
        lines.append((lead.line, np.interp(seconds * RATE, np.arange(len(row)), row)))
    return mark_traces(page.page, lines)


def load_predictor(
    folder: Path | str | None = None, *, threads: int | None = None, plugin: Path | str | None = None
) -> Predictor | RecordingPredictor:
    """A saved image or signal model, ready to predict; None loads the built-in model.

    Raises:
        DataError: not a saved model, damaged, or of another version of the format.
        ConfigError: a plugin for a signal model.
    """
    folder = BOX_FOLDER if folder is None else Path(folder)
    if holds_recording_model(folder):
        if plugin is not None:
            raise ConfigError(f"plugin {plugin}: {folder} is a signal model, which has none; omit it")
        return RecordingPredictor(folder, threads=threads)
    return Predictor(folder, threads=threads, plugin=plugin)
