"""A page that was read: the upright page, its leads, and notes on possible problems."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.reader.curves import with_ink_curves
from ecgpipe.reader.geometry import PageGeometry
from ecgpipe.reader.leads import NAME_ABOVE, NAME_BELOW, FoundLead, PageLeads, find_leads
from ecgpipe.reader.level import even_columns, row_wave, trace_points, upright_ends
from ecgpipe.reader.network import OFFSET_UNIT, PIXEL_MAPS, ReaderNet
from ecgpipe.reader.phase import local_shift
from ecgpipe.reader.read import CLEARLY, FoundName, Reading, legible, marks_of, read_page
from ecgpipe.reader.rows import TRACE, columns_of
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.upright import Frame, frame_around

NO_ECG = "no ECG was found in the picture; give a photo, scan or drawing of an ECG page"
TOO_SHORT = "lead names were found, but the longest row of traces covers only {:.0f}% of the picture's content; crop it"
LEAST_ROW, SHORT_ROW = 0.6, 0.25
"""Minimum share of the page's width that the longest row of an ECG covers."""
REPEATED = 6
"""Number of repeated lead names from which two pages are suspected; rhythm strips repeat up to three names."""
STILL_LEGIBLE = 0.7  # times the legibility of the names in turned views: that of a page after it was turned
NAMED = 2.0
"""How many lead names prove an ECG (``read.legible``)."""
SURELY_NAMED = 6.0
"""How many prove it so clearly that long curves of other ink count as its traces."""
CLEAR, IN_ROWS = 0.83, 0.8
"""Without them: the traces' minimum mean probability, and their minimum share of all pixels that look like a trace."""
MARGIN = 4.0  # mm around the content of a page
FINEST, COARSEST = 12.0, 3.0  # pixels per mm of an upright page
LONGEST = 3000  # pixels of its longer side
SAMPLE = 6  # every n-th pixel of the maps is used to find the content
STRAY = 0.0005  # share of content at each edge that is ignored, such as specks on a table
NAME_NEAR = 15.0  # mm, largest distance of a name from the left end and the baseline of its lead
FULL = 0.9  # leads with a lower coverage are reported
FITTING = 0.8  # layouts with which fewer of the names agree are reported
DARK = 0.5  # times the darkness of the traces: darker pixels are ink
INK_RESOLUTION = 4.0  # approximate pixels per mm at which ink is compared
NEAR_INK = 0.8  # mm: ink this close to marked pixels is explained by them
DARK_GROUND = 140  # median of a picture's channels below which its traces may be light
NEGATIVE_TRACE, MORE_TRACE = 0.003, 3.0  # minimum share of trace in a negative, and relative to the original
MUCH_INK = 0.12  # unexplained ink that is reported, relative to a lead's trace


