"""A page that was read: the upright page and its leads."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.reader.curves import with_ink_curves
from ecgpipe.reader.geometry import PageGeometry
from ecgpipe.reader.leads import FoundLead, PageLeads, find_leads
from ecgpipe.reader.level import even_columns, row_wave, trace_points, upright_ends
from ecgpipe.reader.network import OFFSET_UNIT, PIXEL_MAPS, ReaderNet
from ecgpipe.reader.notes import NEAR_START, page_notes
from ecgpipe.reader.phase import local_shift
from ecgpipe.reader.read import CLEARLY, FoundName, Reading, legible, read_page
from ecgpipe.reader.rows import TRACE, columns_of
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.upright import Frame, frame_around
from ecgpipe.reader.view import View, nearer_view

NO_ECG = "no ECG was found in the picture; give a photo, scan or drawing of an ECG page"
TOO_SHORT = "lead names were found, but the longest row of traces covers only {:.0f}% of the picture's content; crop it"
LEAST_ROW, SHORT_ROW = 0.6, 0.25
"""Minimum share of the page's width that the longest row of an ECG covers."""
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
MOST_VIEWS = 3  # nearer views of a page
FEWER_NAMES = 1.0  # lead names (``read.legible``) that a nearer view may lose
SAMPLE = 6  # every n-th pixel of the maps is used to find the content
STRAY = 0.0005  # share of content at each edge that is ignored, such as specks on a table
DARK_GROUND = 140  # median of a picture's channels below which its traces may be light
NEGATIVE_TRACE, MORE_TRACE = 0.003, 3.0  # minimum share of trace in a negative, and relative to the original


