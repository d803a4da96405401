"""The variant `reader`: the traces of any page on a canvas of fixed size in millimetres."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.config.pages import READER_WEIGHTS, PreprocessConfig
from ecgpipe.errors import DataError

if TYPE_CHECKING:
    from ecgpipe.reader.network import ReaderNet

CANVAS = 280.0, 200.0
"""Width and height in mm: 10 s at 25 mm/s, and four rows of 30 mm or more."""
BORDER = 12.0  # mm around the bulk of the traces if it is larger than the canvas, which is then enlarged
STRAY = 0.02  # share of the traces at each edge that is ignored, so that false ink does not move the middle
Rows = tuple[tuple[float, float], tuple[float, float]]
"""Left and right end of a page's rows of traces, and its first and last baseline."""
MESH = 17  # points per side for the transform
MOST_SPARSE = 0.1
"""Share of ink pixels above which dense scaling is faster."""


class Canvas:
    """The canvas, in pixels of an upright page; its middle is the middle of the traces.

    Args:
        traces: bool (h, w); some must be true.
        pixels_per_mm: of the page.
        across, down: left and right end of the rows, and first and last row, pixels; None: of all traces.
    """

    def __init__(
        self,
        traces: np.ndarray,
        pixels_per_mm: float,
        across: tuple[float, float] | None = None,
        down: tuple[float, float] | None = None,
    ) -> None:
        # every column counts once, so that the thickness of the lines does not matter
        sides = [
            across or _extent(traces.any(axis=0), 1e-6),
            down or _extent((traces / np.maximum(traces.sum(axis=0), 1)).sum(axis=1)),
        ]
        needed = [(high - low) / pixels_per_mm + 2 * BORDER for low, high in sides]
        enlarged = max(1.0, *(need / have for need, have in zip(needed, CANVAS, strict=True)))
        middle = [(low + high) / 2 for low, high in sides]
        half = [have * enlarged * pixels_per_mm / 2 for have in CANVAS]
        self.left, self.top = (round(m - h) for m, h in zip(middle, half, strict=True))
        self.width, self.height = (max(1, round(2 * h)) for h in half)

    def cut(self, page: np.ndarray) -> np.ndarray:
        """The canvas cut from a page (h, w); 0 outside the page."""
        top, left = max(self.top, 0), max(self.left, 0)
        part = page[top : max(self.top + self.height, 0), left : max(self.left + self.width, 0)]
        cut = np.zeros((self.height, self.width), page.dtype)
        cut[top - self.top : top - self.top + part.shape[0], left - self.left : left - self.left + part.shape[1]] = part
        return cut

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Points as fractions of the canvas, and in pixels of the page; each (MESH * MESH, 2), row by row."""
        side = np.linspace(0, 1, MESH)
        share = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        return share, share * [self.width, self.height] + [self.left, self.top]


def _extent(weights: np.ndarray, stray: float = STRAY) -> tuple[float, float]:
    """First and last position with trace, without stray pixels."""
    total = np.cumsum(weights) / weights.sum()
    return float(np.searchsorted(total, stray)), float(np.searchsorted(total, 1 - stray) + 1)


@lru_cache(maxsize=16)
def _shares(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlap of ``length`` input pixels with ``size`` <= ``length`` output pixels.

    Returns the first output pixel of each input pixel, and the overlaps with it and with the next one, float (length,),
    in units in which an input pixel has the length ``size`` and an output pixel the length ``length``.
    """
    start = np.arange(length) * size
    first = start // length
    shared = np.minimum(start + size, (first + 1) * length) - start
    return first, shared.astype(np.float64), (size - shared).astype(np.float64)


