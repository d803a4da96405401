"""The time axis of a page: where its rows start, and how fast the paper ran."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.stats import theilslopes

from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.phase import upright_lines

USUAL_SPEED = 25.0  # mm/s
USUAL_SECONDS, SCALE_ERROR = 10.0, 0.02  # s on a page, and the error of millimetres that is corrected for it
PRECISE = 0.003  # rows that are longer by more than this share contain something else
GRID_ERROR = 0.005  # rows that are shorter by more than this share show that the printed grid is wrong
MAJOR, MINOR = 5.0, 1.0  # mm between the lines of a grid
START_NEAR = 0.2  # mm from a line, where a row must start so that the page's start is moved to this line
FARTHEST = {MAJOR: 0.75, MINOR: 0.2}  # mm by which the start is moved to such a line
AGREEMENT = {MAJOR: 0.06, MINOR: 0.15}  # least share of the grid that agrees on the lines
LINE_TO_START = -0.08  # mm: Matplotlib rounds lines to the middle of the next pixel, but not the traces
FAST_WIDTH = 400.0  # mm: rows wider than this are taken for 50 mm/s


@dataclass(frozen=True)
class PageTime:
    """When the rows show what.

    Attributes:
        lefts, speeds: left end in mm and mm per second of each row.
        seconds: length of the page.
    """

    lefts: np.ndarray
    speeds: np.ndarray
    seconds: float

    @property
    def speed(self) -> float:
        """The usual speed of the rows, mm/s."""
        return float(np.median(self.speeds))

    def at(self, x: float, row: int) -> float:
        """Seconds from the start of the page of a place in mm."""
        return float((x - self.lefts[row]) / self.speeds[row])


def page_time(page: ReadPage) -> tuple[list[FoundLead], PageTime, list[str]]:
    """The leads with equally wide columns, when they are shown, and notes.

    Nearly all pages show 10 s, so of the rows' ends those are taken that come closest to this, and the paper speed is
    corrected for a scale that is slightly wrong. Without a grid the scale is rough, and each row's own width shows it.
    """
    found = page.leads.leads
    rows = [[lead for lead in found if lead.row == row] for row in range(len(page.leads.rows))]
    lefts, rights = np.array([(row[0].left, row[-1].right) for row in rows]).T
    everywhere = np.ones(len(rows))
    if not page.reading.grid_found and not page.leads.cut:
        lefts, rights = _straight(page.leads.rows, lefts), _straight(page.leads.rows, rights)
        time = PageTime(lefts, (rights - lefts) / USUAL_SECONDS, USUAL_SECONDS)
        return _equal_columns(rows, lefts, rights), time, ["without a grid, the page is taken to show 10 s at 25 mm/s"]
    widths = rights[None, :] - lefts[:, None]
    width = float(np.median(rights) - np.median(lefts))
    speed = USUAL_SPEED if width <= FAST_WIDTH else 2 * USUAL_SPEED
    notes = [f"the paper speed is assumed: {speed:g} mm/s"]
    usual = speed * USUAL_SECONDS
    first, last = np.unravel_index(np.abs(widths - usual).argmin(), widths.shape)
    left, right = float(lefts[first]), float(rights[last])
    if abs((right - left) / usual - 1) > SCALE_ERROR:
        left, right = float(lefts.min()), float(rights.max())
        return list(found), PageTime(left * everywhere, speed * everywhere, (right - left) / speed), notes
    excess = (right - left) / usual - 1
    if excess > PRECISE:  # more often a pulse or a mark at the rows' ends than a wrong scale
        left = float(np.median(lefts))
    if page.reading.grid_found:
        left = _at_a_line(page, left, lefts)
    if excess > (-GRID_ERROR if page.reading.grid_found else 0):  # the grid is more exact than the rows' ends
        right = left + usual
    time = PageTime(left * everywhere, (right - left) / USUAL_SECONDS * everywhere, USUAL_SECONDS)
    leads = _equal_columns(rows, left * everywhere, right * everywhere)
    return leads, time, [*notes, "the page is taken to show 10 s"]


def _at_a_line(page: ReadPage, start: float, lefts: np.ndarray) -> float:
    """The start of the page, at a line of the grid if a row starts there: exact to about 0.01 mm instead of 0.1 mm.

    The lines of 5 mm are sought first, and those of 1 mm, which are many, show where the line is.
    """
    reading, origin = page.reading, float(page.frame.origin[0])
    grid = reading.maps[PIXEL_MAPS.index("grid")]
    found = {period: upright_lines(grid, reading.geometry, reading.scale, period) for period in (MAJOR, MINOR)}
    places = {period: place - origin + LINE_TO_START for period, (place, _) in found.items()}
    for period, (_, agree) in found.items():
        starts = lefts[np.abs(lefts - start) <= FARTHEST[period]]
        lines = _nearest(places[period], period, starts)
        distances = np.abs(starts - lines)
        if agree >= AGREEMENT[period] and len(starts) and distances.min() <= START_NEAR:
            return float(_nearest(places[MINOR], MINOR, lines[distances.argmin()]))
    return start


def _nearest(place: float, period: float, positions: np.ndarray | float) -> np.ndarray | float:
    """The nearest of the lines at ``place``, ``place`` + ``period``, ... to each position."""
    return place + period * np.rint((positions - place) / period)


def _straight(heights: Sequence[float], ends: np.ndarray) -> np.ndarray:
    """The ends of the rows on a straight line, which a page in perspective shows slanted; robust (Theil and Sen)."""
    if len(ends) < 3:
        return ends
    slope, intercept, *_ = theilslopes(ends, heights)
    return intercept + slope * np.array(heights)


def _equal_columns(rows: list[list[FoundLead]], lefts: np.ndarray, rights: np.ndarray) -> list[FoundLead]:
    return [
        replace(lead, left=float(start), right=float(stop))
        for row, left, right in zip(rows, lefts, rights, strict=True)
        for lead, (start, stop) in zip(row, pairwise(np.linspace(left, right, len(row) + 1)), strict=True)
    ]
