"""Input files of a prediction: photos, scans, PDF pages and WFDB records, as pages and model-ready images."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ecgpipe.artifacts.dicom import is_recording
from ecgpipe.artifacts.digitized import SAMPLING_RATE
from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.page_files import Picture, is_record, pictures_in, read_bytes
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.artifacts.wfdb_header import record_path
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.imaging.redraw import digitize_picture, redrawn_image, redrawn_page
from ecgpipe.imaging.shard import image_of_page
from ecgpipe.lead_names import PRINTED_NAMES, printed_name
from ecgpipe.preprocess.apply import prepare
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page, short_note

DISPLAY_SIDE = 2600  # pixels of the rectified page for display


@dataclass(frozen=True)
class ShownLead:
    """A lead as the page shows it.

    Attributes:
        name: as printed, e.g. ``aVR``.
        start, end: seconds from the start of the page.
        line: (n, 2) points of its trace on the displayed page, x and y in pixels.
        shown: seconds at the first and at the last point; None: start and end.
    """

    name: str
    start: float
    end: float
    line: np.ndarray = field(repr=False)
    shown: tuple[float, float] | None = None


@dataclass(frozen=True)
class ShownRecording:
    """The part of a recording that a page shows.

    Attributes:
        signal: float (12, samples) mV, leads in the usual order; NaN where the page shows no trace.
        sampling_rate: Hz.
        leads: in the order in which they were found.
        details: layout, speed_mm_per_s, gain_mm_per_mv, missing, assumed (as in the JSON of ``ecgpipe digitize``).
    """

    signal: np.ndarray = field(repr=False)
    sampling_rate: float
    leads: tuple[ShownLead, ...]
    details: dict[str, Any]


@dataclass(frozen=True)
class InputPage:
    """A page to predict.

    Attributes:
        name: file or record, with the page number if the file has several pages.
        kind: image, pdf or record.
        page: uint8 (H, W, 3) RGB, upright, for display.
        image: uint8 (size, size) of 0 and 1, the input of an image model.
        rectified: whether the page was found at an angle and rectified.
        notes: remarks for the user.
        recording: the input of a signal model; None for an image model.
    """

    name: str
    kind: str
    page: np.ndarray = field(repr=False)
    image: np.ndarray = field(repr=False)
    rectified: bool = False
    notes: tuple[str, ...] = ()
    recording: ShownRecording | None = None


class FileReader(ABC):
    """Reads the pages of files and records.

    Args:
        derive_leads: compute III, aVR, aVL and aVF from I and II if a record lacks them.
        reading: further options of ``read_signal``: lead_names, uncalibrated_gain.
    """

    def __init__(self, derive_leads: bool, reading: Mapping[str, Any] | None) -> None:
        self._derive, self._reading = derive_leads, dict(reading or {})

    def read(self, path: Path) -> Iterator[InputPage | DataError]:
        """Read the pages of a file or record; yields a DataError for each page that cannot be used."""
        try:
            if is_record(path):
                yield self._record(path if is_recording(path) else record_path(path), str(path))
            else:
                yield from self.read_content(read_bytes(path), str(path))
        except DataError as error:
            yield error
        except OSError as error:  # for example a header without permission to read it
            yield DataError(f"{path}: cannot be read ({error.strerror or error}); check its permissions")

    def read_content(self, content: bytes, name: str) -> Iterator[InputPage | DataError]:
        """Read the pages of an image or PDF file; yields a DataError for each page that cannot be used."""
        for picture in pictures_in(content, name):
            if isinstance(picture, DataError):
                yield picture
                continue
            try:
                yield self._picture(picture)
            except DataError as error:
                yield error if picture.name in str(error) else DataError(f"{picture.name}: {error}")

    @abstractmethod
    def _picture(self, picture: Picture) -> InputPage: ...

    @abstractmethod
    def _record(self, record: Path, name: str) -> InputPage: ...

    def _signal(self, record: Path) -> tuple[np.ndarray, float]:
        """The signal of a record and its rate, as ``read_signal``.

        Raises:
            DataError: the record cannot be used; the message names the remedy.
        """
        try:
            return read_signal(record, record.name, None, self._derive, **self._reading)
        except RecordError as error:
            remedy = ""
            if error.problem == "missing-leads":
                derivable = "derive_leads" in error.detail
                remedy = ": --derive-leads" if derivable else "; a record of 12 leads is required"
            elif error.problem == "nan":
                remedy = "; if ecgpipe digitize wrote the record, give the picture of its page"
            raise DataError(f"{error.file}: {error.detail}{remedy}") from error


class PageReader(FileReader):
    """Reads files and records for a saved image model, with the preprocessing of its training.

    Args:
        saved: the model's description.
        layout: draw records in this layout (a name, or the path of a layout file) instead of the one used in training.
        derive_leads: compute III, aVR, aVL and aVF from I and II if a record lacks them; None: as in training.
        reading: further options of ``read_signal``: lead_names, uncalibrated_gain.

    Raises:
        DataError: the model does not store its preprocessing.
    """

    def __init__(
        self,
        saved: SavedModel,
        layout: str | None = None,
        derive_leads: bool | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        if saved.preprocessing is None:
            raise DataError(
                "config.json of this model has no key preprocessing; train and save it with this version of ecgpipe"
            )
        self.config: PreprocessConfig = saved.preprocessing
        drawing: dict[str, Any] = saved.drawing or {}
        self._render, self._layout = drawing.get("render"), layout
        trained, given = drawing.get("reading") or {}, dict(reading or {})
        names = {**(trained.get("lead_names") or {}), **(given.get("lead_names") or {})}
        super().__init__(
            bool(drawing.get("derive_leads")) if derive_leads is None else derive_leads,
            trained | given | ({"lead_names": names} if names else {}),
        )

    def _picture(self, picture: Picture) -> InputPage:
        if self.config.digitized:
            return self._digitized(picture)
        image, transform, notes = prepare(picture.image, self.config)
        if transform is None:
            return InputPage(picture.name, picture.kind, picture.image, image)
        upright = transform.upright(picture.image, DISPLAY_SIDE)
        height, width = picture.image.shape[:2]
        straightened = transform.straightens(width, height)
        return InputPage(picture.name, picture.kind, upright, image, rectified=straightened, notes=notes)

    def _record(self, record: Path, name: str) -> InputPage:
        signal, rate = self._signal(record)
        redraw = self.config.digitized
        config = self._canonical() if redraw and self._layout is None else self._render_config()
        try:
            page = render_page(signal, rate, config, gaps=redraw)
            prepared = redrawn_image(signal, rate, config, self.config) if redraw else image_of_page(page, self.config)
        except (ValueError, DataError) as error:  # the layout cannot show this signal, for example one far from 0 mV
            raise DataError(f"{name}: {error}") from error
        notes = []
        if note := short_note(signal.shape[1], rate, config):
            notes.append(note)
        shown = max(lead.end_sample for lead in page.leads)
        if signal.shape[1] > 1.01 * shown:
            notes.append(f"the page shows the first {shown / rate:g} s of {signal.shape[1] / rate:g} s")
        shown_page = page.image if prepared.transform is None else prepared.transform.upright(page.image, DISPLAY_SIDE)
        return InputPage(name, "record", shown_page, prepared.image, notes=tuple(notes))

    def _digitized(self, picture: Picture) -> InputPage:
        """The digitized page, redrawn as in training."""
        drawing = self._canonical()
        record = digitize_picture(picture.image, picture.name, self.config.reader_weights)
        image, transform, _ = redrawn_image(record.signal, SAMPLING_RATE, drawing, self.config)
        page = redrawn_page(record.signal, SAMPLING_RATE, drawing)
        notes = list(record.details["notes"])
        blank = {printed_name(slot.lead) for slot in layout_named(drawing.layout).slots}
        blank -= {lead.name for lead in page.leads}.union(record.details["missing"])
        if blank:
            unseen = ", ".join(name for name in PRINTED_NAMES if name in blank)
            notes.append(f"the model does not see {unseen}: the layout {drawing.layout} shows other seconds of them")
        shown = page.image if transform is None else transform.upright(page.image, DISPLAY_SIDE)
        return InputPage(picture.name, picture.kind, shown, image, notes=tuple(notes))

    def _canonical(self) -> RenderConfig:
        """How digitized pages were redrawn in training."""
        try:
            return RenderConfig(**self._render).clean if self._render else RenderConfig()
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"]))
            raise DataError(f"digitized pages cannot be drawn as in training: {key}: {problem['msg']}") from error

    def _render_config(self) -> RenderConfig:
        """How pages were drawn in training, without degradation; or the requested layout."""
        known = dict(self._render or {})
        if self._layout is None and not known:
            raise DataError(
                "this model does not store how records are drawn: it learned from image files or was saved by an older "
                "version; give the layout of its pages: --layout kit, cardiac-images, 6x2, 12x1 or a file"
            )
        if self._layout is None and known.get("renderer") == "ecg-image-kit":
            raise DataError(
                "ECG-Image-Kit drew the pages of this model; give the kit's page of this record, or use --layout kit "
                "to draw such a page with ecgpipe"
            )
        known |= {"degrade": {}, "renderer": "ecgpipe", "kit_path": None, "kit_options": {}}
        if self._layout is not None:
            known["layout"] = self._layout
        try:
            return RenderConfig(**known)
        except ValidationError as error:
            problem = error.errors()[0]
            raise DataError(
                f"records cannot be drawn as in training: {'.'.join(map(str, problem['loc']))}: {problem['msg']}; "
                "give the layout: --layout NAME or FILE"
            ) from error
