"""Calibration pulses as drawn: rectangles that are open at the bottom and stand on a row's baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np

from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.page import ReadPage

HEIGHTS, WIDTHS = (3.5, 24.0), (1.5, 18.0)  # mm, of a calibration pulse with the line on both sides of it
FOOT = 1.5  # mm, by which its foot may be above or below the baseline, and pulses of several rows apart in x
STROKE = 3.0, 1.2  # mm: least length and greatest width of a vertical stroke
DRIFT = 5.0  # mm, by which the foot of a clear pulse may be, since the leads of a row lie at different heights
LEVEL = 0.7, 1.2  # mm by which the tops and the feet of its two strokes may differ
BESIDE = 0.6  # mm beside a stroke that belong to it
TOP_SHARE = 0.9  # least share of the top that is drawn
EMPTY, BOTTOM = 0.12, 0.48  # greatest share of ink within and above a pulse, and between its feet: a box has a bottom
AROUND, BESIDE_SHARE = 1.2, 0.35  # mm; greatest share of ink beside it
THRESHOLDS = 0.5, 0.65, 0.8  # times the ink of the traces: a dark grid needs a high one, fine lines a low one
GAINS, USUAL_WIDTHS = (5.0, 10.0, 20.0), (2.5, 5.0, 10.0)  # mm/mV; mm
SIZE = 0.1, 0.2  # greatest differences of height and width, shares: cells of a grid are lower or wider
TAKEN, TAKEN_SHARE = 2.0, 0.5  # mm above its foot, and share of its columns: a row that is there took it for its trace
SAME_HEIGHT = 0.1  # tolerance of pulses that belong together, share of their height
LEAST_ROWS = 3  # with such pulses; on pages of fewer than six rows, half of the rows and at least two
DRAWN = 0.7  # share of the columns in which the top of a pulse is drawn, in a row in which it is less clear
ABOVE = 0.7  # mm above its foot, from which a pulse is removed: the trace may go on there
MARGIN = 0.2  # mm around a pulse
END = 20.0  # mm, between a pulse and the end of a row or column
EQUAL = 0.5  # mm by which edges of columns may differ from equal parts of the rows
STUB = 5.0  # mm, longest line before or behind a pulse


@dataclass(frozen=True)
class Mark:
    """A mark on a row that may be a pulse: left end, height, width and foot (y), mm of the upright page."""

    left: float
    height: float
    width: float
    row: int
    foot: float = 0.0


def drawn_pulses(page: ReadPage, ink: np.ndarray) -> list[Mark]:
    """The clear pulses of a usual size on a page with a grid.

    Args:
        page: as read.
        ink: from ``ink_of``.
    """
    inside = page.leads.row_of >= 0
    if not inside.any() or not page.reading.grid_found:
        return []
    usual = float(np.median(ink[inside]))
    marks = (
        mark
        for share in THRESHOLDS
        for mark in rectangles(ink > share * usual, page.leads.rows, page.frame.pixels_per_mm)
    )
    return [mark for mark in dict.fromkeys(marks) if off_size(mark)[0] < SIZE[0] and off_size(mark)[1] < SIZE[1]]


def off_size(mark: Mark) -> tuple[float, float]:
    """By which shares the height and the width of a pulse differ from the nearest usual ones."""
    high, wide = (
        min(abs(value / usual - 1) for usual in sizes)
        for value, sizes in ((mark.height, GAINS), (mark.width, USUAL_WIDTHS))
    )
    return high, wide


def alike(mark: Mark, marks: Sequence[Mark]) -> list[Mark]:
    """Those of the marks that are at the same x and of the same height."""
    return [
        each for each in marks if abs(each.left - mark.left) < FOOT and abs(each.height / mark.height - 1) < SAME_HEIGHT
    ]


def enough_rows(page: ReadPage) -> float:
    """The number of rows that must have alike pulses."""
    return max(2, min(len(page.leads.rows) / 2, LEAST_ROWS))


def without_pulses(page: ReadPage, ink: np.ndarray, pulses: Sequence[Mark]) -> tuple[ReadPage, np.ndarray]:
    """The page and its ink without pulses that were taken for a trace; the rows then end before them.

    Pulses count if LEAST_ROWS rows, or half of them, have alike ones at the same x.
    """
    groups: list[list[Mark]] = []
    for mark in pulses:
        group = alike(mark, pulses)
        enough = len({each.row for each in group}) >= enough_rows(page)
        if enough and not any(mark in known for known in groups):
            groups.append(group)
    if not groups:
        return page, ink
    mm, rows = page.frame.pixels_per_mm, page.leads.rows
    row_of, cut = page.leads.row_of.copy(), ink.copy()
    usual = float(np.median(ink[row_of >= 0]))
    for group in groups:
        left, height, width = (
            float(np.median([getattr(mark, name) for mark in group])) for name in ("left", "height", "width")
        )
        columns = slice(max(round((left - MARGIN) * mm), 0), round((left + width + MARGIN) * mm) + 2)
        feet = {mark.row: mark.foot for mark in group}
        for row, baseline in enumerate(rows):
            level = feet.get(row, baseline)
            top, above, foot = (max(round((level + away) * mm), 0) for away in (-height - FOOT, FOOT - height, -ABOVE))
            drawn = (ink[top:above, columns] > THRESHOLDS[0] * usual).any(axis=0).mean() >= DRAWN
            if not drawn and row not in feet:
                continue
            cut[top:foot, columns] = 0
            ends = [
                abs(each)
                for lead in page.leads.leads
                if lead.row == row
                for each in (left - lead.left, left + width - lead.right)
            ]
            within = row_of[top : max(round((level - TAKEN) * mm), 0), columns] == row
            if within.any(axis=0).mean() >= TAKEN_SHARE and min(ends) < END:
                _cut_piece(row_of, row, columns, mm)
                cut[foot : round((level + FOOT) * mm), columns] = 0
    leads = [_shortened(lead, page.leads.leads, row_of, mm) for lead in page.leads.leads]
    leads = _evenly(page.leads.leads, leads)
    return replace(page, leads=replace(page.leads, leads=tuple(leads), row_of=row_of)), cut


def _cut_piece(row_of: np.ndarray, row: int, columns: slice, mm: float) -> None:
    """Remove a row's pixels in some columns, and short lines that join them there."""
    present = (row_of == row).any(axis=0)
    present[columns] = False
    first, last = columns.start, columns.stop
    before, after = np.flatnonzero(~present[:first]), np.flatnonzero(~present[last:])
    stub = before[-1] + 1 if len(before) else 0
    if first - stub <= STUB * mm:
        first = stub
    if len(after) and after[0] <= STUB * mm:
        last += after[0]
    part = row_of[:, first:last]
    part[part == row] = -1


