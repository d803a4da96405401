"""From a page to a recording: twelve leads in millivolts, with invalid samples where the page shows no trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ecgpipe.artifacts.resampling import resample_with_gaps
from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS, PRINTED_NAMES
from ecgpipe.reader.ink import without_frame
from ecgpipe.reader.lead_line import PageLines, follow_lines, named_page
from ecgpipe.reader.leads import SEVERAL
from ecgpipe.reader.limb_leads import (
    RELATIONS,
    continued_limb_leads,
    contradictions,
    invert_printed_sign,
    row_shifts,
)
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.notes import misplaced_names, names_left_out
from ecgpipe.reader.page import ReadPage
from ecgpipe.reader.printed_scales import PrintedScales, read_scales
from ecgpipe.reader.refine import corrections, with_tips
from ecgpipe.reader.scales import RATE, Pulses, find_pulses, is_fast
from ecgpipe.reader.strips import step_to_lead, strip_name
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.timing import FAST_SPEED, USUAL_SPEED

USUAL_GAIN = 10.0  # mm/mV
MISPLACED = 2  # different names where the layout has others, which refute it if the limb leads do not fit either
UNEQUAL = 0.1  # difference of a pulse's height from the gain (as a share) that is noted


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
        assumed: which of ``speed`` and ``gain`` were neither given nor printed nor measured.
        printed: the scales that were read from the page.
        notes: assumptions and possible problems, one sentence each.
        page: the page that was read.
        lines: (n, 2) points of each found lead on the upright page, pixels.
    """

    signal: np.ndarray = field(repr=False)
    sampling_rate: float
    leads: tuple[DigitizedLead, ...]
    speed: float
    gain: float
    assumed: tuple[str, ...]
    printed: PrintedScales
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
            "assumed": list(self.assumed),
            "printed": {"speeds": list(self.printed.speeds), "gains": list(self.printed.gains)},
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
    picture: np.ndarray,
    net: ReaderNet,
    sampling_rate: float = 500,
    layouts: Sequence[Layout] | None = None,
    speed: float | None = None,
    gain: float | None = None,
) -> Recording:
    """Digitize a picture of a page.

    Args:
        picture: uint8 (H, W, 3), RGB.
        net: from ``load_reader``.
        sampling_rate: of the result, Hz.
        layouts: as in ``understand_page``.
        speed, gain: of the page, mm/s and mm/mV, if known. Otherwise the gain comes from the calibration pulses or from
            the print, or is 10 mm/mV. The speed comes from the print, or is 25 mm/s, unless the waves or long rows look
            like 50 mm/s (``is_fast``).

    Raises:
        DataError: no ECG in the picture, or its leads could not be named.
    """
    picture = without_frame(picture)
    page = named_page(picture, net, layouts)
    if len(lost := names_left_out(page)) >= SEVERAL:
        raise DataError(
            f"the lines of {', '.join(lost)} are much shorter than the longest row and were left out; crop the picture "
            "to lines of one length"
        )
    printed = read_scales(page.view.of(255 - picture if page.negative else picture), page.reading, net.text)
    known_speed = speed or _nearest(printed.speeds, USUAL_SPEED)
    read = follow_lines(page, picture, known_speed)
    pulses = find_pulses(page, read.unit, read.pulses)
    known_gain = gain or (pulses and pulses.gain) or _nearest(printed.gains, USUAL_GAIN)
    scale = known_gain or USUAL_GAIN
    notes = []
    recording = _recording(read, net, scale)
    if not known_speed and is_fast(recording.signal, RATE, pulses):
        read = follow_lines(page, picture, FAST_SPEED)
        recording = _recording(read, net, scale)
        notes.append("50 mm/s is assumed, since its waves or long rows look like it; no printed speed was read")
    notes += _scale_notes(known_speed or recording.speed, scale, None if gain else pulses, printed)
    if not known_gain:
        what = "no calibration pulse" if pulses is None else "no calibration pulse of a usual height"
        notes.append(f"{what} and no printed gain was read: {scale:g} mm/mV is assumed")
    rows = {lead.name: lead.row for lead in page.leads.leads if not lead.strip}
    if shifts := row_shifts(recording.signal, RATE, rows):
        read = read.shifted(shifts)
        recording = _recording(read, net, scale)
        moved = " and ".join(f"row {row + 1} by {1000 * shift:.0f} ms" for row, shift in sorted(shifts.items()))
        notes.append(f"moved in time, so that the limb leads fit each other: {moved}")
    against = contradictions(recording.signal, RATE)
    if len(against) == len(RELATIONS) and not page.leads.named:
        raise DataError(
            f"the page's layout is unknown: few lead names could be read, and in the layout {page.leads.layout} the "
            "limb leads would contradict each other; perhaps one lead continues from row to row; see the overlay of "
            "ecgpipe read"
        )
    if against and not page.leads.named and len(wrong := misplaced_names(page)) >= MISPLACED:
        raise DataError(
            f"the page's layout is unknown: the lead names that were read ({', '.join(wrong)}) do not fit "
            f"{page.leads.layout}, in which the limb leads would contradict each other; see the overlay of ecgpipe "
            "read, and describe the layout in a file (--layouts)"
        )
    if not page.leads.named and continued_limb_leads(recording.signal, RATE):
        raise DataError(
            f"the page's layout is unknown: few lead names could be read, and what would be V1 to V6 in the layout "
            f"{page.leads.layout} are the limb leads at a later time; describe the layout in a file (--layouts)"
        )
    signal = recording.signal
    return replace(
        recording,
        signal=signal if sampling_rate == RATE else resample_with_gaps(signal, RATE, sampling_rate),
        sampling_rate=sampling_rate,
        assumed=tuple(name for name, value in (("speed", known_speed), ("gain", known_gain)) if not value),
        printed=printed,
        notes=(*notes, *against, *recording.notes),
    )


