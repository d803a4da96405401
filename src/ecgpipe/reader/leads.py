"""From the network's maps to leads: rows of traces, the page's layout, and each lead's place."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from scipy.ndimage import uniform_filter1d

from ecgpipe.reader.arrange import (
    MANY,
    NAME_LEFT,
    NAME_RIGHT,
    OTHER_ORDER,
    Arrangement,
    Names,
    arrange,
    one_lead,
)
from ecgpipe.reader.rows import NAME_ABOVE, NAME_BELOW, clean_rows, columns_of, find_rows, flat_rows, keep_rows
from ecgpipe.reader.templates import Layout, read_templates

FARTHEST, FAR_ABOVE = 25.0, 0.7  # mm, and of the rows' distance: the same if all names are far from their leads
ROW_ENDS = 20.0  # mm, by which the end of a row may differ from those of the other rows
DENSE = 6.0  # mm, window with trace in half of its columns; pixels outside the outermost windows are stray
SPECK, SPECK_APART = 2.0, 1.0  # mm: shorter pieces at the ends of a row, after a longer gap, are not part of it
STRIP_NAME = 0.8  # minimum confidence in the name of a strip: text on its left may look like a name
SEVERAL = 3  # different names that show several leads
SHIFTED = 0.05  # by which names at their usual place score higher than elsewhere
MOST_RULES = 3  # flat rows of which each may be a rule or a lead; more are all one or all the other
CABRERA = "Cabrera"  # part of the name of each of the package's layouts in this order
LONGEST_GAP = 2.0  # mm, longest stretch without trace that is not reported


@dataclass(frozen=True)
class FoundLead:
    """A lead on the page; all lengths in mm of paper.

    Attributes:
        row: of the page, from the top, from 0.
        left, right, baseline: its position.
        coverage: share of its width that has trace.
        confidence: mean probability of its trace pixels, 0 to 1.
        gaps: (from, to) along x, stretches without trace.
        name_read: whether its printed name was read; else the layout gives it.
        strip: whether it is a rhythm strip.
    """

    name: str
    row: int
    left: float
    right: float
    baseline: float
    coverage: float = 0.0
    confidence: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()
    name_read: bool = False
    strip: bool = False


@dataclass(frozen=True)
class PageLeads:
    """The leads of a page.

    Attributes:
        layout: name of the layout, such as 3x4+1.
        known: whether most of the leads could be named.
        cut: whether the page shows only some of the layout's columns.
        leads: row by row, from the left.
        rows: baselines in mm.
        removed: baselines of shorter lines that were not taken for rows.
        agreement: share of the confidence in names that agrees with the layout, 0 to 1; 0 if no name was read.
        row_of: int8 (h, w), the row of each trace pixel, -1 elsewhere.
        doubtful: rows in which names were read, but none of the layout.
        alone: name of the only lead, if the page shows one that continues from row to row.
    """

    layout: str
    known: bool
    cut: bool
    leads: tuple[FoundLead, ...]
    rows: tuple[float, ...]
    removed: tuple[float, ...]
    agreement: float
    row_of: np.ndarray = field(repr=False)
    doubtful: tuple[int, ...] = ()
    alone: str = ""

    @property
    def described(self) -> str:
        """The rows, in a few words."""
        count = len(self.rows)
        rows = "1 row of traces" if count == 1 else f"{count} rows of traces"
        return f"{rows}, all named {self.alone}: one lead that continues from row to row" if self.alone else rows

    @property
    def named(self) -> bool:
        """Whether enough lead names were read, and enough of them fit the layout, to be sure of it."""
        read = [lead.name_read for lead in self.leads if not lead.strip]
        return self.agreement >= 0.5 and 3 * sum(read) >= len(read)

    @property
    def cabrera(self) -> bool:
        """Whether the leads are in Cabrera's order, aVR between I and II. Most pages in this order show -aVR."""
        rows = [
            [lead.name for lead in self.leads if lead.row == row and not lead.strip] for row in range(len(self.rows))
        ]
        order = [name for column in zip(*filter(None, rows), strict=True) for name in column]
        return CABRERA in self.layout or ["I", "aVR", "II"] in [order[at : at + 3] for at in range(len(order))]