def _shortened(lead: FoundLead, leads: Sequence[FoundLead], row_of: np.ndarray, mm: float) -> FoundLead:
    """A lead at the end of its row without the part that has no trace any more."""
    first, last = max(round(lead.left * mm), 0), round(lead.right * mm)
    columns = np.flatnonzero((row_of[:, first:last] == lead.row).any(axis=0))
    row = [each for each in leads if each.row == lead.row]
    if not len(columns):
        return lead
    left, right = lead.left, lead.right
    if lead is row[0] and 0 < columns[0] / mm < END:
        left = (first + columns[0]) / mm
    if lead is row[-1] and 0 < (last - first - columns[-1] - 1) / mm < END:
        right = (first + columns[-1] + 1) / mm
    return replace(lead, left=left, right=right)


def _evenly(before: Sequence[FoundLead], after: list[FoundLead]) -> list[FoundLead]:
    """Leads whose columns are equal parts of their rows, if they were so before the ends of the rows moved."""
    rows = {lead.row for lead in before if not lead.strip}
    ends, moved = (
        np.median(
            [
                [(row[0].left, row[-1].right)]
                for number in rows
                if (row := [each for each in leads if each.row == number])
            ],
            axis=0,
        )[0]
        for leads in (before, after)
    )
    columns = [lead for lead in before if lead.row == min(rows)]
    inner = np.array([lead.left for lead in columns[1:]])
    parts = np.linspace(*ends, len(columns) + 1)[1:-1]
    if not len(inner) or (ends == moved).all() or np.abs(parts - inner).max() > EQUAL:
        return after
    places = dict(zip(inner, np.linspace(*moved, len(columns) + 1)[1:-1], strict=True))
    return [
        replace(lead, left=float(places.get(lead.left, lead.left)), right=float(places.get(lead.right, lead.right)))
        for lead in after
    ]


