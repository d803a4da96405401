"""What the limb leads reveal by Einthoven's and Goldberger's relations: rows out of step, a wrong sign, other faults.

II = I + III, aVR = -(I + II) / 2, and aVR + aVL + aVF = 0 hold for leads recorded at the same time.
"""

from collections.abc import Mapping

import numpy as np

from ecgpipe.lead_names import LEADS, PRINTED_NAMES

RELATIONS = {
    "I, II and III": (("I", 1), ("II", -1), ("III", 1)),
    "aVR, aVL and aVF": (("aVR", 1), ("aVL", 1), ("aVF", 1)),
}
"""Leads and their factors in a sum that is 0."""
UNRELATED = 0.5
"""Power of this sum, relative to the sum of the leads' powers, that is reported.

It is 1 for leads that have nothing in common. On 36 pages of the ECG Images dataset it is at most 0.07; real photos
with more than 0.5 have wrong columns or times, or lost waves.
"""
CONTINUED = 0.2
"""Power of both sums below which V1 to V6 are the limb leads at a later time; it is far above 1 for V4 to V6."""
LONGEST, STEP = 0.06, 0.004  # s: largest shift of a row, and the steps in which shifts are tried
BETTER, GAIN = 0.62, 0.05  # shifts must lower the mean power of the sums to this share, and by this much
INVERTED = -0.5  # correlation with Goldberger's relation below which aVR is inverted


def row_shifts(signal: np.ndarray, rate: float, rows: Mapping[str, int]) -> dict[int, float]:
    """Seconds by which rows of limb leads must be moved to fit the others, if this is clear.

    On a photo, perspective or bent paper can move rows against each other by 50 ms, although the device printed the
    leads of a column at the same time. If the six leads are in six rows, I to III and aVR to aVF are moved against each
    other first, then the latter three together.

    Args:
        signal: (12, samples) mV, leads in the usual order; NaN where unknown.
        rate: samples per second.
        rows: row of each lead by its printed name.

    Returns:
        Row -> seconds, later is positive; empty if the leads fit already, or if the limb leads are not in three or six
        rows.
    """
    places = [tuple(rows.get(name) for name, _ in factors) for factors in RELATIONS.values()]
    if any(None in place or len(set(place)) != 3 for place in places):
        return {}
    sums = [_together(signal, rate, factors) for factors in RELATIONS.values()]
    known = [[] if leads is None else [leads] for leads in sums]
    if places[0] == places[1]:
        return _fitting_shifts(places[0], known[0] + known[1], rate)[0]
    if set(places[0]) & set(places[1]):
        return {}
    fitted = [_fitting_shifts(place, leads, rate) for place, leads in zip(places, known, strict=True)]
    if any(power > UNRELATED for _, power in fitted):  # some leads are not what they seem
        return {}
    return _with_later_rows(fitted[0][0] | fitted[1][0], signal, rate, rows)


def _fitting_shifts(place: tuple[int, ...], sums: list[np.ndarray], rate: float) -> tuple[dict[int, float], float]:
    """Shifts of the first and the third of three rows that bring sums of their leads, each (3, samples), near 0.

    Returns:
        The shifts, if they are clear, and the least mean power of the sums; 0 without sums.
    """
    before = float(np.mean([_power(*leads) for leads in sums])) if sums else 0.0
    if before < GAIN:
        return {}, before
    tried = _tried(rate)
    costs = [
        (np.mean([_power(_moved(a, first), b, _moved(c, third)) for a, b, c in sums]), first, third)
        for first in tried
        for third in tried
    ]
    power, first, third = min(costs)
    shifts = {row: shift / rate for row, shift in ((place[0], float(first)), (place[2], float(third))) if shift}
    return (shifts if _is_clear(costs) else {}), float(power)


