"""Classification metrics, and the registry of all metrics with their labels and where they are shown.

Every function scores many bootstrap resamples at once: ``weights`` (n, B) is how often each record counts in each of B
resamples. To add a metric, add one entry to ``METRICS`` (docs/evaluation.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.errors import DataError

BINS = 10
"""Bins of the calibration error and of the reliability curve."""
F_MAX_THRESHOLDS = np.linspace(0, 1, 101)
Place = Literal["comparisons", "tests", "results", "page"]


@dataclass(frozen=True)
class Metric:
    """One entry of the registry.

    Args:
        name: key in metrics.json and comparisons.json.
        label: name in reports.
        compute: scores of the resamples, (B,); of a metric per class (B, classes).
        shown: ``comparisons``: tested between models and protocols (comparisons.json); ``tests``: the report's tables
            of these tests; ``results``: the report's tables of results; ``page``: the published result pages.
        maximum: largest possible value; the smallest is 0.
        task: the only task that has the metric; None: both.
        biased: resampling shifts its mean, so that its interval is bias-corrected.
        single_run: only in metrics.json; left out where models are compared, for speed.
    """

    name: str
    label: str
    compute: Callable[["ResampledScores"], np.ndarray]
    shown: tuple[Place, ...] = ()
    maximum: float = 1.0
    task: Literal["single", "multilabel"] | None = None
    biased: bool = False
    single_run: bool = False


class Scorer:
    """Scores of one set of predictions under any weights of its records.

    Args:
        predictions: predictions of the scored records; for a cross-validation, of all folds.
        threshold: multi-label: lowest probability that predicts a class.
        parts: (n,) cross-validation fold of each record. Counts are pooled over folds. The AUC compares records of
            the same fold only, because outputs of different runs are not on one scale.
        single_run: also compute the metrics that comparisons leave out.

    Raises:
        DataError: no records, or logits that are not finite.
    """

    def __init__(
        self, predictions: Predictions, threshold: float, parts: np.ndarray | None = None, single_run: bool = True
    ) -> None:
        if not len(predictions.record_ids):
            raise DataError("no predictions to evaluate; check the split")
        finite = np.isfinite(predictions.logits).all(axis=1)
        if not finite.all():
            bad = predictions.record_ids[~finite]
            raise DataError(f"the model's output is not finite for {len(bad)} records, {bad[0]} first; train it again")
        self.single = predictions.task == "single"
        self.targets, self.probabilities = predictions.targets.astype(float), predictions.probabilities
        self.called = (
            np.eye(self.targets.shape[1])[self.probabilities.argmax(axis=1)]
            if self.single
            else (self.probabilities >= threshold).astype(float)
        )
        self.correct = (self.called == self.targets).all(axis=1)
        self.hits = self.called * self.targets
        parts = np.zeros(len(self.targets), int) if parts is None else parts
        self.parts = [np.flatnonzero(parts == part) for part in np.unique(parts)]
        self.squared_errors = (self.probabilities - self.targets) ** 2
        self.gaps = [bin_gaps(p, t) for p, t in zip(self.probabilities.T, self.targets.T, strict=True)]
        self.top_gaps = bin_gaps(self.probabilities.max(axis=1), self.correct)
        self.f_max_terms = None if self.single else f_max_terms(self.probabilities, self.targets)
        self.metrics, self.class_metrics = (
            [m for m in registry if m.task in (None, predictions.task) and (single_run or not m.single_run)]
            for registry in (METRICS, CLASS_METRICS)
        )

    def __call__(self, weights: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Score resamples.

        Args:
            weights: (n, B).

        Returns:
            Scores by name, (B,) each; scores per class by name, (B, classes) each. NaN where undefined.
        """
        scores = ResampledScores(self, weights)
        return (
            {metric.name: metric.compute(scores) for metric in self.metrics},
            {metric.name: metric.compute(scores) for metric in self.class_metrics},
        )

    def class_notes(self, classes: tuple[str, ...]) -> dict[str, str]:
        """Class -> why its scores are undefined or meaningless; classes without a problem are left out."""
        notes = {}
        for i, name in enumerate(classes):
            if not self.targets[:, i].any():
                notes[name] = f"no record of {name}"
            elif self.targets[:, i].all():
                notes[name] = f"only records of {name}"
            elif np.ptp(self.probabilities[:, i]) == 0:
                notes[name] = "the same score for every record"
        return notes


