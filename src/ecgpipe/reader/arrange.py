"""Find which lead is where: the layout that the rows and the printed names of a page support best.

The names also locate the columns, so the leads are right on cut pages and with columns of unequal width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

import numpy as np

from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.reader.network import LEAD_NAMES
from ecgpipe.reader.templates import BY_NAMES, Layout, named_rows

WRONG_NAME = 0.7  # weight of a name that contradicts a layout
MISSING_NAME = 0.3  # weight of a name of the layout that was not read, on a page with readable names
MISSING_COLUMN, MOSTLY = 0.6, 0.6  # the same if no name of its column was read, but this share of the other columns'
PART = 2.5  # rarity of a page that shows only some rows of a layout
IN_COLUMN = 8.0  # mm, distance of a name from those above and below it
NAME_LEFT, NAME_RIGHT, USUAL_NAME = 6.0, 14.0, 3.0  # mm, where names are printed relative to the start of their lead
EQUAL = 0.06  # columns whose names are apart by the usual width, to this share, are of equal width
NEARLY_EQUAL = 0.15  # the same for names above complete rows, which some devices print farther apart than the columns
USUAL_ROW, FULL_ROW = 250.0, 0.02  # mm, the width of nearly all rows, and the share by which whole rows differ from it
MANY = 6  # names, which locate the columns more exactly than the ends of rows that are too short or too long
SHORTEST_LEAD = 20.0  # mm: layouts whose leads would be shorter do not fit
LEAST_COLUMN = 0.15  # of a column's width: less of it is not a lead
OTHER_LEADS = frozenset(LEAD_NAMES) - frozenset(PRINTED_NAMES)  # recorded in place of one of the twelve
OTHER_ORDER = 0.6  # agreement below which the leads are named as read, if most names were read
SURE = 0.9  # minimum confidence in names that exchange their places, and in the only name of a page
INSIDE, ALIGNED = 0.15, 3  # of the rows' width: largest offset of one column of at least this many names

Names = list[list[tuple[str, float, float]]]
"""Per row: name, x in mm, and probability."""


@dataclass(frozen=True)
class Arrangement:
    """A layout on a page.

    Attributes:
        layout: the layout, with the names of the page.
        bounds: left and right end of each column, mm; the right end of one may be the left end of the next.
        score: how well the names support it, compared with other arrangements of the same page.
        agreement: share of the probability of all names that agrees with the layout, 0 to 1; 0 if no name was read.
        read: (name, row) of the names that were read at their place.
        cut: whether the page shows only some of the layout's columns.
        others: (lead of the layout, row) -> another of its leads, clearly read there, and its probability.
    """

    layout: Layout
    bounds: list[tuple[float, float]]
    score: float
    agreement: float
    read: frozenset[tuple[str, int]]
    cut: bool = False
    others: Mapping[tuple[str, int], tuple[str, float]] = field(default_factory=dict)


def arrange(spans: list[tuple[float, float]], names: Names, layouts: Sequence[Layout]) -> Arrangement:
    """Find the layout that the names support best.

    Args:
        spans: left and right end of each row, mm.
        names: of each row.
        layouts: known layouts. Parts of them, and one named lead in each row, are also tried.
    """
    count = len(spans)
    if count == 1 and len(names[0]) == 1 and names[0][0][2] < SURE:
        names = [[]]  # a chart's label may look like a name
    most_columns = max(float(np.median([right - left for left, right in spans])) / SHORTEST_LEAD, 1)
    whole = [layout for layout in layouts if layout.rows == count and len(layout.columns) <= most_columns]
    fitting = list(whole)
    by_names = named_rows([max(row, key=lambda name: name[2])[0] if row else None for row in names])
    if one_lead(names):
        return _fitted(by_names, spans, names)
    rare = all(layout.rarity > BY_NAMES for layout in fitting)
    if by_names.complete or not fitting or (rare and not any(names)):
        fitting.append(by_names)
    if any(names):
        fitting += [part for part in _parts(layouts, count) if len(part.columns) <= most_columns]
        wide = [layout for layout in layouts if layout.rows == count and layout not in whole]
        fitting += [column for layout in wide for column in _single_columns(layout)]
    best = max((_fitted(layout, spans, names) for layout in fitting), key=lambda found: found.score)
    if best.agreement >= OTHER_ORDER or not any(names):
        return _exchanged(best, names)
    named = [found for layout in whole if (found := _named_as_read(layout, spans, names))]
    return max(named, key=lambda found: len(found.read) - found.layout.rarity, default=best)


def one_lead(names: Names) -> bool:
    """Whether all of several rows have the same name: one lead that continues from row to row."""
    return len(names) > 1 and all(names) and len({name for row in names for name, *_ in row}) == 1


def _single_columns(layout: Layout) -> list[Layout]:
    """The columns of a layout, in case the page was cut so that it shows only one."""
    count = len(layout.columns)
    return [
        replace(
            layout, name=f"{layout.name}, column {number} of {count}", columns=(column,), rarity=layout.rarity + PART
        )
        for number, column in enumerate(layout.columns, 1)
    ]


def _parts(layouts: Sequence[Layout], count: int) -> list[Layout]:
    """Consecutive rows of layouts, as many as the page has, in case it was cut above or below."""
    parts = []
    for layout in layouts:
        body = len(layout.columns[0])
        for start, stop in combinations(range(body + 1), 2):
            strips = layout.strips if stop == body else 0
            if stop - start + strips == count and stop - start < body:
                rows = tuple(column[start:stop] for column in layout.columns)
                name = f"{layout.name}, rows {start + 1} to {stop + strips}"
                parts.append(Layout(name, rows, strips, layout.rarity + PART))
    return parts


def _fitted(layout: Layout, spans: list[tuple[float, float]], names: Names) -> Arrangement:
    """Place the layout on the page by the names, and score it."""
    body = len(layout.columns[0])
    left, right = np.median(np.array(spans[:body]), axis=0)
    place = {(name, row): column for column, leads in enumerate(layout.columns) for row, name in enumerate(leads)}
    all_names = [(name, row, x, share) for row in range(min(body, len(names))) for name, x, share in names[row]]
    matching = [(place[name, row], x) for name, row, x, _ in all_names if (name, row) in place]
    first, width = _columns(matching, len(layout.columns), left, right)
    right_share = wrong_share = 0.0
    read = set()
    others: dict[tuple[str, int], str] = {}  # name and row of a lead of the layout -> lead in its place
    moved: dict[tuple[str, int], tuple[str, float]] = {}  # the same for leads of the layout, with their probability
    for name, row, x, share in all_names:
        column = place.get((name, row))
        if column is not None and abs(x - first - width * column) <= IN_COLUMN:
            right_share += share
            read.add((name, row))
        else:
            wrong_share += share
            column = round((x - first) / width)
            here = column in range(len(layout.columns)) and abs(x - first - width * column) <= IN_COLUMN
            if here and name in OTHER_LEADS:
                others[layout.columns[column][row], row] = name
            elif here and share >= SURE:
                moved[layout.columns[column][row], row] = name, share
    bounds = _bounds(first, width, len(layout.columns), left, right, len(matching) >= MANY)
    shown = [column for column, (low, high) in enumerate(bounds) if high - low > LEAST_COLUMN * width]
    if not shown:  # the names would place all columns outside of the rows
        bounds, shown = _equal_parts(left, right, len(layout.columns)), list(range(len(layout.columns)))
    kept = replace(layout, columns=tuple(layout.columns[column] for column in shown))
    missing = _missing_names(kept.columns, read) if right_share else 0.0
    score = right_share - WRONG_NAME * wrong_share - layout.rarity - missing
    cut = len(shown) < len(layout.columns)
    if cut:
        score -= PART
        kept = replace(kept, name=f"{layout.name}, {len(shown)} of {len(layout.columns)} columns")
    agreement = right_share / (right_share + wrong_share) if right_share else 0.0
    others = {place: name for place, name in others.items() if place not in read}
    columns = (tuple(others.get((name, row), name) for row, name in enumerate(leads)) for leads in kept.columns)
    kept = replace(kept, columns=tuple(columns))
    moved = {place: each for place, each in moved.items() if place not in read}
    read |= {(name, row) for (_, row), name in others.items()}
    return Arrangement(kept, [bounds[column] for column in shown], score, agreement, frozenset(read), cut, moved)


def _exchanged(found: Arrangement, names: Names) -> Arrangement:
    """The arrangement with its leads named as read if those that do not fit only exchange their places."""
    if not found.others or sorted(name for name, _ in found.others.values()) != sorted(
        name for name, _ in found.others
    ):
        return found
    columns = tuple(
        tuple(found.others.get((name, row), (name,))[0] for row, name in enumerate(column))
        for column in found.layout.columns
    )
    layout = replace(found.layout, name=f"{found.layout.name}, other order", columns=columns)
    total = sum(share for row in names[: len(columns[0])] for *_, share in row)
    agreement = found.agreement + sum(share for _, share in found.others.values()) / total
    read = found.read | {(name, row) for (_, row), (name, _) in found.others.items()}
    return replace(found, layout=layout, agreement=agreement, read=read)


def _missing_names(columns: Sequence[tuple[str, ...]], read: set[tuple[str, int]]) -> float:
    """By how much names (name, row) of a layout's columns that were not read speak against it."""
    named = [[(name, row) for row, name in enumerate(column) if name != "?"] for column in columns]
    shown = [column for column in named if any(place in read for place in column)]
    places = sum(len(column) for column in shown)
    legible = places and len(read) >= MOSTLY * places
    elsewhere = sum(len(column) for column in named) - places
    return MISSING_NAME * (places - len(read)) + (MISSING_COLUMN if legible else MISSING_NAME) * elsewhere


