"""Calibration of a model's probabilities, fitted on records that it was not trained on.

Temperature scaling (Guo et al. 2017) for exclusive classes, Platt scaling (Platt 1999) for each class of a multi-label
model. Both are fitted to Platt's softened targets: with n records, all told right, no more certainty is claimed than
n + 1 of n + 2, so that perfectly separated records do not ask for infinite logits.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.metrics import bin_gaps, calibration_error

TEMPERATURES = (0.05, 50.0)
LEAST_SCALE = (
    0.01  # of a Platt fit: a class whose order is wrong gets the same probability for all, never a reversed one
)


def fit_calibration(predictions: Predictions, fitted_on: str) -> Calibration:
    """Fit scales (and offsets) of the logits by the log loss.

    Args:
        predictions: of the records to fit on, at least one.
        fitted_on: what to call those.
    """
    logits, targets = predictions.logits.astype(np.float64), predictions.targets.astype(np.float64)
    n, classes = targets.shape
    if predictions.task == "single":
        scale = _temperature_scale(logits, targets)
        return Calibration(
            method="temperature", scale=(scale,) * classes, offset=(0.0,) * classes, fitted_on=fitted_on, records=n
        )
    fits, left_out = [], []
    for i, name in enumerate(predictions.classes):
        if 0 < targets[:, i].sum() < n:
            fits.append(_platt(logits[:, i], targets[:, i]))
        else:
            fits.append((1.0, 0.0))
            left_out.append(name)
    scales, offsets = zip(*fits, strict=True)
    return Calibration(
        method="platt", scale=scales, offset=offsets, fitted_on=fitted_on, records=n, left_out=tuple(left_out)
    )


def _temperature_scale(logits: np.ndarray, targets: np.ndarray) -> float:
    n, classes = targets.shape
    softened = 1 / (n + 2)
    wanted = targets * (1 - softened) + (1 - targets) * softened / max(classes - 1, 1)

    def loss(log_temperature: float) -> float:
        return -float((wanted * log_softmax(logits / np.exp(log_temperature), axis=1)).sum()) / n

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-found.x))


def _platt(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    positives, negatives = truth.sum(), (1 - truth).sum()
    wanted = np.where(truth > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        z = parameters[0] * logits + parameters[1]
        off = 1 / (1 + np.exp(-z)) - wanted
        value = float((np.logaddexp(0, z) - wanted * z).mean())
        return value, np.array([(off * logits).mean(), off.mean()])

    bounds = [(LEAST_SCALE, None), (None, None)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])


def recalibrate(reported: Predictions, validation: Predictions | None, bins: int) -> dict:
    """Fit a calibration, and say what it does to the reported records.

    Args:
        reported: the records that are scored.
        validation: the records to fit on; None: there are no others, so the reported ones have to do.
        bins: of the calibration error.

    Returns:
        The fields of ``Calibration``, and ``ece`` and ``log_loss``, each with ``before`` and ``after``, on the
        reported records.
    """
    alone = validation is None or not len(validation.record_ids)
    fitted = fit_calibration(*((reported, "the reported records") if alone else (validation, "validation")))
    before, after = reported.probabilities, fitted.probabilities(reported.logits, reported.task)
    scores = {
        name: {"before": score(before), "after": score(after)}
        for name, score in (
            ("ece", lambda p: _ece(p, reported.targets, reported.task, bins)),
            ("log_loss", lambda p: _log_loss(p, reported.targets, reported.task)),
        )
    }
    return fitted.model_dump(mode="json") | scores


def _ece(probabilities: np.ndarray, targets: np.ndarray, task: str, bins: int) -> float:
    """Of the class called, or the mean over classes, as ``scores.ece``."""
    every = np.ones((len(targets), 1))
    if task == "single":
        right = (probabilities.argmax(axis=1) == targets.argmax(axis=1)).astype(float)
        return float(calibration_error(bin_gaps(probabilities.max(axis=1), right, bins), every)[0])
    pairs = zip(probabilities.T, targets.T.astype(float), strict=True)
    return float(np.mean([calibration_error(bin_gaps(p, t, bins), every)[0] for p, t in pairs]))


def _log_loss(probabilities: np.ndarray, targets: np.ndarray, task: str) -> float:
    p = np.clip(probabilities, 1e-12, 1 - 1e-12)
    targets = targets.astype(np.float64)
    each = -targets * np.log(p)
    if task == "multilabel":
        each = each - (1 - targets) * np.log1p(-p)
        return float(each.mean())
    return float(each.sum(axis=1).mean())
