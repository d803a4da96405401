"""Scores of a run against scikit-learn, and the width of the intervals."""

import numpy as np
import pytest
from sklearn import metrics

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.scores import evaluate_predictions
from ecgpipe.metrics import concordant_pairs

CLASSES = ("NORM", "MI", "STTC", "CD")


def make_predictions(rng: np.random.Generator, n: int = 300, task: str = "single") -> Predictions:
    if task == "single":
        truth = rng.choice(len(CLASSES), size=n, p=[0.5, 0.3, 0.15, 0.05])
        targets = np.eye(len(CLASSES), dtype=np.uint8)[truth]
    else:
        targets = (rng.random((n, len(CLASSES))) < 0.3).astype(np.uint8)
    # rounded, so that there are ties
    logits = (1.5 * targets + rng.normal(size=targets.shape)).round(1).astype(np.float32)
    ids = np.array([f"{i:05d}" for i in range(n)])
    return Predictions(ids, np.full(n, "test"), logits, targets, CLASSES, task)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_single_label_agrees_with_sklearn(seed):
    predictions = make_predictions(np.random.default_rng(seed))
    result = evaluate_predictions(predictions, predictions.record_ids, EvaluateConfig(resamples=100))
    truth, called = predictions.targets.argmax(1), predictions.probabilities.argmax(1)
    scores = {name: entry["value"] for name, entry in result["scores"].items()}
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, called))
    for how in ("weighted", "macro"):
        expected = metrics.precision_recall_fscore_support(truth, called, average=how, zero_division=0)
        found = [scores[f"{name}_{how}"] for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(expected[:3])
    assert scores["auc_macro"] == pytest.approx(
        metrics.roc_auc_score(truth, predictions.probabilities, multi_class="ovr", average="macro")
    )
    assert result["confusion"] == metrics.confusion_matrix(truth, called).tolist()
    for i, name in enumerate(CLASSES):
        negative = truth != i
        assert result["per_class"][name]["specificity"]["value"] == pytest.approx((called[negative] != i).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_multilabel_agrees_with_sklearn(seed):
    predictions = make_predictions(np.random.default_rng(seed), task="multilabel")
    result = evaluate_predictions(predictions, predictions.record_ids, EvaluateConfig(resamples=100))
    called = predictions.probabilities >= 0.5
    scores = {name: entry["value"] for name, entry in result["scores"].items()}
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(predictions.targets, called))  # subset accuracy
    assert scores["f1_macro"] == pytest.approx(metrics.f1_score(predictions.targets, called, average="macro"))
    assert scores["auc_macro"] == pytest.approx(metrics.roc_auc_score(predictions.targets, predictions.probabilities))


@pytest.mark.parametrize("decimals", [1, 12])
def test_weighted_auc_is_the_auc_of_repeated_records(rng, decimals):
    """With ties and without: those are counted in different ways."""
    scores, positive = rng.normal(size=80).round(decimals), rng.integers(0, 2, 80)
    weights = rng.integers(0, 4, size=(5, 80)).astype(float)
    concordant, pairs = concordant_pairs(scores, positive, weights.T)
    for row, found in zip(weights.astype(int), concordant / pairs, strict=True):
        repeated = np.repeat(np.arange(80), row)
        assert found == pytest.approx(metrics.roc_auc_score(positive[repeated], scores[repeated]))


def test_interval_has_the_binomial_width_for_independent_records():
    predictions = make_predictions(np.random.default_rng(4), n=2000)
    result = evaluate_predictions(predictions, predictions.record_ids, EvaluateConfig())
    accuracy = result["scores"]["accuracy"]
    expected = 2 * 1.96 * np.sqrt(accuracy["value"] * (1 - accuracy["value"]) / 2000)
    assert accuracy["high"] - accuracy["low"] == pytest.approx(expected, rel=0.08)


def test_interval_widens_when_records_of_a_patient_agree():
    """Ten duplicates of each record carry no more information than one."""
    ten = make_predictions(np.random.default_rng(5), n=200).select(np.repeat(np.arange(200), 10))
    config = EvaluateConfig(resamples=1000)
    naive = evaluate_predictions(ten, np.arange(2000).astype(str), config)["scores"]["accuracy"]
    grouped = evaluate_predictions(ten, ten.record_ids, config)["scores"]["accuracy"]
    assert grouped["value"] == naive["value"]
    assert (grouped["high"] - grouped["low"]) > 2.5 * (naive["high"] - naive["low"])


def test_a_class_without_positives_is_none():
    predictions = make_predictions(np.random.default_rng(6), n=50)
    without = predictions.select(predictions.targets[:, 3] == 0)
    result = evaluate_predictions(without, without.record_ids, EvaluateConfig(resamples=100))
    assert result["per_class"]["CD"]["auc"]["value"] is None
    assert result["per_class"]["CD"]["recall"]["value"] is None
    assert "CD" not in result["roc"]
    others = [result["per_class"][name]["auc"]["value"] for name in CLASSES[:3]]
    assert result["scores"]["auc_macro"]["value"] == pytest.approx(np.mean(others))


def test_logits_must_be_finite():
    predictions = make_predictions(np.random.default_rng(7), n=20)
    predictions.logits[3, 1] = np.nan
    with pytest.raises(DataError, match="00003"):
        evaluate_predictions(predictions, predictions.record_ids, EvaluateConfig(resamples=100))
