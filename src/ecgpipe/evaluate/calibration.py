"""Calibration: the reliability curve, and temperature or Platt scaling fitted on records that were not trained on."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest

from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.metrics import BINS, bin_gaps, bin_numbers, calibration_error

TEMPERATURES = (0.05, 50.0)
DRAWS = 2000  # of all outcomes, for the calibration error of a calibrated model
LEAST_SCALE = 0.01
"""Smallest slope of a Platt fit. A class that is ranked in the wrong order gets nearly constant probabilities, not a
reversed order."""


def reliability_curve(probabilities: np.ndarray, outcome: np.ndarray, confidence: float) -> list[dict]:
    """One row per bin that has records.

    Args:
        probabilities: (n,) in [0, 1].
        outcome: (n,) 0/1.
        confidence: level of the intervals.

    Returns:
        ``from``, ``to`` (limits of the bin), ``records``, ``predicted`` (mean predicted probability), ``observed``
        (observed frequency) with ``low`` and ``high`` (Wilson's interval, which assumes independent records).
    """
    rows, numbers = [], bin_numbers(probabilities)
    for number in np.unique(numbers):
        inside = numbers == number
        records, hits = int(inside.sum()), int(outcome[inside].sum())
        ci = binomtest(hits, records).proportion_ci(confidence, method="wilson")
        rows.append(
            {"from": int(number) / BINS, "to": (int(number) + 1) / BINS, "records": records}
            | {"predicted": float(probabilities[inside].mean()), "observed": hits / records}
            | {"low": float(ci.low), "high": float(ci.high)}
        )
    return rows


def fit_calibration(predictions: Predictions, fitted_on: str) -> Calibration:
    """Fit temperature scaling (single-label; Guo et al. 2017) or Platt scaling of each class (multi-label; Platt 1999).

    The targets are softened as in Platt's method: 1 becomes (n + 1) / (n + 2), where n counts the records (for Platt
    scaling, the positive ones). Otherwise perfectly separated records would give infinite logits.

    Args:
        predictions: predictions of the records to fit on, at least one.
        fitted_on: description of these records.
    """
    logits, targets = predictions.logits.astype(np.float64), predictions.targets.astype(np.float64)
    records, classes = targets.shape
    if predictions.task == "single":
        method, left_out = "temperature", ()
        fits = [(_temperature_scale(logits, targets), 0.0)] * classes
    else:
        method = "platt"
        both = [0 < column.sum() < records for column in targets.T]
        fits = [
            _platt(logit, target) if fit else (1.0, 0.0)
            for fit, logit, target in zip(both, logits.T, targets.T, strict=True)
        ]
        left_out = tuple(name for name, fit in zip(predictions.classes, both, strict=True) if not fit)
    scales, offsets = zip(*fits, strict=True)
    return Calibration(
        method=method, scale=scales, offset=offsets, fitted_on=fitted_on, records=records, left_out=left_out
    )


def _temperature_scale(logits: np.ndarray, targets: np.ndarray) -> float:
    records, classes = targets.shape
    softening = 1 / (records + 2)
    soft = targets * (1 - softening) + (1 - targets) * softening / max(classes - 1, 1)

    def loss(log_temperature: float) -> float:
        return -float((soft * log_softmax(logits / np.exp(log_temperature), axis=1)).sum()) / records

    result = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-result.x))


def _platt(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Scale and offset."""
    positives, negatives = truth.sum(), (1 - truth).sum()
    soft = np.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        z = parameters[0] * logits + parameters[1]
        error = 1 / (1 + np.exp(-z)) - soft
        return float((np.logaddexp(0, z) - soft * z).mean()), np.array([(error * logits).mean(), error.mean()])

    bounds = [(LEAST_SCALE, None), (None, None)]
    result = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(result.x[0]), float(result.x[1])


def recalibrate(reported: Predictions, validation: Predictions | None) -> dict:
    """Fit a calibration, and measure its effect on the scored records.

    Args:
        reported: predictions that are scored.
        validation: predictions to fit on. If None or empty, the scored ones are used.

    Returns:
        The fields of ``Calibration``, and ``ece`` and ``log_loss`` of the scored records, each ``before`` and
        ``after``.
    """
    if validation is None or not len(validation.record_ids):
        fitted = fit_calibration(reported, "the scored records")
    else:
        fitted = fit_calibration(validation, "validation")
    probabilities = {
        "before": reported.probabilities,
        "after": fitted.probabilities(reported.logits, reported.task),
    }

    def scores(score: Callable[[np.ndarray, np.ndarray, str], float]) -> dict[str, float]:
        return {when: score(p, reported.targets, reported.task) for when, p in probabilities.items()}

    return fitted.model_dump(mode="json") | {"ece": scores(_ece), "log_loss": scores(_log_loss)}


def _ece(probabilities: np.ndarray, targets: np.ndarray, task: str) -> float:
    """The metric ``ece``: of the predicted class (single-label), or the mean over classes (multi-label)."""
    once = np.ones((len(targets), 1))
    if task == "single":
        correct = (probabilities.argmax(axis=1) == targets.argmax(axis=1)).astype(float)
        return float(calibration_error(bin_gaps(probabilities.max(axis=1), correct), once)[0])
    pairs = zip(probabilities.T, targets.T.astype(float), strict=True)
    return float(np.mean([calibration_error(bin_gaps(p, t), once)[0] for p, t in pairs]))


def calibrated_ece(probabilities: np.ndarray, task: str, seed: int, confidence: float = 0.95) -> dict[str, float]:
    """The metric ``ece`` of a perfectly calibrated model with these probabilities, which is above 0 on few records.

    Outcomes are drawn from the probabilities.

    Args:
        probabilities: (n, classes).
        task: single or multilabel.
        seed: seed of the outcomes.
        confidence: share of the draws below ``high``.

    Returns:
        ``mean`` and ``high`` of the draws.
    """
    generator = np.random.default_rng(seed)
    columns = probabilities.max(axis=1, keepdims=True) if task == "single" else probabilities
    errors = np.zeros(DRAWS)
    for column in columns.T:
        members = np.eye(BINS)[bin_numbers(column)]
        outcomes = generator.random((len(column), DRAWS)) < column[:, None]
        errors += np.abs(members.T @ (column[:, None] - outcomes)).sum(axis=0) / len(column)
    errors /= columns.shape[1]
    return {"mean": float(errors.mean()), "high": float(np.quantile(errors, confidence))}


def _log_loss(probabilities: np.ndarray, targets: np.ndarray, task: str) -> float:
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    targets = targets.astype(np.float64)
    losses = -targets * np.log(p)
    if task == "multilabel":
        return float((losses - (1 - targets) * np.log1p(-p)).mean())
    return float(losses.sum(axis=1).mean())
