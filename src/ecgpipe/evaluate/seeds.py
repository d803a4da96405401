"""One interval for several seeds: it counts the patients that happened to be drawn, and the seeds.

A score of seed s is taken as truth + what its records add + what its training adds. Resampling patients, the same ones
for all seeds, shows how much the mean of the seeds owes to the records. The variance between seeds holds both; what the
records alone would cause is known from the resamples and taken off. The rest is the trainings' variance; divided by the
number of seeds it is that of the mean. As it is estimated from few seeds, its share follows Student's t, not a normal
distribution.
"""

from dataclasses import dataclass

import numpy as np


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
