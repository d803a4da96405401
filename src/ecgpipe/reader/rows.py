"""Rows of traces on an upright page: the trace votes for its baselines, and a row has one run per column."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from ecgpipe.reader.arrange import NAME_LEFT, NAME_RIGHT, SURE

BIN = 0.5  # mm, height of a bin of the votes for baselines
BLUR = 2.0  # mm, standard deviation by which the votes are smoothed
APART = 7.0  # mm, least distance between rows
MOST_ROWS = 16
LEAST_ROW = 0.12  # votes of a row, relative to the strongest
TRACE = 0.6  # probability from which a pixel belongs to a row: separators and blurred edges lie below
FAR = 25.0  # mm: pixels whose own baseline is farther from every row belong to none, such as the edge of the page
FLAT, FLAT_SHARE = 1.2, 0.98  # mm: a row is flat if this share of its columns is this close to its course
WAVE = 20.0  # mm along the row over which this course may bend with the paper
SHORT = 0.45  # of the longest row's columns: a row that covers less is a rule, or text
FAINT, WHOLE = 0.2, 0.95  # of the same, and of the other rows' reach: less of a row is no faint lead
EVEN, LEAST_LONG = 0.7, 3  # of the usual distance of at least this many rows: least distance of a faint one
NAME_ABOVE, NAME_BELOW = 14.0, 12.0  # mm, largest distance of a name from its lead's baseline
PIECES, PIECES_SHARE = 4.0, 0.3  # mm, and of that of the other rows: length of the pieces of a row that is text
BAR = 1.0  # mm, greatest width of a vertical bar
BAR_APART = 2.0  # mm, its least height, and its least distance above or below the trace
BAR_BESIDE = 2.0  # mm to each side of a bar, where the trace is looked for
STRAY_GAP, STRAY_ENDS = 20.0, 0.005  # mm before a piece that is not part of a row; share of columns beyond its ends
STRAY_WIDTH, STRAY_JUMP = 2.0, 5.0  # mm: greatest width of such a piece beside the trace, and its least height over it
DRIFT = 20.0  # mm, between parts of one row that lie at different heights
COMPLEMENT, NAMED_COMPLEMENT = 0.1, 0.2  # of the columns of the shorter of two such parts that both may have
LONGER = 2.0  # a part with this many times the other's columns alone gives the row's baseline
LONG = 8  # pixels: longer runs are preferred to shorter ones, up to this length
LENGTH_WEIGHT, MIDDLE_WEIGHT = (
    0.3,
    0.05,
)  # per pixel: length lowers the cost, a jump of the middle adds to it; a gap adds 1


def find_rows(trace: np.ndarray, offset: np.ndarray, pixels_per_mm: float) -> tuple[list[float], np.ndarray]:
    """Baselines of the rows in mm, and the row of each pixel; the trace of each column votes for its baselines."""
    row_of = np.full(trace.shape, -1, np.int8)
    at = np.flatnonzero(trace >= TRACE)
    if not len(at):
        return [], row_of
    y, x = np.divmod(at, trace.shape[1])
    votes = y / pixels_per_mm + offset.ravel()[at]
    rows = baselines(_once_per_column(votes, x, trace.shape[1]), 0, trace.shape[0] / pixels_per_mm)
    if not rows:
        return [], row_of
    nearest = np.searchsorted((np.array(rows[:-1]) + rows[1:]) / 2, votes)
    row_of.ravel()[at] = np.where(np.abs(votes - np.array(rows)[nearest]) <= FAR, nearest, -1)
    return rows, row_of


def _once_per_column(votes: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """Votes in mm, one for each column and height, so that thick, noisy lines do not outvote thin ones that wander."""
    heights = np.floor(votes / BIN).astype(int)
    lowest = heights.min()
    seen = np.zeros((width, heights.max() - lowest + 1), bool)
    seen[columns, heights - lowest] = True
    return (np.nonzero(seen)[1] + lowest + 0.5) * BIN


def baselines(votes: np.ndarray, low: float, high: float) -> list[float]:
    """Heights of rows in mm, in order: peaks of the histogram of votes between two heights."""
    histogram, edges = np.histogram(votes, np.arange(low, high + BIN, BIN))
    smooth = gaussian_filter1d(histogram.astype(float), BLUR / BIN, mode="constant")
    rows: list[float] = []
    for peak in np.argsort(-smooth):
        if smooth[peak] == 0 or smooth[peak] < LEAST_ROW * smooth.max() or len(rows) == MOST_ROWS:
            break
        here = (edges[peak] + edges[peak + 1]) / 2
        if all(abs(here - row) >= APART for row in rows):
            near = smooth[max(peak - 1, 0) : peak + 2]
            if smooth[peak] >= near.max():
                rows.append(here)
    return sorted(rows)


def columns_of(row_of: np.ndarray, rows: int) -> np.ndarray:
    """bool (rows, w): the columns in which each row has pixels."""
    at = np.flatnonzero(row_of >= 0)
    present = np.zeros((rows, row_of.shape[1]), bool)
    present[row_of.ravel()[at], at % row_of.shape[1]] = True
    return present


def clean_rows(
    rows: list[float],
    row_of: np.ndarray,
    pixels_per_mm: float,
    named: bool,
    names: Sequence[tuple[str, float, float, float]] = (),
) -> tuple[list[float], list[float]]:
    """Remove pixels that are not trace from the rows, and rows that are too short or consist of letters.

    Args:
        rows, row_of: from ``find_rows``; ``row_of`` is changed.
        pixels_per_mm: of the page.
        named: whether lead names prove an ECG; the parts of a row may then overlap more than in a chart.
        names: (name, x, y, confidence) of printed names, mm; rows that begin with one may be fainter.

    Returns:
        The baselines of the remaining rows and of the removed ones, mm.
    """
    one_run_per_column(row_of, len(rows))
    _without_bars(row_of, pixels_per_mm)
    joined = _joined(rows, row_of, named)
    if len(joined) < len(rows):
        one_run_per_column(row_of, len(joined))
    rows = joined
    present = columns_of(row_of, len(rows))
    covered = present.sum(axis=1)
    long = covered >= SHORT * max(covered.max(initial=0), 1)
    pieces = np.array([_piece_length(columns) for columns in present]) / pixels_per_mm
    text = (pieces < PIECES) & (pieces < PIECES_SHARE * np.median(pieces))
    faint = _faint(rows, present, long & ~text, pixels_per_mm, names)
    kept, removed = keep_rows(rows, row_of, (long | faint) & ~text)
    _without_far_pieces(row_of, len(kept), pixels_per_mm)
    _without_jumps(row_of, kept, pixels_per_mm)
    return kept, removed


def _faint(
    rows: list[float],
    present: np.ndarray,
    kept: np.ndarray,
    pixels_per_mm: float,
    names: Sequence[tuple[str, float, float, float]],
) -> np.ndarray:
    """bool (rows,): rows in small pieces all along the page, at whose start a lead name is clearly read.

    Leads that are only short are not among them, since nothing would be known about the time of their parts.

    Args:
        present: bool (rows, w), the columns of each row.
        kept: bool (rows,), the rows that are long enough.
    """
    faint = np.zeros(len(rows), bool)
    if kept.sum() < LEAST_LONG:
        return faint
    heights, covered = np.array(rows), present.sum(axis=1)
    usual, reach = np.diff(heights[kept]).min(), np.ptp(_ends(present[kept]), axis=1)
    for row in np.flatnonzero(~kept & (covered >= FAINT * covered.max())):
        first, last = _ends(present[row : row + 1])[0]
        if last - first >= WHOLE * np.median(reach) and np.abs(heights[kept] - rows[row]).min() >= EVEN * usual:
            start = first / pixels_per_mm
            faint[row] = any(
                share >= SURE
                and -NAME_LEFT <= x - start <= NAME_RIGHT
                and -NAME_ABOVE <= y - rows[row] <= NAME_BELOW
                and np.abs(heights - y).argmin() == row
                for _, x, y, share in names
            )
    return faint


def _ends(present: np.ndarray) -> np.ndarray:
    """(rows, 2): the first and the last column of each row."""
    return np.array([np.flatnonzero(columns)[[0, -1]] for columns in present])


def _without_far_pieces(row_of: np.ndarray, rows: int, pixels_per_mm: float) -> None:
    """Remove ends of a row that lie beyond those of all other rows and after a wide gap: other objects' edges."""
    present = [np.flatnonzero(columns) for columns in columns_of(row_of, rows)]
    if rows < 3 or not all(map(len, present)):
        return
    ends = np.array([np.quantile(columns, [STRAY_ENDS, 1 - STRAY_ENDS]) for columns in present])
    for row, columns in enumerate(present):
        low, high = np.delete(ends[:, 0], row).min(), np.delete(ends[:, 1], row).max()
        for at in np.flatnonzero(np.diff(columns) > STRAY_GAP * pixels_per_mm):
            if columns[at] < low:
                cut = np.s_[:, : columns[at] + 1]
            elif columns[at + 1] > high:
                cut = np.s_[:, columns[at + 1] :]
            else:
                continue
            row_of[cut][row_of[cut] == row] = -1


