"""Calibration: scales and offsets that are known come out again, and nothing of what is called changes."""

import numpy as np
import pytest

from ecgpipe.artifacts.model_folder import Calibration, probabilities_of
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.evaluate.calibration import fit_calibration, recalibrate


def predictions(logits: np.ndarray, targets: np.ndarray, task: str) -> Predictions:
    n, classes = targets.shape
    names = tuple("ABCDE"[:classes])
    return Predictions(np.arange(n).astype(str), np.full(n, "validation"), logits, targets, names, task)


def drawn(rng, task: str, n: int = 4000, scale: float = 3.0, offset: float = 0.0) -> Predictions:
    """Outcomes drawn by honest logits, and what an over-sure model would say of them."""
    honest = rng.normal(0, 1.5, (n, 3))
    if task == "single":
        chosen = np.array([rng.choice(3, p=p) for p in probabilities_of(honest, task)])
        targets = np.eye(3)[chosen]
    else:
        targets = rng.random((n, 3)) < probabilities_of(honest, task)
    return predictions(((honest - offset) * scale).astype(np.float32), targets.astype(np.uint8), task)


def test_a_temperature_is_found_again(rng):
    told = drawn(rng, "single")
    fitted = fit_calibration(told, "validation")
    assert fitted.method == "temperature" and 1 / fitted.scale[0] == pytest.approx(3, rel=0.12)
    after = fitted.probabilities(told.logits, "single")
    assert np.allclose(after.sum(axis=1), 1)
    assert np.array_equal(after.argmax(axis=1), told.probabilities.argmax(axis=1))


def test_scale_and_offset_of_each_class_are_found_again(rng):
    told = drawn(rng, "multilabel", offset=0.7)
    fitted = fit_calibration(told, "validation")
    assert fitted.method == "platt"
    assert np.allclose(1 / np.array(fitted.scale), 3, rtol=0.2) and np.allclose(fitted.offset, 0.7, atol=0.25)
    for before, after in zip(told.probabilities.T, fitted.probabilities(told.logits, "multilabel").T, strict=True):
        assert np.array_equal(np.argsort(before, kind="stable"), np.argsort(after, kind="stable"))


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_the_reported_records_gain(rng, task):
    validation, reported = drawn(rng, task), drawn(rng, task, n=2000)
    found = recalibrate(reported, validation)
    assert found["fitted_on"] == "validation" and found["records"] == 4000
    assert found["ece"]["after"] < 0.5 * found["ece"]["before"]
    assert found["log_loss"]["after"] < found["log_loss"]["before"]
    for none in (None, validation.of_role("test")):
        assert recalibrate(reported, none)["fitted_on"] == "the reported records"
    assert Calibration(**{name: found[name] for name in Calibration.model_fields}).records == 4000


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_records_all_told_right_do_not_make_certainty(task):
    targets = np.eye(2, dtype=np.uint8)[np.arange(10) % 2]
    fitted = fit_calibration(predictions((targets * 2.0 - 1).astype(np.float32), targets, task), "validation")
    most = fitted.probabilities(np.array([[1.0, -1.0]]), task).max()
    assert 0.8 < most <= 11 / 12 + 1e-3


def test_a_class_that_no_record_has_is_left_as_it_is(rng):
    targets = np.zeros((30, 2), np.uint8)
    targets[::3, 0] = 1
    fitted = fit_calibration(predictions(rng.normal(0, 1, (30, 2)).astype(np.float32), targets, "multilabel"), "v")
    assert fitted.left_out == ("B",) and fitted.scale[1] == 1 and fitted.offset[1] == 0
    assert fitted.scale[0] > 0
