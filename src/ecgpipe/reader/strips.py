"""The leads of rhythm strips: by the printed name, or by the trace of the lead that they repeat."""

import numpy as np

from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.reader.leads import FoundLead

LIMB, CHEST = ("II", "I", "III"), ("V5", "V1", "V2", "V3", "V4", "V6")  # similar names, the most frequent strips first
ALIKE, CLEARLY = 0.7, 0.12  # likeness of a strip and a lead, and how much higher than with the lead of its name
UNLIKE = 0.3  # likeness of a strip and lead II below which a strip without a name is not II
EQUALLY = 0.05  # difference of likeness that is ignored
SHIFT, STEP, BEAT = 0.04, 0.004, 1.5  # s: largest shift between two rows, its steps, and more than most beats last


def strip_name(lead: FoundLead, strip: np.ndarray, signal: np.ndarray, rate: float) -> tuple[str | None, str]:
    """The lead that a strip shows, None if the strip is to be left out, and a note, empty if the name is certain.

    Args:
        lead: the strip, with its name as read; ``name_read`` if that is certain.
        strip: (samples,) mV, NaN where unknown.
        signal: (12, samples), the leads above the strip.
        rate: Hz.
    """
    other, row = _shown_in_strip(lead, strip, signal, rate), f"row {lead.row + 1}"
    if lead.name_read:
        note = f"{lead.name}, {row}: the name was read, but the trace is that of {other}" if other else ""
        return other or lead.name, note
    uncertain = f"{row}: the name of the strip is uncertain;"
    if other:
        return other, f"{uncertain} its trace is that of {other}"
    known = signal[PRINTED_NAMES.index(lead.name)] if lead.name in PRINTED_NAMES else np.full_like(strip, np.nan)
    alike = _likeness(strip, known, rate, BEAT)
    if -1 < alike < (UNLIKE if lead.name == "II" else ALIKE):  # II is usual
        return None, f"{uncertain} it does not look like {lead.name} and is left out"
    return lead.name, f"{uncertain} " + (
        f"its trace is that of {lead.name}" if alike >= ALIKE else f"{lead.name} is assumed"
    )


def step_to_lead(own: np.ndarray, strip: np.ndarray, rate: float) -> float:
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
