"""The line of each lead on a page, and its height in millimetres at given times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS
from ecgpipe.reader.ink import ink_of, own_ink, without_frame
from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.line import Stroke, follow_stroke, middle_of, thickest_pen
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.notes import several_pages
from ecgpipe.reader.page import SURELY_NAMED, ReadPage, understand_page
from ecgpipe.reader.pulses import Mark, drawn_pulses, without_pulses
from ecgpipe.reader.read import legible
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.timing import USUAL_SPEED, PageTime, page_time

LEAST_COVERAGE = 0.2  # leads with a lower coverage are missing
LEAST_AGREEMENT = 0.3  # of legible names with the layout; less is another layout
LEAST_SHOWN = 0.65  # minimum mean coverage of the leads of a page whose names are illegible or do not fit
BRIDGED = 2.0  # mm, gaps up to this are bridged
HELD = 0.5  # mm by which a line is extended with its end values, within its lead, because marks may hide its ends
FINE = 3  # points of a line per pixel of the upright page
END, VERTICAL = 0.4, 8.0  # mm at the ends of a lead, and the least slope of a mark there


@dataclass(frozen=True)
class LeadLine:
    """One lead's line and the stroke that shows it. Pixels are those of the upright page, centres at 0.5.

    Attributes:
        x, y: (n,), the line's points, x increasing, n > 0.
        stroke: its edges; its columns are also in pixels.
        pen: thickness of the pen that drew it, pixels.
    """

    lead: FoundLead
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    stroke: Stroke = field(repr=False)
    pen: float


@dataclass(frozen=True)
class PageLines:
    """The lines of a page.

    Attributes:
        time: the time axis of its rows.
        unit: millimetres of the upright page per true millimetre; not 1 if there is no grid.
        ink: float32 (h, w), from ``ink_of``.
        lines: of the leads that have ink of their own; rhythm strips are last, first those whose names were read.
        notes: assumptions about time.
        pulses: calibration pulses that are clear in the ink.
    """

    page: ReadPage = field(repr=False)
    time: PageTime
    unit: float
    ink: np.ndarray = field(repr=False)
    lines: tuple[LeadLine, ...]
    notes: tuple[str, ...]
    pulses: tuple[Mark, ...] = ()

    @property
    def mm(self) -> float:
        """Pixels of the upright page per millimetre."""
        return self.page.frame.pixels_per_mm

    def seconds(self, line: LeadLine) -> np.ndarray:
        """Times of a line's points from the start of the page."""
        return (line.x / self.mm - self.time.lefts[line.lead.row]) / self.time.speeds[line.lead.row]

    def shifted(self, shifts: Mapping[int, float]) -> "PageLines":
        """The same lines with some rows later by these seconds."""
        late = np.array([shifts.get(row, 0.0) for row in range(len(self.time.lefts))])
        return replace(self, time=replace(self.time, lefts=self.time.lefts - late * self.time.speeds))

    def heights(self, line: LeadLine, seconds: np.ndarray) -> np.ndarray:
        """Heights of a line above its baseline, true mm, at increasing times (n,); NaN in gaps and beyond its ends."""
        lead, shown = line.lead, self.seconds(line)
        speed = self.time.speeds[lead.row]
        heights = np.interp(seconds, shown, (lead.baseline - line.y / self.mm) / self.unit)
        start, stop = self.time.at(lead.left, lead.row), self.time.at(lead.right, lead.row)
        before, after = max(shown[0] - HELD / speed, start), min(shown[-1] + HELD / speed, stop)
        heights[(seconds < before) | (seconds > after)] = np.nan
        for gap in np.flatnonzero(np.diff(shown) * speed > BRIDGED):
            heights[(seconds > shown[gap]) & (seconds < shown[gap + 1])] = np.nan
        return heights


def read_lines(picture: np.ndarray, net: ReaderNet) -> PageLines:
    """Read a picture and follow its traces.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.

    Raises:
        DataError: no ECG in the picture, its leads could not be named, or most of the traces were not found.
    """
    picture = without_frame(picture)
    return follow_lines(named_page(picture, net, None), picture)


