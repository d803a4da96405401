"""Scale ink to the size of the model's image without breaking thin lines."""

from functools import lru_cache

import cv2
import numpy as np

MOST_SPARSE = 0.1
"""Share of ink pixels above which dense scaling is faster."""


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
    """Scale ink to (size, size).

    Args:
        ink: uint8 (H, W), 0 (none) to 255.

    Returns:
        uint8: 1 where ink covers at least ``coverage`` of a pixel's area, else 0.
    """
    least = int(np.ceil(coverage * 255)) - 0.5
    height, width = ink.shape
    flat = np.ascontiguousarray(ink).reshape(-1)
    places = np.flatnonzero(flat != 0)
    if min(height, width) < size or len(places) > MOST_SPARSE * ink.size:
        scaled = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)
        return cv2.threshold(scaled, int(least), 1, cv2.THRESH_BINARY)[1]
    # sparse ink: each pixel adds its value times the overlap to up to four output pixels
    stride = size + 1  # the overlap beyond the last row or column is zero
    rows, columns = np.divmod(places, width)
    (row, upper, lower), (column, left, right) = _shares(height, size), _shares(width, size)
    at = row[rows] * stride + column[columns]
    values = flat[places].astype(np.float64)
    upper, lower, left, right = values * upper[rows], values * lower[rows], left[columns], right[columns]
    total = np.bincount(
        np.concatenate([at, at + 1, at + stride, at + stride + 1]),
        np.concatenate([upper * left, upper * right, lower * left, lower * right]),
        stride * stride,
    )
    covered = total.reshape(stride, stride)[:size, :size] >= least * height * width
    return covered.view(np.uint8)
