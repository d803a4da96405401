"""Metrics under weights against scikit-learn and plain loops, on new data each time; the bootstrap by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from ecgpipe import bootstrap
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.bootstrap import NO_SPREAD, group_counts
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.calibration import reliability_curve
from ecgpipe.evaluate.scores import evaluate_predictions, evaluate_run
from ecgpipe.evaluate.significance import detectable_lead, mcnemar_power
from ecgpipe.metrics import (
    CLASS_METRICS,
    METRICS,
    Scorer,
    average_precision,
    bin_gaps,
    calibration_error,
    f_max,
    f_max_terms,
    metric_of,
    metrics_shown,
)
from tests.evaluate.test_scores import CLASSES, make_predictions


def test_average_precision_of_weighted_records(rng):
    scores, positive = rng.normal(size=70).round(1), rng.integers(0, 2, 70)
    weights = rng.integers(0, 3, (70, 4)).astype(float)
    for column, found in zip(weights.T, average_precision(scores, positive, weights), strict=True):
        assert found == pytest.approx(metrics.average_precision_score(positive, scores, sample_weight=column))


def test_f_max_by_its_definition(rng):
    """Strodthoff et al. 2020: precision over records with a call, recall over all records, the best threshold."""
    targets = (rng.random((40, 5)) < 0.3).astype(int)
    targets[targets.sum(axis=1) == 0, 0] = 1
    probabilities = rng.random((40, 5)).round(2) * 0.7 + 0.3 * targets
    best = 0.0
    for threshold in np.linspace(0, 1, 101):
        precisions, recalls = [], []
        for truth, given in zip(targets, probabilities, strict=True):
            called = given >= threshold
            hits = (called & (truth == 1)).sum()
            if called.any():
                precisions.append(hits / called.sum())
            recalls.append(hits / truth.sum())
        if precisions and np.mean(precisions) + np.mean(recalls):
            p, r = np.mean(precisions), np.mean(recalls)
            best = max(best, 2 * p * r / (p + r))
    shares = f_max_terms(probabilities, targets)
    assert f_max(shares, np.ones((40, 1)))[0] == pytest.approx(best)
    counts = rng.integers(0, 3, 40)
    repeated = f_max_terms(probabilities.repeat(counts, axis=0), targets.repeat(counts, axis=0))
    once = f_max(repeated, np.ones((counts.sum(), 1)))[0]
    assert f_max(shares, counts[:, None].astype(float))[0] == pytest.approx(once)


def test_calibration_agrees_with_scikit_learn_and_a_loop(rng):
    probabilities, outcome = rng.random(300), rng.integers(0, 2, 300)
    curve = reliability_curve(probabilities, outcome, 0.95)
    observed, predicted = calibration_curve(outcome, probabilities, n_bins=10)
    assert [row["observed"] for row in curve] == pytest.approx(observed.tolist())
    assert [row["predicted"] for row in curve] == pytest.approx(predicted.tolist())
    by_hand = sum(row["records"] / 300 * abs(row["observed"] - row["predicted"]) for row in curve)
    assert calibration_error(bin_gaps(probabilities, outcome), np.ones((300, 1)))[0] == pytest.approx(by_hand)


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_brier_and_per_class_scores_agree_with_scikit_learn(rng, task):
    predictions = make_predictions(rng, task=task)
    found = evaluate_predictions(predictions, predictions.record_ids, EvaluateConfig(resamples=100))
    for i, name in enumerate(CLASSES):
        truth, probability = predictions.targets[:, i], predictions.probabilities[:, i]
        cells = found["per_class"][name]
        assert cells["brier"]["value"] == pytest.approx(metrics.brier_score_loss(truth, probability))
        assert cells["auc"]["value"] == pytest.approx(metrics.roc_auc_score(truth, probability))
        assert cells["average_precision"]["value"] == pytest.approx(metrics.average_precision_score(truth, probability))
        called = predictions.probabilities.argmax(1) == i if task == "single" else probability >= 0.5
        assert found["confusion_per_class"][name] == metrics.confusion_matrix(truth, called).tolist()
    squares = ((predictions.probabilities - predictions.targets) ** 2).mean(axis=0)
    expected = squares.sum() if task == "single" else squares.mean()
    assert found["scores"]["brier"]["value"] == pytest.approx(expected)
    assert ("f_max" in found["scores"]) == (task == "multilabel")


def test_test_records_are_scored_at_thresholds_chosen_on_the_validation_records(rng):
    reported, validation = make_predictions(rng), make_predictions(rng)
    run = Predictions.joined([reported, dataclasses.replace(validation, roles=np.full(300, "validation"))])
    run = dataclasses.replace(run, record_ids=np.arange(600).astype(str))
    records = pd.DataFrame({"record_id": run.record_ids, "patient_id": np.arange(600) // 2, "content": ""})
    found = evaluate_run(run, records, EvaluateConfig(resamples=100, specificities=(0.9,)))
    assert (found["role"], found["records"], found["groups"]) == ("test", 300, 150)
    assert found["recalibration"]["fitted_on"] == "validation"
    for i, name in enumerate(CLASSES):
        (row,) = found["thresholds"][name]
        truth, scores = validation.targets[:, i], validation.probabilities[:, i]
        passing = [t for t in [*scores, np.inf] if (scores[truth == 0] < t).mean() >= 0.9 - 1e-12]
        expected = min(passing)
        assert row["chosen_on"] == "validation"
        assert row["threshold"] is None if np.isinf(expected) else row["threshold"] == pytest.approx(expected)
        truth, scores = reported.targets[:, i], reported.probabilities[:, i]
        assert row["sensitivity"]["value"] == pytest.approx((scores[truth == 1] >= expected).mean())
        assert row["specificity"]["value"] == pytest.approx((scores[truth == 0] < expected).mean())


def test_the_bootstrap_is_a_loop_over_patients_with_scikit_learn(rng):
    predictions = make_predictions(rng, n=120)
    groups = rng.integers(0, 40, 120)
    names, member = np.unique(groups, return_inverse=True)
    (counts,) = group_counts(len(names), 30, 5)
    assert (counts.sum(axis=0) == len(names)).all() and counts.min() >= 0
    scores, per_class = Scorer(predictions, 0.5)(counts[member])
    truth, called = predictions.targets.argmax(1), predictions.probabilities.argmax(1)
    for b in range(30):
        rows = np.concatenate([np.repeat(np.flatnonzero(member == g), int(n)) for g, n in enumerate(counts[:, b])])
        assert scores["accuracy"][b] == pytest.approx(metrics.accuracy_score(truth[rows], called[rows]))
        f1 = metrics.f1_score(truth[rows], called[rows], average="weighted", zero_division=0)
        assert scores["f1_weighted"][b] == pytest.approx(f1)
        for i in range(len(CLASSES)):
            if 0 < predictions.targets[rows, i].sum() < len(rows):
                area = metrics.roc_auc_score(predictions.targets[rows, i], predictions.probabilities[rows, i])
                assert per_class["auc"][b, i] == pytest.approx(area)


@pytest.mark.parametrize(("weights", "piece"), [(1, 10), (90 * 20, 2**18), (2**20, 300)])
def test_resamples_do_not_depend_on_the_block_size(monkeypatch, weights, piece):
    """The reference is a bootstrap without blocks: a seed must always give the same resamples."""
    generator, before = np.random.default_rng(7), []
    for size in (250, 250, 40):
        drawn = generator.integers(0, 70, size=(70, size)) * size + np.arange(size)
        before.append(np.bincount(drawn.ravel(), minlength=70 * size).reshape(70, size))
    monkeypatch.setattr(bootstrap, "WEIGHTS", weights)
    monkeypatch.setattr(bootstrap, "DRAWS", piece)
    parts = list(group_counts(70, 540, 7, 90))
    assert np.array_equal(np.concatenate(parts, axis=1), np.concatenate(before, axis=1))
    assert max(part.shape[1] for part in parts) <= max(bootstrap.FEWEST, weights // 90)


@pytest.mark.parametrize("task", ["single", "multilabel"])
@pytest.mark.parametrize("digits", [1, 7], ids=["ties", "no ties"])
def test_scores_do_not_depend_on_the_block_size(monkeypatch, rng, task, digits):
    predictions = make_predictions(rng, task=task, n=150)
    predictions = dataclasses.replace(predictions, logits=predictions.logits.round(digits))
    groups = rng.integers(0, 100, 150).astype(str)
    found = []
    for weights in (2**20, 150 * 60, 1):
        monkeypatch.setattr(bootstrap, "WEIGHTS", weights)
        found.append(evaluate_predictions(predictions, groups, EvaluateConfig(resamples=270)))
    for other in found[1:]:
        for name, cell in found[0]["scores"].items():
            for key in ("value", "low", "high"):
                expected = cell[key]
                if expected is not None and name in ("brier", "ece", "f_max"):
                    # sums of fractions may end otherwise in the last digit: the linear algebra has several ways to sum
                    expected = pytest.approx(expected, rel=1e-12)
                assert other["scores"][name][key] == expected
        for label, cells in found[0]["per_class"].items():
            for name in ("auc", "average_precision", "recall"):
                assert other["per_class"][label][name] == cells[name]
        assert other["thresholds"] == found[0]["thresholds"]


def test_parts_of_a_cross_validation_pool_counts_and_keep_areas_apart(rng):
    """A part whose scores are all higher must not change the areas, as it would if parts were ranked together."""
    predictions = make_predictions(rng, task="multilabel", n=200)
    parts = np.repeat(["a", "b"], 100)
    moved = dataclasses.replace(predictions, logits=predictions.logits + np.where(parts == "a", 0, 9)[:, None])
    one = np.ones((200, 1))
    apart, shifted = (Scorer(given, 0.5, parts)(one)[1]["auc"] for given in (predictions, moved))
    assert shifted == pytest.approx(apart)
    assert Scorer(moved, 0.5)(one)[1]["auc"] != pytest.approx(apart, abs=1e-3)


def test_scores_of_an_uninformative_class(rng):
    predictions = make_predictions(rng, n=60)
    constant = dataclasses.replace(predictions, logits=0 * predictions.logits)
    found = evaluate_predictions(constant, constant.record_ids, EvaluateConfig(resamples=100))
    assert found["per_class"]["NORM"]["auc"]["value"] == 0.5
    assert found["per_class"]["NORM"]["auc"]["note"] == NO_SPREAD
    assert found["left_out"]["NORM"] == "the same score for every record"
    only = dataclasses.replace(predictions, targets=np.eye(4, dtype=np.uint8)[np.zeros(60, int)])
    found = evaluate_predictions(only, only.record_ids, EvaluateConfig(resamples=100))
    assert found["per_class"]["NORM"]["auc"] == {
        "value": None,
        "low": None,
        "high": None,
        "note": "only records of NORM",
    }
    assert found["per_class"]["MI"]["auc"]["note"] == "no record of MI"
    assert found["scores"]["auc_macro"]["value"] is None
    assert found["thresholds"]["NORM"] == []


def test_power_by_simulation(rng):
    """Pairs of models on 200 records that differ on a fifth of them."""
    from ecgpipe.evaluate.significance import mcnemar

    records, discordant, lead = 200, 0.2, 0.1
    p_first, p_second = (discordant + lead) / 2, (discordant - lead) / 2
    rejected = []
    for _ in range(800):
        kind = rng.choice(3, records, p=[p_first, p_second, 1 - discordant])
        rejected.append(mcnemar(kind == 0, kind == 1).p_value <= 0.05)
    power = mcnemar_power(records, discordant, lead, 0.05)
    assert power == pytest.approx(np.mean(rejected), abs=0.075)
    found = detectable_lead(records, discordant, 0.05, 0.8)
    assert mcnemar_power(records, discordant, found, 0.05) == pytest.approx(0.8, abs=1e-3)
    assert detectable_lead(183, 2 / 183, 0.05, 0.8) is None  # two records that differ can show nothing
    assert detectable_lead(183, 0.0, 0.05, 0.8) is None


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_every_metric_of_the_registry_is_computed_and_within_its_limits(rng, task):
    """Brief and full scorers differ by the metrics that only single runs have."""
    predictions = make_predictions(rng, task=task)
    weights = rng.integers(0, 3, (len(predictions.record_ids), 5)).astype(float)
    full, brief = Scorer(predictions, 0.5)(weights), Scorer(predictions, 0.5, single_run=False)(weights)
    for registry, scores, fewer in zip((METRICS, CLASS_METRICS), full, brief, strict=True):
        assert list(scores) == [metric.name for metric in registry if metric.task in (None, task)]
        assert set(scores) - set(fewer) == {metric.name for metric in registry if metric.single_run}
        for metric in registry:
            if metric.name in scores:
                assert scores[metric.name].shape == ((5,) if registry is METRICS else (5, len(CLASSES)))
                assert (scores[metric.name] >= 0).all() and (scores[metric.name] <= metric.maximum).all()


def test_places_of_the_registry():
    assert [metric.name for metric in metrics_shown("tests")] == ["accuracy", "f1_weighted", "auc_macro", "f_max"]
    assert {metric.name for metric in metrics_shown("page")} == {"accuracy", "f1_weighted", "auc_macro"}
    assert metric_of("auc:MI").label == "AUC" and metric_of("auc_macro").label == "Macro AUC"
    for registry in (METRICS, CLASS_METRICS):
        assert len({metric.name for metric in registry}) == len(registry)


def test_scores_after_exact_counts():
    """Two classes, hits and misses counted by hand: 3 + 1 of class A, 1 + 1 of class B."""
    targets = np.eye(2, dtype=np.uint8)[[0, 0, 0, 0, 1, 1]]
    logits = np.where(np.eye(2)[[0, 0, 0, 1, 1, 0]] == 1, 1.0, -1.0).astype(np.float32)
    predictions = Predictions(np.arange(6).astype(str), np.full(6, "test"), logits, targets, ("A", "B"), "single")
    scores, per_class = Scorer(predictions, 0.5)(np.ones((6, 1)))
    assert per_class["recall"][0].tolist() == [3 / 4, 1 / 2] and per_class["precision"][0].tolist() == [3 / 4, 1 / 2]
    assert per_class["specificity"][0].tolist() == [1 / 2, 3 / 4]
    assert scores["accuracy"][0] == 4 / 6 and scores["recall_macro"][0] == 5 / 8
    assert scores["recall_weighted"][0] == pytest.approx(4 / 6)
    assert scores["specificity_weighted"][0] == pytest.approx((4 * 1 / 2 + 2 * 3 / 4) / 6)


def test_f_max_ignores_the_precision_of_records_without_a_prediction():
    """From the threshold 0.31 on, one record of three has no prediction: precision 1, recall 2 / 3, F-max 0.8."""
    targets = np.eye(3, dtype=int)[[0, 1, 2]]
    probabilities = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.3, 0.3, 0.3]])
    terms = f_max_terms(probabilities, targets)
    assert terms[1][:, 30].tolist() == [1, 1, 1] and terms[1][:, 50].tolist() == [1, 1, 0]
    # at 0.3: precision (1 + 1 + 1 / 3) / 3, recall 1, which is better
    assert f_max(terms, np.ones((3, 1)))[0] == pytest.approx(2 * (7 / 9) / (7 / 9 + 1))
    probabilities[2] = [0.3, 0.3, 0.1]
    assert f_max(f_max_terms(probabilities, targets), np.ones((3, 1)))[0] == pytest.approx(0.8)
    # a record with a prediction is counted even if it has just one
    assert f_max(f_max_terms(np.array([[0.9, 0.1]]), np.array([[1, 0]])), np.ones((1, 1)))[0] == 1.0
