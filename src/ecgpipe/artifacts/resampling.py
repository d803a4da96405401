"""Change the sampling rate of a recording, with or without gaps."""

import math
from fractions import Fraction

import numpy as np
from scipy.signal import resample_poly

LARGEST_DENOMINATOR = 10_000
"""Of the ratio of sampling rates; a header may state 123456.789 Hz."""


def resample(signal: np.ndarray, rate: float, new_rate: float) -> np.ndarray:
    """Resample along the last axis; unchanged if the rates are equal.

    Args:
        signal: (..., samples), without NaN.
        rate: Hz.
        new_rate: Hz.
    """
    ratio = _ratio(rate, new_rate)
    if ratio == 1:
        return signal
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def resample_with_gaps(signal: np.ndarray, rate: float, new_rate: float) -> np.ndarray:
    """Resample a recording with gaps.

    Args:
        signal: (leads, samples) mV; NaN where it is unknown.
        rate: Hz.
        new_rate: Hz.

    Returns:
        float32 (leads, samples) at ``new_rate``; NaN in the gaps.
    """
    known = np.isfinite(signal)
    count = math.ceil(signal.shape[1] * _ratio(rate, new_rate))
    result = np.full((len(signal), count), np.nan, np.float32)
    at = np.minimum(np.rint(np.arange(count) * rate / new_rate).astype(int), signal.shape[1] - 1)
    for row, values, seen in zip(result, signal, known, strict=True):
        indices = np.flatnonzero(seen)
        if len(indices):
            filled = np.interp(np.arange(len(values)), indices, values[indices])
            row[:] = np.where(seen[at], resample(filled, rate, new_rate)[:count], np.nan)
    return result


def _ratio(rate: float, new_rate: float) -> Fraction:
    # the filter has 20 taps per unit of the denominator
    return Fraction(round(new_rate * 1000), round(rate * 1000)).limit_denominator(LARGEST_DENOMINATOR)