def _without_jumps(row_of: np.ndarray, rows: list[float], pixels_per_mm: float) -> None:
    """Remove short ends of a row that are far above or below it: marks at the picture's edge, which no wave joins."""
    jump = STRAY_JUMP * pixels_per_mm
    for row, baseline in enumerate(rows):
        columns = np.flatnonzero((row_of == row).any(axis=0))
        for inwards in (columns, columns[::-1]):
            near = inwards[: np.searchsorted(np.abs(inwards - inwards[:1]), STRAY_WIDTH * pixels_per_mm) + 1]
            runs = [np.flatnonzero(row_of[:, column] == row)[[0, -1]] for column in near]
            for at, (end, after) in enumerate(pairwise(runs)):
                apart = max(after[0] - end[1], end[0] - after[1])
                away = min(abs(y - baseline * pixels_per_mm) for run in runs[: at + 1] for y in run)
                if apart > jump and away > jump:
                    for column in near[: at + 1]:
                        row_of[row_of[:, column] == row, column] = -1


def _piece_length(columns: np.ndarray) -> float:
    """Mean length of the pieces of a row in which its pixels are, so that short pieces count less; 0 without pixels."""
    edges = np.flatnonzero(np.diff(np.pad(columns.astype(np.int8), 1)))
    lengths = edges[1::2] - edges[::2]
    return float((lengths**2).sum() / max(lengths.sum(), 1))


