"""How close a digitized recording is to the true one, as defined by two competitions.

- George B. Moody PhysioNet Challenge 2024: each lead is shifted by at most 0.5 s and 1 mV for the best fit; 10 log10 of
  the ratio of signal power to error power, mean over leads. A missing lead counts 0.
- Kaggle, PhysioNet - Digitization of ECG Images (2025): powers are summed over the leads of a page, the ratio is at
  most 384; 10 log10 of the mean ratio of all pages.
"""

from dataclasses import dataclass

import numpy as np

MOST_SHIFT, MOST_OFFSET = 0.5, 1.0  # s and mV
MOST_RATIO = 384.0
LEAST_OVERLAP = 0.5  # share of a lead's samples that a shift must compare


@dataclass(frozen=True)
class LeadQuality:
    """One lead at its best shift.

    Attributes:
        power, error: sums of squares of the true signal without its mean, and of the difference, mV².
        correlation: Pearson's; 0 for a missing lead.
        samples: number of samples compared.
    """

    power: float
    error: float
    correlation: float
    samples: int

    @property
    def decibels(self) -> float:
        """Signal-to-noise ratio (Challenge 2024)."""
        return float(10 * np.log10(self.power / max(self.error, 1e-12)))

    @property
    def rmse(self) -> float:
        """Root mean square error, mV."""
        return float(np.sqrt(self.error / self.samples))


def compare_lead(true: np.ndarray, found: np.ndarray, rate: float) -> LeadQuality:
    """Compare a lead at the whole-sample shift and the offset that fit best.

    Args:
        true: (n,), mV; NaN where the page does not show the lead.
        found: (m,), mV, on the same time axis; NaN where nothing was found.
        rate: samples per second of both.

    Raises:
        ValueError: the true signal is constant or missing.
    """
    shown = np.flatnonzero(~np.isnan(true))
    if not len(shown) or np.ptp(true[shown]) == 0:
        raise ValueError("the true signal is constant or missing")
    start, stop = int(shown[0]), int(shown[-1]) + 1
    true = true[start:stop] - true[start:stop].mean()
    count = stop - start
    power = float(np.sum(true**2))
    best = LeadQuality(power, power, 0.0, count)
    part = np.full(count, np.nan)  # without other parts of the lead on the page
    inside = found[start:stop]
    part[: len(inside)] = inside
    most = round(MOST_SHIFT * rate)
    for shift in range(-most, most + 1):
        moved = np.full(count, np.nan)
        low, high = max(shift, 0), min(count, count + shift)
        if high <= low:
            continue
        moved[low:high] = part[low - shift : high - shift]
        known = ~np.isnan(moved)
        if known.sum() < LEAST_OVERLAP * count:
            continue
        offset = np.clip(np.mean(true[known] - moved[known]), -MOST_OFFSET, MOST_OFFSET)
        error = float(np.sum((true - np.where(known, moved + offset, 0)) ** 2))
        if error < best.error:
            best = LeadQuality(power, error, _correlation(true[known], moved[known]), count)
    return best


def _correlation(true: np.ndarray, found: np.ndarray) -> float:
    return float(np.corrcoef(true, found)[0, 1]) if np.ptp(true) > 0 and np.ptp(found) > 0 else 0.0


def challenge_score(leads: list[LeadQuality]) -> float:
    """Score of one page in the PhysioNet Challenge 2024, dB."""
    return float(np.mean([lead.decibels for lead in leads]))


def kaggle_ratio(leads: list[LeadQuality]) -> float:
    """Ratio of powers of one page in the Kaggle competition; the score is 10 log10 of the mean over pages."""
    return min(sum(lead.power for lead in leads) / max(sum(lead.error for lead in leads), 1e-12), MOST_RATIO)
