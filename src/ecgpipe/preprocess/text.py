"""Tell traces from text by shape.

A trace is a function of time: in each column of pixels it is one run of ink, and it goes on over many columns.
Letters are small, or hang on a trace as a second run over a few columns.
"""

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components as scipy_components

from ecgpipe.preprocess.runs import Runs, connected_parts, erase, vertical_runs

Run = tuple[int, int, int]  # column, top, bottom (excluded)

MIN_TRACE = 20.0  # mm that a connected part must span to be a trace by itself
MAX_RUNS = 8  # per column on average; a part with more is a drawing or noise, and has no trace to follow
MAX_TEXT = (12.0, 7.0)  # mm, width and height of the largest part that is taken for text on a trace

MAX_WORD = (28.0, 10.0)  # mm, the same for handwriting
MIN_CHAIN = 38.0  # mm that parts must span together on a page that may be written on
GAP = (4.0, 3.0)  # mm, along and across, between parts of one trace
BREAK = 1.6  # mm, along and across, that scaling or compression can take out of a trace on a straight page
MIN_PIECE = 8.0  # mm that one of the pieces of a broken trace must span; no letter does
MOST_PIECES = 3000  # parts within the recording; a page with more is noise
LETTER = 4.0  # mm; smaller pieces link others, but could be letters, and go


def drop_text(ink: np.ndarray, mm: float, rows: tuple[float, float], worn: bool = False) -> None:
    """Take away letters and other small parts, also those that touch a trace, and all parts above or below ``rows``.

    A wave that leaves the recording's rows stays whole. So do the pieces of a broken trace (``broken_traces``) that
    are larger than a letter.

    Args:
        ink: uint8 (H, W), coverage from 0 to 255, changed in place.
        mm: pixels per millimetre.
        rows: where the recording begins and ends.
        worn: the page was photographed: it may be written on, and its traces may have gaps. A part is then a trace if
            with others that begin where it ends it spans more than any word.
    """
    runs = vertical_runs(ink)
    count, part_of = connected_parts(runs)
    left, top = np.full((2, count), max(ink.shape))
    right, bottom = np.zeros((2, count), int)
    np.minimum.at(left, part_of, runs.columns)
    np.maximum.at(right, part_of, runs.columns)
    np.minimum.at(top, part_of, runs.tops)
    np.maximum.at(bottom, part_of, runs.bottoms)
    middle = (top + bottom) / 2
    within = (rows[0] <= middle) & (middle <= rows[1])
    is_trace = (right + 1 - left >= MIN_TRACE * mm) & within
    if not worn:
        is_trace |= broken_traces(runs, part_of, np.flatnonzero(within), left, right, mm) & (
            (right + 1 - left >= LETTER * mm) | (bottom - top >= LETTER * mm)
        )
    else:
        is_trace = in_long_chains(runs, part_of, np.flatnonzero(is_trace), left, right, mm)
    dropped = ~is_trace[part_of]
    for part in np.flatnonzero(is_trace):
        members = np.flatnonzero(part_of == part)
        dropped[members[hanging_runs(runs.of(members), mm, MAX_WORD if worn else MAX_TEXT)]] = True
    erase(ink, runs.of(dropped))


def broken_traces(
    runs: Runs, part_of: np.ndarray, candidates: np.ndarray, left: np.ndarray, right: np.ndarray, mm: float
) -> np.ndarray:
    """Which parts are pieces of a trace that breaks at its steep strokes, as scaled and compressed pages have them.

    A piece begins where another ends, within ``BREAK``; together they span ``MIN_CHAIN``, one of them ``MIN_PIECE``.

    Args and result: as ``in_long_chains``.
    """

    def extent(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Top and bottom of each part's ink in the given column of each."""
        there = runs.columns == columns[part_of]
        top, bottom = np.full(len(left), np.inf), np.full(len(left), -np.inf)
        np.minimum.at(top, part_of[there], runs.tops[there])
        np.maximum.at(bottom, part_of[there], runs.bottoms[there])
        return top[candidates], bottom[candidates]

    result = np.zeros(len(left), bool)
    first, last = left[candidates], right[candidates]
    if len(candidates) > MOST_PIECES or not (last + 1 - first >= MIN_PIECE * mm).any():
        return result
    (begin_top, begin_bottom), (end_top, end_bottom) = extent(left), extent(right)
    along = first[None, :] - last[:, None]
    across = np.maximum(begin_top[None, :] - end_bottom[:, None], end_top[:, None] - begin_bottom[None, :])
    follows = (np.abs(along) <= BREAK * mm) & (across <= BREAK * mm)
    count, chain = scipy_components(csr_array(follows), directed=False)
    low, high, widest = np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count)
    np.minimum.at(low, chain, first)
    np.maximum.at(high, chain, last)
    np.maximum.at(widest, chain, last + 1 - first)
    result[candidates[((high - low >= MIN_CHAIN * mm) & (widest >= MIN_PIECE * mm))[chain]]] = True
    return result