class ResampledScores:
    """The input of the registry's metrics: a scorer under one matrix of weights. Arrays are (B, classes)."""

    def __init__(self, scorer: Scorer, weights: np.ndarray) -> None:
        self.scorer, self.weights, self.total = scorer, weights, weights.sum(axis=0)
        self.hits, self.called, self.support = (
            (cells.T @ weights).T for cells in (scorer.hits, scorer.called, scorer.targets)
        )

    @cached_property
    def specificity(self) -> np.ndarray:
        """Equation 30."""
        negatives = self.total[:, None] - self.support
        return ratio(negatives - (self.called - self.hits), negatives)

    @cached_property
    def recall(self) -> np.ndarray:
        """Equation 29."""
        return ratio(self.hits, self.support)

    @cached_property
    def precision(self) -> np.ndarray:
        """Equation 31; 0 if the class is never predicted (as in scikit-learn)."""
        return ratio(self.hits, self.called, 0.0)

    @cached_property
    def f1(self) -> np.ndarray:
        """Equation 32; NaN without a record of the class."""
        return np.where(self.support > 0, ratio(2 * self.hits, self.called + self.support, 0.0), np.nan)

    @cached_property
    def auc(self) -> np.ndarray:
        """Equation 35."""
        scorer, columns = self.scorer, []
        for scores, positive in zip(scorer.probabilities.T, scorer.targets.T, strict=True):
            pairs = [concordant_pairs(scores[rows], positive[rows], self._of(rows)) for rows in scorer.parts]
            columns.append(ratio(sum(concordant for concordant, _ in pairs), sum(number for _, number in pairs)))
        return np.stack(columns, axis=1)

    def _of(self, rows: np.ndarray) -> np.ndarray:
        return self.weights if len(self.scorer.parts) == 1 else self.weights[rows]

    @cached_property
    def average_precision(self) -> np.ndarray:
        """Average precision of each class."""
        columns = zip(self.scorer.probabilities.T, self.scorer.targets.T, strict=True)
        return np.stack([average_precision(*column, self.weights) for column in columns], axis=1)

    @cached_property
    def brier(self) -> np.ndarray:
        """Mean squared error of the probability of each class (Brier 1950)."""
        return ((self.scorer.squared_errors.T @ self.weights) / self.total).T

    @cached_property
    def ece(self) -> np.ndarray:
        """Calibration error of each class."""
        return np.stack([calibration_error(gaps, self.weights) for gaps in self.scorer.gaps], axis=1)

    def macro(self, values: np.ndarray) -> np.ndarray:
        """(B,) mean over the classes that are not NaN."""
        return ratio(np.nan_to_num(values).sum(axis=1), (~np.isnan(values)).sum(axis=1))

    def weighted(self, values: np.ndarray) -> np.ndarray:
        """(B,) mean over classes, weighted by their numbers of records."""
        support = np.where(np.isnan(values), 0.0, self.support)
        return ratio((np.nan_to_num(values) * support).sum(axis=1), support.sum(axis=1))


