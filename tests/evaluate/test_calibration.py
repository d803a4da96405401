"""Calibration recovers known scales and offsets without changing the predicted classes."""

import numpy as np
import pytest

from ecgpipe.artifacts.model_folder import Calibration, probabilities_of
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.evaluate.calibration import calibrated_ece, fit_calibration, recalibrate


def predictions(logits: np.ndarray, targets: np.ndarray, task: str) -> Predictions:
    n, classes = targets.shape
    names = tuple("ABCDE"[:classes])
    return Predictions(np.arange(n).astype(str), np.full(n, "validation"), logits, targets, names, task)


def simulated(rng, task: str, n: int = 4000, scale: float = 3.0, offset: float = 0.0) -> Predictions:
    """Outcomes sampled from calibrated logits, and the logits of an overconfident model."""
    calibrated = rng.normal(0, 1.5, (n, 3))
    if task == "single":
        chosen = np.array([rng.choice(3, p=p) for p in probabilities_of(calibrated, task)])
        targets = np.eye(3)[chosen]
    else:
        targets = rng.random((n, 3)) < probabilities_of(calibrated, task)
    return predictions(((calibrated - offset) * scale).astype(np.float32), targets.astype(np.uint8), task)


def test_temperature_is_recovered(rng):
    given = simulated(rng, "single")
    fitted = fit_calibration(given, "validation")
    assert fitted.method == "temperature" and 1 / fitted.scale[0] == pytest.approx(3, rel=0.12)
    after = fitted.probabilities(given.logits, "single")
    assert np.allclose(after.sum(axis=1), 1)
    assert np.array_equal(after.argmax(axis=1), given.probabilities.argmax(axis=1))


def test_scale_and_offset_of_each_class_are_recovered(rng):
    given = simulated(rng, "multilabel", offset=0.7)
    fitted = fit_calibration(given, "validation")
    assert fitted.method == "platt"
    assert np.allclose(1 / np.array(fitted.scale), 3, rtol=0.2) and np.allclose(fitted.offset, 0.7, atol=0.25)
    for before, after in zip(given.probabilities.T, fitted.probabilities(given.logits, "multilabel").T, strict=True):
        assert np.array_equal(np.argsort(before, kind="stable"), np.argsort(after, kind="stable"))


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_calibration_improves_the_reported_records(rng, task):
    validation, reported = simulated(rng, task), simulated(rng, task, n=2000)
    found = recalibrate(reported, validation)
    assert found["fitted_on"] == "validation" and found["records"] == 4000
    assert found["ece"]["after"] < 0.5 * found["ece"]["before"]
    assert found["log_loss"]["after"] < found["log_loss"]["before"]
    for none in (None, validation.of_role("test")):
        assert recalibrate(reported, none)["fitted_on"] == "the scored records"
    assert Calibration(**{name: found[name] for name in Calibration.model_fields}).records == 4000


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_perfectly_separated_records_do_not_give_certainty(task):
    targets = np.eye(2, dtype=np.uint8)[np.arange(10) % 2]
    fitted = fit_calibration(predictions((targets * 2.0 - 1).astype(np.float32), targets, task), "validation")
    most = fitted.probabilities(np.array([[1.0, -1.0]]), task).max()
    assert 0.8 < most <= 11 / 12 + 1e-3


def test_a_class_without_records_is_not_calibrated(rng):
    targets = np.zeros((30, 2), np.uint8)
    targets[::3, 0] = 1
    fitted = fit_calibration(predictions(rng.normal(0, 1, (30, 2)).astype(np.float32), targets, "multilabel"), "v")
    assert fitted.left_out == ("B",) and fitted.scale[1] == 1 and fitted.offset[1] == 0
    assert fitted.scale[0] > 0


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_the_error_of_a_calibrated_model_of_few_records(rng, task):
    def drawn(n: int) -> tuple[np.ndarray, float]:
        """Probabilities, and the measured error of outcomes that follow them."""
        given = simulated(rng, task, n, scale=1.0)
        return given.probabilities, recalibrate(given, None)["ece"]["before"]

    several = [drawn(100) for _ in range(60)]
    expected = [calibrated_ece(probabilities, task, seed=1) for probabilities, _ in several]
    measured = np.array([error for _, error in several])
    assert np.mean([each["mean"] for each in expected]) == pytest.approx(measured.mean(), rel=0.1)
    assert 0.8 < (measured < [each["high"] for each in expected]).mean() <= 1
    assert calibrated_ece(drawn(4000)[0], task, seed=1)["mean"] < 0.4 * expected[0]["mean"]
