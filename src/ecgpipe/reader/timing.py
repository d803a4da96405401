"""The time axis of a page: where its rows start, and the paper speed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.stats import theilslopes

from ecgpipe.reader.leads import ROW_ENDS, FoundLead
from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.notes import NEAR_START
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.phase import upright_lines

USUAL_SPEED, FAST_SPEED = 25.0, 50.0  # mm/s
USUAL_SECONDS, USUAL_WIDTH = 10.0, 250.0  # s and mm of the rows of most pages
SAME_EDGE = 0.5, 2.0  # mm between the edge of a column and that of equal parts of the row: as found, and corrected
SCALE_ERROR = 0.02  # largest scale error that is corrected to match one of these
PRECISE = 0.003  # rows that are longer by more than this share contain something else
GRID_ERROR = 0.005  # rows that are shorter by more than this share show that the printed grid is wrong
SHARED, EXACTLY, MOST_ROWS = 2.0, 1.0, 0.75  # mm by which the ends of this share of the rows may differ
LONGER = 0.015  # share by which such rows are longer if they show more time; less may be marks at their ends
SHORTER = -0.1  # the same for shorter ones; others are parts of columns that the layout lacks
SLIGHTLY_LONGER = 0.008  # the same if the distance of the names agrees
NAMED_WIDTH = 0.015  # share by which the width that the names show may differ from that of these rows
NAMED_COLUMNS = 3  # least number of columns whose names show a width
SCATTERED = 2.7  # mm, by which the ends of such rows may differ; if they differ by more, the grid is right
TIE = 0.01  # mm, differences of a row's width that rounding explains
AT_EDGE = 1.0  # mm from the picture's edge: the row is cut there
MAJOR, MINOR = 5.0, 1.0  # mm between the lines of a grid
START_NEAR = 0.2  # mm: the page's start is moved to a grid line if a row starts this near to the line
FARTHEST = {MAJOR: 0.75, MINOR: 0.2}  # mm, how far the start may be moved to such a line
AGREEMENT = {MAJOR: 0.06, MINOR: 0.15}  # minimum share of the grid that agrees on the lines
LINE_TO_START = -0.08  # mm: Matplotlib rounds lines to the middle of the next pixel, but not the traces


@dataclass(frozen=True)
class PageTime:
    """The time axis of each row.

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
        """The time at a place in mm, in seconds from the start of the page."""
        return float((x - self.lefts[row]) / self.speeds[row])


