"""Input files of a prediction: photos, scans, PDF pages and WFDB records, as pages and model-ready images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from pydantic import ValidationError

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.artifacts.sources import IMAGE_SUFFIXES, Folder
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.imaging.shard import image_of_page
from ecgpipe.preprocess.apply import Prepared, prepare
from ecgpipe.preprocess.read import page_frames, read_image
from ecgpipe.preprocess.trace import scaled_traces
from ecgpipe.render.page import render_page, render_trace_coverage

SUFFIXES = IMAGE_SUFFIXES | {".webp", ".pdf", ".hea"}  # searched for in folders
MAX_FILE_BYTES = 1 << 29
DISPLAY_SIDE = 2600  # pixels of the rectified page for display
PDF_DPI = 200  # the resolution at which pages are rendered by default
PDF_MAX_SIDE = 4000  # pixels; larger sheets get a lower resolution
PDF_MAX_PAGES = 500
POINTS_PER_INCH = 72
HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1", b"ftypavif")


@dataclass(frozen=True)
class InputPage:
    """A page to predict.

    Attributes:
        name: file or record, with the page number if the file has several pages.
        kind: image, pdf or record.
        page: uint8 (H, W, 3) RGB, upright, for display.
        image: uint8 (size, size) of 0 and 1, the model's input.
        rectified: whether a page was found at an angle and rectified.
        notes: remarks for the reader of the prediction.
    """

    name: str
    kind: str
    page: np.ndarray = field(repr=False)
    image: np.ndarray = field(repr=False)
    rectified: bool = False
    notes: tuple[str, ...] = ()


class PageReader:
    """Reads files and records for a saved model, with the preprocessing of its training.

    Args:
        saved: the model's description.
        layout: draw records in this layout (a name, or the path of a layout file) instead of the training's.
        derive_leads: compute III, aVR, aVL and aVF from I and II if a record lacks them; None: as in training.

    Raises:
        DataError: the model does not store its preprocessing.
    """

    def __init__(self, saved: SavedModel, layout: str | None = None, derive_leads: bool | None = None) -> None:
        if saved.preprocessing is None:
            raise DataError(
                "config.json of this model has no key preprocessing; train and save it with this version of ecgpipe"
            )
        self.config: PreprocessConfig = saved.preprocessing
        drawing: dict[str, Any] = saved.drawing or {}
        self._render, self._layout = drawing.get("render"), layout
        self._derive = bool(drawing.get("derive_leads")) if derive_leads is None else derive_leads

    def read(self, path: Path) -> Iterator[InputPage | DataError]:
        """Read the pages of a file or record; a page that cannot be used is a DataError in the sequence."""
        try:
            if path.suffix.lower() == ".hea":
                yield self._record(path.with_suffix(""), str(path))
            else:
                yield from self.read_content(read_bytes(path), str(path))
        except DataError as error:
            yield error

    def read_content(self, content: bytes, name: str) -> Iterator[InputPage | DataError]:
        """Read the pages of an image or PDF file; a page that cannot be used is a DataError in the sequence."""
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
            page_name = name if len(frames) == 1 else f"{name}, page {number}"
            try:
                yield self._picture(read_image(content, page_name, frame), page_name, "image")
            except DataError as error:
                yield _with_name(error, page_name)

    def _pdf(self, content: bytes, name: str) -> Iterator[InputPage | DataError]:
        for number, picture in enumerate(pdf_pages(content, name), 1):
            page_name = f"{name}, page {number}"
            if isinstance(picture, DataError):
                yield picture
                continue
            try:
                yield self._picture(picture, page_name, "pdf")
            except DataError as error:
                yield _with_name(error, page_name)

    def _picture(self, picture: np.ndarray, name: str, kind: str) -> InputPage:
        image, transform = prepare(picture, self.config)
        if transform is None:
            return InputPage(name, kind, picture, image)
        return InputPage(name, kind, transform.upright(picture, DISPLAY_SIDE), image, rectified=True)

    def _record(self, record: Path, name: str) -> InputPage:
        try:
            signal, rate = read_signal(record, record.name, None, self._derive)
        except RecordError as error:
            remedy = ""
            if error.problem == "missing-leads":
                derivable = "derive_leads" in error.detail
                remedy = ": --derive-leads" if derivable else "; a record of 12 leads is required"
            raise DataError(f"{error.file}: {error.detail}{remedy}") from error
        config = self._render_config()
        try:
            page = render_page(signal, rate, config)
            if self.config.from_traces:
                prepared = Prepared(scaled_traces(render_trace_coverage(signal, rate, config), self.config), None)
            else:
                prepared = image_of_page(page, self.config)
        except ValueError as error:  # the layout cannot show this signal, for example a short one
            raise DataError(f"{name}: {error}") from error
        notes = []
        shown = max(lead.end_sample for lead in page.leads)
        if signal.shape[1] > 1.01 * shown:
            notes.append(f"the page shows the first {shown / rate:g} s of {signal.shape[1] / rate:g} s")
        # a layout without straight lines may be rectified although it was drawn upright
        transform = prepared.transform
        shown_page = page.image if transform is None else transform.upright(page.image, DISPLAY_SIDE)
        return InputPage(name, "record", shown_page, prepared.image, transform is not None, tuple(notes))

    def _render_config(self) -> RenderConfig:
        """The drawing of the training without degradation, or the requested layout."""
        known = dict(self._render or {})
        if self._layout is None and not known:
            raise DataError(
                "this model does not store how records are drawn: it learned from image files or was saved by an older "
                "version; give the layout of its pages: --layout kit, cardiac-images, 6x2, 12x1 or a file"
            )
        if self._layout is None and known.get("renderer") == "ecg-image-kit":
            raise DataError(
                "ECG-Image-Kit drew this model's pages; give its page of this record, or use --layout kit for this "
                "package's drawing of the same page"
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


def find_files(paths: Iterable[Path]) -> list[Path]:
    """List the files and records (as header files) to predict, folders searched recursively, without repetitions.

    Raises:
        DataError: a folder contains none.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            names = [name for name in Folder(path).names() if PurePath(name).suffix.lower() in SUFFIXES]
            if not names:
                raise DataError(
                    f"{path}: no images, PDF files or WFDB headers in this folder; give another folder, or files"
                )
            files |= dict.fromkeys(path / name for name in names)
        elif path.is_file() and path.suffix.lower() != ".dat":
            files[path] = None
        else:
            header = path.with_suffix(".hea") if path.suffix.lower() == ".dat" else path.with_name(path.name + ".hea")
            files[header if header.is_file() else path] = None
    return list(files)


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        DataError: missing, unreadable, empty, not an image or PDF file, or over 512 MB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(f"{path}: {size / 1e6:.0f} MB, more than {MAX_FILE_BYTES / 1e6:.0f}; split the file")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or record; check the name") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    check_content(content, str(path))
    return content


