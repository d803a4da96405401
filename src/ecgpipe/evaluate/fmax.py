"""F-max, the sample-centric score of the PTB-XL benchmark (Strodthoff et al. 2020, after CAFA)."""

import numpy as np

from ecgpipe.evaluate.roc import ratio

THRESHOLDS = np.linspace(0, 1, 101)


def sample_shares(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each record adds at each threshold, (n, thresholds) each.

    Args:
        probabilities: (n, C); a class counts as called from the threshold on.
        targets: (n, C) 0/1.

    Returns:
        Precision of a record (0 without a call), whether it has a call, recall of a record (0 without a class).
    """
    called = probabilities[:, None, :] >= THRESHOLDS[:, None]
    hits = (called & targets[:, None, :].astype(bool)).sum(axis=2).astype(float)
    calls, classes = called.sum(axis=2), targets.sum(axis=1)[:, None]
    return hits / np.maximum(calls, 1), (calls > 0).astype(float), hits / np.maximum(classes, 1)


def f_max(shares: tuple[np.ndarray, np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
    """The largest harmonic mean of precision and recall over the thresholds 0, 0.01 to 1.

    Precision is the mean over records with a call at the threshold, recall the mean over all records.

    Args:
        shares: of ``sample_shares``.
        weights: (n, B).

    Returns:
        (B,) in [0, 1].
    """
    precision, has_call, recall = (part.T @ weights for part in shares)  # (thresholds, B)
    precision, recall = ratio(precision, has_call), recall / weights.sum(axis=0)
    both = np.nan_to_num(precision) + recall
    return np.nan_to_num(2 * np.nan_to_num(precision) * recall / np.where(both > 0, both, 1)).max(axis=0)
