"""From a page to a recording: twelve leads in millivolts, with invalid samples where the page shows no trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS, PRINTED_NAMES
from ecgpipe.reader.lead_line import read_lines
from ecgpipe.reader.network import PIXEL_MAPS, ReaderNet
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.refine import corrections
from ecgpipe.reader.templates import Layout

USUAL_GAIN = 10.0  # mm/mV
GAINS = (5.0, 10.0, 20.0)
PULSE = (3.5, 24.0), (1.5, 14.0)  # mm, range of heights and of widths of a calibration pulse
CABRERA = "Cabrera"  # part of the name of each layout in this order
INVERTED = -0.5  # correlation with Goldberger's relation below which aVR is inverted
PULSE_INK, PULSE_FOOT, PULSE_ALIKE = 0.4, 1.5, 0.1  # probability; tolerances of position (mm) and height (share)


@dataclass(frozen=True)
class DigitizedLead:
    """One lead of a recording.

    Attributes:
        name, start, end: seconds from the start of the page.
        confidence: mean probability of its trace, 0 to 1.
        gaps: (from, to) in seconds, without a trace; also bridged gaps.
        name_read: whether its printed name was read.
        shown: seconds at the first and at the last point of its line.
    """

    name: str
    start: float
    end: float
    confidence: float
    gaps: tuple[tuple[float, float], ...]
    name_read: bool
    shown: tuple[float, float]


@dataclass(frozen=True)
class Recording:
    """A digitized page.

    Attributes:
        signal: float32 (12, samples), mV, leads in the usual order; NaN where the page shows no trace.
        sampling_rate: Hz.
        leads: the leads that were found.
        speed, gain: mm/s and mm/mV.
        notes: assumptions and possible problems, one sentence each.
        page: the page that was read.
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
        """The JSON output of ``ecgpipe digitize``."""
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
    read = read_lines(picture, net, layouts)
    page, time, notes = read.page, read.time, list(read.notes)
    gain = pulse_gain(page, read.unit)
    if gain is None:
        notes.append("no calibration pulse was measured: 10 mm/mV is assumed")
    scale = gain or USUAL_GAIN
    seconds = np.arange(round(time.seconds * sampling_rate)) / sampling_rate
    signal = np.full((len(LEADS), len(seconds)), np.nan, np.float32)
    found, lines = [], []
    for line in read.lines:  # rhythm strips are last: they do not replace the leads' own parts
        lead = line.lead
        at, above = corrections(line, read, net.liner)
        millivolts = (read.heights(line, seconds) + np.interp(seconds, at, above)) / scale
        row = signal[LEADS.index(lead.name.upper())]
        row[:] = np.where(np.isnan(row), millivolts, row)
        gaps = tuple((time.at(a, lead.row), time.at(b, lead.row)) for a, b in lead.gaps)
        span = time.at(lead.left, lead.row), time.at(lead.right, lead.row)
        times = read.seconds(line)
        shown = float(times[0]), float(times[-1])
        found.append(DigitizedLead(lead.name, *span, lead.confidence, gaps, lead.name_read, shown))
        y = line.y - np.interp(times, at, above) * read.unit * read.mm
        lines.append(np.stack([line.x, y], axis=1))
    if not found:
        raise DataError(f"none of the {len(page.leads.rows)} rows could be digitized; see the overlay of ecgpipe read")
    if CABRERA in page.leads.layout:
        notes += _printed_sign(signal, sampling_rate)
    if missing := missing_leads(signal):
        notes.append(f"missing: {', '.join(missing)}")
    everything = (*notes, *page.notes)
    return Recording(signal, sampling_rate, tuple(found), time.speed / read.unit, scale, everything, page, tuple(lines))


def _printed_sign(signal: np.ndarray, rate: float) -> list[str]:
    """Invert aVR if the page shows -aVR, as most devices print it in Cabrera's order; returns a note about its sign.

    By Goldberger's relation, aVR is -(I + II) / 2 where all three are shown at the same time.

    Args:
        signal: (12, samples), mV; aVR is changed in place.
        rate: Hz.
    """
    first, second, avr = (signal[LEADS.index(name)] for name in ("I", "II", "AVR"))
    known = ~np.isnan(first + second + avr)
    if known.sum() < rate:  # less than a second
        return [] if np.isnan(avr).all() else ["aVR may be printed as -aVR, as usual in Cabrera order: check its sign"]
    expected, found = (each - each.mean() for each in (-(first + second)[known], avr[known]))
    if expected @ found >= INVERTED * np.sqrt((expected @ expected) * (found @ found)):
        return []
    avr *= -1
    return ["the page shows -aVR, as usual in Cabrera order; the recording contains aVR"]


def missing_leads(signal: np.ndarray) -> list[str]:
    """Leads (12, samples) without any sample, named as printed."""
    return [name for name, row in zip(PRINTED_NAMES, signal, strict=True) if np.isnan(row).all()]


def pulse_gain(page: ReadPage, unit: float = 1.0) -> float | None:
    """mm per mV from the heights of the calibration pulses; None without pulses.

    A mark of a pulse's size on a row's baseline counts if half of the rows, and at least two, have such a mark at the
    same x and of the same height. The network labels many pulses as other ink. ``unit``: estimated millimetres per
    true millimetre.
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