def find_leads(
    trace: np.ndarray,
    offset: np.ndarray,
    names: list[tuple[str, float, float, float]],
    pixels_per_mm: float,
    layouts: Sequence[Layout] | None = None,
) -> PageLeads | None:
    """Find the leads on an upright page.

    Args:
        trace: float32 (h, w), probability of a trace.
        offset: float32 (h, w), height of the trace above its baseline, mm.
        names: (name, x, y, confidence) of printed names, mm from the upper left corner.
        pixels_per_mm: of the maps.
        layouts: possible layouts of the page; default: ``read_templates()``.

    Returns:
        The leads; None without a row of traces.
    """
    rows, row_of = find_rows(trace, offset, pixels_per_mm)
    if not rows:
        return None
    named = len({name for name, *_ in names}) >= MANY
    rows, removed = clean_rows(rows, row_of, pixels_per_mm, named, names)
    if not rows:
        return None
    present = columns_of(row_of, len(rows))
    spans = [_span(columns, pixels_per_mm) for columns in present]
    kept, found, read = _without_rules(rows, spans, flat_rows(row_of, len(rows), pixels_per_mm), names, layouts)
    rows, rules = keep_rows(rows, row_of, kept)
    spans, present = [spans[row] for row in np.flatnonzero(kept)], present[kept]
    removed = sorted(removed + rules)
    places = _places(found, rows, spans, read)
    leads = [_measured(lead, trace, row_of, present[lead.row], pixels_per_mm) for lead in places]
    certain = {lead.row for lead in leads if lead.name_read or lead.strip}
    return PageLeads(
        layout=found.layout.name,
        known=found.layout.known,
        cut=found.cut,
        leads=tuple(leads),
        rows=tuple(rows),
        removed=tuple(removed),
        agreement=found.agreement,
        row_of=row_of,
        doubtful=tuple(row for row, each in enumerate(read) if each and row not in certain),
        alone=read[0][0][0] if one_lead(read) and not found.layout.known else "",
    )


def _without_rules(
    rows: list[float],
    spans: list[tuple[float, float]],
    flat: np.ndarray,
    names: list[tuple[str, float, float, float]],
    layouts: Sequence[Layout] | None,
) -> tuple[np.ndarray, Arrangement, Names]:
    """Decide which flat rows are printed rules, and which are leads that were not connected.

    Args:
        rows, spans: baselines and ends of the rows, mm.
        flat: bool (rows,), rows without any wave.
        names, layouts: of ``find_leads``.

    Returns:
        bool (rows,), the rows that are kept; their arrangement and the names of each. A row is only left out if
        the names support the page's layout better without it.
    """
    flat_ones = np.flatnonzero(flat)
    if len(flat_ones) <= MOST_RULES:
        choices = [out for count in range(len(flat_ones) + 1) for out in combinations(flat_ones, count)]
    else:
        choices = [(), tuple(flat_ones)]
    tried = []
    for out in choices:
        kept = ~np.isin(np.arange(len(rows)), out)
        if kept.any():
            here = np.flatnonzero(kept)
            tried.append((kept, *_arranged([rows[row] for row in here], [spans[row] for row in here], names, layouts)))
    return max(tried, key=lambda each: each[1].score)


def _arranged(
    rows: list[float],
    spans: list[tuple[float, float]],
    names: list[tuple[str, float, float, float]],
    layouts: Sequence[Layout] | None,
) -> tuple[Arrangement, Names]:
    """The arrangement that the names support best, and the names of each row."""
    pitch = float(np.diff(rows).min()) if len(rows) > 1 else 0.0
    shifts = (0.0, pitch / 2, -pitch / 2)  # names far above or below their leads may be near other rows
    tried = []
    for shift in shifts:
        read = _names_in_rows(names, rows, shift)
        found = arrange(spans, read, layouts or read_templates())
        tried.append((replace(found, score=found.score - SHIFTED) if shift else found, read))
    best = max(tried, key=lambda pair: pair[0].score)
    few = len({name for name, _ in best[0].read}) < SEVERAL or best[0].agreement < OTHER_ORDER
    return tried[0] if few and one_lead(tried[0][1]) else best  # marks near the rows may look like "I"