def _with_later_rows(
    shifts: dict[int, float], signal: np.ndarray, rate: float, rows: Mapping[str, int]
) -> dict[int, float]:
    """The shifts with those of the rows of aVR, aVL and aVF, by which aVR is -(I + II) / 2."""
    leads = _together(signal, rate, (("I", 0.5), ("II", 0.5), ("aVR", 1)))
    if leads is None:
        return shifts
    first, second, avr = (
        _moved(lead, round(shifts.get(rows[name], 0.0) * rate))
        for name, lead in zip(("I", "II", "aVR"), leads, strict=True)
    )
    costs = [(_power(first, second, _moved(avr, later)), later, 0) for later in _tried(rate)]
    if not _is_clear(costs):
        return shifts
    later = min(costs)[1] / rate
    return shifts | {rows[name]: shifts.get(rows[name], 0.0) + later for name in ("aVR", "aVL", "aVF")}


def _tried(rate: float) -> np.ndarray:
    """The shifts that are tried, in samples, in ascending order."""
    step = max(round(STEP * rate), 1)
    most = round(LONGEST * rate) // step
    return np.arange(-most, most + 1) * step


def _is_clear(costs: list[tuple[float, int, int]]) -> bool:
    """Whether the least of these (power, shift, shift) is clearly less than that without a shift, and inside."""
    before = next(power for power, *shifts in costs if not any(shifts))
    after, *best = min(costs)
    inside = max(map(abs, best)) < max(shift for _, shift, _ in costs)
    return bool(after <= BETTER * before and before - after >= GAIN and inside)


def _together(signal: np.ndarray, rate: float, factors: tuple[tuple[str, float], ...]) -> np.ndarray | None:
    """(3, samples) leads times factors, where all are known; None if that is less than a second."""
    leads = np.array([factor * signal[PRINTED_NAMES.index(name)] for name, factor in factors])
    known = leads[:, ~np.isnan(leads).any(axis=0)]
    return known if known.shape[1] >= rate else None


def _moved(lead: np.ndarray, samples: int) -> np.ndarray:
    """The lead later by some samples; its first or last value is repeated."""
    return lead[np.clip(np.arange(len(lead)) - samples, 0, len(lead) - 1)]


def _power(*leads: np.ndarray) -> float:
    """Power of the sum of leads, relative to the sum of their powers."""
    return float(np.var(sum(leads)) / max(sum(map(np.var, leads)), np.finfo(float).tiny))


def contradictions(signal: np.ndarray, rate: float) -> list[str]:
    """Notes on limb leads (12, samples) that cannot all be right, because their sums are far from 0 (RELATIONS)."""
    notes = []
    for names, factors in RELATIONS.items():
        leads = _together(signal, rate, factors)
        if leads is not None and _power(*leads) > UNRELATED:
            notes.append(f"{names} contradict each other: their names, times or heights may be wrong; see the overlay")
    return notes


def continued_limb_leads(signal: np.ndarray, rate: float) -> bool:
    """Whether V1 to V6 (of 12 leads, samples) obey the relations of I to aVF: the page shows six leads in long rows."""
    as_limb_leads = np.concatenate([signal[6:], signal[:6]])
    sums = [_together(as_limb_leads, rate, factors) for factors in RELATIONS.values()]
    return all(leads is not None and np.ptp(leads) > 0 and _power(*leads) < CONTINUED for leads in sums)


def invert_printed_sign(signal: np.ndarray, rate: float) -> list[str]:
    """Invert aVR if the page shows -aVR, as most devices print it in Cabrera's order; returns a note about its sign.

    By Goldberger's relations, aVR is -(I + II) / 2, and also aVL - 1.5 I, where these are shown at the same time.

    Args:
        signal: (12, samples), mV; aVR is changed in place.
        rate: Hz.
    """
    first, second, avr, avl = (signal[LEADS.index(name)] for name in ("I", "II", "AVR", "AVL"))
    relations = -(first + second) / 2, avl - 1.5 * first
    long_enough = [each for each in relations if np.isfinite(each + avr).sum() >= rate]  # a second
    if not long_enough:
        return [] if np.isnan(avr).all() else ["aVR may be printed as -aVR, as usual in Cabrera order: check its sign"]
    known = np.isfinite(long_enough[0] + avr)
    expected, found = (each[known] - each[known].mean() for each in (long_enough[0], avr))
    if expected @ found >= INVERTED * np.sqrt((expected @ expected) * (found @ found)):
        return []
    avr *= -1
    return ["the page shows -aVR, as usual in Cabrera order; the recording contains aVR"]