def page_time(page: ReadPage, speed: float | None = None) -> tuple[list[FoundLead], PageTime, list[str]]:
    """The leads with their final columns, the time axis, and notes.

    Nearly all pages show 10 s or 250 mm. So the rows' ends that come closest to this are used, and the paper speed is
    corrected for small errors of the scale. Without a grid the scale is rough, and each row's width gives its own
    scale: it is assumed to be 250 mm, which is 10 s at 25 mm/s.

    Args:
        page: as read.
        speed: of the paper, mm/s; None: 25 mm/s are assumed, with a note.
    """
    found = page.leads.leads
    rows = [[lead for lead in found if lead.row == row] for row in range(len(page.leads.rows))]
    lefts, rights = np.array([(row[0].left, row[-1].right) for row in rows]).T
    everywhere = np.ones(len(rows))
    if not page.reading.grid_found and not page.leads.cut:
        speed = speed or USUAL_SPEED
        seconds = USUAL_WIDTH / speed
        lefts, rights = _straight(page.leads.rows, lefts), _straight(page.leads.rows, rights)
        time = PageTime(lefts, (rights - lefts) / seconds, seconds)
        note = f"without a grid, {seconds:g} s at {speed:g} mm/s are assumed"
        return _columns(rows, lefts, rights, True), time, [note]
    widths = rights[None, :] - lefts[:, None]
    width = float(np.median(rights) - np.median(lefts))
    notes = []
    if speed is None:
        speed = USUAL_SPEED
        notes.append(f"the paper speed is assumed: {speed:g} mm/s")
    usual = min((speed * USUAL_SECONDS, USUAL_WIDTH), key=lambda each: abs(width / each - 1))
    closest = np.abs(widths - usual)
    ties = np.argwhere(closest <= closest.min() + TIE)
    middle = np.median([row[0].left for row in rows if not row[0].strip])
    first, last = min(ties, key=lambda pair: abs(lefts[pair[0]] - middle))
    left, right = float(lefts[first]), float(rights[last])
    shared, exact = (None if page.leads.cut else _shared_ends(lefts, rights, far) for far in (SHARED, EXACTLY))
    if shared and _is_other(shared[1] - shared[0], usual, right - left if exact else None, _named_width(page, rows)):
        left = _at_a_line(page, shared[0], lefts) if page.reading.grid_found else shared[0]
        leads = _columns(rows, left * everywhere, shared[1] * everywhere, _are_equal(rows, *shared))
        return leads, PageTime(left * everywhere, speed * everywhere, (shared[1] - left) / speed), notes
    if abs((right - left) / usual - 1) > SCALE_ERROR:
        left, right = _common_ends(lefts, rights)
        return list(found), PageTime(left * everywhere, speed * everywhere, (right - left) / speed), notes
    excess = (right - left) / usual - 1
    if page.reading.grid_found and excess < -GRID_ERROR and (cut := _cut_row(page, left, right, usual)):
        start, stop = cut
        leads = _columns(rows, start * everywhere, stop * everywhere, True)
        shown = [replace(lead, left=max(lead.left, left), right=min(lead.right, right)) for lead in leads]
        end = "beginning" if start < left else "end"
        notes.append(f"the picture cuts the rows at their {end}: about {-excess * usual:.0f} mm are missing")
        return shown, PageTime(start * everywhere, speed * everywhere, usual / speed), notes
    if excess > PRECISE:  # usually a pulse or a mark at the rows' ends, not a wrong scale
        left = float(np.median(lefts))
    if page.reading.grid_found:
        left = _at_a_line(page, left, lefts)
    scattered = max(np.ptp(lefts), np.ptp(rights)) > SCATTERED
    if page.reading.grid_found and excess <= -GRID_ERROR and scattered:  # something hides the ends of the rows
        left = (float(lefts.min()) + float(rights.max()) - usual) / 2
        right = left + usual
    elif excess > (-GRID_ERROR if page.reading.grid_found else 0):  # the grid is more exact than the rows' ends
        right = left + usual
    seconds = usual / speed
    time = PageTime(left * everywhere, (right - left) / seconds * everywhere, seconds)
    filled = abs(np.median([row[-1].right for row in rows if not row[0].strip]) - right) < ROW_ENDS
    equal = _are_equal(rows, left, right)
    leads = _columns(rows, left * everywhere, right * everywhere, equal) if filled else list(found)
    return leads, time, [*notes, f"the page is assumed to show {seconds:g} s"]


def _shared_ends(lefts: np.ndarray, rights: np.ndarray, far: float) -> tuple[float, float] | None:
    """The ends that most rows share, mm; None if those of too many rows are farther than this from them."""
    left, right = float(np.median(lefts)), float(np.median(rights))
    near = (np.abs(lefts - left) <= far) & (np.abs(rights - right) <= far)
    return None if len(lefts) < 2 or near.mean() < MOST_ROWS else (left, right)


def _is_other(width: float, usual: float, outlier: float | None, named: float | None) -> bool:
    """Whether rows that share their ends show more or less time than usual.

    Slightly shorter ones do not: a wrong scale of the printed grid is more frequent.

    Args:
        width: of most rows, mm.
        usual: of the rows of most pages, mm.
        outlier: the width nearest to it that the ends of any rows have, mm, if most rows share theirs exactly.
        named: the width by the distance of the lead names, mm; None if it is unknown.
    """
    if named and abs(named / width - 1) > NAMED_WIDTH:
        return False
    longer = SLIGHTLY_LONGER if named and named / usual - 1 > NAMED_WIDTH else LONGER
    excess = width / usual - 1
    shorter = outlier is not None and SHORTER < excess < -SCALE_ERROR and abs(outlier / usual - 1) <= SCALE_ERROR
    return excess > longer or shorter