def keep_rows(rows: list[float], row_of: np.ndarray, kept: np.ndarray) -> tuple[list[float], list[float]]:
    """Baselines of the rows that are kept and of the others; ``row_of`` is changed.

    Args:
        kept: bool, for each row.
    """
    if not kept.all():
        number = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)  # the last entry is for -1
        row_of[:] = number[row_of]
    return [row for row, is_kept in zip(rows, kept, strict=True) if is_kept], [
        row for row, is_kept in zip(rows, kept, strict=True) if not is_kept
    ]


def flat_rows(row_of: np.ndarray, rows: int, pixels_per_mm: float) -> np.ndarray:
    """bool (rows,): rows without any wave: printed rules, and leads that were not connected."""
    flat = np.zeros(rows, bool)
    y, x = np.divmod(np.flatnonzero(row_of >= 0), row_of.shape[1])
    row_there = row_of[y, x]
    for row in np.unique(row_there):
        of_row = row_there == row
        counts = np.bincount(x[of_row])
        heights = np.bincount(x[of_row], y[of_row])[counts > 0] / counts[counts > 0]
        bend = median_filter(heights, round(WAVE * pixels_per_mm) | 1, mode="nearest")
        flat[row] = np.quantile(np.abs(heights - bend), FLAT_SHARE) < FLAT * pixels_per_mm
    return flat


def _without_bars(row_of: np.ndarray, pixels_per_mm: float) -> None:
    """Remove vertical strokes that are apart from their row's trace on both sides: pieces of separators."""
    count, parts, boxes, _ = cv2.connectedComponentsWithStats((row_of >= 0).astype(np.uint8))
    width, apart, beside = (max(1, round(mm * pixels_per_mm)) for mm in (BAR, BAR_APART, BAR_BESIDE))
    for part in range(1, count):
        left, top, wide, high, _ = boxes[part]
        if wide > width or high < apart:
            continue
        box = np.s_[top : top + high, left : left + wide]
        row = row_of[box].max()
        ends = top - apart, top + high + apart
        sides = np.s_[max(left - beside, 0) : left], np.s_[left + wide : left + wide + beside]
        heights = [np.flatnonzero((row_of[:, side] == row).any(axis=1)) for side in sides]
        if all(len(y) and ((y < ends[0]) | (y > ends[1])).all() for y in heights):
            row_of[box][parts[box] == part] = -1


