"""From a page to a recording: twelve leads in millivolts, with invalid samples where the page shows nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS, PRINTED_NAMES
from ecgpipe.reader.ink import ink_of, own_ink
from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.line import Stroke, follow_stroke, middle_of, thickest_pen
from ecgpipe.reader.network import PIXEL_MAPS, ReaderNet
from ecgpipe.reader.page import ReadPage, several_pages, understand_page
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.timing import USUAL_SPEED, PageTime, page_time

USUAL_GAIN = 10.0  # mm/mV
GAINS = (5.0, 10.0, 20.0)
PULSE = (3.5, 24.0), (1.5, 14.0)  # mm, heights and widths of a calibration pulse
PULSE_INK, PULSE_FOOT, PULSE_ALIKE = 0.4, 1.5, 0.1  # probability; mm from baseline and beside; share of the height
BRIDGED = 2.0  # mm, gaps up to this are bridged
HELD = 0.5  # mm beyond a line's ends, up to those of its lead, where marks hide it: its last value is kept
FINE = 3  # points of a line per pixel of the upright page
END, VERTICAL = 0.4, 8.0  # mm at the ends of a lead, and the slope there of what is not trace
LEAST_COVERAGE = 0.2  # of a lead, below which it is missing


@dataclass(frozen=True)
class DigitizedLead:
    """One lead of a recording.

    Attributes:
        name, start, end: seconds from the start of the page.
        confidence: mean probability of its trace, 0 to 1.
        gaps: (from, to) in seconds, without a trace; bridged ones too.
        name_read: whether its printed name was read.
    """

    name: str
    start: float
    end: float
    confidence: float
    gaps: tuple[tuple[float, float], ...]
    name_read: bool


@dataclass(frozen=True)
class Recording:
    """A digitized page.

    Attributes:
        signal: float32 (12, samples), mV, leads in the usual order; NaN where the page shows nothing.
        sampling_rate: Hz.
        leads: what was found, without missing leads.
        speed, gain: mm/s and mm/mV.
        notes: what was assumed and what is doubtful, one sentence each.
        page: the page as it was read.
        lines: (n, 2) points of each found lead on the upright page, pixels.
    """

    signal: np.ndarray = field(repr=False)
    sampling_rate: float
    leads: tuple[DigitizedLead, ...]
    speed: float
    gain: float
    notes: tuple[str, ...]
    page: ReadPage = field(repr=False)
    lines: tuple[np.ndarray, ...] = field(repr=False)

    @property
    def missing(self) -> list[str]:
        """Leads without any sample, named as printed."""
        return missing_leads(self.signal)

    def summary(self) -> dict:
        """What ``ecgpipe digitize`` writes as JSON."""
        return self.page.summary() | {
            "speed_mm_per_s": self.speed,
            "gain_mm_per_mv": self.gain,
            "sampling_rate": self.sampling_rate,
            "missing": self.missing,
            "digitized": [
                {"name": lead.name, "start": round(lead.start, 3), "end": round(lead.end, 3),
                 "confidence": round(lead.confidence, 3), "name_read": lead.name_read,
                 "gaps": [[round(x, 3) for x in gap] for gap in lead.gaps]}
                for lead in self.leads
            ],
            "notes": list(self.notes),
        }  # fmt: skip


def digitize(
    picture: np.ndarray, net: ReaderNet, sampling_rate: float = 500, layouts: Sequence[Layout] | None = None
) -> Recording:
    """Digitize a picture of a page.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.
        sampling_rate: of the result, Hz.
        layouts: as in ``understand_page``.

    Raises:
        DataError: no ECG in the picture, or none of its leads could be named.
    """
    page = understand_page(picture, net, layouts)
    rows = page.leads.rows
    if several_pages(page.reading.names):
        raise DataError("most lead names appear twice: the picture seems to show two pages; cut them apart")
    if not page.leads.known:
        raise DataError(f"the page's layout is unknown ({len(rows)} rows of traces); see the overlay of ecgpipe read")
    leads, time, notes = page_time(page)
    speed = float(np.median(time.speeds))
    unit = 1.0 if page.reading.grid_found else speed / USUAL_SPEED  # estimated millimetres per true one
    gain = pulse_gain(page, unit)
    if gain is None:
        notes.append("no calibration pulse was measured: 10 mm/mV is assumed")
    samples = round(time.seconds * sampling_rate)
    signal = np.full((len(LEADS), samples), np.nan, np.float32)
    found, lines = [], []
    ink = ink_of(page, picture)
    order = sorted(leads, key=lambda lead: lead.strip)  # a strip does not replace the lead's own part
    used = [lead for lead in order if lead.name.upper() in LEADS and lead.coverage >= LEAST_COVERAGE]
    traces = [(lead, _trace(page, ink, lead)) for lead in used]
    pen = thickest_pen([trace.stroke for _, trace in traces if trace])
    for lead, trace in traces:
        scale = (gain or USUAL_GAIN) * unit
        part, line = _samples(page, lead, trace, pen, time, scale, sampling_rate, samples)
        row = signal[LEADS.index(lead.name.upper())]
        empty = np.isnan(row)
        row[empty] = part[empty]
        seconds = tuple((time.at(a, lead.row), time.at(b, lead.row)) for a, b in lead.gaps)
        span = time.at(lead.left, lead.row), time.at(lead.right, lead.row)
        found.append(DigitizedLead(lead.name, *span, lead.confidence, seconds, lead.name_read))
        lines.append(line)
    if not found:
        raise DataError(f"none of the {len(rows)} rows could be digitized; see the overlay of ecgpipe read")
    if missing := missing_leads(signal):
        notes.append(f"missing: {', '.join(missing)}")
    everything = (*notes, *page.notes)
    return Recording(
        signal, sampling_rate, tuple(found), speed / unit, gain or USUAL_GAIN, everything, page, tuple(lines)
    )


def missing_leads(signal: np.ndarray) -> list[str]:
    """Leads (12, samples) without any sample, named as printed."""
    return [name for name, row in zip(PRINTED_NAMES, signal, strict=True) if np.isnan(row).all()]


@dataclass(frozen=True)
class _Trace:
    """A lead's stroke in finer pixels, and the column and row of the upright page where these start and end."""

    stroke: Stroke
    first: int
    last: int
    top: int