@dataclass(frozen=True)
class ReadPage:
    """A page with its leads.

    Attributes:
        reading: the network's result for the picture.
        frame: the upright page.
        trace: float32 (h, w), probability of a trace on the upright page.
        notes: possible problems, one sentence each.
        view: how the picture was turned and cropped before it was read, because the page was turned or small.
        negative: whether the traces are light and the background is dark.
    """

    reading: Reading
    frame: Frame
    trace: np.ndarray = field(repr=False)
    leads: PageLeads
    notes: tuple[str, ...]
    view: View
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
        return self.view.back(mask)

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """The picture, warped to the upright page; white outside the picture."""
        return self.view.warp(picture, self.frame, border=255)

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """Convert positions (n, 2) in the view that was read to positions in the original picture."""
        return self.view.to_picture(points)

    def summary(self) -> dict:
        """The JSON output of ``ecgpipe read``."""
        geometry = self.reading.geometry
        angle = geometry.angle - 180 * geometry.mirrored  # a mirrored page has its left side on the right
        places = [self.in_picture(np.array([[name.x, name.y]]))[0].tolist() for name in self.reading.names]
        names = [replace(name, x=x, y=y) for name, (x, y) in zip(self.reading.names, places, strict=True)]
        return {
            "layout": self.leads.layout,
            "layout_agreement": round(self.leads.agreement, 3),
            "pixels_per_mm": round(geometry.pixels_per_mm, 3),
            "millimetres_from": "grid" if self.reading.grid_found else "estimate",
            "rotation_degrees": round((angle + self.view.degrees + 180) % 360 - 180, 2),
            "mirrored": geometry.mirrored,
            "upright_pixels_per_mm": round(self.frame.pixels_per_mm, 3),
            "leads": [_rounded(lead) for lead in self.leads.leads],
            "names": [_rounded(name) for name in names],
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


@dataclass(frozen=True)
class _Look:
    """The first reading of a view of a picture, and the page if there is one. ``view`` shows the reading's picture."""

    reading: Reading
    view: View
    page: ReadPage | None

    @property
    def is_ecg(self) -> bool:
        return self.page is not None and _is_ecg(self.page)


def understand_page(picture: np.ndarray, net: ReaderNet, layouts: Sequence[Layout] | None = None) -> ReadPage:
    """Read a picture and find the page's leads.

    If the page is turned by more than about 12 degrees, or is a small part of the picture, it is read again from a
    level or cropped view of the picture. If the traces seem to run downwards, the picture is also read on its side, and
    the reading with clearly more legible names is used, or else the one with the longer rows. A page whose names are
    legible upside down is turned and read again. For light traces on a dark background, the picture's negative is read.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.
        layouts: possible layouts of the page; default: ``read_templates()``.

    Raises:
        DataError: there is no ECG in the picture.
    """
    look = _look(picture, View.whole(picture), net, layouts)
    for _ in range(MOST_VIEWS):
        view = nearer_view(picture, look.reading, look.view)
        other = view and _look(picture, view, net, layouts)
        if not other or not _shows_more(other, look):
            break
        look = other
    page = look.page
    if page is None:
        raise DataError(NO_ECG)
    if not _is_ecg(page):
        named = page.leads.named and legible(page.reading.names) >= NAMED  # then only their length is against it
        raise DataError(TOO_SHORT.format(100 * _longest_row(page.leads)) if named else NO_ECG)
    if page.negative:
        notes = page_notes(cv2.bitwise_not(picture), page)
        return replace(page, notes=("light traces on a dark background: read as a negative", *notes))
    return replace(page, notes=tuple(page_notes(picture, page)))


def _look(picture: np.ndarray, view: View, net: ReaderNet, layouts: Sequence[Layout] | None) -> _Look:
    """Read a view of a picture."""
    first = _read(view.of(picture), net)
    negative = _as_negative(view.of(picture), first, net)
    if negative is not None:
        picture, first = cv2.bitwise_not(picture), negative
    if not first.has_trace:
        return _Look(first, view, None)
    page = _understood(picture, first, view, net, layouts)
    if page is None or _runs_down(first.maps[0]):
        side = view.turned(1)
        other = _understood(picture, _read(side.of(picture), net), side, net, layouts)
        if other is not None and (page is None or _is_better(other, page)):
            page = other
    if page is None:
        return _Look(first, view, None)
    return _Look(page.reading, page.view, replace(page, negative=negative is not None))


def _shows_more(other: _Look, look: _Look) -> bool:
    """Whether a nearer view shows an ECG at least as well. Names must prove one that was not seen before."""
    if not other.is_ecg:
        return False
    names = legible(other.reading.names)
    return names >= legible(look.reading.names) - FEWER_NAMES if look.is_ecg else names >= NAMED


def _read(picture: np.ndarray, net: ReaderNet) -> Reading:
    """The reading of a picture, with curves that the network takes for other ink if the lead names prove an ECG."""
    reading = read_page(picture, net)
    return with_ink_curves(reading) if legible(reading.names) >= SURELY_NAMED else reading


def _as_negative(picture: np.ndarray, first: Reading, net: ReaderNet) -> Reading | None:
    """The reading of the negative of a picture that shows light traces on a dark background, such as a screen, or None.

    Lead names decide, if they are legible. Otherwise, a dark picture of a light page, on a desk or in bad light, shows
    more trace in the original than in the negative.
    """
    usual = legible(first.names)
    if np.median(picture[::4, ::4]) >= DARK_GROUND or usual >= SURELY_NAMED:
        return None
    reading = _read(cv2.bitwise_not(picture), net)
    named = legible(reading.names)
    if max(named, usual) >= NAMED:
        return reading if named > CLEARLY * usual else None
    share, usual_share = (float((each.maps[0] > 0.5).mean()) for each in (reading, first))
    return reading if share > max(NEGATIVE_TRACE, MORE_TRACE * usual_share) else None


def _understood(
    picture: np.ndarray, reading: Reading, view: View, net: ReaderNet, layouts: Sequence[Layout] | None
) -> ReadPage | None:
    """The page without notes, turned again if it is upside down; None if there is no row of traces."""
    if not reading.has_trace:
        return None
    if reading.upside_down:
        turned = view.turned(2)
        again = _read(turned.of(picture), net)
        upright = again.has_trace and not again.upside_down
        if upright and legible(again.names) > STILL_LEGIBLE * legible(reading.names):
            reading, view = again, turned
    page = _on_paper(reading, view, layouts)
    if page is None or reading.grid_found or legible(reading.names) < NAMED:
        return page
    geometry = _with_even_time(page)
    return page if geometry is reading.geometry else _on_paper(replace(reading, geometry=geometry), view, layouts)


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
            if lead.name == name.name and max(abs(x - lead.left), abs(y - lead.baseline)) < NEAR_START
        ]
    return even_columns(names, left, right, geometry, shape)


def _on_paper(reading: Reading, view: View, layouts: Sequence[Layout] | None) -> ReadPage | None:
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
    return None if leads is None else ReadPage(reading, frame, trace, leads, (), view)


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