@dataclass(frozen=True)
class ReadPage:
    """A page with its leads.

    Attributes:
        reading: the network's result for the picture.
        frame: the upright page.
        trace: float32 (h, w), probability of a trace on the upright page.
        notes: possible problems, one sentence each.
        quarters: quarter turns anticlockwise by which the picture was turned before it was read, because the page lay
            on its side or upside down.
        negative: whether the traces are light and the background is dark.
    """

    reading: Reading
    frame: Frame
    trace: np.ndarray = field(repr=False)
    leads: PageLeads
    notes: tuple[str, ...]
    quarters: int
    negative: bool = False

    @property
    def mask(self) -> np.ndarray:
        """uint8 (H, W): 255 on a trace of the original picture, else 0."""
        mask = self.reading.mask
        kept = cv2.dilate((self.leads.row_of >= 0).astype(np.uint8), np.ones((3, 3), np.uint8))
        y, x = np.nonzero(mask)
        at = self.frame.to_mm(np.stack([x, y], axis=1) + 0.5) * self.frame.pixels_per_mm
        column, row = np.clip(at.astype(int), 0, np.array(self.frame.shape[::-1]) - 1).T
        mask[y, x] = 255 * kept[row, column]
        return np.ascontiguousarray(np.rot90(mask, -self.quarters))

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """The picture, warped to the upright page; white outside the picture."""
        return self.frame.warp(np.ascontiguousarray(np.rot90(picture, self.quarters)), border=255)

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """Convert positions (n, 2) in the picture as it was read (turned) to positions in the original picture."""
        height, width = self.reading.trace.shape
        x, y = points.T
        turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[self.quarters]
        return np.stack(turned, axis=1)

    def summary(self) -> dict:
        """The JSON output of ``ecgpipe read``."""
        geometry = self.reading.geometry
        angle = geometry.angle - 180 * geometry.mirrored  # a mirrored page has its left side on the right
        return {
            "layout": self.leads.layout,
            "layout_agreement": round(self.leads.agreement, 3),
            "pixels_per_mm": round(geometry.pixels_per_mm, 3),
            "millimetres_from": "grid" if self.reading.grid_found else "estimate",
            "rotation_degrees": round((angle + 90 * self.quarters + 180) % 360 - 180, 2),
            "mirrored": geometry.mirrored,
            "upright_pixels_per_mm": round(self.frame.pixels_per_mm, 3),
            "leads": [_rounded(lead) for lead in self.leads.leads],
            "names": [_rounded(name) for name in self.reading.names],
            "notes": list(self.notes),
        }


def _rounded(found: FoundLead | FoundName) -> dict:
    values = asdict(found)
    return {
        key: round(value, 3)
        if isinstance(value, float)
        else [[round(x, 1) for x in gap] for gap in value]
        if key == "gaps"
        else value
        for key, value in values.items()
    }


def understand_page(picture: np.ndarray, net: ReaderNet, layouts: Sequence[Layout] | None = None) -> ReadPage:
    """Read a picture and find the page's leads.

    If the traces seem to run downwards, the picture is also read on its side, and the reading with clearly more legible
    names is used, or else the one with the longer rows. A page whose names are legible upside down is turned and read
    again. For light traces on a dark background, the picture's negative is read.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.
        layouts: possible layouts of the page; default: ``read_templates()``.

    Raises:
        DataError: there is no ECG in the picture.
    """
    first = _read(picture, net)
    negative = _as_negative(picture, first, net)
    if negative is not None:
        picture, first = negative
    if not first.has_trace:
        raise DataError(NO_ECG)
    page = _understood(picture, first, 0, net, layouts)
    if page is None or _runs_down(first.maps[0]):
        other = _understood(picture, _turned(picture, net, 1), 1, net, layouts)
        if other is not None and (page is None or _is_better(other, page)):
            page = other
    if page is None:
        raise DataError(NO_ECG)
    if not _is_ecg(page):
        named = page.leads.named and legible(page.reading.names) >= NAMED  # then only their length is against it
        raise DataError(TOO_SHORT.format(100 * _longest_row(page.leads)) if named else NO_ECG)
    notes = (*_page_notes(page), *_lead_notes(page.leads), *_ink_notes(picture, page))
    if negative is not None:
        return replace(page, notes=("light traces on a dark background: read as a negative", *notes), negative=True)
    return replace(page, notes=notes)


def _read(picture: np.ndarray, net: ReaderNet) -> Reading:
    """The reading of a picture, with curves that the network takes for other ink if the lead names prove an ECG."""
    reading = read_page(picture, net)
    return with_ink_curves(reading) if legible(reading.names) >= SURELY_NAMED else reading