def _trace(page: ReadPage, ink: np.ndarray, lead: FoundLead) -> _Trace | None:
    mm = page.frame.pixels_per_mm
    first, last = max(round(lead.left * mm), 0), round(lead.right * mm)
    own = own_ink(page, ink, lead, first, last)
    rows = np.flatnonzero(own.any(axis=1))
    if not len(rows):
        return None
    fine = cv2.resize(own[rows[0] : rows[-1] + 1], None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    stroke = follow_stroke(fine)
    return None if stroke is None else _Trace(stroke, first, last, int(rows[0]))


def _samples(
    page: ReadPage,
    lead: FoundLead,
    trace: _Trace | None,
    pen: float,
    time: PageTime,
    gain: float,
    rate: float,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """A lead's samples in mV, (count,), NaN elsewhere, and its line (n, 2) in pixels of the upright page."""
    if trace is None:
        return np.full(count, np.nan, np.float32), np.zeros((0, 2))
    mm, first = page.frame.pixels_per_mm, trace.first
    x, y = middle_of(trace.stroke, pen)
    speed = time.speeds[lead.row]
    start, stop = (time.at(each, lead.row) * speed for each in (lead.left, lead.right))
    inner = start > 1, time.seconds * speed - stop > 1
    zones = [END * mm * side for side in inner]
    x, y = _without_marks(x / FINE + first, y / FINE + trace.top, first, trace.last, zones)
    if not len(x):
        return np.full(count, np.nan, np.float32), np.zeros((0, 2))
    seconds = (x / mm - time.lefts[lead.row]) / speed
    at = np.arange(count) / rate
    values = np.interp(at, seconds, (lead.baseline - y / mm) / gain)
    values[
        (at < max(seconds[0] - HELD / speed, start / speed)) | (at > min(seconds[-1] + HELD / speed, stop / speed))
    ] = np.nan
    for gap in np.flatnonzero(np.diff(seconds) * speed > BRIDGED):
        values[(at > seconds[gap]) & (at < seconds[gap + 1])] = np.nan
    return values.astype(np.float32), np.stack([x, y], axis=1)


def _without_marks(
    x: np.ndarray, y: np.ndarray, first: float, last: float, zones: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The line without what lies beyond a vertical mark or a step near its ends: the next lead or its separator.

    Args:
        first, last: where the lead starts and ends, pixels.
        zones: pixels there in which a step counts; 0 at the end of a row.
    """
    steep = np.abs(np.diff(y)) > VERTICAL * np.diff(x)
    starts, stops = (
        np.flatnonzero(steep & (x[1:] < first + zones[0])),
        np.flatnonzero(steep & (x[:-1] > last - zones[1])),
    )
    kept = np.s_[starts[-1] + 1 if len(starts) else 0 : stops[0] + 1 if len(stops) else len(x)]
    return x[kept], y[kept]


def pulse_gain(page: ReadPage, unit: float = 1.0) -> float | None:
    """mm per mV from the heights of the calibration pulses; None without them.

    Marks of a pulse's size that stand on a row's baseline count if half of the rows, at least two, have one at the
    same place and with the same height. The network labels many pulses as other ink. ``unit``: estimated millimetres
    per true one.
    """
    mm = page.frame.pixels_per_mm
    maps = page.reading.maps
    marks = np.maximum(maps[PIXEL_MAPS.index("ink")], maps[PIXEL_MAPS.index("pulse")])
    marked = page.frame.warp(marks, page.reading.scale, 0) >= PULSE_INK
    _, _, boxes, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    rows = np.array(page.leads.rows)
    found = []  # left, height, row
    for left, top, width, height, area in boxes[1:] / np.array([mm, mm, mm, mm, mm**2]):
        (low, high), (narrow, wide) = np.array(PULSE) * unit
        thickness = area / (2 * height + width)
        row = int(np.abs(rows - (top + height)).argmin())
        foot = abs(rows[row] - (top + height - thickness / 2))
        if low <= height - thickness <= high and narrow <= width <= wide and foot <= PULSE_FOOT:
            found.append((left, height - thickness, row))
    for left, height, _ in found:
        alike = [each for each in found if abs(each[0] - left) < PULSE_FOOT and abs(each[1] / height - 1) < PULSE_ALIKE]
        if len({row for *_, row in alike}) >= max(2, len(rows) / 2):
            measured = float(np.median([each[1] for each in alike])) / unit
            nearest = min(GAINS, key=lambda gain: abs(np.log(gain / measured)))
            return nearest if abs(np.log(nearest / measured)) < 0.25 else None
    return None
