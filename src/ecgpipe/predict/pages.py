"""From what was given to a page that people can read and the image that the model reads, just as in its training."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.imaging.shard import image_of_page
from ecgpipe.predict.files import check_content, is_pdf, read_bytes
from ecgpipe.predict.pdf import pdf_pages
from ecgpipe.preprocess.apply import Prepared, prepare, read_image
from ecgpipe.preprocess.read import page_frames
from ecgpipe.preprocess.trace import scaled_traces
from ecgpipe.render.page import render_page, render_trace_coverage

LONGEST = 2600  # pixels of the page that is shown
Margins = tuple[float, float, float, float]


@dataclass(frozen=True)
class GivenPage:
    """A page to predict.

    Attributes:
        name: of the file or record, with the number of the page where it has several.
        kind: image, pdf or record.
        page: uint8 (H, W, 3) RGB, upright, to be looked at.
        image: uint8 (size, size) of 0 and 1, the model's.
        straightened: whether a page was found at an angle and turned upright.
        notes: what a reader of the prediction should know.
    """

    name: str
    kind: str
    page: np.ndarray = field(repr=False)
    image: np.ndarray = field(repr=False)
    straightened: bool = False
    notes: tuple[str, ...] = ()


class PageReader:
    """Reads files and records for a saved model.

    Args:
        saved: the model's description.
        layout: draw records by this layout (a name, or the path of a layout file) instead of the training's.
        derive_leads: compute III, aVR, aVL and aVF from I and II where a record lacks them; None: as in training.

    Raises:
        DataError: the model does not say how pages became images.
    """

    def __init__(self, saved: SavedModel, layout: str | None = None, derive_leads: bool | None = None) -> None:
        if saved.preprocessing is None:
            raise DataError(
                "this model does not say how pages became images (config.json: preprocessing); train and save it "
                "with this version of ecgpipe"
            )
        self.config: PreprocessConfig = saved.preprocessing
        drawing: dict[str, Any] = saved.drawing or {}
        self._render, self._layout = drawing.get("render"), layout
        self._derive = bool(drawing.get("derive_leads")) if derive_leads is None else derive_leads

    def read(self, path: Path) -> Iterator[GivenPage | DataError]:
        """The pages of a file or record; a DataError in the place of each that cannot be used."""
        try:
            if path.suffix.lower() == ".hea":
                yield self._record(path.with_suffix(""), str(path))
            else:
                yield from self.read_content(read_bytes(path), str(path))
        except DataError as error:
            yield error

    def read_content(self, content: bytes, name: str) -> Iterator[GivenPage | DataError]:
        """The pages of an image or PDF file; a DataError in the place of each that cannot be used."""
        try:
            check_content(content, name)
            if is_pdf(content):
                yield from self._pdf(content, name)
                return
            frames = page_frames(content, name)
        except DataError as error:
            yield error
            return
        for number, frame in enumerate(frames, 1):
            own = name if len(frames) == 1 else f"{name}, page {number}"
            try:
                yield self._picture(read_image(content, own, frame), own, "image")
            except DataError as error:
                yield _named(error, own)

    def _pdf(self, content: bytes, name: str) -> Iterator[GivenPage | DataError]:
        for number, picture in enumerate(pdf_pages(content, name), 1):
            own = f"{name}, page {number}"
            if isinstance(picture, DataError):
                yield picture
                continue
            try:
                yield self._picture(picture, own, "pdf")
            except DataError as error:
                yield _named(error, own)

    def _picture(self, picture: np.ndarray, name: str, kind: str) -> GivenPage:
        image, turn = prepare(picture, self.config)
        if turn is None:
            return GivenPage(name, kind, picture, image)
        return GivenPage(name, kind, turn.upright(picture, LONGEST), image, straightened=True)

    def _record(self, record: Path, name: str) -> GivenPage:
        try:
            signal, rate = read_signal(record, record.name, None, self._derive)
        except RecordError as error:
            remedy = ""
            if error.problem == "missing-leads":
                able = "derive_leads" in error.detail
                remedy = ": --derive-leads" if able else "; records of 12 leads are needed"
            raise DataError(f"{error.file}: {error.detail}{remedy}") from error
        config = self._drawn_by()
        notes = []
        try:
            page = render_page(signal, rate, config)
            if self.config.from_traces:
                prepared = Prepared(scaled_traces(render_trace_coverage(signal, rate, config), self.config), None)
            else:
                prepared = image_of_page(page, self.config)
        except ValueError as error:  # a signal that the layout has no use for, such as a short one
            raise DataError(f"{name}: {error}") from error
        shown = max(lead.end_sample for lead in page.leads)
        if signal.shape[1] > 1.01 * shown:
            notes.append(f"the page shows the first {shown / rate:g} s of {signal.shape[1] / rate:g} s")
        if prepared.transform is not None:  # a layout without straight lines to know an upright page by
            upright = prepared.transform.upright(page.image, LONGEST)
            return GivenPage(name, "record", upright, prepared.image, True, tuple(notes))
        return GivenPage(name, "record", page.image, prepared.image, False, tuple(notes))

    def _drawn_by(self) -> RenderConfig:
        """How to draw a record: as in training, but nothing of its paper's wear; or by the layout asked for."""
        known = dict(self._render or {})
        if self._layout is None and not known:
            raise DataError(
                "this model does not say how records are drawn, since it learned from image files or was saved by an "
                "older version; name the layout that its pages have: --layout kit, cardiac-images, 6x2, 12x1 or a file"
            )
        if self._layout is None and known.get("renderer") == "ecg-image-kit":
            raise DataError(
                "this model's pages were drawn by ECG-Image-Kit; give the page that it draws of this record, or "
                "--layout kit for this package's drawing of the same page"
            )
        known |= {"degrade": {}, "renderer": "ecgpipe", "kit_path": None}
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


def _named(error: DataError, name: str) -> DataError:
    return error if name in str(error) else DataError(f"{name}: {error}")
