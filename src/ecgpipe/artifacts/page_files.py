"""Files of pages, as pictures: photos, scans, pages of PDF files; folders are searched."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ecgpipe.artifacts.dicom import RECORDING, is_dicom, is_recording, read_page
from ecgpipe.artifacts.page_names import results_in
from ecgpipe.artifacts.pictures import page_frames, read_image, stored_orientation
from ecgpipe.artifacts.sources import Folder, segments_of
from ecgpipe.artifacts.unsupported_formats import unsupported_format
from ecgpipe.artifacts.wfdb_header import RECORD_SUFFIXES, find_header, record_path
from ecgpipe.errors import DataError

MAX_FILE_BYTES = 1 << 29
NAMED = 5  # skipped files in a message
PDF_DPI = 200  # the resolution at which pages are rendered by default
PDF_MAX_SIDE = 4000  # pixels; larger sheets get a lower resolution
PDF_MAX_PAGES = 500
POINTS_PER_INCH = 72


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        name: the file, with the page number if it has several pages.
        kind: image or pdf.
        image: uint8 (H, W, 3) RGB, turned as the camera's orientation says.
        orientation: the camera's orientation (EXIF, 1 to 8); 1 if the picture is stored upright.
    """

    name: str
    kind: str
    image: np.ndarray = field(repr=False)
    orientation: int = 1


def read_pictures(path: Path) -> Iterator[Picture | DataError]:
    """Read the pages of an image or PDF file; a page that cannot be used is a DataError in the sequence."""
    try:
        if is_record(path):
            raise DataError(f"{path}: {RECORDING}")
        content = read_bytes(path)
    except DataError as error:
        yield error
        return
    yield from pictures_in(content, str(path))


def pictures_in(content: bytes, name: str) -> Iterator[Picture | DataError]:
    """Read the pages in the content of an image or PDF file; a page that cannot be used is a DataError."""
    try:
        check_content(content, name)
        if is_dicom(content):
            page = read_page(content, name)
            if isinstance(page, np.ndarray):
                yield Picture(name, "image", page)
                return
            content = page
        if is_pdf(content):
            for number, page in enumerate(pdf_pages(content, name), 1):
                yield page if isinstance(page, DataError) else Picture(f"{name}, page {number}", "pdf", page)
            return
        frames = page_frames(content, name)
    except DataError as error:
        yield error
        return
    for number, frame in enumerate(frames, 1):
        page_name = name if len(frames) == 1 else f"{name}, page {number}"
        try:
            image = read_image(content, page_name, frame)
            yield Picture(page_name, "image", image, stored_orientation(content, page_name, frame))
        except DataError as error:
            yield error


@dataclass
class Found:
    """The files of a command's arguments.

    Attributes:
        files: files to read, without repetitions; for a record, its header.
        skipped: other files in folders.
    """

    files: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)

    def note(self) -> str | None:
        """The number and names of skipped files; None if there are none."""
        return f"skipped {_counted(self.skipped)}" if self.skipped else None


def is_record(path: Path) -> bool:
    """Whether a path denotes a recording: a WFDB record, given by any of its files, or a DICOM recording."""
    return _header_of(path) is not None or is_recording(path)


def _header_of(path: Path) -> Path | None:
    """The header of the WFDB record that a path denotes, by any of its files or without suffix; None if it is none."""
    if path.suffix.lower() == ".hea":
        return path
    if path.suffix.lower() in RECORD_SUFFIXES and (header := find_header(record_path(path))):
        return header
    return None if path.exists() else find_header(path)


def find_files(paths: Iterable[Path], suffixes: frozenset[str] | set[str]) -> Found:
    """List files and records, folders searched recursively, without pictures that ``read`` and ``digitize`` wrote.

    Args:
        paths: files, records (any of their files, or without suffix) and folders.
        suffixes: lower-case suffixes of the files to find in folders; .hea finds records, but not their segments.

    Raises:
        DataError: a folder contains none; the message names what it contains.
    """
    found, files, skipped = Found(), {}, {}
    for path in paths:
        if path.is_dir():
            names = Folder(path).names()
            results = results_in(path, names)
            used = [name for name in names if PurePath(name).suffix.lower() in suffixes and name not in results]
            left = _left(names, used)
            headers = [name for name in used if name.lower().endswith(".hea")]
            segments = segments_of(Folder(path), headers)
            parts = {name for name in headers if name[: -len(".hea")] in segments}
            used = [name for name in used if name not in parts]
            if not used:
                kinds = "images, PDF files or WFDB headers" if ".hea" in suffixes else "images or PDF files"
                there = f"it has {_counted(left)}" if left else "it is empty"
                raise DataError(f"{path}: no {kinds} in this folder; give another folder, or files ({there})")
            files |= dict.fromkeys(path / name for name in used)
            skipped |= dict.fromkeys(path / name for name in left)
        else:
            files[_header_of(path) or path] = None
    found.files, found.skipped = list(files), list(skipped)
    return found


def _left(names: list[str], used: list[str]) -> list[str]:
    """The names that are not used, and not the data of a record that is."""
    records = {name[: -len(".hea")].casefold() for name in used if name.lower().endswith(".hea")}
    taken = set(used) | {
        name
        for name in names
        if PurePath(name).suffix.lower() in RECORD_SUFFIXES and name.rpartition(".")[0].casefold() in records
    }
    return [name for name in names if name not in taken]


def _counted(files: Sequence[object]) -> str:
    """How many other files there are, and the first names."""
    named = ", ".join(map(str, files[:NAMED])) + (", ..." if len(files) > NAMED else "")
    return f"{len(files)} other {'file' if len(files) == 1 else 'files'}: {named}"


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        DataError: missing, unreadable, or over 512 MB.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(f"{path}: {size / 1e6:.0f} MB, more than {MAX_FILE_BYTES / 1e6:.0f}; split the file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or record; check the name") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def check_content(content: bytes, name: str) -> None:
    """Reject content that is neither an image nor a PDF file.

    Raises:
        DataError: empty, or of a kind that people give by mistake; the message has the remedy.
    """
    if not content:
        raise DataError(f"{name}: empty (0 bytes); copy or save it again")
    if unsupported := unsupported_format(content):
        raise DataError(f"{name}: {unsupported}")
    head = content[:1024]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
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
    """Whether the content is a PDF file; the signature may follow a few other bytes."""
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