def named_page(picture: np.ndarray, net: ReaderNet, layouts: Sequence[Layout] | None) -> ReadPage:
    """Read a picture without a frame; errors as in ``read_lines``, ``layouts`` as in ``understand_page``."""
    page = understand_page(picture, net, layouts)
    if several_pages(page):
        raise DataError("most lead names appear twice: the picture seems to show two pages; crop it to one")
    if legible(page.reading.names) >= SURELY_NAMED and page.leads.agreement < LEAST_AGREEMENT:
        raise DataError(
            f"the page's layout is unknown: the lead names that were read do not fit {page.leads.layout}; see the "
            "overlay of ecgpipe read, and describe the layout in a file (--layouts)"
        )
    if not page.leads.known:
        raise DataError(f"the page's layout is unknown ({page.leads.described}); see the overlay of ecgpipe read")
    shown = float(np.mean([lead.coverage for lead in page.leads.leads]))
    if not page.leads.named and shown < LEAST_SHOWN:
        raise DataError(
            f"the picture is too faint, blurred or small: few lead names were read, or few fit, and "
            f"{100 * (1 - shown):.0f}% of the traces were not found; give a sharper or larger picture"
        )
    return page


def follow_lines(page: ReadPage, picture: np.ndarray, speed: float | None = None) -> PageLines:
    """Follow the traces of a page.

    Args:
        page: from ``named_page``, and its picture.
        speed: of the paper, mm/s; None: assumed.
    """
    ink = ink_of(page, picture)
    pulses = drawn_pulses(page, ink)
    page, ink = without_pulses(page, ink, pulses)
    leads, time, notes = page_time(page, speed)
    unit = 1.0 if page.reading.grid_found else time.speed / (speed or USUAL_SPEED)
    order = sorted(leads, key=lambda lead: (lead.strip, lead.strip and not lead.name_read))
    used = [lead for lead in order if lead.name.upper() in LEADS and lead.coverage >= LEAST_COVERAGE]
    return PageLines(page, time, unit, ink, tuple(_lines(page, ink, used, time)), tuple(notes), tuple(pulses))


def _lines(page: ReadPage, ink: np.ndarray, leads: Sequence[FoundLead], time: PageTime) -> list[LeadLine]:
    mm = page.frame.pixels_per_mm
    found = []
    for lead in leads:
        left = max(round(lead.left * mm), 0)
        own = own_ink(page, ink, lead, left, round(lead.right * mm))
        rows = np.flatnonzero(own.any(axis=1))
        if not len(rows):
            continue
        own = own[rows[0] : rows[-1] + 1]
        fine = follow_stroke(cv2.resize(own, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC))
        if fine is not None:
            found.append((lead, fine, left, rows[0]))
    thickest = thickest_pen([fine for _, fine, *_ in found])
    lines = []
    for lead, fine, left, top in found:
        x, y = middle_of(fine, thickest)
        x, y = _without_marks(x / FINE + left, y / FINE + top, lead, time, mm)
        if len(x):
            stroke = Stroke((fine.columns + 0.5) / FINE + left, fine.edges / FINE + top, fine.thickness / FINE)
            lines.append(LeadLine(lead, x, y, stroke, min(stroke.thickness, thickest / FINE)))
    return lines


def _without_marks(
    x: np.ndarray, y: np.ndarray, lead: FoundLead, time: PageTime, mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """The line without the parts beyond a vertical mark or a step near its ends: the next lead or a separator.

    The ends of a row have neither.
    """
    speed = time.speeds[lead.row]
    inner = time.at(lead.left, lead.row) * speed > 1, (time.seconds - time.at(lead.right, lead.row)) * speed > 1
    first, last = lead.left * mm + END * mm * inner[0], lead.right * mm - END * mm * inner[1]
    steep = np.abs(np.diff(y)) > VERTICAL * np.diff(x)
    starts, stops = np.flatnonzero(steep & (x[1:] < first)), np.flatnonzero(steep & (x[:-1] > last))
    kept = np.s_[starts[-1] + 1 if len(starts) else 0 : stops[0] + 1 if len(stops) else len(x)]
    return x[kept], y[kept]
