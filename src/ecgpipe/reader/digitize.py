"""From a page to a recording: twelve leads in millivolts, with invalid samples where the page shows no trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import convolve1d
from scipy.signal import firwin

from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS, PRINTED_NAMES
from ecgpipe.reader.ink import without_frame
from ecgpipe.reader.lead_line import PageLines, follow_lines, named_page
from ecgpipe.reader.leads import SEVERAL, FoundLead
from ecgpipe.reader.limb_leads import (
    RELATIONS,
    continued_limb_leads,
    contradictions,
    invert_printed_sign,
    row_shifts,
)
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.page import ReadPage, names_left_out
from ecgpipe.reader.printed_scales import PrintedScales, read_scales
from ecgpipe.reader.refine import corrections
from ecgpipe.reader.scales import RATE, Pulses, find_pulses, is_fast
from ecgpipe.reader.templates import Layout
from ecgpipe.reader.timing import FAST_SPEED, USUAL_SPEED

USUAL_GAIN = 10.0  # mm/mV
LIMB, CHEST = ("II", "I", "III"), ("V5", "V1", "V2", "V3", "V4", "V6")  # similar names, the most frequent strips first
ALIKE, CLEARLY = 0.7, 0.12  # likeness of a strip and a lead, and how much higher than with the lead of its name
UNEQUAL = 0.1  # difference of a pulse's height from the gain (as a share) that is noted
TAPS = 4  # samples of the new rate, half the length of the filter that resamples
UNLIKE = 0.3  # likeness of a strip and lead II below which a strip without a name is not II
LEFT_OUT = "and is left out"
EQUALLY = 0.05  # difference of likeness that is ignored
SHIFT, STEP, BEAT = 0.04, 0.004, 1.5  # s: largest shift between two rows, its steps, and more than most beats last


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
    turned = np.ascontiguousarray(np.rot90(255 - picture if page.negative else picture, page.quarters))
    printed = read_scales(turned, page.reading, net.text)
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
    if not page.leads.named and continued_limb_leads(recording.signal, RATE):
        raise DataError(
            f"the page's layout is unknown: few lead names could be read, and what would be V1 to V6 in the layout "
            f"{page.leads.layout} are the limb leads at a later time; describe the layout in a file (--layouts)"
        )
    return replace(
        recording,
        signal=resampled(recording.signal, RATE, sampling_rate),
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
        millivolts = (read.heights(line, seconds) + np.interp(seconds, at, above)) / gain
        if lead.strip:
            other = _shown_in_strip(lead, millivolts, signal, RATE)
            if not lead.name_read:
                what = f"its trace is that of {other}" if other else _unsure(lead, millivolts, signal, RATE)
                notes.append(f"row {lead.row + 1}: the name of the strip was not surely read; {what}")
                if what.endswith(LEFT_OUT):
                    continue
            elif other:
                notes.append(f"{lead.name}, row {lead.row + 1}: the name was read, but the trace is that of {other}")
            lead = replace(lead, name=other, name_read=False) if other else lead
        row = signal[LEADS.index(lead.name.upper())]
        if lead.strip:
            millivolts += _step(row, millivolts, RATE)
        row[:] = np.where(np.isnan(row), millivolts, row)
        gaps = tuple((time.at(a, lead.row), time.at(b, lead.row)) for a, b in lead.gaps)
        span = max(time.at(lead.left, lead.row), 0.0), min(time.at(lead.right, lead.row), time.seconds)
        times = read.seconds(line)
        shown = float(times[0]), float(times[-1])
        found.append(DigitizedLead(lead.name, *span, lead.confidence, gaps, lead.name_read, shown))
        y = line.y - np.interp(times, at, above) * read.unit * read.mm
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


def resampled(signal: np.ndarray, rate: float, new_rate: float) -> np.ndarray:
    """A signal (n, samples) at another rate, without aliasing; NaN stays where it was."""
    if new_rate == rate:
        return signal
    known = ~np.isnan(signal)
    smooth = signal
    if new_rate < rate:
        kernel = firwin(2 * round(TAPS * rate / new_rate) + 1, new_rate / rate)
        total, weight = (
            convolve1d(each, kernel, mode="constant") for each in (np.where(known, signal, 0), known * 1.0)
        )
        smooth = total / np.where(known, weight, 1)  # near the ends of a lead, of its own samples alone
    at = np.arange(signal.shape[1]) / rate
    times = np.arange(round(signal.shape[1] / rate * new_rate)) / new_rate
    nearest = np.minimum(np.rint(times * rate).astype(int), signal.shape[1] - 1)
    result = np.full((len(signal), len(times)), np.nan, np.float32)
    for out, row, mask in zip(result, smooth, known, strict=True):
        if mask.any():
            out[mask[nearest]] = np.interp(times[mask[nearest]], at[mask], row[mask])
    return result


def _step(own: np.ndarray, strip: np.ndarray, rate: float) -> float:
    """How much higher a lead is than its strip, mV, as rows have different baselines; 0 if less than 1 s has both."""
    difference = own - strip
    return float(np.nanmedian(difference)) if np.isfinite(difference).sum() >= rate else 0.0


def _shown_in_strip(lead: FoundLead, strip: np.ndarray, signal: np.ndarray, rate: float) -> str | None:
    """The lead that a rhythm strip shows, if clearly not that of its name.

    Waves may hide a part of II or III, and in a small picture, V3 and V5 look alike.

    Args:
        lead: the strip. If its name was not read, it may be any of the twelve leads.
        strip: (samples,), NaN where unknown.
        signal: (12, samples), the leads above the strip.
        rate: Hz.
    """
    name = lead.name
    similar = next((names for names in (LIMB, CHEST) if name in names), None)
    if similar is None:
        return None
    names = similar if lead.name_read else (*similar, *(other for other in PRINTED_NAMES if other not in similar))
    likeness = {each: _likeness(strip, signal[PRINTED_NAMES.index(each)], rate) for each in names}
    best = next(each for each in names if likeness[each] > max(likeness.values()) - EQUALLY)
    clear = likeness[best] >= ALIKE and likeness[best] > likeness[name] + CLEARLY and likeness[name] > -1
    if (
        clear
        and lead.name_read
        and similar is CHEST
        and _likeness(strip, signal[PRINTED_NAMES.index(name)], rate, BEAT) >= ALIKE
    ):
        return None  # the leads were recorded at another time than the strip
    return best if clear else None


def _unsure(lead: FoundLead, strip: np.ndarray, signal: np.ndarray, rate: float) -> str:
    """What to say about a strip that may have the name of its lead; arguments as in ``_shown_in_strip``."""
    known = signal[PRINTED_NAMES.index(lead.name)] if lead.name in PRINTED_NAMES else np.full_like(strip, np.nan)
    alike = _likeness(strip, known, rate, BEAT)
    if -1 < alike < (UNLIKE if lead.name == "II" else ALIKE):  # II is usual
        return f"it does not look like {lead.name} {LEFT_OUT}"
    return f"its trace is that of {lead.name}" if alike >= ALIKE else f"{lead.name} is assumed"


def _likeness(first: np.ndarray, second: np.ndarray, rate: float, shift: float = SHIFT) -> float:
    """Highest likeness of two signals (samples,) at shifts up to these seconds; -1 if less than 1 s of both is known.

    The likeness is their covariance, relative to the mean of their variances: the correlation, lower if one has larger
    waves than the other.
    """
    most, step = round(shift * rate), max(round(STEP * rate), 1)
    found = [-1.0]
    for late in range(-most, most + 1, step):
        moved = first[late:] if late >= 0 else first[:late]
        other = second[: len(second) - late] if late >= 0 else second[-late:]
        known = ~np.isnan(moved + other)
        if known.sum() >= rate and np.ptp(moved[known]) and np.ptp(other[known]):
            covariance = np.cov(moved[known], other[known])
            found.append(float(2 * covariance[0, 1] / np.trace(covariance)))
    return max(found)


def missing_leads(signal: np.ndarray) -> list[str]:
    """Leads (12, samples) without any sample, named as printed."""
    return [name for name, row in zip(PRINTED_NAMES, signal, strict=True) if np.isnan(row).all()]
