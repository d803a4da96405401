"""The line of one lead, in pixels of the upright page: one run of ink per column, and steep strokes whole."""

from itertools import pairwise

import numpy as np

EDGE = 0.5  # probability at the edge of a trace
JUMP, BREAK = 1.0, 12.0  # cost per pixel between the runs of neighbouring columns, and of a column that is left out
MOST_RUNS = 6  # per column; of more, the longest
STEEP = 1.7  # times the line's thickness: a longer run is a steep stroke
THICKNESS = 0.3  # quantile of the runs' lengths


def follow_line(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow a trace from left to right.

    Of the runs of trace pixels in each column, dynamic programming chooses the chain with the smallest jumps. The line
    crosses from column to column in the middle of what their runs have in common. Where it enters and leaves a long
    run at the same end, it has a peak or a trough at the other end.

    Args:
        probability: float (h, w), of this lead's trace; 0 where other leads are.

    Returns:
        x and y of the line's points, float (n,), x increasing, centres of pixels at 0.5; columns without trace have
        no point.
    """
    runs = [_runs(column) for column in probability.T]
    columns, chain = _chain(runs)
    if not len(columns):
        return np.zeros(0), np.zeros(0)
    top, bottom = chain.T
    thickness = float(np.quantile(bottom - top, THICKNESS))
    middle = (top + bottom) / 2
    # where the line crosses from one column into the next: the middle of what both have in common
    crossing = (np.maximum(top[:-1], top[1:]) + np.minimum(bottom[:-1], bottom[1:])) / 2
    enters, leaves = np.append(middle[0], crossing), np.append(crossing, middle[-1])
    centre = np.where(bottom - top > STEEP * thickness, (enters + leaves) / 2, middle)
    up, down = middle - (top + thickness / 2), (bottom - thickness / 2) - middle  # from the middle to the line's ends
    peak = (up > thickness / 2) & (np.minimum(enters, leaves) > middle)
    trough = (down > thickness / 2) & (np.maximum(enters, leaves) < middle)
    centre = np.where(peak, middle - up, np.where(trough, middle + down, centre))
    beside = np.diff(columns) == 1
    x = np.concatenate([columns + 0.5, columns[1:][beside]])
    y = np.concatenate([centre, crossing[beside]])
    order = np.argsort(x)
    return x[order], y[order]


def _runs(column: np.ndarray) -> np.ndarray:
    """Upper and lower edge (n, 2) of the runs of trace in a column, between pixels by linear interpolation."""
    inside = np.concatenate([[False], column >= EDGE, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    if not len(edges):
        return np.zeros((0, 2))
    starts, stops = edges[::2], edges[1::2]
    padded = np.concatenate([[0.0], column, [0.0]])
    above, first = padded[starts], padded[starts + 1]
    last, below = padded[stops], padded[stops + 1]
    top = starts + 0.5 - (first - EDGE) / np.maximum(first - above, 1e-6)
    bottom = stops - 0.5 + (last - EDGE) / np.maximum(last - below, 1e-6)
    found = np.stack([top, bottom], axis=1)
    if len(found) > MOST_RUNS:
        found = found[np.sort(np.argsort(top - bottom)[:MOST_RUNS])]
    return found


def _chain(runs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The columns and runs (n, 2) of the cheapest chain (Viterbi); columns without a run are skipped."""
    filled = [column for column, each in enumerate(runs) if len(each)]
    if not filled:
        return np.zeros(0), np.zeros((0, 2))
    cost, back = [-_length(runs[filled[0]])], []
    for previous, column in pairwise(filled):
        before, here = runs[previous], runs[column]
        gap = np.maximum(here[None, :, 0] - before[:, None, 1], before[:, None, 0] - here[None, :, 1])
        jump = JUMP * np.maximum(gap, 0) / np.sqrt(column - previous)
        total = cost[-1][:, None] + jump
        back.append(total.argmin(axis=0))
        cost.append(total.min(axis=0) - _length(here))
    chosen = [int(cost[-1].argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    chain = np.array([runs[column][run] for column, run in zip(filled, reversed(chosen), strict=True)])
    return np.array(filled, float), chain


def _length(runs: np.ndarray) -> np.ndarray:
    """A small reward for longer runs, so that a speck does not replace the trace."""
    return 0.2 * np.minimum(runs[:, 1] - runs[:, 0], 8)
