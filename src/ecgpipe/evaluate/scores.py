"""The scores of one run with their bootstrap intervals."""

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import average_precision_score

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.evaluate import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.confusion import binary_cells, class_metrics, confusion_cells, one_against_rest, summary_metrics
from ecgpipe.evaluate.roc import auc, roc_curve, thin

CHUNK = 200  # resamples at a time: bounds memory at CHUNK x records


def evaluate_predictions(predictions: Predictions, groups: np.ndarray, config: EvaluateConfig) -> dict:
    """Score predictions of one role.

    Args:
        predictions: of validation or test records.
        groups: (n,) what is resampled as a whole: patients, or records.
        config: resamples, coverage, threshold, seed.

    Returns:
        The content of metrics.json: counts, ``scores`` {name: {value, low, high}}, ``per_class`` {class: {name:
        {value, low, high}}}, ``confusion`` (single-label) and ``roc`` {class: {fpr, tpr}}. What cannot be measured
        is None.

    Raises:
        DataError: no records, or logits that are no numbers.
    """
    if not len(predictions.record_ids):
        raise DataError("no predictions to evaluate; check the split")
    if not np.isfinite(predictions.logits).all():
        bad = predictions.record_ids[~np.isfinite(predictions.logits).all(axis=1)]
        raise DataError(f"the model's output is not a number for {len(bad)} records, {bad[0]} first; train it again")
    probabilities, targets = predictions.probabilities, predictions.targets
    single = predictions.task == "single"
    if single:
        truth, called = targets.argmax(axis=1), probabilities.argmax(axis=1)
        cells = confusion_cells(truth, called, targets.shape[1])
    else:
        called = probabilities >= config.threshold
        cells = binary_cells(targets, called).reshape(len(targets), -1)
    right = (truth == called) if single else (targets == called).all(axis=1)

    def measure(weights: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Scores (B,) and class scores (B, C) under weights (B, n)."""
        counts = weights @ cells
        classes = targets.shape[1]
        square = (-1, classes, classes) if single else (-1, classes, 2, 2)
        tables = one_against_rest(counts.reshape(square)) if single else counts.reshape(square)
        per_class = class_metrics(tables)
        per_class["auc"] = np.stack([auc(probabilities[:, i], targets[:, i], weights) for i in range(classes)], axis=1)
        scores = summary_metrics(tables, weights @ right / weights.sum(axis=1))
        present = ~np.isnan(per_class["auc"])
        known = np.nan_to_num(per_class["auc"])
        scores["auc_macro"] = np.divide(
            known.sum(axis=1), present.sum(axis=1), out=np.full(len(known), np.nan), where=present.any(axis=1)
        )
        return scores, per_class

    value, class_value = measure(np.ones((1, len(targets))))
    samples = [measure(weights) for weights in _resampled_weights(groups, config)]
    drawn = {name: np.concatenate([scores[name] for scores, _ in samples]) for name in value}
    class_drawn = {name: np.concatenate([per_class[name] for _, per_class in samples]) for name in class_value}
    result = {
        "task": predictions.task,
        "role": str(predictions.roles[0]),
        "records": len(targets),
        "confidence": config.confidence,
        "groups": len(np.unique(groups)),
        "classes": list(predictions.classes),
        "support": {name: int(count) for name, count in zip(predictions.classes, targets.sum(axis=0), strict=True)},
        "scores": {name: _interval(value[name][0], drawn[name], config.confidence) for name in value},
        "per_class": {
            label: {
                name: _interval(class_value[name][0, i], class_drawn[name][:, i], config.confidence)
                for name in class_value
            }
            for i, label in enumerate(predictions.classes)
        },
        "roc": {},
    }
    for i, label in enumerate(predictions.classes):
        has_both = 0 < targets[:, i].sum() < len(targets)
        result["per_class"][label]["average_precision"] = {
            "value": float(average_precision_score(targets[:, i], probabilities[:, i])) if has_both else None
        }
        if has_both:
            fpr, tpr = thin(*roc_curve(probabilities[:, i], targets[:, i]))
            result["roc"][label] = {"fpr": fpr.round(5).tolist(), "tpr": tpr.round(5).tolist()}
    if single:
        result["confusion"] = cells.sum(axis=0).reshape(targets.shape[1], -1).astype(int).tolist()
    return result


def _resampled_weights(groups: np.ndarray, config: EvaluateConfig) -> Iterator[np.ndarray]:
    """(<= CHUNK, n) how often each record counts: groups are drawn with replacement, as many as there are."""
    names, member = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(config.seed)
    for start in range(0, config.resamples, CHUNK):
        size = min(CHUNK, config.resamples - start)
        counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        yield counts[:, member.ravel()].astype(float)


def _interval(value: float, drawn: np.ndarray, confidence: float) -> dict[str, float | None]:
    """A value with its percentile interval; None where there is none."""
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return {"value": float(value), "low": None, "high": None}
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}
