"""The answers of the worker's process about a file: predictions and pictures, a WFDB record, a report."""

import base64
import io
import logging
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from ecgpipe.artifacts.dicom import RECORDING
from ecgpipe.artifacts.page_names import RECORD_OTHERS, page_stem
from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.predict import InputPage, Prediction, Predictor, RecordingPredictor
from ecgpipe.predict.explanation import explain_prediction
from ecgpipe.predict.recordings import marked_page
from ecgpipe.serve.plot import heat_in_plot, plot_of
from ecgpipe.serve.worker import Attachment

MAX_PAGES = 8  # per file; the command `ecgpipe predict` has no limit
KEPT_PAGES = 16  # in memory, so that the file is not read again for another class or a download
DISPLAY_SIDE = 2200  # pixels of the pictures in the browser, and of the pages in memory
NO_RECORDS = "Records cannot be read here: use `ecgpipe predict FILE` on the command line"

logger = logging.getLogger(__name__)


@dataclass
class _Marked:
    """A page with its prediction, and its latest overlay."""

    page: InputPage
    prediction: Prediction
    label: str = ""
    overlay: np.ndarray | None = None
    heat: np.ndarray | None = None


@dataclass(frozen=True)
class _File:
    pages: list[_Marked]
    errors: list[str]
    more: bool


