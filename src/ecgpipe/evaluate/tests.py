"""Tests between two models on the same records.

The smallest lead that a set of records can show: the power of McNemar's exact test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, binomtest, norm, rankdata


@dataclass(frozen=True)
class Discordance:
    """An exact test on who is right.

    Args:
        first_only: records (or groups, for the grouped test) that only the first model gets right.
        second_only: that only the second gets right.
        p: two-sided; 1 where the models never differ.
    """

    first_only: int
    second_only: int
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> Discordance:
    """The exact test of McNemar (1947): which of the records that only one model gets right are whose.

    Args:
        first: (n,) whether the first model is right.
        second: (n,) whether the second is.
    """
    mine, other = int((first & ~second).sum()), int((second & ~first).sum())
    p = binomtest(mine, mine + other, 0.5).pvalue if mine + other else 1.0
    return Discordance(mine, other, float(p))


def sign_flip(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> Discordance:
    """McNemar's test for records in groups: the models are exchanged group by group.

    Exact: the distribution of the sum over groups of a random sign times the group's difference in right records. With
    one record a group it is McNemar's test.

    Args:
        first: (n,) whether the first model is right.
        second: (n,) whether the second is.
        groups: (n,) what belongs together.
    """
    _, member = np.unique(groups, return_inverse=True)
    difference = np.bincount(member.ravel(), weights=first.astype(float) - second).round().astype(int)
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    chances = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        step = np.zeros(2 * size * count + 1)  # size * (2 k - count) for k heads of count
        step[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, step)
    sums = np.arange(len(chances)) - (len(chances) - 1) // 2
    p = chances[np.abs(sums) >= abs(difference.sum())].sum()
    return Discordance(int((difference > 0).sum()), int((difference < 0).sum()), float(min(1.0, p)))


@dataclass(frozen=True)
class AucDifference:
    """Two areas under ROC curves on the same records.

    Args:
        first: area of the first model.
        second: area of the second.
        error: standard error of first minus second.
        p: two-sided; None where the error is 0.
    """

    first: float
    second: float
    error: float
    p: float | None

    def reach(self, confidence: float) -> tuple[float, float]:
        """Interval of first minus second."""
        half = float(norm.ppf((1 + confidence) / 2)) * self.error
        return self.first - self.second - half, self.first - self.second + half


def delong(first: np.ndarray, second: np.ndarray, positive: np.ndarray) -> AucDifference | None:
    """The test of DeLong et al. (1988), by ranks (Sun and Xu 2014): O(n log n). Takes records for independent.

    Args:
        first: (n,) scores of the first model.
        second: (n,) of the second.
        positive: (n,) 0/1.

    Returns:
        None where there are fewer than two positive or two negative records.
    """
    positive = positive.astype(bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return None
    placements = [_placements(scores, positive) for scores in (first, second)]
    areas = [float(of_positive.mean()) for of_positive, _ in placements]
    positive_part = np.var(placements[0][0] - placements[1][0], ddof=1) / m
    negative_part = np.var(placements[0][1] - placements[1][1], ddof=1) / n
    error = float(np.sqrt(positive_part + negative_part))
    p = float(2 * norm.sf(abs(areas[0] - areas[1]) / error)) if error > 0 else None
    return AucDifference(areas[0], areas[1], error, p)


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive, and share of positives above each negative; ties half."""
    m, n = positive.sum(), (~positive).sum()
    every = rankdata(scores)
    above = (every[positive] - rankdata(scores[positive])) / n
    return above, 1 - (every[~positive] - rankdata(scores[~positive])) / m


def bootstrap_p(drawn: np.ndarray) -> float | None:
    """Two-sided p of a difference from its resamples: twice the smaller share on either side of 0.

    0 itself counts on both sides; one is added to either count, so that it is never 0; None without resamples.
    """
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(drawn) + 1)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number (Holm 1979); those that are None are no part of the family."""
    order = sorted((i for i, p in enumerate(values) if p is not None), key=lambda i: values[i])
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[i]))
        corrected[i] = largest
    return corrected


def mcnemar_power(records: int, discordant: float, lead: float, alpha: float) -> float:
    """Probability that the exact two-sided test rejects.

    Args:
        records: n, independent.
        discordant: share of records that exactly one of two models gets right.
        lead: difference of the accuracies, at most `discordant`.
        alpha: level of the test.
    """
    total = np.arange(int(binom.ppf(1e-9, records, discordant)), int(binom.ppf(1 - 1e-9, records, discordant)) + 1)
    # Largest k with P(X <= k) <= alpha / 2 under Bin(total, 1/2); -1 where even 0 is too likely.
    critical = binom.ppf(alpha / 2, total, 0.5)
    critical -= binom.cdf(critical, total, 0.5) > alpha / 2
    better = (1 + lead / discordant) / 2
    rejects = binom.cdf(critical, total, better) + binom.sf(total - critical - 1, total, better)
    return float((binom.pmf(total, records, discordant) * np.where(critical >= 0, rejects, 0)).sum())


def detectable_lead(records: int, discordant: float, alpha: float, power: float) -> float | None:
    """The smallest difference of accuracies that McNemar's exact test finds with the given power.

    Args:
        records: n.
        discordant: share of records that exactly one model gets right, as observed or assumed.
        alpha: level of the test.
        power: wanted.

    Returns:
        A share, at most `discordant`; None if no lead is large enough with so few discordant records.
    """
    if not discordant or mcnemar_power(records, discordant, discordant, alpha) < power:
        return None

    def missing(lead: float) -> float:
        return mcnemar_power(records, discordant, lead, alpha) - power

    return float(brentq(missing, 0, discordant, xtol=1e-6))
