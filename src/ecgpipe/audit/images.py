"""What an audit keeps of an image, and what may be odd about it.

Most of an ECG page is the same form on every page, so a hash of the whole page calls strangers twins. The sketch is a
map of dark ink; what all pages of a data set share is subtracted before maps are compared (audit.twins).
"""

import hashlib
import io
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps

from ecgpipe.audit.sketch import Sketch
from ecgpipe.errors import RecordError

WORK = (1152, 768)
DETAIL = (192, 128)
"""Columns and rows of the map that decides: about 1.5 mm of a page each."""
GRID = (72, 48)
"""Columns and rows of the map to search with."""
MAX_PIXELS = 60_000_000
BLANK = 5e-4


def sketch_image(content: bytes, record_id: str, name: str) -> Sketch:
    """Digest, ink maps and oddities of an image file.

    Args:
        content: the file's bytes.
        record_id, name: for messages.

    Returns:
        ``sketch`` (72 x 48,) and ``detail`` (128, 192): darkness of the ink, 0 to 127.

    Raises:
        RecordError: not an image, broken, or over 60 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise RecordError(record_id, name, "too-large", f"{picture.width} x {picture.height} pixels")
                form = {
                    "size": f"{picture.width} x {picture.height}",
                    "mode": picture.mode,
                    "format": str(picture.format),
                }
                # a JPEG is decoded at the smallest scale that is still larger; does nothing to other formats
                picture.draft("RGB", WORK)
                image = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except RecordError:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files
        raise RecordError(record_id, name, "unreadable", f"not a readable image ({error})") from error
    ink = _ink(image)
    anomalies = []
    if ink.mean() < BLANK:
        anomalies.append(("blank", f"{100 * ink.mean():.3f}% of the page is ink"))
    detail, sketch = (
        np.clip(np.round(cv2.resize(ink, size, interpolation=cv2.INTER_AREA) * scale), 0, 127).astype(np.int8)
        for size, scale in ((DETAIL, 254), (GRID, 400))
    )
    return Sketch(hashlib.sha256(content).hexdigest(), form, anomalies, sketch.ravel(), detail)


def _ink(image: np.ndarray) -> np.ndarray:
    """Darkness against the paper around, (768, 1152) float32 from 0 to 1."""
    # the lightest channel: coloured grids are light in it, black ink is not
    light = cv2.resize(image, WORK, interpolation=cv2.INTER_AREA).max(axis=2)
    small = cv2.resize(light, (144, 96), interpolation=cv2.INTER_AREA)
    paper = cv2.blur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((9, 9))), (9, 9))
    paper = np.maximum(cv2.resize(paper, WORK).astype(np.float32), 1)
    return np.clip((0.75 - light / paper) * 2, 0, 1)
