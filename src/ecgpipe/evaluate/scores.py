"""The scores of one run with their bootstrap intervals (metrics.json)."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, roc_curve

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.bootstrap import bootstrap_interval, distinct_groups, group_counts, resampling_groups
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.calibration import recalibrate, reliability_curve
from ecgpipe.metrics import Metric, Scorer, ratio

CURVE_POINTS = 200  # of a stored ROC curve


def evaluate_run(predictions: Predictions, records: pd.DataFrame, config: EvaluateConfig) -> dict:
    """The content of metrics.json (see ``evaluate_predictions``).

    Args:
        predictions: predictions of a trained run.
        records: rows of records.parquet with the columns GROUPED_BY.
        config: intervals and thresholds.
    """
    reported = predictions.reported()
    validation = predictions.of_role("validation") if predictions.reported_role == "test" else None
    return evaluate_predictions(reported, resampling_groups(reported.record_ids, records), config, validation)


def evaluate_predictions(
    predictions: Predictions, groups: np.ndarray, config: EvaluateConfig, validation: Predictions | None = None
) -> dict:
    """Score the predictions of one role.

    Args:
        predictions: predictions of the scored records.
        groups: (n,) patient (or record) of each record; resampled as a whole.
        config: resamples, confidence, threshold, seed, specificities.
        validation: predictions on which thresholds are chosen and the calibration is fitted; None: the scored
            records are used.

    Returns:
        The content of metrics.json (docs/formats.md). Undefined numbers are None, with the reason in ``note``.

    Raises:
        DataError: no records, or logits that are not finite.
    """
    scorer = Scorer(predictions, config.threshold)
    classes, targets, probabilities = predictions.classes, scorer.targets, scorer.probabilities
    thresholds = [_Thresholds(i, scorer, config, validation) for i in range(len(classes))]
    value, class_value = scorer(np.ones((len(targets), 1)))
    names = distinct_groups(groups)
    member = np.searchsorted(names, groups)
    parts, class_parts = [], []
    for counts in group_counts(len(names), config.resamples, config.seed, len(targets)):
        weights = counts[member]
        scores, per_class = scorer(weights)
        parts.append(scores)
        class_parts.append(per_class)
        for table in thresholds:
            table.add(weights)
    notes = scorer.class_notes(classes)

    def overall(metric: Metric) -> dict:
        samples = np.concatenate([part[metric.name] for part in parts])
        return bootstrap_interval(value[metric.name][0], samples, config.confidence, biased=metric.biased)

    def of_class(i: int, metric: Metric) -> dict:
        samples = np.concatenate([part[metric.name][:, i] for part in class_parts])
        note = notes.get(classes[i], "not measurable")
        return bootstrap_interval(class_value[metric.name][0, i], samples, config.confidence, note, metric.biased)

    called = scorer.called
    result = {
        "task": predictions.task,
        "role": str(predictions.roles[0]),
        "records": len(targets),
        "confidence": config.confidence,
        "groups": len(names),
        "classes": list(classes),
        "support": {name: int(count) for name, count in zip(classes, targets.sum(axis=0), strict=True)},
        "scores": {metric.name: overall(metric) for metric in scorer.metrics},
        "per_class": {
            name: {metric.name: of_class(i, metric) for metric in scorer.class_metrics}
            for i, name in enumerate(classes)
        },
        "left_out": notes,
        "roc": {
            name: _roc(targets[:, i], probabilities[:, i])
            for i, name in enumerate(classes)
            if 0 < targets[:, i].sum() < len(targets)
        },
        "calibration": {
            name: reliability_curve(probabilities[:, i], targets[:, i], config.confidence)
            for i, name in enumerate(classes)
        },
        "recalibration": recalibrate(predictions, validation),
        "thresholds": {name: table.rows() for name, table in zip(classes, thresholds, strict=True)},
        "confusion_per_class": {
            name: confusion_matrix(targets[:, i], called[:, i], labels=[0, 1]).tolist()
            for i, name in enumerate(classes)
        },
    }
    if scorer.single:
        truth, predicted = targets.argmax(axis=1), called.argmax(axis=1)
        result["confusion"] = confusion_matrix(truth, predicted, labels=range(len(classes))).tolist()
        result["calibration_top"] = reliability_curve(probabilities.max(axis=1), scorer.correct, config.confidence)
    return result


def _roc(positive: np.ndarray, scores: np.ndarray) -> dict[str, list[float]]:
    """False and true positive rates (equations 33, 34), at most CURVE_POINTS of them."""
    fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
    if len(fpr) > CURVE_POINTS:
        chosen = np.unique(np.linspace(0, len(fpr) - 1, CURVE_POINTS).round().astype(int))
        fpr, tpr = fpr[chosen], tpr[chosen]
    return {"fpr": fpr.round(5).tolist(), "tpr": tpr.round(5).tolist()}


class _Thresholds:
    """Sensitivity and specificity of one class at thresholds chosen for given specificities."""

    def __init__(self, i: int, scorer: Scorer, config: EvaluateConfig, validation: Predictions | None) -> None:
        positive, scores = scorer.targets[:, i], scorer.probabilities[:, i]
        self.confidence, self.samples = config.confidence, []
        self.chosen_on = "the scored records" if validation is None else "validation"
        truth, probabilities = (
            (positive, scores) if validation is None else (validation.targets[:, i], validation.probabilities[:, i])
        )
        self.specificities, self.thresholds = config.specificities, []
        if not 0 < truth.sum() < len(truth):
            self.specificities = ()
        else:
            fpr, _, steps = roc_curve(truth, probabilities, drop_intermediate=False)
            self.thresholds = [float(steps[np.flatnonzero(fpr <= 1 - s + 1e-12)[-1]]) for s in self.specificities]
        self.hits = [positive * (scores >= t) for t in self.thresholds]
        self.rejected = [(1 - positive) * (scores < t) for t in self.thresholds]
        self.positive = positive

    def rates(self, weights: np.ndarray) -> list[dict[str, np.ndarray]]:
        """(B,) sensitivity and specificity for each threshold."""
        positives = self.positive @ weights
        negatives = (1 - self.positive) @ weights
        return [
            {"sensitivity": ratio(hits @ weights, positives), "specificity": ratio(rejected @ weights, negatives)}
            for hits, rejected in zip(self.hits, self.rejected, strict=True)
        ]

    def add(self, weights: np.ndarray) -> None:
        """Add resamples."""
        self.samples.append(self.rates(weights))

    def rows(self) -> list[dict]:
        """One row per specificity."""
        rows = []
        for number, value in enumerate(self.rates(np.ones((len(self.positive), 1)))):
            threshold = self.thresholds[number]
            row = {
                "asked_specificity": self.specificities[number],
                "threshold": threshold if np.isfinite(threshold) else None,
                "chosen_on": self.chosen_on,
            }
            for name in value:
                samples = np.concatenate([part[number][name] for part in self.samples])
                row[name] = bootstrap_interval(value[name][0], samples, self.confidence)
            rows.append(row)
        return rows