EVERYWHERE: tuple[Place, ...] = ("comparisons", "tests", "results", "page")
METRICS = (
    # Over all classes: the share of records whose classes are all right (equation 28; multi-label: subset accuracy).
    Metric("accuracy", "Accuracy", lambda s: s.scorer.correct @ s.weights / s.total, EVERYWHERE),
    Metric("specificity_weighted", "Specificity (weighted)", lambda s: s.weighted(s.specificity)),
    Metric("specificity_macro", "Specificity", lambda s: s.macro(s.specificity), ("comparisons", "results")),
    Metric("recall_weighted", "Recall", lambda s: s.weighted(s.recall), ("comparisons", "results")),
    Metric("recall_macro", "Recall (macro)", lambda s: s.macro(s.recall)),
    Metric("precision_weighted", "Precision", lambda s: s.weighted(s.precision), ("comparisons", "results")),
    Metric("precision_macro", "Precision (macro)", lambda s: s.macro(s.precision)),
    Metric("f1_weighted", "F1", lambda s: s.weighted(s.f1), EVERYWHERE),
    Metric("f1_macro", "F1 (macro)", lambda s: s.macro(s.f1), ("comparisons",)),
    Metric("auc_macro", "Macro AUC", lambda s: s.macro(s.auc), EVERYWHERE),
    # Brier's original score sums over exclusive classes, so that it reaches 2.
    Metric(
        "brier",
        "Brier score",
        lambda s: s.brier.sum(axis=1) if s.scorer.single else s.brier.mean(axis=1),
        maximum=2.0,
    ),
    Metric(
        "ece",
        "Calibration error",
        lambda s: calibration_error(s.scorer.top_gaps, s.weights) if s.scorer.single else s.ece.mean(axis=1),
        biased=True,
    ),
    Metric(
        "f_max", "F-max", lambda s: f_max(s.scorer.f_max_terms, s.weights), ("comparisons", "tests"), task="multilabel"
    ),
    Metric("average_precision_macro", "Average precision", lambda s: s.macro(s.average_precision), single_run=True),
)
"""Overall scores, in the order of tables."""
CLASS_METRICS = (
    Metric("auc", "AUC", lambda s: s.auc, ("comparisons", "page")),
    Metric("average_precision", "Average precision", lambda s: s.average_precision, ("page",), single_run=True),
    Metric("recall", "Recall", lambda s: s.recall, ("comparisons", "page")),
    Metric("specificity", "Specificity", lambda s: s.specificity, ("comparisons",)),
    Metric("precision", "Precision", lambda s: s.precision, ("comparisons", "page")),
    Metric("f1", "F1", lambda s: s.f1, ("comparisons", "page")),
    Metric("brier", "Brier score", lambda s: s.brier),
    Metric("ece", "Calibration error", lambda s: s.ece, biased=True),
)
"""Scores of each class."""


def metrics_shown(place: Place, registry: tuple[Metric, ...] = METRICS) -> tuple[Metric, ...]:
    """The metrics that one place shows, in the order of the registry."""
    return tuple(metric for metric in registry if place in metric.shown)


def metric_of(name: str) -> Metric:
    """The registry's entry of a name such as ``auc_macro``, or of one class, ``auc:MI``."""
    base, colon, _ = name.partition(":")
    return next(metric for metric in (CLASS_METRICS if colon else METRICS) if metric.name == base)


def ratio(part: np.ndarray, whole: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Part / whole, and ``otherwise`` where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), otherwise), where=np.asarray(whole) > 0)


