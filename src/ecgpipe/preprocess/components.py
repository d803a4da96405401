"""Separate traces from text by the shape of connected parts, which are stored as vertical runs of ink.

A trace is a function of time: one run of ink per column of pixels, over many columns. Letters are small, or hang on a
trace as a second run over a few columns.
"""

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


class VerticalRuns(NamedTuple):
    """Vertical runs of ink, sorted by column, then by row; int arrays (n,).

    Attributes:
        columns: column of each run.
        tops: first row.
        bottoms: row after the last one.
    """

    columns: np.ndarray
    tops: np.ndarray
    bottoms: np.ndarray

    def of(self, chosen: np.ndarray) -> "VerticalRuns":
        """Select runs by a mask or by sorted positions."""
        return VerticalRuns(self.columns[chosen], self.tops[chosen], self.bottoms[chosen])


def vertical_runs(ink: np.ndarray) -> VerticalRuns:
    """Return the vertical runs of nonzero pixels in an image, uint8 (H, W)."""
    stride = len(ink) + 1  # an empty row separates the columns
    flags = cv2.copyMakeBorder(cv2.transpose(ink), 0, 0, 0, 1, cv2.BORDER_CONSTANT, value=0).reshape(-1) != 0
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    if flags[0]:
        edges = np.concatenate([[0], edges])
    columns, tops = np.divmod(edges[::2], stride)
    return VerticalRuns(columns, tops, edges[1::2] - columns * stride)


def connected_parts(runs: VerticalRuns) -> tuple[int, np.ndarray]:
    """Find 8-connected parts: their number, and the part of each run, int (n,)."""
    count = len(runs.columns)
    stride = int(runs.bottoms.max(initial=0)) + 2
    positions, next_positions = runs.columns * stride, (runs.columns + 1) * stride
    first = np.searchsorted(positions + runs.bottoms, next_positions + runs.tops, "left")
    last = np.searchsorted(positions + runs.tops, next_positions + runs.bottoms, "right")
    neighbours = np.maximum(last - first, 0)
    ends = np.cumsum(neighbours)
    links = np.arange(ends[-1] if count else 0) + np.repeat(first - ends + neighbours, neighbours)
    rows = np.concatenate([[0], ends])
    graph = csr_array((np.ones(len(links)), links.astype(np.int32), rows.astype(np.int32)), shape=(count, count))
    return connected_components(graph, directed=False)


def erase(ink: np.ndarray, runs: VerticalRuns) -> None:
    """Remove runs from an image, in place."""
    lengths = runs.bottoms - runs.tops
    ends = np.cumsum(lengths)
    rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(runs.tops - ends + lengths, lengths)
    ink[rows, np.repeat(runs.columns, lengths)] = 0


def opened(binary: np.ndarray, height: int, width: int = 1) -> np.ndarray:
    """Open a binary image, uint8 (H, W) of 0 and 1, with a rectangle.

    Fast: eight columns per byte, and the height doubles with each step.

    Args:
        height: of the rectangle in pixels.
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
    """Combine each ``height`` consecutive rows into one, (H - height + 1, n)."""
    reach = 1
    while reach < height:
        step = min(reach, height - reach)
        packed = combine(packed[:-step], packed[step:])
        reach += step
    return packed


def _beside(packed: np.ndarray, reach: int, combine: np.ufunc) -> np.ndarray:
    """Combine each pixel with up to ``reach`` < 8 pixels to its left and right; zero outside the image."""
    result = packed.copy()
    for by in range(1, reach + 1):
        right, left = packed >> by, packed << by
        right[:, 1:] |= packed[:, :-1] << (8 - by)
        left[:, :-1] |= packed[:, 1:] >> (8 - by)
        combine(result, right, out=result)
        combine(result, left, out=result)
    return result


Run = tuple[int, int, int]  # column, top, bottom (excluded)

MIN_TRACE = 20.0  # mm, least width of a single part that is a trace
MAX_RUNS = 8  # per column on average; a part with more is a drawing or noise
MAX_TEXT = (12.0, 7.0)  # mm, largest width and height of text on a trace

MAX_WORD = (28.0, 10.0)  # mm, the same for handwriting
MIN_CHAIN = 38.0  # mm, least width of a chain of parts
GAP = (4.0, 3.0)  # mm, along and across, between parts of one trace
BREAK = 1.6  # mm, along and across, largest gap made by scaling or compression
MIN_PIECE = 8.0  # mm, least width of one piece of a broken trace; letters are narrower
MOST_PIECES = 3000  # parts in the recording; a page with more is noise
LETTER = 4.0  # mm; smaller pieces may be letters: they link others but are dropped


def drop_text(ink: np.ndarray, mm: float, rows: tuple[float, float], photographed: bool = False) -> None:
    """Remove text and other small parts, including text that touches a trace, and all parts outside ``rows``.

    A wave that extends beyond ``rows`` remains, and so do pieces of a broken trace that are larger than a letter.

    Args:
        ink: uint8 (H, W), coverage from 0 to 255, changed in place.
        mm: pixels per millimetre.
        rows: first and last row of the recording.
        photographed: the page may have handwriting, and its traces gaps; a trace is then a chain of parts that is
            longer than any word.
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
    if not photographed:
        is_trace |= broken_traces(runs, part_of, np.flatnonzero(within), left, right, mm) & (
            (right + 1 - left >= LETTER * mm) | (bottom - top >= LETTER * mm)
        )
    else:
        is_trace = in_long_chains(runs, part_of, np.flatnonzero(is_trace), left, right, mm)
    dropped = ~is_trace[part_of]
    for part in np.flatnonzero(is_trace):
        members = np.flatnonzero(part_of == part)
        dropped[members[hanging_runs(runs.of(members), mm, MAX_WORD if photographed else MAX_TEXT)]] = True
    erase(ink, runs.of(dropped))


