"""ROC curves and the area under them (equations 33-35), also for many weightings of the same records at once."""

import numpy as np


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates for falling thresholds (equations 33, 34); ties move together.

    Args:
        scores: (n,) higher means more likely positive.
        positive: (n,) 0/1, both present.

    Returns:
        (points,) each, from 0 to 1.
    """
    fall, rise = _steps(scores, positive, np.ones((1, len(scores))))
    return np.r_[0, np.cumsum(fall[0]) / fall.sum()], np.r_[0, np.cumsum(rise[0]) / rise.sum()]


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve (equation 35), by the trapezium rule: ties count half.

    Args:
        scores: (n,).
        positive: (n,) 0/1.
        weights: (B, n) how often each record counts in each of B resamples; None: once.

    Returns:
        (B,) areas; NaN where a resample lacks positives or negatives.
    """
    weights = np.ones((1, len(scores))) if weights is None else weights
    fall, rise = _steps(scores, positive, weights)
    above = np.cumsum(rise, axis=1) - rise
    areas = (fall * (above + rise / 2)).sum(axis=1)
    pairs = fall.sum(axis=1) * rise.sum(axis=1)
    return np.divide(areas, pairs, out=np.full(len(areas), np.nan), where=pairs > 0)


def _steps(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of negatives and of positives at every distinct score, highest first: (B, distinct) each."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    ordered, truth = weights[:, order], positive[order].astype(bool)
    fall = np.add.reduceat(np.where(truth, 0.0, ordered), starts, axis=1)
    rise = np.add.reduceat(np.where(truth, ordered, 0.0), starts, axis=1)
    return fall, rise


def thin(fpr: np.ndarray, tpr: np.ndarray, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a curve, at most so many, for drawing."""
    if len(fpr) <= points:
        return fpr, tpr
    chosen = np.unique(np.r_[0, np.linspace(0, len(fpr) - 1, points).round().astype(int)])
    return fpr[chosen], tpr[chosen]
