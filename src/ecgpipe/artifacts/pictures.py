"""Read image files into RGB arrays, with limits on their size."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ecgpipe.artifacts.unsupported_formats import HEAD, isobmff_kind, unsupported_format
from ecgpipe.errors import DataError

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "AVIF", "HEIF")
MAX_PIXELS = 60_000_000
MIN_SIDE, MAX_SIDE = 16, 32_000  # OpenCV does not warp longer pictures
MAX_FRAMES = 500  # of a TIFF file
ORIENTATION = 274  # tag of the camera's orientation
REDUCED, SUBFILE_TYPE = 1, 254  # TIFF: value and tag that mark a thumbnail


def read_image(data: bytes, name: str, frame: int = 0) -> np.ndarray:
    """Decode an image file.

    16-bit images are reduced to 8 bits, transparent pixels become white, and the camera's orientation is applied.

    Args:
        data: the content of a PNG, JPEG, TIFF, BMP, WebP, GIF (its first picture), JPEG 2000, AVIF or HEIC file. HEIC
            requires pillow-heif.
        name: for messages.
        frame: index of the image in a multi-image file.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        DataError: another format, a broken or truncated file, too small, over 60 million pixels, or over 32,000 pixels
            on one side.
    """
    with _opened(data, name) as picture:
        if frame:
            picture.seek(frame)
            check_size(picture.size, name)
        return to_rgb(picture)


def stored_orientation(data: bytes, name: str, frame: int = 0) -> int:
    """The camera's orientation of an image file (EXIF, 1 to 8); 1 without one.

    Arguments as in ``read_image``.

    Raises:
        DataError: as in ``read_image``.
    """
    with _opened(data, name) as picture:
        if frame:
            picture.seek(frame)
        orientation = picture.getexif().get(ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1


def as_stored(mask: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture, (H, W) or (H, W, 3), back to how a file with this EXIF orientation stores it."""
    if orientation >= 5:
        mask = mask.swapaxes(0, 1)
    if orientation in (2, 3, 7, 8):
        mask = mask[:, ::-1]
    if orientation in (3, 4, 6, 7):
        mask = mask[::-1]
    return np.ascontiguousarray(mask)


def page_frames(data: bytes, name: str) -> list[int]:
    """Return the indices of the pages in an image file: all but thumbnails of a TIFF file, else the first.

    Raises:
        DataError: as in ``read_image``, or more than 500 pages.
    """
    with _opened(data, name) as picture:
        if picture.format != "TIFF":
            return [0]
        frames: list[int] = []
        for number in range(MAX_FRAMES + 1):
            try:
                picture.seek(number)
            except EOFError:
                return frames or [0]
            if not picture.tag_v2.get(SUBFILE_TYPE, 0) & REDUCED:  # type: ignore[attr-defined]
                frames.append(number)
    raise DataError(f"{name}: more than {MAX_FRAMES} pages; split the file")


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Open a file after checking its size; errors while it is open become a DataError."""
    if isobmff_kind(data[:HEAD]) == "heif":
        _register_heif(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about unusual tags, and about sizes that are checked here
            with Image.open(io.BytesIO(data), formats=known_formats()) as picture:
                check_size(picture.size, name)
                yield picture
    except UnidentifiedImageError as error:
        broken = isobmff_kind(data[:HEAD]) and "a broken HEIC or AVIF photo; copy it again, or save it as JPEG"
        other = unsupported_format(data) or "not a PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000, HEIC or AVIF image"
        raise DataError(f"{name}: {broken or other}") from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{name}: more than {MAX_PIXELS / 1e6:.0f} million pixels; scan at a lower resolution"
        ) from error
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f"{name}: broken image file ({error}); copy or save it again") from error


def known_formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow reads: AVIF since 11.3, HEIF after ``_register_heif``.

    Files in Pillow's other formats are not opened, since some run programs: EPS runs Ghostscript.
    """
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _register_heif(name: str) -> None:
    """Let Pillow read HEIC photos, which it does not support by itself."""
    try:
        import pillow_heif
    except ImportError as error:
        raise DataError(f"{name}: HEIC photos require pillow-heif: pip install 'ecgpipe[predict]'") from error
    pillow_heif.register_heif_opener()


def check_size(size: tuple[int, int], name: str) -> None:
    """Raise DataError for a picture, width and height, that is too large or too small."""
    width, height = size
    if width * height > MAX_PIXELS:
        given, most = width * height / 1e6, MAX_PIXELS / 1e6
        raise DataError(f"{name}: {given:.3g} million pixels, more than {most:.0f} million; scan at a lower resolution")
    if max(size) > MAX_SIDE:
        raise DataError(f"{name}: {width} x {height} pixels, more than {MAX_SIDE} on one side; crop it")
    if min(size) < MIN_SIDE:
        raise DataError(f"{name}: {width} x {height} pixels, at least {MIN_SIDE} per side are required")


def to_rgb(picture: Image.Image) -> np.ndarray:
    """The pixels of an opened file, as ``read_image`` returns them."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16") or picture.mode in {"I", "F"}:
        return np.repeat(_eight_bits(np.asarray(picture))[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Convert wide grey values to uint8: by 1/257 for 16 bits, unchanged for 8 bits, else from their range."""
    if values.dtype == np.uint16:
        return np.round(np.arange(65536) / 257).astype(np.uint8)[values]  # a table avoids a wide copy
    if values.min() >= 0 and 255 < values.max() <= 65535:
        return np.round(values / 257).astype(np.uint8)
    if values.min() >= 0 and 1 < values.max() <= 255:
        return np.round(values).astype(np.uint8)
    return cv2.normalize(values.astype(np.float32), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
