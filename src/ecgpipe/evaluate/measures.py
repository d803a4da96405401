"""Every score of one set of predictions, for thousands of weightings of its records at once."""

import numpy as np

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.calibration import bin_gaps, calibration_error
from ecgpipe.evaluate.confusion import binary_cells, class_metrics, confusion_cells, one_against_rest, summary_metrics
from ecgpipe.evaluate.fmax import f_max, sample_shares
from ecgpipe.evaluate.roc import average_precision, concordance, ratio


class Measures:
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
        self._gaps = [bin_gaps(self.probabilities[:, i], self.targets[:, i], config.bins) for i in classes]
        self._top_gaps = bin_gaps(self.probabilities.max(axis=1), self.right, config.bins) if self.single else None
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