def _as_negative(picture: np.ndarray, first: Reading, net: ReaderNet) -> tuple[np.ndarray, Reading] | None:
    """The negative of a picture and its reading, if it shows light traces on a dark background, such as a screen.

    Lead names decide, if they are legible. Otherwise, a dark picture of a light page, on a desk or in bad light, shows
    more trace in the original than in the negative.
    """
    usual = legible(first.names)
    if np.median(picture[::4, ::4]) >= DARK_GROUND or usual >= SURELY_NAMED:
        return None
    negative = cv2.bitwise_not(picture)
    reading = _read(negative, net)
    named = legible(reading.names)
    if max(named, usual) >= NAMED:
        return (negative, reading) if named > CLEARLY * usual else None
    share, usual_share = (float((each.maps[0] > 0.5).mean()) for each in (reading, first))
    return (negative, reading) if share > max(NEGATIVE_TRACE, MORE_TRACE * usual_share) else None


def _turned(picture: np.ndarray, net: ReaderNet, quarters: int) -> Reading:
    """The reading of a picture that was turned anticlockwise by quarter turns."""
    return _read(np.ascontiguousarray(np.rot90(picture, quarters)), net)


def _understood(
    picture: np.ndarray, reading: Reading, quarters: int, net: ReaderNet, layouts: Sequence[Layout] | None
) -> ReadPage | None:
    """The page without notes, turned again if it is upside down; None if there is no row of traces."""
    if not reading.has_trace:
        return None
    if reading.upside_down:
        again = _turned(picture, net, quarters + 2)
        upright = again.has_trace and not again.upside_down
        if upright and legible(again.names) > STILL_LEGIBLE * legible(reading.names):
            reading, quarters = again, (quarters + 2) % 4
    page = _on_paper(reading, quarters, layouts)
    if page is None or reading.grid_found or legible(reading.names) < NAMED:
        return page
    geometry = _with_even_time(page)
    return page if geometry is reading.geometry else _on_paper(replace(reading, geometry=geometry), quarters, layouts)


def _with_even_time(page: ReadPage) -> PageGeometry:
    """The geometry of a page without a grid, corrected by the ends of its rows and by the names of its leads."""
    reading, frame = page.reading, page.frame
    shape = reading.trace.shape[0], reading.trace.shape[1]
    rows = [[lead for lead in page.leads.leads if lead.row == row] for row in range(len(page.leads.rows))]
    ends = [(row[0].left, row[0].baseline, row[-1].right, row[-1].baseline) for row in rows]
    lefts, rights = (frame.in_picture(each * frame.pixels_per_mm) for each in np.hsplit(np.array(ends), 2))
    rough = reading.geometry
    geometry = upright_ends(rough.to_page(lefts), rough.to_page(rights), rough, shape)
    if page.leads.cut:
        return geometry
    left, right = (float(np.median(geometry.to_page(each)[:, 0])) for each in (lefts, rights))
    width = right - left
    starts = [(lead, left + width * n / len(row)) for row in rows if len(row) > 1 for n, lead in enumerate(row)]
    names = []
    for name in reading.names:
        point = np.array([[name.x, name.y]])
        x, y = frame.to_mm(point)[0]
        place = float(geometry.to_page(point)[0, 0])
        names += [
            (name.name, place, start)
            for lead, start in starts
            if lead.name == name.name and max(abs(x - lead.left), abs(y - lead.baseline)) < NAME_NEAR
        ]
    return even_columns(names, left, right, geometry, shape)


def _on_paper(reading: Reading, quarters: int, layouts: Sequence[Layout] | None) -> ReadPage | None:
    """The upright page that the geometry of a reading gives; None if there is no row of traces."""
    geometry, shape = reading.geometry, reading.trace.shape
    resolution = float(np.clip(geometry.pixels_per_mm, COARSEST, FINEST))
    frame = frame_around(_content(reading), geometry, (shape[0], shape[1]), resolution, MARGIN, LONGEST)
    local = None
    if reading.grid_found:
        local = local_shift(reading.maps[PIXEL_MAPS.index("grid")], geometry, reading.scale)
    elif legible(reading.names) >= NAMED:  # without names, a chart's curves could become rows
        local = row_wave(*trace_points(reading.maps, reading.scale), geometry, (shape[0], shape[1]))
    frame = frame if local is None else frame.straightened(local)
    trace = frame.warp(reading.maps[0], reading.scale, 0)
    offset = frame.warp(reading.maps[PIXEL_MAPS.index("offset")], reading.scale) * OFFSET_UNIT
    names = [(name.name, *frame.to_mm(np.array([[name.x, name.y]]))[0], name.confidence) for name in reading.names]
    leads = find_leads(trace, offset, names, frame.pixels_per_mm, layouts)
    return None if leads is None else ReadPage(reading, frame, trace, leads, (), quarters)