def in_long_chains(
    runs: Runs, part_of: np.ndarray, candidates: np.ndarray, left: np.ndarray, right: np.ndarray, mm: float
) -> np.ndarray:
    """Which parts belong to a chain of parts, each beginning where another ends, that is long enough for a trace.

    Args:
        runs, part_of: all runs, and each one's part.
        candidates: the parts that may belong.
        left, right: first and last column of each part.

    Returns:
        bool (parts,).
    """

    def heights(columns: np.ndarray) -> np.ndarray:
        """The middle of each part's runs in the given column of each, float (parts,)."""
        there = runs.columns == columns[part_of]
        weight = np.bincount(part_of[there], minlength=len(left))
        total = np.bincount(part_of[there], (runs.tops + runs.bottoms)[there] / 2, minlength=len(left))
        return total / np.maximum(weight, 1)

    begin, end = heights(left)[candidates], heights(right)[candidates]
    first, last = left[candidates], right[candidates]
    gap = first[None, :] - last[:, None]
    follows = (gap > -GAP[0] * mm) & (gap < GAP[0] * mm) & (np.abs(begin[None, :] - end[:, None]) < GAP[1] * mm)
    count, chain = scipy_components(csr_array(follows), directed=False)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, chain, first)
    np.maximum.at(high, chain, last)
    result = np.zeros(len(left), bool)
    result[candidates[(high - low)[chain] >= MIN_CHAIN * mm]] = True
    return result


def hanging_runs(part: Runs, mm: float, largest: tuple[float, float] = MAX_TEXT) -> list[int]:
    """Which runs of a connected part are not the trace itself, but text on it; their positions.

    Where columns have several runs, the smoothest chain of runs through them is the trace, if it is unbroken (a
    steep trace may lean over and need them all). The others are text if together they are no larger than text;
    else they are another trace, and stay.
    """
    columns = part.columns - part.columns[0]
    width = int(columns[-1]) + 1
    if len(columns) > MAX_RUNS * width:
        return []
    first = np.searchsorted(columns, np.arange(width + 1)).tolist()
    dropped: list[int] = []
    for start, end in _spans(np.diff(first) > 1):
        low, high = max(0, start - 1), min(width, end + 1)
        offset, stop = first[low], first[high]
        all_runs = list(zip(part.tops[offset:stop].tolist(), part.bottoms[offset:stop].tolist(), strict=True))
        runs = [all_runs[first[at] - offset : first[at + 1] - offset] for at in range(low, high)]
        before = runs.pop(0) if start > 0 else []
        after = runs.pop() if end < width else []
        chain = smoothest_chain([before, *runs, after])
        if not _unbroken([*before, *chain, *after]):
            continue
        position = first[start]
        others, positions = [], {}
        for at, (chosen, there) in enumerate(zip(chain, runs, strict=True), start):
            for run in there:
                if run != chosen:
                    others.append((at, *run))
                    positions[at, *run] = position
                position += 1
        dropped += [
            positions[run] for cluster in _clusters(others) if _is_text(cluster, mm, largest) for run in cluster
        ]
    return dropped


def _spans(flags: np.ndarray) -> list[tuple[int, int]]:
    """Ranges (start, end) over which flags are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def smoothest_chain(columns: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """One run of each inner column, so that neighbours overlap as far as possible and the middle moves least.

    Args:
        columns: runs per column; the first and the last column hold one run at most and only anchor the chain.
    """
    previous = [(0.0, None, run) for run in columns[0]] or [(0.0, None, None)]
    table = []
    for runs in columns[1:-1]:
        current = []
        for run in runs:
            cost, back = min(
                ((entry[0] + _step(entry[2], run), index) for index, entry in enumerate(previous)), key=lambda x: x[0]
            )
            current.append((cost, back, run))
        table.append(current)
        previous = current
    anchor = columns[-1][0] if columns[-1] else None
    index = min(range(len(previous)), key=lambda i: previous[i][0] + _step(previous[i][2], anchor))
    chain = []
    for current in reversed(table):
        _, back, run = current[index]
        chain.append(run)
        index = back if back is not None else 0
    return chain[::-1]


def _step(first: tuple[int, int] | None, second: tuple[int, int] | None) -> float:
    """Cost of going from a run to one in the next column: gaps dearly, then movement of the middle."""
    if first is None or second is None:
        return 0.0
    gap = max(0, max(first[0], second[0]) - min(first[1], second[1]))
    return 20.0 * gap + 0.5 * abs(first[0] + first[1] - second[0] - second[1])


def _unbroken(chain: list[tuple[int, int]]) -> bool:
    """Whether each run touches the next, corners included."""
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in pairwise(chain))


def _clusters(runs: list[Run]) -> list[list[Run]]:
    """Group runs that touch from column to column; ``runs`` are sorted by column."""
    clusters: list[list[Run]] = []
    for column, top, bottom in runs:
        touching = [
            cluster
            for cluster in clusters
            if any(column - c <= 1 and (c != column) and top <= b and t <= bottom for c, t, b in cluster[-8:])
        ]
        merged = [run for cluster in touching for run in cluster] + [(column, top, bottom)]
        clusters = [cluster for cluster in clusters if cluster not in touching]
        clusters.append(sorted(merged))
    return clusters


def _is_text(cluster: list[Run], mm: float, largest: tuple[float, float]) -> bool:
    width = cluster[-1][0] - cluster[0][0] + 1
    height = max(bottom for _, _, bottom in cluster) - min(top for _, top, _ in cluster)
    return width <= largest[0] * mm and height <= largest[1] * mm