def concordant_pairs(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a positive and a negative record in the right order (ties count half), and all pairs.

    Args:
        scores: (n,) higher means more likely positive.
        positive: (n,) 0/1.
        weights: (n, B).

    Returns:
        (B,) each; their ratio is the area under the ROC curve.
    """
    order = np.argsort(-scores, kind="stable")
    truth = positive[order].astype(bool)
    if not truth.any() or truth.all() or (np.diff(scores[order]) == 0).any():
        negatives, positives = weights_by_score(scores, positive, weights)
        pairs, above = negatives.sum(axis=0) * positives.sum(axis=0), np.cumsum(positives, axis=0)
        positives /= 2
        above -= positives
        return np.einsum("ib,ib->b", negatives, above), pairs
    # Without ties, in half the time: sum the negatives between one positive and the next.
    above = np.cumsum(weights[order[truth]], axis=0)
    negatives = weights[order[~truth]]
    ahead = np.cumsum(truth)[~truth]  # positives above each negative, in order
    starts = np.flatnonzero(np.r_[True, np.diff(ahead) != 0])
    between, number = np.add.reduceat(negatives, starts, axis=0), ahead[starts]
    wins = np.einsum("ib,ib->b", above[number[number > 0] - 1], between[number > 0])
    return wins, above[-1] * negatives.sum(axis=0)


def average_precision(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) precision at every distinct score, weighted by the gain in recall (scikit-learn's definition).

    Arguments as in ``concordant_pairs``; NaN where a resample has no positives.
    """
    negatives, positives = weights_by_score(scores, positive, weights)
    true_positives = np.cumsum(positives, axis=0)
    called = np.cumsum(
        negatives, axis=0, out=negatives
    )  # in place, here and below: these arrays are most of the memory
    called += true_positives
    precision = np.divide(true_positives, called, out=called, where=called > 0)  # otherwise it stays 0
    return ratio(np.einsum("ib,ib->b", positives, precision), true_positives[-1])


def weights_by_score(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of negatives and of positives at every distinct score, highest first: (distinct scores, B) each."""
    order = np.argsort(-scores, kind="stable")
    ordered, truth = weights[order], positive[order].astype(float)[:, None]
    positives = ordered * truth
    negatives = np.subtract(ordered, positives, out=ordered)
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    if len(starts) == len(scores):
        return negatives, positives
    return np.add.reduceat(negatives, starts, axis=0), np.add.reduceat(positives, starts, axis=0)


def bin_numbers(probabilities: np.ndarray) -> np.ndarray:
    """Bin (0 to BINS - 1) of each probability: equal widths, (low, high], the first one with 0."""
    return np.clip(np.ceil(probabilities * BINS).astype(int) - 1, 0, BINS - 1)


def bin_gaps(probabilities: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """(n, BINS) contribution of each record to the gap between predicted and observed frequency in its bin."""
    gaps = np.zeros((len(probabilities), BINS))
    gaps[np.arange(len(probabilities)), bin_numbers(probabilities)] = probabilities - outcome
    return gaps


def calibration_error(gaps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) expected calibration error in [0, 1] (Guo et al. 2017): mean gap of the bins, weighted by their size.

    Args:
        gaps: (n, BINS) of ``bin_gaps``.
        weights: (n, B).
    """
    return np.abs(gaps.T @ weights).sum(axis=0) / weights.sum(axis=0)


def f_max_terms(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision of each record (0 if no class is predicted), whether one is, and its recall (0 without a class).

    (n, thresholds) each; a class is predicted from the threshold on.
    """
    called = probabilities[:, None, :] >= F_MAX_THRESHOLDS[:, None]
    hits = (called & targets[:, None, :].astype(bool)).sum(axis=2).astype(float)
    calls, classes = called.sum(axis=2), targets.sum(axis=1)[:, None]
    return hits / np.maximum(calls, 1), (calls > 0).astype(float), hits / np.maximum(classes, 1)


def f_max(terms: tuple[np.ndarray, np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(B,) F-max in [0, 1], the sample-centric score of the PTB-XL benchmark (Strodthoff et al. 2020).

    The largest harmonic mean, over the thresholds, of the mean precision of the records with a predicted class and the
    mean recall of all records.

    Args:
        terms: from ``f_max_terms``.
        weights: (n, B).
    """
    precision, has_call, recall = (part.T @ weights for part in terms)  # (thresholds, B)
    precision, recall = ratio(precision, has_call, 0.0), recall / weights.sum(axis=0)
    both = precision + recall
    return (2 * precision * recall / np.where(both > 0, both, 1)).max(axis=0)