def _named_width(page: ReadPage, rows: list[list[FoundLead]]) -> float | None:
    """The width of the rows if the columns are as far apart as their names, mm; None if few columns are named."""
    count = max(map(len, rows))
    places: dict[int, list[float]] = {}
    for name in page.reading.names:
        x, y = page.frame.to_mm(np.array([[name.x, name.y]]))[0]
        for row in rows:
            for column, lead in enumerate(row):
                near = max(abs(x - lead.left), abs(y - lead.baseline)) < NEAR_START
                if len(row) == count and lead.name_read and lead.name == name.name and near:
                    places.setdefault(column, []).append(x)
    if len(places) < NAMED_COLUMNS:
        return None
    return count * float(np.polyfit(list(places), [np.median(each) for each in places.values()], 1)[0])


def _common_ends(lefts: np.ndarray, rights: np.ndarray) -> tuple[float, float]:
    """The outermost ends of the rows, mm, without those that are far from the others'."""
    lefts, rights = (ends[np.abs(ends - np.median(ends)) < ROW_ENDS] for ends in (lefts, rights))
    return float(lefts.min()), float(rights.max())


def _cut_row(page: ReadPage, left: float, right: float, usual: float) -> tuple[float, float] | None:
    """The ends that a row of this usual width had, mm, if the picture cuts it at one end; else None."""
    sides = page.reading.trace.shape[1], page.reading.trace.shape[0]
    ends = [(x, row) for x in (left, right) for row in page.leads.rows]
    points = page.frame.in_picture(np.array(ends) * page.frame.pixels_per_mm)
    distances = np.minimum(points, np.array(sides) - points).min(axis=1) / page.reading.geometry.pixels_per_mm
    cut_left, cut_right = np.median(distances.reshape(2, -1), axis=1) < AT_EDGE
    if cut_left == cut_right:
        return None
    return (right - usual, right) if cut_left else (left, left + usual)


def _at_a_line(page: ReadPage, start: float, lefts: np.ndarray) -> float:
    """The start of the page, moved to a grid line if a row starts there: accurate to about 0.01 mm instead of 0.1 mm.

    The 5 mm lines are tried first. The exact position comes from the 1 mm lines, because there are many of them.
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
    """The line nearest to each position, of those at ``place``, ``place`` + ``period``, ..."""
    return place + period * np.rint((positions - place) / period)


def _straight(heights: Sequence[float], ends: np.ndarray) -> np.ndarray:
    """The rows' ends, fitted by a straight line, which perspective may slant; robust (Theil and Sen)."""
    if len(ends) < 3:
        return ends
    slope, intercept, *_ = theilslopes(ends, heights)
    return intercept + slope * np.array(heights)


def _columns(rows: list[list[FoundLead]], lefts: np.ndarray, rights: np.ndarray, equal: bool) -> list[FoundLead]:
    """The leads between these ends of their rows, with equally wide columns or with the edges found."""
    leads = []
    for row, left, right in zip(rows, lefts, rights, strict=True):
        edges = np.linspace(left, right, len(row) + 1)
        if not equal:
            edges[1:-1] = [lead.left for lead in row[1:]]
        leads += [
            replace(lead, left=float(start), right=float(stop))
            for lead, (start, stop) in zip(row, pairwise(edges), strict=True)
        ]
    return leads


def _are_equal(rows: list[list[FoundLead]], left: float, right: float) -> bool:
    """Whether the columns of these rows, which share their inner edges, are equal parts of the rows.

    Either of the rows as found, or nearly of those from left to right.
    """
    several = [row for row in rows if len(row) > 1]
    if not several:
        return True
    inner = np.array([lead.left for lead in several[0][1:]])
    found = np.median([(row[0].left, row[-1].right) for row in several], axis=0)
    equal, corrected = (np.linspace(*ends, len(inner) + 2)[1:-1] for ends in (found, (left, right)))
    return bool(np.abs(equal - inner).max() < SAME_EDGE[0] or np.abs(corrected - inner).max() < SAME_EDGE[1])
