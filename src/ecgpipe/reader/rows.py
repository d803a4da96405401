"""Rows of traces on an upright page: every trace pixel votes for its baseline, and a row has one run per column."""

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d

BIN = 0.5  # mm, of the votes for baselines
BLUR = 2.0  # mm, of these votes
APART = 7.0  # mm, least distance between rows
LEAST_ROW = 0.12  # votes of a row, relative to the strongest
TRACE = 0.6  # probability from which a pixel belongs to a row: separators and blurred edges lie below
SHORT = 0.45  # of the longest row's columns: a row that covers less is a rule, or text
LONG = 8  # pixels: a run of this length is preferred to a speck, longer ones no more
LENGTH_WEIGHT, MIDDLE_WEIGHT = 0.3, 0.05  # in the cost, per pixel, beside the distance between neighbouring runs


def find_rows(trace: np.ndarray, offset: np.ndarray, pixels_per_mm: float) -> tuple[list[float], np.ndarray]:
    """Baselines of the rows in mm, and the row of each pixel: every trace pixel votes for its own baseline."""
    y, x = np.nonzero(trace >= TRACE)
    row_of = np.full(trace.shape, -1, np.int8)
    if not len(y):
        return [], row_of
    votes = y / pixels_per_mm + offset[y, x]
    height = trace.shape[0] / pixels_per_mm
    histogram, edges = np.histogram(votes, np.arange(0, height + BIN, BIN), weights=trace[y, x])
    smooth = gaussian_filter1d(histogram, BLUR / BIN, mode="constant")
    rows: list[float] = []
    for peak in np.argsort(-smooth):
        if smooth[peak] < LEAST_ROW * smooth.max() or len(rows) == 16:
            break
        here = (edges[peak] + edges[peak + 1]) / 2
        if all(abs(here - row) >= APART for row in rows):
            near = smooth[max(peak - 1, 0) : peak + 2]
            if smooth[peak] >= near.max():
                rows.append(here)
    rows.sort()
    nearest = np.abs(votes[:, None] - np.array(rows)).argmin(axis=1)
    row_of[y, x] = nearest
    return rows, row_of


def clean_rows(rows: list[float], row_of: np.ndarray) -> tuple[list[float], list[float]]:
    """Remove what is no trace from the rows, and rows that are none.

    Args:
        rows, row_of: of ``find_rows``; ``row_of`` is changed.

    Returns:
        The baselines of the remaining rows and of the removed ones, mm.
    """
    trace = row_of >= 0
    covered = np.zeros(len(rows))
    for row in range(len(rows)):
        own = row_of == row
        kept = one_run_per_column(own, trace)
        row_of[own & ~kept] = -1
        covered[row] = kept.any(axis=0).sum()
    long = covered >= SHORT * max(covered.max(initial=0), 1)
    number = np.append(np.where(long, np.cumsum(long) - 1, -1), -1)  # the last entry is for -1
    row_of[:] = number[row_of]
    return [row for row, is_long in zip(rows, long, strict=True) if is_long], [
        row for row, is_long in zip(rows, long, strict=True) if not is_long
    ]


def one_run_per_column(own: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Keep one run of pixels per column: the chain with the smallest jumps (Viterbi).

    A row shows one voltage at a time, so that rules, letters and specks above or below its trace are not part of it.

    Args:
        own: bool (h, w), pixels of the row.
        trace: bool (h, w), of all rows: a wave that crosses another row is one run.

    Returns:
        bool (h, w), the kept pixels.
    """
    edges = np.diff(trace.astype(np.int8), axis=0, prepend=0, append=0).T
    columns, tops = np.nonzero(edges == 1)
    bottoms = np.nonzero(edges == -1)[1]
    count = np.cumsum(np.pad(own, ((1, 0), (0, 0))), axis=0, dtype=np.int32)
    here = count[bottoms, columns] > count[tops, columns]
    columns, tops, bottoms = columns[here], tops[here], bottoms[here]
    kept = own.copy()
    used, first, counts = np.unique(columns, return_index=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    if not len(several):
        return kept
    for block in np.split(several, np.flatnonzero(np.diff(several) > 1) + 1):
        # the columns on both sides have one run each, which all chains pass
        inside = range(max(block[0] - 1, 0), min(block[-1] + 2, len(used)))
        runs = [np.stack([tops, bottoms], axis=1)[first[at] : first[at] + counts[at]].astype(float) for at in inside]
        for at, each, choice in zip(inside, runs, _cheapest_chain(runs), strict=True):
            for run, (top, bottom) in enumerate(each.astype(int)):
                if run != choice:
                    kept[top:bottom, used[at]] = False
    return kept


def _cheapest_chain(runs: list[np.ndarray]) -> list[int]:
    """Index of the chosen run (top, bottom) of each column."""
    cost, back = -LENGTH_WEIGHT * _length(runs[0]), []
    for before, here in pairwise(runs):
        gap = np.maximum(here[None, :, 0] - before[:, None, 1], before[:, None, 0] - here[None, :, 1])
        away = np.abs(here.mean(axis=1)[None] - before.mean(axis=1)[:, None])
        total = cost[:, None] + np.maximum(gap, 0) + MIDDLE_WEIGHT * away
        back.append(total.argmin(axis=0))
        cost = total.min(axis=0) - LENGTH_WEIGHT * _length(here)
    chosen = [int(cost.argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    return chosen[::-1]


def _length(runs: np.ndarray) -> np.ndarray:
    return np.minimum(runs[:, 1] - runs[:, 0], LONG)
