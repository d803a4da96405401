"""What is given to be predicted: files, folders and records, and what is wrong with a file that is none of these."""

from collections.abc import Iterable
from pathlib import Path, PurePath

from ecgpipe.artifacts.sources import IMAGE_SUFFIXES, Folder
from ecgpipe.errors import DataError

SUFFIXES = IMAGE_SUFFIXES | {".webp", ".pdf", ".hea"}
"""Of the files that a folder is searched for."""

LARGEST = 1 << 29
"""Bytes of a file that is still read."""

HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1", b"ftypavif")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Files and records (as their header file) to predict, folders with all below them, each once, in order.

    Raises:
        DataError: a folder holds none of them.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            names = [name for name in Folder(path).names() if PurePath(name).suffix.lower() in SUFFIXES]
            if not names:
                raise DataError(
                    f"{path}: no images, PDF files or WFDB headers in this folder; give another one, or the files"
                )
            found |= dict.fromkeys(path / name for name in names)
        elif path.is_file() and path.suffix.lower() != ".dat":
            found[path] = None
        else:
            header = path.with_suffix(".hea") if path.suffix.lower() == ".dat" else path.with_name(path.name + ".hea")
            found[header if header.is_file() else path] = None
    return list(found)


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        DataError: missing, unreadable, empty, or over 512 MB.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path}: {size / 1e6:.0f} MB are too much for a page; split the file")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or record; check the name") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    check_content(content, str(path))
    return content


def check_content(content: bytes, name: str) -> None:
    """Refuse what is no image and no PDF file, with the remedy.

    Raises:
        DataError: empty, or a kind of file that people give by mistake.
    """
    if not content:
        raise DataError(f"{name}: empty (0 bytes); copy or save it again")
    head = content[:1024]
    if head[4:12] in HEIC:
        raise DataError(f"{name}: a HEIC or AVIF photo, which is not read; save it as JPEG or PNG")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        raise DataError(f"{name}: an SVG drawing, which is not read; save it as PNG or PDF")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"{", b"%!ps")):
        raise DataError(f"{name}: a text file, no image; give a photo, a scan, a PDF file or a WFDB record")
    if start.startswith(b"gif8"):
        raise DataError(f"{name}: a GIF image, which is not read; save it as PNG")
    if b"\0" not in head and _is_text(head):
        raise DataError(f"{name}: a text file, no image; give a photo, a scan, a PDF file or a WFDB record")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return not text.startswith("%PDF-") and all(character.isprintable() or character.isspace() for character in text)


def is_pdf(content: bytes) -> bool:
    """Whether it is a PDF file, by its mark, which may have a little before it."""
    return b"%PDF-" in content[:1024]
