"""Vertical runs of ink: a page of thin lines as some thousand intervals instead of a million pixels."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


class Runs(NamedTuple):
    """Vertical runs of ink, sorted by column, then by row; int arrays (n,).

    Attributes:
        columns: where each run stands.
        tops: its first row.
        bottoms: the row after its last.
    """

    columns: np.ndarray
    tops: np.ndarray
    bottoms: np.ndarray

    def of(self, chosen: np.ndarray) -> "Runs":
        """Some of the runs, by a mask or by positions in order."""
        return Runs(self.columns[chosen], self.tops[chosen], self.bottoms[chosen])


def vertical_runs(ink: np.ndarray) -> Runs:
    """The vertical runs of what is not zero in an image, uint8 (H, W)."""
    stride = len(ink) + 1  # a row of no ink below parts the columns
    flags = cv2.copyMakeBorder(cv2.transpose(ink), 0, 0, 0, 1, cv2.BORDER_CONSTANT, value=0).reshape(-1) != 0
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    if flags[0]:
        edges = np.concatenate([[0], edges])
    columns, tops = np.divmod(edges[::2], stride)
    return Runs(columns, tops, edges[1::2] - columns * stride)


def connected_parts(runs: Runs) -> tuple[int, np.ndarray]:
    """Which runs are connected, corners included: the number of parts, and each run's part from 0, int (n,)."""
    count = len(runs.columns)
    stride = int(runs.bottoms.max(initial=0)) + 2
    here, beside = runs.columns * stride, (runs.columns + 1) * stride
    first = np.searchsorted(here + runs.bottoms, beside + runs.tops, "left")
    last = np.searchsorted(here + runs.tops, beside + runs.bottoms, "right")
    neighbours = np.maximum(last - first, 0)
    ends = np.cumsum(neighbours)
    links = np.arange(ends[-1] if count else 0) + np.repeat(first - ends + neighbours, neighbours)
    rows = np.concatenate([[0], ends])
    graph = csr_array((np.ones(len(links)), links.astype(np.int32), rows.astype(np.int32)), shape=(count, count))
    return connected_components(graph, directed=False)


def erase(ink: np.ndarray, runs: Runs) -> None:
    """Take runs away from an image, in place."""
    lengths = runs.bottoms - runs.tops
    ends = np.cumsum(lengths)
    rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(runs.tops - ends + lengths, lengths)
    ink[rows, np.repeat(runs.columns, lengths)] = 0


def opened(binary: np.ndarray, height: int, width: int = 1) -> np.ndarray:
    """What of a binary image, uint8 (H, W) of 0 and 1, is inside filled rectangles of that size; the same shape.

    A morphological opening that works on eight columns a byte and doubles its reach with each step.

    Args:
        height: of the rectangles in pixels.
        width: odd, less than 16.
    """
    rows, columns = binary.shape
    packed = np.packbits(binary, axis=1)
    inside = _doubled(packed, height, np.bitwise_and) if rows >= height else packed[:0]
    if width > 1 and cv2.countNonZero(inside):
        inside = _beside(_beside(inside, width // 2, np.bitwise_and), width // 2, np.bitwise_or)
    if not cv2.countNonZero(inside):
        return np.zeros_like(binary)
    padded = np.zeros((rows + height - 1, packed.shape[1]), np.uint8)
    padded[height - 1 : rows] = inside
    return np.unpackbits(_doubled(padded, height, np.bitwise_or), axis=1, count=columns)


def _doubled(packed: np.ndarray, height: int, combine: np.ufunc) -> np.ndarray:
    """Each ``height`` rows that follow each other combined into one, (H - height + 1, n)."""
    reach = 1
    while reach < height:
        step = min(reach, height - reach)
        packed = combine(packed[:-step], packed[step:])
        reach += step
    return packed


def _beside(packed: np.ndarray, reach: int, combine: np.ufunc) -> np.ndarray:
    """Each pixel combined with those up to ``reach`` < 8 to its left and right; there are none beyond the edges."""
    result = packed.copy()
    for by in range(1, reach + 1):
        right, left = packed >> by, packed << by
        right[:, 1:] |= packed[:, :-1] << (8 - by)
        left[:, :-1] |= packed[:, 1:] >> (8 - by)
        combine(result, right, out=result)
        combine(result, left, out=result)
    return result
