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
    fall, rise = steps(scores, positive, np.ones((len(scores), 1)))
    return np.r_[0, np.cumsum(fall[:, 0]) / fall.sum()], np.r_[0, np.cumsum(rise[:, 0]) / rise.sum()]


def auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve (equation 35), by the trapezium rule: ties count half.

    Args:
        scores: (n,).
        positive: (n,) 0/1.
        weights: (n, B) how often each record counts in each of B resamples; None: once.

    Returns:
        (B,) areas; NaN where a resample lacks positives or negatives.
    """
    weights = np.ones((len(scores), 1)) if weights is None else weights
    return ratio(*concordance(scores, positive, weights))


def concordance(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a positive and a negative record that are in the right order (ties half), and all pairs: (B,) each."""
    order = np.argsort(-scores, kind="stable")
    truth = positive[order].astype(bool)
    if not truth.any() or truth.all() or (np.diff(scores[order]) == 0).any():
        fall, rise = steps(scores, positive, weights)
        every, above = fall.sum(axis=0) * rise.sum(axis=0), np.cumsum(rise, axis=0)
        rise /= 2
        above -= rise
        return np.einsum("ib,ib->b", fall, above), every
    # Without ties in half the time: negatives are summed between one positive and the next.
    above = np.cumsum(weights[order[truth]], axis=0)
    negatives = weights[order[~truth]]
    ahead = np.cumsum(truth)[~truth]  # positives above each negative, in order
    starts = np.flatnonzero(np.r_[True, np.diff(ahead) != 0])
    between, number = np.add.reduceat(negatives, starts, axis=0), ahead[starts]
    wins = np.einsum("ib,ib->b", above[number[number > 0] - 1], between[number > 0])
    return wins, above[-1] * negatives.sum(axis=0)


def average_precision(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Precision at every distinct score, weighted by the gain in recall (scikit-learn's definition).

    Arguments and result as of ``auc``; NaN where a resample lacks positives.
    """
    weights = np.ones((len(scores), 1)) if weights is None else weights
    fall, rise = steps(scores, positive, weights)
    found = np.cumsum(rise, axis=0)
    called = np.cumsum(fall, axis=0, out=fall)  # in place, here and below: these arrays are most of the memory
    called += found
    precision = np.divide(found, called, out=called, where=called > 0)  # else it stays 0
    return ratio(np.einsum("ib,ib->b", rise, precision), found[-1])


def steps(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of negatives and of positives at every distinct score, highest first: (distinct, B) each."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = weights[order], positive[order].astype(float)[:, None]
    rise = ordered * truth
    fall = np.subtract(ordered, rise, out=ordered)
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    if len(starts) == len(scores):
        return fall, rise
    return np.add.reduceat(fall, starts, axis=0), np.add.reduceat(rise, starts, axis=0)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part of whole; NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def thin(fpr: np.ndarray, tpr: np.ndarray, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a curve, at most so many, for drawing."""
    if len(fpr) <= points:
        return fpr, tpr
    chosen = np.unique(np.r_[0, np.linspace(0, len(fpr) - 1, points).round().astype(int)])
    return fpr[chosen], tpr[chosen]
