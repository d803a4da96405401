"""The bootstrap: what belongs together (a patient's records, copies of a file) is drawn together.

One interval for several seeds: it counts the patients that happened to be drawn, and the seeds.

A score of seed s is taken as truth + what its records add + what its training adds. Resampling patients, the same ones
for all seeds, shows how much the mean of the seeds owes to the records. The variance between seeds holds both; what the
records alone would cause is known from the resamples and taken off. The rest is the trainings' variance; divided by the
number of seeds it is that of the mean. As it is estimated from few seeds, its share follows Student's t, not a normal
distribution.
"""

from collections.abc import Iterator
from dataclasses import dataclass

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


def bootstrap_interval(value: float, drawn: np.ndarray, confidence: float, missing: str = "not measurable") -> dict:
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


@dataclass(frozen=True)
class Pooled:
    """The mean over seeds.

    Args:
        value: NaN if no seed can be measured.
        drawn: (B,) its resamples, spread over patients and seeds.
        between: standard deviation of the trainings alone; None with one seed.
    """

    value: float
    drawn: np.ndarray
    between: float | None


def pool(values: np.ndarray, drawn: np.ndarray, seed: int) -> Pooled:
    """Pool the seeds.

    Args:
        values: (S,) a score, or a difference of scores, for each seed; NaN where it cannot be measured.
        drawn: (S, B) their resamples, the same patients in a column.
        seed: of the draws of the trainings' share.

    Returns:
        The mean over the seeds that can be measured.
    """
    known = ~np.isnan(values)
    values, drawn = values[known], drawn[known]
    if not len(values):
        return Pooled(np.nan, np.full(drawn.shape[1], np.nan), None)
    mean = drawn.mean(axis=0)
    if len(values) == 1:
        return Pooled(float(values[0]), mean, None)
    moved = drawn - values[:, None]
    by_records = np.nanmean(moved.var(axis=0, ddof=1)) if not np.isnan(moved).all() else 0.0
    between = float(np.sqrt(max(0.0, values.var(ddof=1) - by_records)))
    student = np.random.default_rng([seed, 1]).standard_t(len(values) - 1, size=len(mean))
    return Pooled(float(values.mean()), mean + between / np.sqrt(len(values)) * student, between)
