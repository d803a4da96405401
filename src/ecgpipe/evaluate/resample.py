"""The bootstrap: what belongs together (a patient's records, copies of a file) is drawn together."""

from collections.abc import Iterator

import numpy as np

CHUNK = 250  # resamples whose draws are made together; another number would change what a seed draws
WEIGHTS = 2**20
"""Records times resamples that are weighed at once, 8 MB as float64: scores hold several such arrays at a time."""
FEWEST = 8  # resamples at once, however many the records: fewer would be slow
PIECE = 2**18  # draws at a time
NO_SPREAD = "every resample gives this value, so there is no interval"


def distinct_groups(*memberships: np.ndarray) -> np.ndarray:
    """Sorted names of all groups that occur."""
    return np.unique(np.concatenate(memberships))


def group_counts(
    groups: int, resamples: int, seed: int | tuple[int, ...], records: int | None = None
) -> Iterator[np.ndarray]:
    """How often each group is drawn: as many groups as there are, with replacement.

    Args:
        groups: how many there are.
        resamples: B.
        seed: of the draws; the same seed gives the same draws, whatever ``records``.
        records: how many the caller weighs by the counts; the more, the fewer resamples at a time. None: the groups.

    Yields:
        (groups, at most CHUNK) float64, a column per resample.
    """
    generator = np.random.default_rng(seed)
    most = max(FEWEST, WEIGHTS // max(groups, records or 0))
    for start in range(0, resamples, CHUNK):
        counts = _counts(generator, groups, min(CHUNK, resamples - start))
        for part in np.array_split(np.arange(counts.shape[1]), -(-counts.shape[1] // most)):
            yield counts[:, part[0] : part[-1] + 1].astype(float)


def _counts(generator: np.random.Generator, groups: int, size: int) -> np.ndarray:
    """(groups, size) uint8: draws row by row are the same numbers as all at once, and need no room for all.

    A byte is enough: 255 groups or fewer cannot pass it, and of n groups one is drawn 256 times in a resample with a
    probability below 1 / 256!.
    """
    counts, one = np.zeros(groups * size, np.uint8), np.uint8(1)
    rows = max(1, PIECE // size)
    for start in range(0, groups, rows):
        drawn = generator.integers(0, groups, size=(min(rows, groups - start), size))
        drawn *= size
        drawn += np.arange(size)
        np.add.at(counts, drawn.ravel(), one)
    return counts.reshape(groups, size)


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