def _columns(matching: list[tuple[int, float]], count: int, left: float, right: float) -> tuple[float, float]:
    """x of the first column's names, and the distance between columns, in mm, from names (column, x)."""
    width = (right - left) / count
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(sorted(matching), 2) if j > i]
    if slopes and np.median(slopes) > IN_COLUMN:
        width = float(np.median(slopes))
    if not matching:
        return left + USUAL_NAME, width
    first = float(np.median([x - width * column for column, x in matching]))
    beside = count == 1 and first < left  # names to the left of the traces
    places = [x for _, x in matching]
    aligned = count == 1 and len(places) >= ALIGNED and max(places) - min(places) <= IN_COLUMN
    beside |= aligned and first - left <= INSIDE * (right - left)
    if not slopes and not beside and not -NAME_LEFT - IN_COLUMN <= first - left <= NAME_RIGHT:
        return left + USUAL_NAME, width  # one column of names, in the wrong place
    return first, width


def _bounds(first: float, width: float, count: int, left: float, right: float, many: bool) -> list[tuple[float, float]]:
    """Left and right end of each column: equal parts of the rows, unless the names show other columns.

    Args:
        first, width: x of the first column's names, and the distance between columns, mm.
        count: number of columns.
        left, right: ends of the rows, mm.
        many: whether many names were read.
    """
    offset, equal = first - left, (right - left) / count
    fills = abs(width / equal - 1) < EQUAL
    # names may also be printed in the middle or at the end of their leads, if the columns fill the rows nevertheless
    elsewhere = fills and NAME_RIGHT < offset < width and right - left - width * count < (offset - USUAL_NAME) / 2
    starts_here = count == 1 or elsewhere or -NAME_LEFT <= offset <= NAME_RIGHT
    usual = USUAL_ROW / count
    complete = abs(equal / usual - 1) < FULL_ROW and abs(width / equal - 1) < NEARLY_EQUAL
    nearer = abs(width - equal) < abs(width - usual)
    if starts_here and (complete or (fills and (nearer or not many))):
        return _equal_parts(left, right, count)
    start = left if starts_here else first - USUAL_NAME
    edges = np.clip(start + width * np.arange(count + 1), left, right)
    if right - edges[-1] < LEAST_COLUMN * width:
        edges[-1] = right
    return [(float(low), float(high)) for low, high in pairwise(edges)]


def _equal_parts(left: float, right: float, count: int) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in pairwise(np.linspace(left, right, count + 1))]


def _named_as_read(layout: Layout, spans: list[tuple[float, float]], names: Names) -> Arrangement | None:
    """The layout with the names that were read at its places; None if most places have no name."""
    body = len(layout.columns[0])
    left, right = np.median(np.array(spans[:body]), axis=0)
    bounds = _equal_parts(left, right, len(layout.columns))
    columns = []
    for start, _ in bounds:
        here = [[name for name in row if -NAME_LEFT <= name[1] - start <= NAME_RIGHT] for row in names[:body]]
        columns.append(tuple(max(row, key=lambda name: name[2])[0] if row else "?" for row in here))
    known = [(name, row) for column in columns for row, name in enumerate(column) if name != "?"]
    if 2 * len(known) <= body * len(columns) or len({name for name, _ in known}) < len(known):
        return None
    other = replace(layout, name=f"{layout.name}, other order", columns=tuple(columns))
    return Arrangement(other, bounds, 0.0, 1.0, frozenset(known))
