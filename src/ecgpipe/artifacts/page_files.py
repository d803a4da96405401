"""Files of pages, as pictures: photos, scans, pages of PDF files; folders are searched."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ecgpipe.artifacts.pictures import page_frames, read_image, stored_orientation
from ecgpipe.artifacts.sources import IMAGE_SUFFIXES, Folder
from ecgpipe.errors import DataError

PICTURES = IMAGE_SUFFIXES | {".webp", ".pdf"}  # suffixes searched for in folders
MAX_FILE_BYTES = 1 << 29
PDF_DPI = 200  # the resolution at which pages are rendered by default
PDF_MAX_SIDE = 4000  # pixels; larger sheets get a lower resolution
PDF_MAX_PAGES = 500
POINTS_PER_INCH = 72
HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1", b"ftypavif")


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
        content = read_bytes(path)
    except DataError as error:
        yield error
        return
    yield from pictures_in(content, str(path))


def pictures_in(content: bytes, name: str) -> Iterator[Picture | DataError]:
    """Read the pages in the content of an image or PDF file; a page that cannot be used is a DataError."""
    try:
        check_content(content, name)
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
            yield Picture(page_name, "image", image, stored_orientation(content, page_name))
        except DataError as error:
            yield error


def find_files(paths: Iterable[Path], suffixes: frozenset[str] | set[str]) -> list[Path]:
    """List files and records (as header files), folders searched recursively, without repetitions.

    Args:
        paths: files, records (with or without .hea) and folders.
        suffixes: of the files to find in folders, lower case.

    Raises:
        DataError: a folder contains none.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            names = [name for name in Folder(path).names() if PurePath(name).suffix.lower() in suffixes]
            if not names:
                kinds = "images, PDF files or WFDB headers" if ".hea" in suffixes else "images or PDF files"
                raise DataError(f"{path}: no {kinds} in this folder; give another folder, or files")
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