def check_content(content: bytes, name: str) -> None:
    """Reject content that is neither an image nor a PDF file.

    Raises:
        DataError: empty, or of a kind that people give by mistake; the message has the remedy.
    """
    if not content:
        raise DataError(f"{name}: empty (0 bytes); copy or save it again")
    head = content[:1024]
    if head[4:12] in HEIC:
        raise DataError(f"{name}: HEIC and AVIF photos are not supported; save it as JPEG or PNG")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        raise DataError(f"{name}: SVG drawings are not supported; save it as PNG or PDF")
    if start.startswith(b"gif8"):
        raise DataError(f"{name}: GIF images are not supported; save it as PNG")
    markup = start.startswith((b"<!doctype", b"<html", b"<?xml", b"{", b"%!ps"))
    if markup or (b"\0" not in head and _is_text(head)):
        raise DataError(f"{name}: a text file, not an image; give a photo, a scan, a PDF file or a WFDB record")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return not text.startswith("%PDF-") and all(character.isprintable() or character.isspace() for character in text)


def is_pdf(content: bytes) -> bool:
    """Whether it is a PDF file; its signature may follow a few other bytes."""
    return b"%PDF-" in content[:1024]


def pdf_pages(content: bytes, name: str) -> Iterator[np.ndarray | DataError]:
    """Render the pages of a PDF file with PDFium, uint8 (H, W, 3) RGB on white.

    A page that cannot be rendered is a DataError in the sequence.

    Raises:
        DataError: not a PDF file, encrypted, without a page or with more than 500; or pypdfium2 is not installed.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise DataError(f"{name}: PDF files require pypdfium2: pip install 'ecgpipe[predict]'") from error
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "assword" in str(error):
            raise DataError(f"{name}: a PDF file with a password; save it without one") from error
        raise DataError(f"{name}: the PDF file is broken or has no page; save it again") from error
    try:
        count = len(document)
        if not count:
            raise DataError(f"{name}: the PDF file has no page; save it again")
        if count > PDF_MAX_PAGES:
            raise DataError(f"{name}: the PDF file has {count} pages, more than {PDF_MAX_PAGES}; split it")
        for number in range(count):
            try:
                yield _pdf_page(document[number])
            except (pypdfium2.PdfiumError, MemoryError, ValueError) as error:
                yield DataError(f"{name}, page {number + 1}: cannot be rendered ({error}); save the file again")
    finally:
        document.close()


def _pdf_page(page: Any) -> np.ndarray:
    longer_side = max(page.get_size())
    if not longer_side > 0:
        raise ValueError("its size is zero")
    bitmap = page.render(scale=min(PDF_DPI / POINTS_PER_INCH, PDF_MAX_SIDE / longer_side))
    try:
        return np.array(bitmap.to_pil().convert("RGB"))
    finally:
        bitmap.close()
        page.close()


def _with_name(error: DataError, name: str) -> DataError:
    return error if name in str(error) else DataError(f"{name}: {error}")