def _nearest(values: Sequence[float], usual: float) -> float | None:
    """The value that is nearest to the usual one, if there is any."""
    return min(values, key=lambda value: abs(np.log(value / usual)), default=None)


def _scale_notes(speed: float, gain: float, pulses: Pulses | None, printed: PrintedScales) -> list[str]:
    """How the print and the pulses contradict the scales that are used; None for pulses that do not matter."""
    notes = []
    if printed.speeds and printed.speeds != (speed,):
        notes.append(f"{_listed(printed.speeds, 'mm/s')} printed: {speed:g} mm/s is used")
    if printed.gains and printed.gains != (gain,):
        notes.append(f"{_listed(printed.gains, 'mm/mV')} printed: {gain:g} mm/mV is used")
    if pulses and pulses.others:
        others = " and ".join(f"{other:g}" for other in pulses.others)
        notes.append(f"some calibration pulses show {others} mm/mV: {gain:g} mm/mV is used for all leads")
    if pulses and pulses.height and abs(np.log(pulses.height / gain)) > UNEQUAL:
        notes.append(
            f"the calibration pulses seem to be {pulses.height:.1f} mm high, but {gain:g} mm/mV is used: the gain or "
            "the scale of the page may be wrong"
        )
    return notes


def _listed(values: Sequence[float], unit: str) -> str:
    return " and ".join(f"{value:g}" for value in values) + f" {unit} " + ("is" if len(values) == 1 else "are")


def _recording(read: PageLines, net: ReaderNet, gain: float) -> Recording:
    """The recording of the lines of a page, at RATE; ``gain`` in mm/mV."""
    page, time, notes = read.page, read.time, list(read.notes)
    seconds = np.arange(round(time.seconds * RATE)) / RATE
    signal = np.full((len(LEADS), len(seconds)), np.nan, np.float32)
    found, lines = [], []
    for line in read.lines:  # rhythm strips are last: they do not replace the leads' own parts
        lead = line.lead
        at, above = corrections(line, read, net.liner)
        middle = read.heights(line, seconds)
        heights = with_tips(middle + np.interp(seconds, at, above), seconds, line, read)
        millivolts = heights / gain
        if lead.strip:
            name, note = strip_name(lead, millivolts, signal, RATE)
            notes += [note] if note else []
            if name is None:
                continue
            lead = lead if name == lead.name else replace(lead, name=name, name_read=False)
        row = signal[LEADS.index(lead.name.upper())]
        if lead.strip:
            millivolts += step_to_lead(row, millivolts, RATE)
        row[:] = np.where(np.isnan(row), millivolts, row)
        gaps = tuple((time.at(a, lead.row), time.at(b, lead.row)) for a, b in lead.gaps)
        span = max(time.at(lead.left, lead.row), 0.0), min(time.at(lead.right, lead.row), time.seconds)
        times = read.seconds(line)
        shown = float(times[0]), float(times[-1])
        found.append(DigitizedLead(lead.name, *span, lead.confidence, gaps, lead.name_read, shown))
        known = np.isfinite(middle)
        change = np.interp(times, seconds[known], (heights - middle)[known]) if known.any() else 0.0
        y = line.y - change * read.unit * read.mm
        lines.append(np.stack([line.x, y], axis=1))
    if not found:
        raise DataError(f"none of the {len(page.leads.rows)} rows could be digitized; see the overlay of ecgpipe read")
    if page.leads.cabrera:
        notes += invert_printed_sign(signal, RATE)
    if missing := missing_leads(signal):
        notes.append(f"missing: {', '.join(missing)}")
    everything = (*notes, *page.notes)
    speed = time.speed / read.unit
    nothing = PrintedScales()
    return Recording(signal, RATE, tuple(found), speed, gain, (), nothing, everything, page, tuple(lines))


def missing_leads(signal: np.ndarray) -> list[str]:
    """Leads (12, samples) without any sample, named as printed."""
    return [name for name, row in zip(PRINTED_NAMES, signal, strict=True) if np.isnan(row).all()]