def shrink(ink: np.ndarray, size: int, coverage: float) -> np.ndarray:
    """Scale ink to (size, size) without breaking thin lines.

    Args:
        ink: uint8 (H, W), 0 (none) to 255.

    Returns:
        uint8: 1 where ink covers at least ``coverage`` of a pixel's area, else 0.
    """
    least = int(np.ceil(coverage * 255)) - 0.5
    height, width = ink.shape
    flat = np.ascontiguousarray(ink).reshape(-1)
    points = np.flatnonzero(flat != 0)
    if min(height, width) < size or len(points) > MOST_SPARSE * ink.size:
        scaled = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)
        return cv2.threshold(scaled, int(least), 1, cv2.THRESH_BINARY)[1]
    # sparse ink: each pixel adds its value times the overlap to up to four output pixels
    stride = size + 1  # the overlap beyond the last row or column is zero
    rows, columns = np.divmod(points, width)
    (row, upper, lower), (column, left, right) = _shares(height, size), _shares(width, size)
    at = row[rows] * stride + column[columns]
    values = flat[points].astype(np.float64)
    upper, lower, left, right = values * upper[rows], values * lower[rows], left[columns], right[columns]
    total = np.bincount(
        np.concatenate([at, at + 1, at + stride, at + stride + 1]),
        np.concatenate([upper * left, upper * right, lower * left, lower * right]),
        stride * stride,
    )
    covered = total.reshape(stride, stride)[:size, :size] >= least * height * width
    return covered.view(np.uint8)


def canvas_of_traces(
    cover: np.ndarray, pixels_per_mm: float, config: PreprocessConfig, rows: Rows | None = None
) -> tuple[np.ndarray, PageTransform]:
    """The image of an undegraded page whose traces are known.

    Args:
        cover: uint8 (h, w), coverage of the page's traces, 0 to 255.
        rows: position of the rows, mm; None: taken from the traces.

    Returns:
        uint8 (size, size) of 0 and 1, and the canvas's position on the page.
    """
    across, down = ((a * pixels_per_mm, b * pixels_per_mm) for a, b in rows) if rows else (None, None)
    canvas = Canvas(cover > 127, pixels_per_mm, across, down)
    image = shrink(cv2.threshold(canvas.cut(cover), 127, 255, cv2.THRESH_BINARY)[1], config.size, config.coverage)
    share, points = canvas.mesh()
    return image, PageTransform.fitted(points / cover.shape[::-1], share)


def canvas_of_picture(
    picture: np.ndarray, config: PreprocessConfig
) -> tuple[np.ndarray, PageTransform, tuple[str, ...]]:
    """The image of a picture of a page.

    Args:
        picture: uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        uint8 (size, size) of 0 and 1, the canvas's position on the picture, and notes on possible problems.

    Raises:
        DataError: there is no ECG in the picture.
    """
    from ecgpipe.reader.page import understand_page

    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    page = understand_page(picture, reader_of(config.reader_weights))
    traces = page.leads.row_of >= 0
    rows = [[lead for lead in page.leads.leads if lead.row == row] for row in range(len(page.leads.rows))]
    left = np.median([min(lead.left for lead in row) for row in rows if row])  # stray ink affects only single rows
    right = np.median([max(lead.right for lead in row) for row in rows if row])
    mm = page.frame.pixels_per_mm
    canvas = Canvas(traces, mm, (float(left * mm), float(right * mm)))
    image = shrink(canvas.cut(traces * np.uint8(255)), config.size, config.coverage)
    share, points = canvas.mesh()
    places = page.in_picture(page.frame.in_picture(points))
    return image, PageTransform.fitted(places / picture.shape[1::-1], share), page.notes


@lru_cache(maxsize=2)
def reader_of(weights: str | None) -> "ReaderNet":
    """The page reader with these weights, or with those in the package.

    Raises:
        DataError: no such file, for example after a model was copied to another machine.
    """
    from ecgpipe.reader.read import load_reader

    if weights and not Path(weights).is_file():
        raise DataError(f"{weights}: no such file; copy the reader's weights there (key preprocess.reader_weights)")
    return load_reader(weights or READER_WEIGHTS)
