"""Where on the page traces are: one rectangle for a whole data set, found without labels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.errors import DataError

SPARE = 0.005
"""Share of the page's sides added around the traces, for their width and for rounding."""
CHUNK = 256


def trace_area(files: Iterable[Path | str], margins: tuple[float, float, float, float] = (0, 0, 0, 0)) -> dict:
    """The smallest rectangle that holds the ink of every model-ready image, a little enlarged.

    It is the same for every record, so that its shape says nothing of a record, and it holds what stands between
    the traces too: lead names, calibration pulses, separators.

    Args:
        files: image arrays of all shards.
        margins: shares of the page that the images do not show: top, right, bottom, left.

    Returns:
        The content of area.json: ``top``, ``bottom``, ``left``, ``right`` (0 to 1), ``records``.

    Raises:
        DataError: there are no images, or none has ink.
    """
    union, records = None, 0
    for file in files:
        packed = open_images(file)
        records += len(packed)
        for start in range(0, len(packed), CHUNK):
            part = np.bitwise_or.reduce(packed[start : start + CHUNK], axis=0)
            union = part if union is None else union | part
    if union is None or not union.any():
        raise DataError("no image has ink; see the problems tables")
    ink = unpack(union)
    up, right, down, left = margins
    top, bottom = _reach(ink.any(axis=1), up, 1 - down)
    first, last = _reach(ink.any(axis=0), left, 1 - right)
    return {"top": top, "bottom": bottom, "left": first, "right": last, "records": records}


def _reach(inked: np.ndarray, start: float, stop: float) -> tuple[float, float]:
    """From where to where, as shares of the page, a side of the image that shows start to stop has ink."""
    places = np.flatnonzero(inked)
    scale = (stop - start) / len(inked)
    low, high = start + scale * places[0] - SPARE, start + scale * (places[-1] + 1) + SPARE
    return round(max(0.0, float(low)), 6), round(min(1.0, float(high)), 6)


def mask_page(page: np.ndarray, area: dict) -> np.ndarray:
    """A copy of a grey page (H, W) uint8 with the area of the traces white."""
    height, width = page.shape
    masked = page.copy()
    rows = slice(int(np.floor(area["top"] * height)), int(np.ceil(area["bottom"] * height)))
    columns = slice(int(np.floor(area["left"] * width)), int(np.ceil(area["right"] * width)))
    masked[rows, columns] = 255
    return masked


def outside_pixels(area: dict, width: int, height: int) -> np.ndarray:
    """(height, width) bool: the pixels of a thumbnail that do not touch the area."""
    rows = _apart(height, area["top"], area["bottom"])
    return rows[:, None] | _apart(width, area["left"], area["right"])[None, :]


def _apart(length: int, start: float, stop: float) -> np.ndarray:
    edges = np.arange(length + 1) / length
    return (edges[1:] <= start) | (edges[:-1] >= stop)
