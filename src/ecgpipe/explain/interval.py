"""Means over records with bootstrap intervals; patients are drawn as a whole."""

from collections.abc import Sequence

import numpy as np


def group_means(values: np.ndarray, groups: Sequence[str], resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and their bootstrap distribution.

    Args:
        values: (n, k), NaN where something could not be measured.
        groups: (n,) names of what is drawn as a whole.
        resamples: how often.
        seed: of the draws.

    Returns:
        (k,) means over the records that have a value, (resamples, k) the same of each draw; NaN where there is none.
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, member, filled)
    np.add.at(counts, member, known)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)

    def ratio(total: np.ndarray, number: np.ndarray) -> np.ndarray:
        return np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)

    return ratio(sums.sum(axis=0), counts.sum(axis=0)), ratio(drawn @ sums, drawn @ counts)


def interval(value: float, draws: np.ndarray, confidence: float) -> dict[str, float | None]:
    """A value with its percentile interval; none where all draws are the same, as of a single group."""
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    draws = draws[~np.isnan(draws)]
    if not len(draws) or np.ptp(draws) < 1e-12:
        return {"value": float(value), "low": None, "high": None}
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}
