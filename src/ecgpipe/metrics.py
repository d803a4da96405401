"""Whether probabilities mean what they say: Brier score, calibration error, reliability curve.

The paper's five metrics (equations 28-32) from confusion matrices, one or thousands at once.

ROC curves and the area under them (equations 33-35), also for many weightings of the same records at once.

F-max, the sample-centric score of the PTB-XL benchmark (Strodthoff et al. 2020, after CAFA).

Every score of one set of predictions, for thousands of weightings of its records at once.
"""

import numpy as np
from scipy.stats import binomtest

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError

BINS = 10
"""Bins of the calibration error and of the reliability curve."""


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


AVERAGES = ("weighted", "macro")


def confusion_cells(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(n,) class numbers each -> (n, classes * classes) 0/1: the cell of the confusion matrix of a record."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + predicted] = 1
    return cells


def binary_cells(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n, classes) 0/1 each -> (n, classes, 2, 2): per class the cell [truth, prediction] of a record."""
    cells = np.zeros((*targets.shape, 2, 2))
    rows, columns = np.indices(targets.shape)
    cells[rows, columns, targets.astype(int), predicted.astype(int)] = 1
    return cells


def one_against_rest(confusion: np.ndarray) -> np.ndarray:
    """(..., C, C) confusion [truth, prediction] -> (..., C, 2, 2): each class against all others."""
    total = confusion.sum(axis=(-2, -1))[..., None]
    true_positive = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, called = confusion.sum(axis=-1), confusion.sum(axis=-2)
    false_negative, false_positive = support - true_positive, called - true_positive
    true_negative = total - support - called + true_positive
    negative = np.stack([true_negative, false_positive], axis=-1)
    return np.stack([negative, np.stack([false_negative, true_positive], axis=-1)], axis=-2)


def class_metrics(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics per class from 2 x 2 tables.

    Args:
        tables: (..., C, 2, 2) counts [truth, prediction].

    Returns:
        specificity, recall, precision, f1 (equations 29-32), each (..., C) in [0, 1]. A precision without any
        positive call, and an F1 without either, count 0 (as in scikit-learn); a recall without positives and a
        specificity without negatives are NaN: there is nothing to measure.
    """
    (true_negative, false_positive), (false_negative, true_positive) = (
        (tables[..., 0, 0], tables[..., 0, 1]),
        (tables[..., 1, 0], tables[..., 1, 1]),
    )

    def share(part: np.ndarray, whole: np.ndarray, otherwise: float) -> np.ndarray:
        return np.divide(part, whole, out=np.full(np.shape(part), otherwise), where=whole > 0)

    positives = true_positive + false_negative
    f1 = share(2 * true_positive, 2 * true_positive + false_positive + false_negative, 0.0)
    return {
        "specificity": share(true_negative, true_negative + false_positive, np.nan),
        "recall": share(true_positive, positives, np.nan),
        "precision": share(true_positive, true_positive + false_positive, 0.0),
        "f1": np.where(positives > 0, f1, np.nan),
    }


def average(values: np.ndarray, support: np.ndarray, how: str) -> np.ndarray:
    """Mean over classes (last axis): ``macro`` counts each class once, ``weighted`` by its number of records.

    Classes without a record (NaN) are left out.
    """
    weights = support.astype(float) if how == "weighted" else np.ones_like(support, dtype=float)
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis=-1)
    summed = (np.nan_to_num(values) * weights).sum(axis=-1)
    return np.divide(summed, total, out=np.full(np.shape(summed), np.nan), where=total > 0)


def summary_metrics(tables: np.ndarray, accuracy: np.ndarray) -> dict[str, np.ndarray]:
    """The five metrics with both averages, by name (``recall_weighted``, ...).

    Args:
        tables: (..., C, 2, 2) counts.
        accuracy: (...,) overall accuracy (equation 28 over all classes: the share of records that are right).
    """
    support = tables[..., 1, :].sum(axis=-1)
    values = {"accuracy": np.asarray(accuracy)}
    for name, per_class in class_metrics(tables).items():
        for how in AVERAGES:
            values[f"{name}_{how}"] = average(per_class, support, how)
    return values


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