class Answers:
    """Answers requests about files, whose content comes with each request; the latest pages are kept in memory.

    Args:
        predictor: the model.
        options: of the model's reader.
    """

    def __init__(self, predictor: Predictor | RecordingPredictor, options: Mapping[str, Any] | None = None) -> None:
        self.predictor, self.options = predictor, dict(options or {})
        self._files: OrderedDict[bytes, _File] = OrderedDict()

    def answer(
        self,
        action: str,
        content: bytes,
        name: str,
        label: str | None,
        number: int,
        scales: Mapping[str, float] | None = None,
    ) -> dict | Attachment:
        """Answer a request.

        Args:
            action: predict, overlay, record or report.
            content: of the file.
            name: of the file.
            label: class of overlays; None, or a class that the model does not know: the most probable one.
            number: of the page in the file, from 0; predict answers for all pages.
            scales: speed and gain of the pages, if known, for a signal model.

        Raises:
            EcgpipeError: there is no answer; predict returns its errors instead.
        """
        file = self._read(content, name, dict(scales or {}))
        if action == "predict":
            return self._pages(file, label)
        if not 0 <= number < len(file.pages):
            raise DataError("; ".join(file.errors) or f"{name}: has no page {number + 1}")
        page = file.pages[number]
        if action == "overlay":
            return self._overlay(page, label)
        if action == "record":
            return self._record(page)
        return self._report(page, label)

    def _read(self, content: bytes, name: str, scales: dict[str, float]) -> _File:
        key = sha256(f"{name}\0{sorted(scales.items())}\0".encode() + content).digest()
        file = self._files.pop(key, None)
        file = self._predicted(content, name, scales) if file is None else file
        if file.pages:  # no other requests are possible for other files
            self._files[key] = file
        while len(self._files) > 1 and sum(len(each.pages) for each in self._files.values()) > KEPT_PAGES:
            self._files.popitem(last=False)
        return file

    def _predicted(self, content: bytes, name: str, scales: dict[str, float]) -> _File:
        if PurePath(name).suffix.lower() in RECORD_SUFFIXES:
            return _File([], [f"{name}: {NO_RECORDS}"], False)
        pages: list[_Marked] = []
        errors: list[str] = []
        try:
            for page in self.predictor.reader(**self.options, **scales).read_content(content, name):
                if len(pages) + len(errors) == MAX_PAGES:
                    return _File(pages, errors, True)
                if isinstance(page, InputPage):
                    try:
                        pages.append(_Marked(_for_display(page), self.predictor.predict([page])[0]))
                    except DataError as error:
                        errors.append(str(error))
                    except Exception as error:
                        errors.append(_unexpected(page.name, error))
                else:
                    errors.append(str(page).replace(RECORDING, NO_RECORDS))
        except EcgpipeError as error:
            errors.append(str(error))
        except Exception as error:
            errors.append(_unexpected(name, error))
        return _File(pages, errors, False)

    def _pages(self, file: _File, label: str | None) -> dict[str, Any]:
        pages, errors = [], list(file.errors)
        for number, each in enumerate(file.pages):
            try:
                pages.append(self._page(number, each, label))
            except EcgpipeError as error:
                errors.append(f"{each.page.name}: {error}")
            except Exception as error:
                errors.append(_unexpected(each.page.name, error))
        return {"pages": pages, "errors": errors, "more": file.more}

    def _page(self, number: int, marked: _Marked, label: str | None) -> dict[str, Any]:
        page, recording = marked.page, marked.page.recording
        return {
            "number": number,
            "prediction": marked.prediction.to_dict(),
            "words": explain_prediction(marked.prediction, self.predictor.description),
            "page": _data_url(page.page, "JPEG"),
            "image": _data_url((1 - page.image) * 255, "PNG") if recording is None else None,
            "plot": None if recording is None else plot_of(recording),
        } | self._overlay(marked, label)

    def _overlay(self, marked: _Marked, label: str | None) -> dict[str, Any]:
        self._mark(marked, label)
        recording = marked.page.recording
        return {
            "overlay_of": marked.label,
            "overlay": _data_url(marked.overlay, "JPEG"),
            "heat": None if recording is None or marked.heat is None else heat_in_plot(recording, marked.heat),
        }

    def _mark(self, marked: _Marked, label: str | None) -> None:
        label = label if label in self.predictor.saved.classes else marked.prediction.top
        if label == marked.label:
            return
        if isinstance(self.predictor, RecordingPredictor):
            marked.heat = self.predictor.heat(marked.page, label)
            marked.overlay = marked_page(marked.page, marked.heat)
        else:
            marked.overlay = self.predictor.overlay(marked.page, label)
        marked.label = label

    def _record(self, marked: _Marked) -> Attachment:
        recording = marked.page.recording
        if recording is None:
            raise DataError(f"{marked.page.name}: this model does not digitize pages; use ecgpipe digitize")
        from ecgpipe.reader.record import write_record  # wfdb: slow to import, seldom needed

        stem = page_stem(marked.page.name, RECORD_OTHERS)
        packed = io.BytesIO()
        with tempfile.TemporaryDirectory(prefix="ecgpipe-") as folder, zipfile.ZipFile(packed, "w") as archive:
            write_record(Path(folder) / stem, recording.signal, recording.sampling_rate)
            for suffix in (".dat", ".hea"):
                part = f"{stem}{suffix}"
                archive.write(Path(folder) / part, part, zipfile.ZIP_DEFLATED)
        return Attachment(f"{page_stem(marked.page.name)}.zip", "application/zip", packed.getvalue())

    def _report(self, marked: _Marked, label: str | None) -> Attachment:
        from ecgpipe.serve.report import report_pdf  # matplotlib: slow to import, seldom needed

        self._mark(marked, label)
        words = explain_prediction(marked.prediction, self.predictor.description)
        content = report_pdf(marked.prediction, words, marked.overlay, marked.label, self.predictor.description)
        return Attachment(f"{page_stem(marked.page.name)}-report.pdf", "application/pdf", content)


def _unexpected(name: str, error: Exception) -> str:
    """Log an error, and say for the web page that it happened."""
    logger.error("%s", name, exc_info=error)
    return f"{name}: unexpected {type(error).__name__}"


def _for_display(page: InputPage) -> InputPage:
    """The page with a picture of at most DISPLAY_SIDE, since large scans would fill the memory."""
    shown = Image.fromarray(page.page)
    shown.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    recording = page.recording
    if recording is not None:
        scale = np.array(shown.size) / page.page.shape[1::-1]
        recording = replace(recording, leads=tuple(replace(lead, line=lead.line * scale) for lead in recording.leads))
    return replace(page, page=np.asarray(shown), recording=recording)


def _data_url(picture: np.ndarray, kind: str) -> str:
    shown = Image.fromarray(picture)
    stream = io.BytesIO()
    shown.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