def _span(present: np.ndarray, pixels_per_mm: float) -> tuple[float, float]:
    """Left and right end of a row in mm, without stray pixels; ``present``: the columns with pixels."""
    columns = present.astype(np.float32)
    dense = np.flatnonzero(uniform_filter1d(columns, max(1, round(DENSE * pixels_per_mm)), mode="constant") >= 0.5)
    if not len(dense):
        dense = np.flatnonzero(columns)
    reach = round(DENSE / 2 * pixels_per_mm)  # up to the ends within the outermost dense windows
    first = max(dense[0] - reach, 0)
    edges = np.flatnonzero(np.diff(np.pad(columns[first : dense[-1] + reach + 1], 1)))
    runs = (edges.reshape(-1, 2) + first) / pixels_per_mm
    while len(runs) > 1 and runs[-1, 1] - runs[-1, 0] < SPECK and runs[-1, 0] - runs[-2, 1] > SPECK_APART:
        runs = runs[:-1]
    while len(runs) > 1 and runs[0, 1] - runs[0, 0] < SPECK and runs[1, 0] - runs[0, 1] > SPECK_APART:
        runs = runs[1:]
    return float(runs[0, 0]), float(runs[-1, 1])


def _names_in_rows(names: list[tuple[str, float, float, float]], rows: list[float], shift: float) -> Names:
    """(name, x, confidence) of each row; a name belongs to the nearest baseline, preferably one below it.

    Args:
        names: (name, x, y, confidence).
        rows: baselines, mm.
        shift: mm by which the names are first moved down, at most half of the least distance of two rows.
    """
    found: Names = [[] for _ in rows]
    above = max(NAME_ABOVE, min(2 * FAR_ABOVE * shift, FARTHEST))  # names of other rows are farther away
    below = max(NAME_BELOW, min(-shift, FARTHEST))
    for name, x, y, confidence in names:
        moved = y + shift
        distances = [1.2 * (moved - row) if moved > row else row - moved for row in rows]
        row = int(np.argmin(distances))
        if -NAME_ABOVE <= moved - rows[row] <= NAME_BELOW and -above <= y - rows[row] <= below:
            found[row].append((name, x, confidence))
    return found


def _places(found: Arrangement, rows: list[float], spans: list[tuple[float, float]], names: Names) -> list[FoundLead]:
    leads = []
    for row, baseline in enumerate(rows):
        if row >= len(found.layout.columns[0]):
            first = spans[row][0]
            own = [each for each in names[row] if -NAME_LEFT <= each[1] - first <= NAME_RIGHT] or names[row]
            name, _, share = max(own, key=lambda each: each[2], default=("II", 0.0, 0.0))
            leads.append(FoundLead(name, row, *spans[row], baseline, name_read=share >= STRIP_NAME, strip=True))
            continue
        for column, (each, (left, right)) in enumerate(zip(found.layout.columns, found.bounds, strict=True)):
            # a row may start and end a little before or after the others
            left = spans[row][0] if column == 0 and abs(spans[row][0] - left) < ROW_ENDS else left
            last = column == len(found.bounds) - 1
            near = abs(spans[row][1] - right) < ROW_ENDS and spans[row][1] > left
            right = spans[row][1] if last and near else right
            read = (each[row], row) in found.read
            leads.append(FoundLead(each[row], row, left, right, baseline, name_read=read))
    return leads


def _measured(
    lead: FoundLead, trace: np.ndarray, row_of: np.ndarray, present: np.ndarray, pixels_per_mm: float
) -> FoundLead:
    """The lead with its coverage, confidence and gaps; ``present``: the columns in which its row has pixels."""
    left, right = (round(x * pixels_per_mm) for x in (lead.left, lead.right))
    columns = present[left:right]
    if not columns.any():
        return replace(lead, gaps=((lead.left, lead.right),))
    edges = np.flatnonzero(np.diff(np.concatenate([[1], columns.astype(int), [1]])))
    gaps = [
        (lead.left + start / pixels_per_mm, lead.left + stop / pixels_per_mm)
        for start, stop in edges.reshape(-1, 2)
        if stop - start > LONGEST_GAP * pixels_per_mm
    ]
    confidence = float(trace[:, left:right][row_of[:, left:right] == lead.row].mean())
    return replace(lead, coverage=float(columns.mean()), confidence=confidence, gaps=tuple(gaps))
