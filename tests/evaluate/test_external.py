"""External validation: shared classes, scores against scikit-learn, thresholds and calibrations."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from ecgpipe.artifacts.predictions import ExternalLogits, Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.external import SharedClass
from ecgpipe.errors import DataError
from ecgpipe.evaluate.external import best_f1_threshold, evaluate_external
from ecgpipe.evaluate.shared import (
    SharedPredictions,
    one_versus_rest,
    read_shared,
    share_external,
    share_own,
    shared_targets,
)

SUPER, HEART = ("NORM", "MI", "CD"), ("Normal", "Infarction", "Old infarction", "Abnormal")
SHARED = (SharedClass("NORM", ("NORM",), ("Normal",)), SharedClass("MI", ("MI",), ("Infarction", "Old infarction")))
CONFIG = EvaluateConfig(resamples=200)


def records_of(ids, patients=None) -> pd.DataFrame:
    return pd.DataFrame({"record_id": ids, "patient_id": patients, "content": ""})


def make_source(rng, n=160, signal=2.0) -> Predictions:
    """A multi-label model on its own dataset: half validation, half test."""
    targets = (rng.random((n, 3)) < 0.4).astype(np.uint8)
    logits = (signal * targets - 1 + rng.normal(size=targets.shape)).astype(np.float32)
    roles = np.where(np.arange(n) < n // 2, "validation", "test")
    return Predictions(np.array([f"s{i:03d}" for i in range(n)]), roles, logits, targets, SUPER, "multilabel")


def make_target(rng, n=240, signal=1.0, shift=-2.0):
    """Logits of that model for another, single-label dataset, shifted; its labels; and a model of that dataset."""
    truth = rng.integers(0, 4, n)
    ids, roles = np.array([f"t{i:03d}" for i in range(n)]), np.where(np.arange(n) % 2, "validation", "test")
    targets = np.eye(4, dtype=np.uint8)[truth]
    meaning = np.stack([truth == 0, np.isin(truth, (1, 2)), np.zeros(n)], axis=1)
    logits = (signal * meaning + shift + rng.normal(size=meaning.shape)).astype(np.float32)
    own = Predictions(ids, roles, (2.0 * targets + rng.normal(size=targets.shape)), targets, HEART, "single")
    return ExternalLogits(ids, roles, logits, SUPER, "multilabel"), Labels(ids, targets, HEART, "single"), own


def scored_without_internal(source, external, labels, patients=None) -> dict:
    """The result of one model, which no model of the target is compared with."""
    run = SharedPredictions(share_external(external, labels, SHARED), share_own(source, SHARED, "source"), None)
    tables = records_of(external.record_ids, patients), records_of(source.record_ids)
    return evaluate_external({"net": {0: run}}, *tables, CONFIG)


def scored(seeds=(0,), internal=True, **target):
    runs, raw = {}, {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        source, (external, labels, own) = make_source(rng), make_target(rng, **target)
        raw[seed] = source, external, labels, own
        runs[seed] = SharedPredictions(
            share_external(external, labels, SHARED),
            share_own(source, SHARED, "source"),
            share_own(own, SHARED, "target") if internal else None,
        )
    source, external, _, _ = raw[seeds[0]]
    return evaluate_external({"net": runs}, records_of(external.record_ids), records_of(source.record_ids), CONFIG), raw


def test_a_softmax_against_the_rest_has_the_log_odds_of_its_probability():
    logits = np.random.default_rng(0).normal(size=(20, 4)) * 3
    p = softmax(logits, axis=1)
    odds = one_versus_rest(logits, "single", HEART, [("Normal",), ("Infarction", "Old infarction")])
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(np.stack([p[:, 0], p[:, 1] + p[:, 2]], axis=1))


def test_a_sigmoid_keeps_its_logit_and_of_several_the_largest():
    logits = np.array([[1.0, 2.0, -3.0], [4.0, -2.0, -1.0]])
    assert one_versus_rest(logits, "multilabel", SUPER, [("NORM",), ("MI", "CD")]).tolist() == [[1, 2], [4, -1]]


def test_a_record_has_a_shared_class_if_it_has_any_of_its_classes():
    groups = [one.target for one in SHARED]
    assert shared_targets(np.eye(4, dtype=np.uint8), HEART, groups).tolist() == [[1, 0], [0, 1], [0, 1], [0, 0]]


def test_scores_agree_with_sklearn():
    result, raw = scored()
    source, external, labels, own = raw[0]
    test = external.roles == "test"
    truth, softmaxes = labels.targets[test], softmax(own.logits[test], axis=1)
    infarction = truth[:, 1] | truth[:, 2]
    expected = {
        "NORM": (roc_auc_score(truth[:, 0], external.logits[test, 0]), roc_auc_score(truth[:, 0], softmaxes[:, 0])),
        "MI": (
            roc_auc_score(infarction, external.logits[test, 1]),
            roc_auc_score(infarction, softmaxes[:, 1] + softmaxes[:, 2]),
        ),
    }
    (model,) = result["models"]
    for name, areas in expected.items():
        cells = model["per_class"][name]
        assert [cells[kind]["auc"]["value"] for kind in ("external", "internal")] == pytest.approx(areas)
        assert cells["external"]["auc"]["low"] < areas[0] < cells["external"]["auc"]["high"]
    at_home = source.of_role("test")
    assert model["per_class"]["MI"]["source"]["auc"]["value"] == pytest.approx(
        roc_auc_score(at_home.targets[:, 1], at_home.logits[:, 1])
    )
    assert model["scores"]["external"]["auc_macro"]["value"] == pytest.approx(
        np.mean([e[0] for e in expected.values()])
    )
    rows = {(row["against"], row["metric"]): row for row in model["differences"]}
    assert rows["internal", "auc:MI"]["difference"] == pytest.approx(expected["MI"][0] - expected["MI"][1])
    assert rows["internal", "auc_macro"]["paired"] and not rows["source", "auc_macro"]["paired"]
    assert (result["records"], result["without"]) == (test.sum(), int(truth[:, 3].sum()))


def test_f1_takes_the_threshold_of_the_source_and_of_the_target():
    result, raw = scored()
    source, external, labels, _ = raw[0]
    test, validation = external.roles == "test", source.of_role("validation")
    threshold = best_f1_threshold(validation.logits[:, 0].astype(float), validation.targets[:, 0])
    cells = result["models"][0]["per_class"]["NORM"]
    expected = f1_score(labels.targets[test, 0], external.logits[test, 0] >= threshold)
    assert cells["external"]["f1"]["value"] == pytest.approx(expected)
    local = best_f1_threshold(external.logits[~test, 0].astype(float), labels.targets[~test, 0])
    expected = f1_score(labels.targets[test, 0], external.logits[test, 0] >= local)
    assert cells["recalled"]["f1"]["value"] == pytest.approx(expected)
    assert threshold != local


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_has_the_highest_f1(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 40)
    logits = (truth + rng.normal(size=40)).round(1)
    best = max(f1_score(truth, logits >= value) for value in logits)
    assert f1_score(truth, logits >= best_f1_threshold(logits, truth)) == pytest.approx(best)


def test_recalibration_is_fitted_on_the_targets_validation_records_alone():
    result, raw = scored()
    (model,) = result["models"]
    before, after = (model["calibration"][when] for when in ("before", "after"))
    assert after["brier"]["value"] < before["brier"]["value"] and after["ece"]["value"] < before["ece"]["value"]
    assert model["brier_change"]["difference"] == pytest.approx(after["brier"]["value"] - before["brier"]["value"])
    assert model["brier_change"]["high"] < 0
    fitted = model["fitted"]["0"]
    assert (fitted["before"]["records"], fitted["after"]["records"]) == (80, 120)
    source, external, labels, _ = raw[0]
    test = external.roles == "test"
    scale, offset = fitted["after"]["scale"][0], fitted["after"]["offset"][0]
    p = 1 / (1 + np.exp(-(scale * external.logits[test, 0].astype(float) + offset)))
    other = model["curves"]["after"]["NORM"]
    assert sum(row["records"] * row["predicted"] for row in other) / test.sum() == pytest.approx(p.mean())
    assert brier_score_loss(labels.targets[test, 0], p) < 0.25
    # other labels of the test records change scores, but nothing that is fitted
    changed = dataclasses.replace(labels, targets=np.where(test[:, None], labels.targets[:, ::-1], labels.targets))
    again = scored_without_internal(source, external, changed)
    assert again["models"][0]["fitted"]["0"] == fitted
    assert again["models"][0]["scores"]["external"] != model["scores"]["external"]


def test_without_a_model_of_the_target_and_with_several_seeds():
    result, _ = scored(seeds=(0, 1), internal=False)
    (model,) = result["models"]
    assert model["internal_seeds"] == [] and model["scores"]["internal"]["auc_macro"] is None
    assert {row["against"] for row in model["differences"]} == {"source"}
    assert set(model["scores"]["external"]["auc_macro"]["by_seed"]) == {"0", "1"}


def test_patients_are_resampled_as_a_whole():
    _, raw = scored()
    source, external, labels, _ = raw[0]

    def width(patients):
        result = scored_without_internal(source, external, labels, patients)
        cell = result["models"][0]["scores"]["external"]["auc_macro"]
        return result["groups"], cell["high"] - cell["low"]

    alone, together = width(None), width([f"p{i // 24}" for i in range(len(external.record_ids))])
    assert (alone[0], together[0]) == (120, 10) and alone[1] != together[1]


def test_a_target_without_a_test_part_reports_its_validation_records():
    _, raw = scored()
    source, external, labels, _ = raw[0]
    external = dataclasses.replace(external, roles=np.full(len(external.roles), "validation"))
    result = scored_without_internal(source, external, labels)
    assert (result["role"], result["records"]) == ("validation", 240)


def test_files_are_matched_by_model_and_seed(tmp_path):
    _, raw = scored()
    source, external, labels, own = raw[0]
    files = {"external": [], "source": [], "internal": []}
    for model, seed in (("a", 0), ("a", 1), ("b", 0)):
        folder = tmp_path / "ptb-xl/folds" / model / f"seed-{seed}"
        (folder / "external/clinic").mkdir(parents=True)
        files["external"].append(folder / "external/clinic/patient.parquet")
        dataclasses.replace(external, logits=external.logits + seed).write(files["external"][-1])
        files["source"].append(folder / "predictions.parquet")
        source.write(files["source"][-1])
    inside = tmp_path / "clinic/patient/b/seed-0/predictions.parquet"
    inside.parent.mkdir(parents=True)
    own.write(inside)
    runs = read_shared(files["external"], files["source"], [inside], labels, SHARED)
    assert {model: sorted(seeds) for model, seeds in runs.items()} == {"a": [0, 1], "b": [0]}
    assert runs["a"][0].internal is None and runs["b"][0].internal is not None
    assert runs["a"][1].external.logits - runs["a"][0].external.logits == pytest.approx(1)
    files["external"][0].write_bytes(b"no parquet")
    with pytest.raises(DataError, match="delete it and run again"):
        read_shared(files["external"], files["source"], [], labels, SHARED)
