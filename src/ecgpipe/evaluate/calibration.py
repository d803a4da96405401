"""Whether probabilities mean what they say: Brier score, calibration error, reliability curve."""

import numpy as np
from scipy.stats import binomtest


def bin_of(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """Number of the bin of equal width, (low, high], the first with 0: from 0 to bins - 1."""
    return np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)


def bin_gaps(probabilities: np.ndarray, outcome: np.ndarray, bins: int) -> np.ndarray:
    """(n, bins): what each record adds to its bin's gap between promised and found.

    ``calibration_error`` of weights w is ``abs(gaps.T @ w).sum() / w.sum()``.

    Args:
        probabilities: (n,) in [0, 1].
        outcome: (n,) 0/1.
        bins: how many.
    """
    gaps = np.zeros((len(probabilities), bins))
    gaps[np.arange(len(probabilities)), bin_of(probabilities, bins)] = probabilities - outcome
    return gaps


def calibration_error(gaps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error (Guo et al. 2017): mean gap between promised and found, weighted by bin size.

    Args:
        gaps: (n, bins) of ``bin_gaps``.
        weights: (n, B).

    Returns:
        (B,) in [0, 1].
    """
    return np.abs(gaps.T @ weights).sum(axis=0) / weights.sum(axis=0)


def reliability(probabilities: np.ndarray, outcome: np.ndarray, bins: int, confidence: float) -> list[dict]:
    """The reliability curve: a row per bin that holds records.

    Returns:
        ``from``, ``to`` (the bin), ``records``, ``promised`` (mean probability), ``found`` (share of outcomes), and
        ``low``, ``high``: Wilson's interval of that share, which takes records for independent.
    """
    rows, number = [], bin_of(probabilities, bins)
    for i in range(bins):
        inside = number == i
        if not inside.any():
            continue
        records, hits = int(inside.sum()), int(outcome[inside].sum())
        reach = binomtest(hits, records).proportion_ci(confidence, method="wilson")
        rows.append(
            {"from": i / bins, "to": (i + 1) / bins, "records": records}
            | {"promised": float(probabilities[inside].mean()), "found": hits / records}
            | {"low": float(reach.low), "high": float(reach.high)}
        )
    return rows