def _runs_down(trace: np.ndarray) -> bool:
    """Whether the traces run along the picture's columns: rows of traces cover its width, with gaps between them."""
    found = trace > 0.5
    return float(found.any(axis=0).mean()) < float(found.any(axis=1).mean())


def _is_ecg(page: ReadPage) -> bool:
    """Whether the lines are an ECG: the page has legible lead names, or clear traces and little else.

    A single line without a grid or names could be any chart.
    """
    names = legible(page.reading.names)
    if _longest_row(page.leads) < (SHORT_ROW if names >= SURELY_NAMED else LEAST_ROW):
        return False
    if names >= NAMED:
        return True
    if len(page.leads.rows) == 1 and not page.reading.grid_found:
        return False
    in_rows = page.leads.row_of >= 0
    clear, share = page.trace[in_rows].mean(), in_rows.sum() / (page.trace >= TRACE).sum()
    return bool(clear >= CLEAR and share >= IN_ROWS)


def _is_better(turned: ReadPage, page: ReadPage) -> bool:
    """Whether the picture is better read on its side."""
    if _is_ecg(turned) != _is_ecg(page):
        return _is_ecg(turned)
    names, usual = legible(turned.reading.names), legible(page.reading.names)
    if max(names, usual) >= max(NAMED, CLEARLY * min(names, usual)):
        return names > usual
    return _longest_row(turned.leads) > _longest_row(page.leads)


def _longest_row(leads: PageLeads) -> float:
    """Share of the page's columns in which the longest row has trace."""
    return float(columns_of(leads.row_of, len(leads.rows)).mean(axis=1).max())


def _content(reading: Reading) -> np.ndarray:
    """Points (n, 2) of the picture on traces, pulses, grid and names."""
    marks = np.maximum(reading.maps[0], np.maximum(reading.maps[2], reading.maps[3])) > 0.5
    y, x = np.nonzero(marks[::SAMPLE, ::SAMPLE])
    trace_y, trace_x = np.nonzero(reading.maps[0] > 0.5)
    page = np.stack([x, y], axis=1) * SAMPLE
    if len(page):  # a thin line may lie between these pixels
        low, high = np.quantile(page, [STRAY, 1 - STRAY], axis=0)
        page = page[((page >= low) & (page <= high)).all(axis=1)]
    return (np.concatenate([page, np.stack([trace_x, trace_y], axis=1)[::SAMPLE]]) + 0.5) / reading.scale


def _page_notes(page: ReadPage) -> list[str]:
    reading, notes = page.reading, []
    if reading.geometry.mirrored:
        notes.append("the page is mirrored; the upright page shows it the right way round")
    if not reading.grid_found:
        notes.append("no grid was found, so millimetres and direction are rough")
    if several_pages(page):
        notes.append("most lead names appear twice: if the picture shows two pages, crop it to one")
    return notes


def several_pages(page: ReadPage) -> bool:
    """Whether more names at the rows of traces are repeated than rhythm strips explain; a table may list them again."""
    counts = Counter(name.name for name in _names_at(page, page.leads.rows))
    return sum(count > 1 for count in counts.values()) >= REPEATED