def rectangles(marked: np.ndarray, rows: Sequence[float], mm: float, unit: float = 1.0) -> list[Mark]:
    """Clear pulses: two vertical strokes from a baseline to a line between their tops, and nothing within and around.

    Args:
        marked: bool (h, w), ink.
        rows: baselines, mm.
        mm: pixels per mm.
        unit: estimated millimetres per true millimetre.
    """
    joined = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 1), np.uint8))
    upright = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((max(2, round(STROKE[0] * unit * mm)), 1), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(upright)
    sums = cv2.integral(marked.astype(np.uint8))
    found = []
    for row, baseline in enumerate(rows):
        strokes = [
            (left, top, wide, high)
            for left, top, wide, high, _ in boxes[1:].tolist()
            if abs((top + high) / mm - baseline) <= DRIFT
            and wide <= STROKE[1] * mm
            and HEIGHTS[0] * unit <= high / mm <= HEIGHTS[1] * unit + STROKE[1]
        ]
        for first, second in combinations(sorted(strokes), 2):
            mark = _between(marked, sums, first, second, row, mm)
            if mark and WIDTHS[0] * unit <= mark.width <= WIDTHS[1] * unit:
                found.append(mark)
    return found


def _between(
    marked: np.ndarray,
    sums: np.ndarray,
    first: tuple[int, int, int, int],
    second: tuple[int, int, int, int],
    row: int,
    mm: float,
) -> Mark | None:
    """The pulse with these strokes (left, top, width, height), pixels; ``sums``: the integral of ``marked``."""
    tops, feet = (first[1], second[1]), (first[1] + first[3], second[1] + second[3])
    if abs(tops[0] - tops[1]) > LEVEL[0] * mm or abs(feet[0] - feet[1]) > LEVEL[1] * mm:
        return None
    beside = max(1, round(BESIDE * mm))
    left, right = first[0] + first[2], second[0]
    top, foot = min(tops), max(feet)
    thick = max(1, round((first[2] + second[2]) / 2))
    inner = left + beside, right - beside
    low = max(tops) + thick + beside, min(feet) - thick - beside
    if inner[1] <= inner[0] or low[1] <= low[0]:
        return None
    reach = max(2, round(AROUND * mm))
    drawn = marked[max(top - beside, 0) : max(tops) + thick + beside, left:right].any(axis=0).mean()
    outside = first[0], second[0] + second[2]
    upper = top - beside, low[1]
    limits = (
        (_share(sums, inner, low), EMPTY),
        (_share(sums, inner, (top - beside - reach, top - beside)), EMPTY),
        (_share(sums, (outside[0] - beside - reach, outside[0] - beside), upper), BESIDE_SHARE),
        (_share(sums, (outside[1] + beside, outside[1] + beside + reach), upper), BESIDE_SHARE),
        (_share(sums, inner, (min(feet) - thick, foot)), BOTTOM),
    )
    if drawn < TOP_SHARE or any(share > most for share, most in limits):
        return None
    middles = first[0] + first[2] / 2, second[0] + second[2] / 2
    height = (sum(feet) - sum(tops)) / 2 - thick
    bottom = sum(feet) / 2 - thick / 2
    return Mark(first[0] / mm, height / mm, (middles[1] - middles[0]) / mm, row, bottom / mm)


def _share(sums: np.ndarray, columns: tuple[int, int], lines: tuple[int, int]) -> float:
    """Share of ink in a rectangle, pixels; 0 outside of the page."""
    x0, x1 = np.clip(columns, 0, sums.shape[1] - 1)
    y0, y1 = np.clip(lines, 0, sums.shape[0] - 1)
    area = (x1 - x0) * (y1 - y0)
    return float(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]) / area if area > 0 else 0.0
