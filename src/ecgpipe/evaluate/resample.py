"""The bootstrap: what belongs together (a patient's records, copies of a file) is drawn together."""

from collections.abc import Iterator

import numpy as np

CHUNK = 250  # resamples at a time: bounds memory at CHUNK x records
NO_SPREAD = "every resample gives this value, so there is no interval"


def distinct_groups(*memberships: np.ndarray) -> np.ndarray:
    """Sorted names of all groups that occur."""
    return np.unique(np.concatenate(memberships))


def group_counts(groups: int, resamples: int, seed: int | tuple[int, ...]) -> Iterator[np.ndarray]:
    """How often each group is drawn: as many groups as there are, with replacement.

    Args:
        groups: how many there are.
        resamples: B.
        seed: of the draws; the same seed gives the same draws.

    Yields:
        (groups, at most CHUNK) float64, a column per resample.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn = generator.integers(0, groups, size=(groups, size)) * size + np.arange(size)
        yield np.bincount(drawn.ravel(), minlength=groups * size).reshape(groups, size).astype(float)


def interval(value: float, drawn: np.ndarray, confidence: float, missing: str = "not measurable") -> dict:
    """A value with its percentile interval.

    Args:
        value: NaN if it cannot be measured.
        drawn: (B,) its values in the resamples; NaN where a resample lacks what is needed.
        confidence: coverage.
        missing: what to say if the value cannot be measured.

    Returns:
        ``value``, ``low``, ``high``, None where there is none; ``note`` then says why, else it is None.
    """
    if np.isnan(value):
        return {"value": None, "low": None, "high": None, "note": missing}
    known = drawn[~np.isnan(drawn)]
    if len(known) < len(drawn) / 2:
        note = f"no interval: {len(drawn) - len(known)} of {len(drawn)} resamples lack what is needed"
        return {"value": float(value), "low": None, "high": None, "note": note}
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    if low == high:
        return {"value": float(value), "low": None, "high": None, "note": NO_SPREAD}
    note = None
    if len(known) < len(drawn):
        note = f"interval from {len(known)} of {len(drawn)} resamples; the others lack what is needed"
    return {"value": float(value), "low": float(low), "high": float(high), "note": note}