class Scorer:
    """Scores of predictions as functions of how often each record counts.

    Args:
        predictions: of the reported records; of a cross-validation those of all parts together.
        config: threshold of the multi-label calls, bins of the calibration.
        parts: (n,) the part of a cross-validation that each record was reported in; None: no cross-validation.
            Counts are pooled over parts. Areas compare records of the same part only: outputs of different trainings
            are not on one scale.
        full: also average precision.

    Raises:
        DataError: no records, or logits that are no numbers.
    """

    def __init__(
        self, predictions: Predictions, config: EvaluateConfig, parts: np.ndarray | None = None, full: bool = True
    ) -> None:
        if not len(predictions.record_ids):
            raise DataError("no predictions to evaluate; check the split")
        finite = np.isfinite(predictions.logits).all(axis=1)
        if not finite.all():
            bad = predictions.record_ids[~finite]
            raise DataError(
                f"the model's output is not a number for {len(bad)} records, {bad[0]} first; train it again"
            )
        self.single = predictions.task == "single"
        self.targets, self.probabilities = predictions.targets.astype(float), predictions.probabilities
        self.called = (
            np.eye(self.targets.shape[1])[self.probabilities.argmax(axis=1)]
            if self.single
            else (self.probabilities >= config.threshold).astype(float)
        )
        self.right = (self.called == self.targets).all(axis=1)
        self.full = full
        parts = np.zeros(len(self.targets), int) if parts is None else parts
        self._rows = [np.flatnonzero(parts == part) for part in np.unique(parts)]
        self._cells = (
            confusion_cells(self.targets.argmax(axis=1), self.called.argmax(axis=1), self.targets.shape[1])
            if self.single
            else binary_cells(self.targets, self.called).reshape(len(self.targets), -1)
        )
        self._squares = (self.probabilities - self.targets) ** 2
        classes = range(self.targets.shape[1])
        self._gaps = [bin_gaps(self.probabilities[:, i], self.targets[:, i], BINS) for i in classes]
        self._top_gaps = bin_gaps(self.probabilities.max(axis=1), self.right, BINS) if self.single else None
        self._shares = None if self.single else sample_shares(self.probabilities, self.targets)

    def __call__(self, weights: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Scores under weights.

        Args:
            weights: (n, B) how often each record counts in each resample.

        Returns:
            Scores by name, (B,) each; scores per class by name, (B, C) each. NaN where there is nothing to measure.
        """
        counts, total = (self._cells.T @ weights).T, weights.sum(axis=0)
        classes = self.targets.shape[1]
        square = (-1, classes, classes) if self.single else (-1, classes, 2, 2)
        tables = one_against_rest(counts.reshape(square)) if self.single else counts.reshape(square)
        per_class = class_metrics(tables)
        per_class["auc"] = np.stack([self._auc(i, weights) for i in range(classes)], axis=1)
        per_class["brier"] = ((self._squares.T @ weights) / total).T
        per_class["ece"] = np.stack([calibration_error(gaps, weights) for gaps in self._gaps], axis=1)
        scores = summary_metrics(tables, self.right @ weights / total)
        scores["auc_macro"] = _mean(per_class["auc"])
        scores["brier"] = per_class["brier"].sum(axis=1) if self.single else per_class["brier"].mean(axis=1)
        scores["ece"] = calibration_error(self._top_gaps, weights) if self.single else per_class["ece"].mean(axis=1)
        if self._shares is not None:
            scores["f_max"] = f_max(self._shares, weights)
        if self.full:
            per_class["average_precision"] = np.stack(
                [average_precision(self.probabilities[:, i], self.targets[:, i], weights) for i in range(classes)],
                axis=1,
            )
            scores["average_precision_macro"] = _mean(per_class["average_precision"])
        return scores, per_class

    def _auc(self, i: int, weights: np.ndarray) -> np.ndarray:
        """(B,) area of class i against the rest."""
        if len(self._rows) == 1:
            return ratio(*concordance(self.probabilities[:, i], self.targets[:, i], weights))
        pairs = [concordance(self.probabilities[rows, i], self.targets[rows, i], weights[rows]) for rows in self._rows]
        return ratio(sum(ordered for ordered, _ in pairs), sum(number for _, number in pairs))

    def missing(self, classes: tuple[str, ...]) -> dict[str, str]:
        """Class -> what a reader of its cells must know: nothing to find, nothing else, or one score for all."""
        told = {}
        for i, name in enumerate(classes):
            if not self.targets[:, i].any():
                told[name] = f"no record of {name}"
            elif self.targets[:, i].all():
                told[name] = f"only records of {name}"
            elif np.ptp(self.probabilities[:, i]) == 0:
                told[name] = "the same score for every record"
        return told


def _mean(values: np.ndarray) -> np.ndarray:
    """(B, C) -> (B,), classes that cannot be measured left out."""
    known = ~np.isnan(values)
    return ratio(np.nan_to_num(values).sum(axis=1), known.sum(axis=1))