def _joined(rows: list[float], row_of: np.ndarray, named: bool) -> list[float]:
    """Join rows that are close and complement each other: leads of one row that lie at different heights.

    The joined row has the mean baseline, since a lead may wander; on a page with names, a much longer part gives it.
    """
    most_shared = NAMED_COMPLEMENT if named else COMPLEMENT
    rows, present = list(rows), list(columns_of(row_of, len(rows)))
    while True:
        pairs = [
            (rows[i + 1] - rows[i], i)
            for i in range(len(rows) - 1)
            if rows[i + 1] - rows[i] <= DRIFT
            and (present[i] & present[i + 1]).sum() <= most_shared * min(present[i].sum(), present[i + 1].sum())
        ]
        if not pairs:
            return rows
        upper = min(pairs)[1]
        shares = np.array([present[upper].sum(), present[upper + 1].sum()])
        longer = int(shares.argmax())
        if named and shares[longer] >= LONGER * shares[1 - longer]:
            rows[upper] = rows[upper + longer]
        else:
            rows[upper] = float(np.average(rows[upper : upper + 2], weights=shares))
        present[upper] = present[upper] | present[upper + 1]
        del rows[upper + 1], present[upper + 1]
        row_of[row_of > upper] -= 1


def one_run_per_column(row_of: np.ndarray, rows: int) -> None:
    """Keep one run of pixels of each row per column: the chain with the smallest jumps (Viterbi).

    A row shows one voltage at a time, so rules, letters and specks above or below its trace are not part of it. A wave
    that crosses another row is one run.

    Args:
        row_of: int8 (h, w), the row of each trace pixel, -1 elsewhere; set to -1 on pixels that are not kept.
        rows: number of rows.
    """
    by_column = np.ascontiguousarray(row_of.T)
    height = by_column.shape[1]
    at = np.flatnonzero(by_column >= 0)
    if not len(at):
        return
    starts = np.concatenate([[True], (np.diff(at) != 1) | (at[1:] % height == 0)])
    run = np.cumsum(starts) - 1  # of each pixel
    first = at[starts]
    last = at[np.append(np.flatnonzero(starts)[1:] - 1, len(at) - 1)]
    column, top, bottom = first // height, first % height, last % height + 1
    runs = np.stack([top, bottom, (top + bottom) / 2, LENGTH_WEIGHT * np.minimum(bottom - top, LONG)], axis=1)
    row = by_column.ravel()[at]
    dropped = np.zeros((rows, len(first)), bool)
    for number in range(rows):
        here = np.flatnonzero(np.bincount(run[row == number], minlength=len(first)))
        dropped[number, here[_beside_the_chain(column[here], runs[here])]] = True
    gone = at[dropped[row, run]]
    row_of[gone % height, gone // height] = -1


def _beside_the_chain(columns: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Indices of the runs (top, bottom, middle, gain) in these columns that are not part of the cheapest chain."""
    used, first, counts = np.unique(columns, return_index=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    beside = [np.zeros(0, int)]
    for block in np.split(several, np.flatnonzero(np.diff(several) > 1) + 1) if len(several) else ():
        # the columns on both sides have one run each, which all chains pass
        inside = range(max(block[0] - 1, 0), min(block[-1] + 2, len(used)))
        chain = _cheapest_chain([runs[first[at] : first[at] + counts[at]] for at in inside])
        for at, choice in zip(inside, chain, strict=True):
            beside.append(first[at] + np.flatnonzero(np.arange(counts[at]) != choice))
    return np.concatenate(beside)


def _cheapest_chain(runs: list[np.ndarray]) -> list[int]:
    """Index of the run (top, bottom, middle, gain) chosen in each column."""
    cost, back = -runs[0][:, 3], []
    for before, here in pairwise(runs):
        top, bottom, middle, gain = here.T
        gap = np.maximum(top - before[:, 1:2], before[:, :1] - bottom)
        total = cost[:, None] + np.maximum(gap, 0) + MIDDLE_WEIGHT * np.abs(middle - before[:, 2:3])
        best = total.argmin(axis=0)
        back.append(best)
        cost = total[best, np.arange(len(best))] - gain
    chosen = [int(cost.argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    return chosen[::-1]
