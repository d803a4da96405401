"""The line of one lead, in pixels of the upright page: one run of ink per column, with steep strokes in one piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

EDGE = 0.5  # ink at the edge of a stroke
JUMP = 1.0  # cost per pixel of distance between the runs of neighbouring columns
MOST_RUNS = 6  # per column; only the longest are kept
DISC = 9  # points on half of a disc's edge
ALIKE = 1.0  # times the radius: smaller differences are averaged
TIP = 4.0  # times the radius: half the width of the window in which a tip is highest or lowest
SPECK = 2.0  # size of a speck, times the thickness
HIGH, NEAR = 2.0, 2.0  # times this size: height of a narrow piece that is a wave, and its distance from the rest
CLEANEST, ONE_PEN = 0.1, 1.15  # quantile of the thickness of a page's leads, and how much thicker others may be
THICKNESS = 0.05  # quantile of the runs' lengths; runs in steep parts are longer


@dataclass(frozen=True)
class Stroke:
    """The ink of a trace.

    Attributes:
        columns: (n,), the columns with ink.
        edges: (n, 2), the upper and lower edge in each column, centres of pixels at 0.5.
        thickness: of the stroke, pixels; too large if noise overlaps everywhere.
    """

    columns: np.ndarray
    edges: np.ndarray
    thickness: float


def follow_stroke(probability: np.ndarray) -> Stroke | None:
    """Follow a trace from left to right.

    Dynamic programming chooses one run of trace pixels per column, so that the jumps between columns are smallest.

    Args:
        probability: float (h, w), of this lead's trace; 0 where other leads are.

    Returns:
        None without a trace.
    """
    runs = _runs(probability)
    columns, chain = _chain(runs)
    if not len(columns):
        return None
    thickness = float(np.quantile(chain[:, 1] - chain[:, 0], THICKNESS))
    return Stroke(*_without_specks(columns, chain, SPECK * thickness), thickness)


def middle_of(stroke: Stroke, thickest: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """The line in the middle of a stroke, up to the tips of its peaks and troughs (``_centre``).

    Args:
        thickest: the pen's thickness, known from other leads of the page.

    Returns:
        x and y of the line's points, float (n,), x increasing, centres of pixels at 0.5; columns without trace have
        no point.
    """
    columns, edges = stroke.columns, stroke.edges
    y = np.empty(len(columns))
    for piece in np.split(np.arange(len(columns)), np.flatnonzero(np.diff(columns) > 1) + 1):
        y[piece] = _centre(edges[piece, 0], edges[piece, 1], min(stroke.thickness, thickest) / 2)
    return columns + 0.5, y


def thickest_pen(strokes: Sequence[Stroke]) -> float:
    """The largest thickness of the pen's strokes on a page, pixels; noise makes the strokes of some leads thicker."""
    if not strokes:
        return np.inf
    return ONE_PEN * float(np.quantile([stroke.thickness for stroke in strokes], CLEANEST))


def _centre(top: np.ndarray, bottom: np.ndarray, radius: float) -> np.ndarray:
    """Heights (n,) of the line along which a disc of this radius draws a stroke with these edges.

    A disc that touches the upper edge from below follows peaks exactly but cannot enter narrow troughs; one on the
    lower edge follows troughs. Where they differ, each is weighted by its distance from the line around them.
    """
    x = np.arange(len(top))
    shifts = radius * np.sin(np.linspace(-np.pi / 2, np.pi / 2, DISC))
    rise = np.sqrt(np.maximum(radius**2 - shifts**2, 0))
    upper = np.max([np.interp(x + shift, x, top) + up for shift, up in zip(shifts, rise, strict=True)], axis=0)
    lower = np.min([np.interp(x + shift, x, bottom) - up for shift, up in zip(shifts, rise, strict=True)], axis=0)
    centre = (upper + lower) / 2
    differ = np.abs(lower - upper) > ALIKE * radius
    edges = np.flatnonzero(np.diff(np.concatenate([[0], differ, [0]])))
    size = 2 * int(np.ceil(TIP * radius)) + 1  # at a tip, a disc falls short and a mitred edge reaches too far
    upper = np.where(top == minimum_filter1d(top, size), (upper + top + radius) / 2, upper)
    lower = np.where(bottom == maximum_filter1d(bottom, size), (lower + bottom - radius) / 2, lower)
    for start, stop in edges.reshape(-1, 2):
        here = np.s_[start:stop]
        ends = centre[[max(start - 1, 0), min(stop, len(x) - 1)]]
        if start == 0 or stop == len(x):
            ends = np.repeat(ends[1] if start == 0 else ends[0], 2)
        between = np.linspace(*ends, stop - start + 2)[1:-1]
        peak, trough = np.maximum(between - upper[here], 0), np.maximum(lower[here] - between, 0)
        share = np.divide(peak, peak + trough, out=np.full(len(peak), 0.5), where=peak + trough > 0)
        centre[here] = share * upper[here] + (1 - share) * lower[here]
    return centre


