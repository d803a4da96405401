"""Tests between two models on the same records, correction for several tests, and the power of McNemar's test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, binomtest, norm, rankdata


@dataclass(frozen=True)
class ExactTest:
    """Result of an exact test of which model is right more often.

    Args:
        first_only: number of records (of groups, for ``sign_flip``) that only the first model gets right.
        second_only: the same for the second.
        p_value: two-sided; 1 where the models never differ.
    """

    first_only: int
    second_only: int
    p_value: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> ExactTest:
    """McNemar's exact test (1947).

    Args:
        first: (n,) bool, whether the first model is right.
        second: (n,) bool.
    """
    first_only, second_only = int((first & ~second).sum()), int((second & ~first).sum())
    differ = first_only + second_only
    return ExactTest(first_only, second_only, float(binomtest(first_only, differ).pvalue) if differ else 1.0)


def sign_flip(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> ExactTest:
    """McNemar's test for grouped records: exchanges the models group by group.

    Exact: computes the distribution of the sum, over groups, of a random sign times the group's difference in right
    records. With one record per group it is McNemar's test.

    Args:
        first: (n,) bool, whether the first model is right.
        second: (n,) bool.
        groups: (n,) group of each record.
    """
    _, member = np.unique(groups, return_inverse=True)
    difference = np.bincount(member.ravel(), weights=first.astype(float) - second).round().astype(int)
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    probabilities = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        step = np.zeros(2 * size * count + 1)  # size * (2 k - count) for k heads of count
        step[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        probabilities = np.convolve(probabilities, step)
    sums = np.arange(len(probabilities)) - (len(probabilities) - 1) // 2
    p_value = probabilities[np.abs(sums) >= abs(difference.sum())].sum()
    return ExactTest(int((difference > 0).sum()), int((difference < 0).sum()), float(min(1.0, p_value)))


@dataclass(frozen=True)
class AucDifference:
    """Two areas under ROC curves on the same records.

    Args:
        first: area of the first model.
        second: area of the second.
        error: standard error of first minus second.
        p_value: two-sided; None where the error is 0.
    """

    first: float
    second: float
    error: float
    p_value: float | None

    def ci(self, confidence: float) -> tuple[float, float]:
        """Confidence interval of first minus second."""
        half = float(norm.ppf((1 + confidence) / 2)) * self.error
        return self.first - self.second - half, self.first - self.second + half


def delong(first: np.ndarray, second: np.ndarray, positive: np.ndarray) -> AucDifference | None:
    """The test of DeLong et al. (1988) by ranks (Sun and Xu 2014), O(n log n). Assumes independent records.

    Args:
        first: (n,) scores of the first model.
        second: (n,) scores of the second.
        positive: (n,) 0/1.

    Returns:
        None with fewer than two positive or two negative records.
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
    p_value = float(2 * norm.sf(abs(areas[0] - areas[1]) / error)) if error > 0 else None
    return AucDifference(areas[0], areas[1], error, p_value)


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of negatives below each positive, and share of positives above each negative; ties count half."""
    m, n = positive.sum(), (~positive).sum()
    ranks = rankdata(scores)
    below = (ranks[positive] - rankdata(scores[positive])) / n
    return below, 1 - (ranks[~positive] - rankdata(scores[~positive])) / m


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number (Holm 1979); None values are not counted."""
    order = sorted((i for i, p in enumerate(p_values) if p is not None), key=lambda i: p_values[i])
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def mcnemar_power(records: int, discordant: float, lead: float, alpha: float) -> float:
    """Probability that McNemar's exact two-sided test rejects.

    Args:
        records: n, independent.
        discordant: share of records that exactly one model gets right.
        lead: difference of the accuracies, at most ``discordant``.
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
    """Smallest difference of accuracies that McNemar's exact test finds with the given power.

    Args:
        records: n.
        discordant: share of records that exactly one model gets right.
        alpha: level of the test.
        power: required.

    Returns:
        A share, at most ``discordant``; None if too few records are discordant for any lead.
    """
    if not discordant or mcnemar_power(records, discordant, discordant, alpha) < power:
        return None
    return float(brentq(lambda lead: mcnemar_power(records, discordant, lead, alpha) - power, 0, discordant, xtol=1e-6))