def broken_traces(
    runs: VerticalRuns, part_of: np.ndarray, candidates: np.ndarray, left: np.ndarray, right: np.ndarray, mm: float
) -> np.ndarray:
    """Find pieces of traces that scaling or compression broke at steep strokes.

    A piece begins within ``BREAK`` of another's end; together they span ``MIN_CHAIN``, one of them ``MIN_PIECE``.
    Arguments and result as for ``in_long_chains``.
    """

    def extent(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Top and bottom of each part in the given column of each."""
        in_column = runs.columns == columns[part_of]
        top, bottom = np.full(len(left), np.inf), np.full(len(left), -np.inf)
        np.minimum.at(top, part_of[in_column], runs.tops[in_column])
        np.maximum.at(bottom, part_of[in_column], runs.bottoms[in_column])
        return top[candidates], bottom[candidates]

    result = np.zeros(len(left), bool)
    first, last = left[candidates], right[candidates]
    if len(candidates) > MOST_PIECES or not (last + 1 - first >= MIN_PIECE * mm).any():
        return result
    (begin_top, begin_bottom), (end_top, end_bottom) = extent(left), extent(right)
    along = first[None, :] - last[:, None]
    across = np.maximum(begin_top[None, :] - end_bottom[:, None], end_top[:, None] - begin_bottom[None, :])
    follows = (np.abs(along) <= BREAK * mm) & (across <= BREAK * mm)
    count, chain = connected_components(csr_array(follows), directed=False)
    low, high, widest = np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count)
    np.minimum.at(low, chain, first)
    np.maximum.at(high, chain, last)
    np.maximum.at(widest, chain, last + 1 - first)
    result[candidates[((high - low >= MIN_CHAIN * mm) & (widest >= MIN_PIECE * mm))[chain]]] = True
    return result


def in_long_chains(
    runs: VerticalRuns, part_of: np.ndarray, candidates: np.ndarray, left: np.ndarray, right: np.ndarray, mm: float
) -> np.ndarray:
    """Find the parts of chains, in which each part begins where another ends, that are long enough for a trace.

    Args:
        runs, part_of: all runs, and the part of each.
        candidates: the parts to consider.
        left, right: first and last column of each part.

    Returns:
        bool (parts,).
    """

    def heights(columns: np.ndarray) -> np.ndarray:
        """Mean height of each part in the given column of each, float (parts,)."""
        in_column = runs.columns == columns[part_of]
        weight = np.bincount(part_of[in_column], minlength=len(left))
        total = np.bincount(part_of[in_column], (runs.tops + runs.bottoms)[in_column] / 2, minlength=len(left))
        return total / np.maximum(weight, 1)

    begin, end = heights(left)[candidates], heights(right)[candidates]
    first, last = left[candidates], right[candidates]
    gap = first[None, :] - last[:, None]
    follows = (gap > -GAP[0] * mm) & (gap < GAP[0] * mm) & (np.abs(begin[None, :] - end[:, None]) < GAP[1] * mm)
    count, chain = connected_components(csr_array(follows), directed=False)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, chain, first)
    np.maximum.at(high, chain, last)
    result = np.zeros(len(left), bool)
    result[candidates[(high - low)[chain] >= MIN_CHAIN * mm]] = True
    return result


def hanging_runs(part: VerticalRuns, mm: float, largest: tuple[float, float] = MAX_TEXT) -> list[int]:
    """Return the positions of the runs of a connected part that are text on the trace.

    Where columns have several runs, the smoothest unbroken chain through them is the trace. The other runs are text if
    together they are not larger than text, else another trace.
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
        for at, (chosen, column_runs) in enumerate(zip(chain, runs, strict=True), start):
            for run in column_runs:
                if run != chosen:
                    others.append((at, *run))
                    positions[at, *run] = position
                position += 1
        dropped += [
            positions[run] for cluster in _clusters(others) if _is_text(cluster, mm, largest) for run in cluster
        ]
    return dropped


def _spans(flags: np.ndarray) -> list[tuple[int, int]]:
    """Ranges (start, end) of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def smoothest_chain(columns: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Choose one run per inner column so that neighbours overlap and the middle moves least (dynamic programming).

    Args:
        columns: runs per column; the first and the last column have at most one run, which anchors the chain.
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
    """Cost of a step to a run in the next column: mainly the gap, then the movement of the middle."""
    if first is None or second is None:
        return 0.0
    gap = max(0, max(first[0], second[0]) - min(first[1], second[1]))
    return 20.0 * gap + 0.5 * abs(first[0] + first[1] - second[0] - second[1])


def _unbroken(chain: list[tuple[int, int]]) -> bool:
    """Whether consecutive runs touch (8-connectivity)."""
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in pairwise(chain))


def _clusters(runs: list[Run]) -> list[list[Run]]:
    """Group runs that touch in neighbouring columns; ``runs`` are sorted by column."""
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
