"""The scores of one run with their bootstrap intervals.

Scores of one run: the reported role, resampled by what belongs together.
"""

import numpy as np
import pandas as pd
from sklearn import metrics

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.bootstrap import bootstrap_interval, distinct_groups, group_counts
from ecgpipe.evaluate.calibration import recalibrate
from ecgpipe.metrics import BINS, Scorer, binary_cells, ratio, reliability, roc_curve, thin


def evaluate_predictions(
    predictions: Predictions, groups: np.ndarray, config: EvaluateConfig, validation: Predictions | None = None
) -> dict:
    """Score predictions of one role.

    Args:
        predictions: of the reported records.
        groups: (n,) what is resampled as a whole: patients, or records.
        config: resamples, coverage, threshold, seed, bins, specificities.
        validation: of the validation records, to choose the thresholds on; None: the reported records have to do.

    Returns:
        The content of metrics.json (docs/formats.md). What cannot be measured is None and says why in ``note``.

    Raises:
        DataError: no records, or logits that are no numbers.
    """
    measures = Scorer(predictions, config)
    classes, targets, probabilities = predictions.classes, measures.targets, measures.probabilities
    tables = {name: _Thresholds(i, measures, config, validation) for i, name in enumerate(classes)}
    value, class_value = measures(np.ones((len(targets), 1)))
    names = distinct_groups(groups)
    member = np.searchsorted(names, groups)
    drawn, class_drawn = [], []
    for counts in group_counts(len(names), config.resamples, config.seed, len(targets)):
        weights = counts[member]
        scores, per_class = measures(weights)
        drawn.append(scores)
        class_drawn.append(per_class)
        for table in tables.values():
            table.draw(weights)
    missing = measures.missing(classes)

    def overall(name: str) -> dict:
        return bootstrap_interval(value[name][0], np.concatenate([part[name] for part in drawn]), config.confidence)

    def of_class(i: int, name: str) -> dict:
        every = np.concatenate([part[name][:, i] for part in class_drawn])
        return bootstrap_interval(
            class_value[name][0, i], every, config.confidence, missing.get(classes[i], "not measurable")
        )

    result = {
        "task": predictions.task,
        "role": str(predictions.roles[0]),
        "records": len(targets),
        "confidence": config.confidence,
        "groups": len(names),
        "classes": list(classes),
        "support": {name: int(count) for name, count in zip(classes, targets.sum(axis=0), strict=True)},
        "scores": {name: overall(name) for name in value},
        "per_class": {label: {name: of_class(i, name) for name in class_value} for i, label in enumerate(classes)},
        "left_out": missing,
        "roc": {},
        "calibration": {
            name: reliability(probabilities[:, i], targets[:, i], BINS, config.confidence)
            for i, name in enumerate(classes)
        },
        "recalibration": recalibrate(predictions, validation, BINS),
        "thresholds": {name: tables[name].rows() for name in classes},
        "confusion_per_class": {
            name: table.astype(int).tolist()
            for name, table in zip(classes, binary_cells(targets, measures.called).sum(axis=0), strict=True)
        },
    }
    for i, label in enumerate(classes):
        if 0 < targets[:, i].sum() < len(targets):
            fpr, tpr = thin(*roc_curve(probabilities[:, i], targets[:, i]))
            result["roc"][label] = {"fpr": fpr.round(5).tolist(), "tpr": tpr.round(5).tolist()}
    if measures.single:
        truth, called = targets.argmax(axis=1), measures.called.argmax(axis=1)
        result["confusion"] = metrics.confusion_matrix(truth, called, labels=range(len(classes))).tolist()
        result["calibration_top"] = reliability(probabilities.max(axis=1), measures.right, BINS, config.confidence)
    return result


class _Thresholds:
    """Sensitivity of one class at the threshold that gives a fixed specificity on the records it is chosen on."""

    def __init__(self, i: int, measures: Scorer, config: EvaluateConfig, validation: Predictions | None) -> None:
        truth, scores = measures.targets[:, i], measures.probabilities[:, i]
        self.chosen_on = "validation" if validation is not None else "the reported records"
        if validation is not None:
            chosen_truth, chosen_scores = validation.targets[:, i], validation.probabilities[:, i]
        else:
            chosen_truth, chosen_scores = truth, scores
        self.config = config
        self.asked = config.specificities if 0 < chosen_truth.sum() < len(chosen_truth) else ()
        if self.asked:
            fpr, _, thresholds = metrics.roc_curve(chosen_truth, chosen_scores, drop_intermediate=False)
            self.thresholds = [float(thresholds[np.flatnonzero(fpr <= 1 - asked + 1e-12)[-1]]) for asked in self.asked]
            self.cells = [binary_cells(truth[:, None], scores[:, None] >= t).reshape(-1, 4) for t in self.thresholds]
        self.drawn: list[list[tuple]] = []

    @staticmethod
    def _rates(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(4, B) counts -> sensitivity, specificity."""
        true_negative, false_positive, false_negative, true_positive = counts
        return ratio(true_positive, true_positive + false_negative), ratio(
            true_negative, true_negative + false_positive
        )

    def draw(self, weights: np.ndarray) -> None:
        """Count resamples."""
        if self.asked:
            self.drawn.append([self._rates(cells.T @ weights) for cells in self.cells])

    def rows(self) -> list[dict]:
        """A row per specificity."""
        rows = []
        for number, asked in enumerate(self.asked):
            threshold = self.thresholds[number]
            rates = self._rates(self.cells[number].sum(axis=0)[:, None])
            row = {
                "asked_specificity": asked,
                "threshold": threshold if np.isfinite(threshold) else None,
                "chosen_on": self.chosen_on,
            }
            for name, rate, position in (("sensitivity", rates[0], 0), ("specificity", rates[1], 1)):
                every = np.concatenate([part[number][position] for part in self.drawn])
                row[name] = bootstrap_interval(rate[0], every, self.config.confidence)
            rows.append(row)
        return rows


GROUPED_BY = ["record_id", "patient_id", "content"]
"""Columns of records.parquet that tell what is resampled together."""


def reported_role(predictions: Predictions) -> str:
    """``test`` where the protocol has a test part, else ``validation`` (the paper's protocol)."""
    return "test" if (predictions.roles == "test").any() else "validation"


def resampling_groups(record_ids: np.ndarray, records: pd.DataFrame) -> np.ndarray:
    """What is resampled as a whole, per record: its patient; else its file's content; else itself."""
    rows = records.set_index("record_id").loc[record_ids]
    alone = pd.Series(record_ids, index=rows.index)
    return rows["patient_id"].fillna(rows["content"].where(rows["content"] != "", alone)).to_numpy(dtype=str)


def evaluate_run(predictions: Predictions, records: pd.DataFrame, config: EvaluateConfig) -> dict:
    """The content of metrics.json (see ``evaluate_predictions``).

    Args:
        predictions: of a trained run.
        records: rows of records.parquet with the columns GROUPED_BY, for patients and duplicates.
        config: intervals and thresholds.
    """
    role = reported_role(predictions)
    chosen = predictions.of_role(role)
    validation = predictions.of_role("validation") if role == "test" else None
    return evaluate_predictions(chosen, resampling_groups(chosen.record_ids, records), config, validation)