def names_left_out(page: ReadPage) -> list[str]:
    """Names that belong to no row or lead, but to a line that was not taken for a row: it may be a row of leads."""
    known = {lead.name for lead in page.leads.leads if lead.name_read}
    at_rows = _names_at(page, page.leads.rows)
    others = [name.name for name in _names_at(page, page.leads.removed) if name not in at_rows]
    return list(dict.fromkeys(name for name in others if name not in known))


def _names_at(page: ReadPage, baselines: Sequence[float]) -> list[FoundName]:
    """The names whose heights fit rows with these baselines, mm; the most confident first."""
    names = page.reading.names
    if not names:
        return []
    y = page.frame.to_mm(np.array([[name.x, name.y] for name in names]))[:, 1]
    beside = y[:, None] - np.array(baselines)
    at_row = ((beside >= -NAME_ABOVE) & (beside <= NAME_BELOW)).any(axis=1)
    return [name for name, near in zip(names, at_row, strict=True) if near]


def _lead_notes(leads: PageLeads) -> list[str]:
    notes = []
    if not leads.known:
        notes.append(f"the layout is unknown: {leads.described}")
    elif not leads.named:
        notes.append(f"few lead names were read, or few fit; the leads are named as in the layout {leads.layout}")
    else:
        if leads.agreement < FITTING:
            share = 100 * (1 - leads.agreement)
            notes.append(f"{share:.0f}% of the lead names that were read do not fit the layout {leads.layout}")
        notes += [f"row {row + 1}: no lead name that was read there fits the layout" for row in leads.doubtful]
    notes += [f"a line {y:.0f} mm below the upper edge is not a lead and was left out" for y in leads.removed]
    for lead in leads.leads:
        if lead.coverage < FULL:
            notes.append(f"{_place(lead)}: no trace in {100 * (1 - lead.coverage):.0f}% of its width")
    return notes


def _place(lead: FoundLead) -> str:
    return f"{lead.name}, row {lead.row + 1}"


def _ink_notes(picture: np.ndarray, page: ReadPage) -> list[str]:
    """Report leads with much dark ink around them that is neither their trace nor marked as anything else.

    The shares are estimated from some of the pixels.
    """
    step = max(1, round(page.frame.pixels_per_mm / INK_RESOLUTION))
    frame, row_of = page.frame.thinned(step), page.leads.row_of[::step, ::step]
    maps, scale = page.reading.maps, page.reading.scale
    upright = frame.warp(np.ascontiguousarray(np.rot90(picture, page.quarters)))
    dark = dark_ink(upright, frame.warp(maps[0], scale, 0) > 0.5)
    marked = frame.warp(marks_of(maps), scale, 0) > 0.4
    reach = max(1, round(NEAR_INK * frame.pixels_per_mm))
    near = cv2.dilate(marked.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    unmarked = dark & ~near
    notes = []
    leads = page.leads
    pitch = np.diff(leads.rows).min() if len(leads.rows) > 1 else 30.0
    for lead in leads.leads:
        left, right = (round(x * frame.pixels_per_mm) for x in (lead.left, lead.right))
        top, bottom = (round((lead.baseline + side * pitch / 2) * frame.pixels_per_mm) for side in (-1, 1))
        part = np.s_[max(top, 0) : bottom, max(left, 0) : right]
        traced = np.count_nonzero(row_of[part] == lead.row)
        left_out = np.count_nonzero(unmarked[part])
        if left_out > MUCH_INK * max(traced, 1):
            share = left_out / max(left_out + traced, 1)
            notes.append(f"{_place(lead)}: {100 * share:.0f}% of the dark ink around it was left out")
    return notes


def dark_ink(page: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """bool (h, w): pixels about as dark as the traces, relative to their surroundings."""
    grey = reduce(cv2.max, cv2.split(page))
    small = cv2.resize(grey, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    darkness = cv2.subtract(cv2.resize(cv2.medianBlur(small, 21), grey.shape[::-1]), grey)
    usual = float(np.median(darkness[trace])) if trace.any() else 128.0
    return darkness > max(DARK * usual, 25)