def _runs(probability: np.ndarray) -> list[np.ndarray]:
    """Upper and lower edge (n, 2) of the runs of trace in each column, interpolated between pixels."""
    padded = np.pad(probability.T, ((0, 0), (1, 1)))
    edges = np.diff((padded >= EDGE).astype(np.int8), axis=1)
    columns, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    above, first = padded[columns, starts], padded[columns, starts + 1]
    last, below = padded[columns, stops], padded[columns, stops + 1]
    top = starts + 0.5 - (first - EDGE) / np.maximum(first - above, 1e-6)
    bottom = stops - 0.5 + (last - EDGE) / np.maximum(last - below, 1e-6)
    indices = np.searchsorted(columns, np.arange(1, probability.shape[1]))
    runs = np.split(np.stack([top, bottom], axis=1), indices)
    return [
        each if len(each) <= MOST_RUNS else each[np.sort(np.argsort(each[:, 0] - each[:, 1])[:MOST_RUNS])]
        for each in runs
    ]


def _chain(runs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The columns and runs (n, 2) of the cheapest chain (Viterbi); columns without a run are skipped."""
    filled = [column for column, each in enumerate(runs) if len(each)]
    if not filled:
        return np.zeros(0), np.zeros((0, 2))
    only = np.zeros(1, int)
    cost, back = -_length(runs[filled[0]]), []
    for previous, column in pairwise(filled):
        before, here = runs[previous], runs[column]
        if len(before) == len(here) == 1:  # no choice
            back.append(only)
            continue
        gap = np.maximum(here[None, :, 0] - before[:, None, 1], before[:, None, 0] - here[None, :, 1])
        jump = JUMP * np.maximum(gap, 0) / np.sqrt(column - previous)
        total = cost[:, None] + jump
        back.append(total.argmin(axis=0))
        cost = total.min(axis=0) - _length(here)
    chosen = [int(cost.argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    chain = np.array([runs[column][run] for column, run in zip(filled, reversed(chosen), strict=True)])
    return np.array(filled, float), chain


def _without_specks(columns: np.ndarray, chain: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """The chain without specks: narrow, low pieces that lie more than ``size`` above or below the rest.

    The tip of a narrow wave can be such a piece if its stroke is broken, but it is higher.
    """
    top, bottom = chain.T
    jump = np.maximum(top[1:] - bottom[:-1], top[:-1] - bottom[1:])
    cuts = np.flatnonzero(jump > size)
    pieces = np.split(np.arange(len(columns)), cuts + 1)
    apart = np.concatenate(
        [[np.inf], np.minimum(jump[cuts][1:], jump[cuts][:-1]), [np.inf]]
    )  # marks may be at the ends
    kept = [
        piece
        for piece, gap in zip(pieces, apart[: len(pieces)], strict=True)
        if columns[piece[-1]] - columns[piece[0]] + 1 >= size
        or (gap <= NEAR * size and (bottom - top)[piece].max() >= HIGH * size)
    ]
    if not kept:
        return columns, chain
    indices = np.concatenate(kept)
    return columns[indices], chain[indices]


def _length(runs: np.ndarray) -> np.ndarray:
    """A small reward for longer runs, so that a speck does not replace the trace."""
    return 0.2 * np.minimum(runs[:, 1] - runs[:, 0], 8)
