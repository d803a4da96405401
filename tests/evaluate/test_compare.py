"""Comparisons of models, protocols and runs: known differences are significant, missing data have a note."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.predictions import COMPARISON_COLUMNS, PROTOCOL_COLUMNS, Predictions, write_comparisons
from ecgpipe.artifacts.tables import DUPLICATES, RECORDS
from ecgpipe.cli import main
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.compare import bootstrap_row, compare_models
from ecgpipe.evaluate.compare_runs import compare_results, read_results_folder
from ecgpipe.evaluate.model_scores import BootstrapScores, read_reported
from ecgpipe.evaluate.protocols import compare_protocols
from tests.evaluate.test_scores import CLASSES

CONFIG = EvaluateConfig(resamples=400, reference="good")
N = 160


def given(rng, skill: float, ids: np.ndarray | None = None, task: str = "single") -> Predictions:
    """Predictions for records whose labels depend on their ids alone."""
    ids = np.array([f"{i:05d}" for i in range(N)]) if ids is None else ids
    truth = np.array([int(name) % 4 for name in ids])
    targets = np.eye(4, dtype=np.uint8)[truth]
    logits = (skill * targets + rng.normal(size=targets.shape)).astype(np.float32)
    return Predictions(ids, np.full(len(ids), "test"), logits, targets, CLASSES, task)


def records(ids=range(N)) -> pd.DataFrame:
    names = [f"{i:05d}" for i in ids]
    row = {"shard": "0", "path": "x", "fold": None, "age": None, "sex": None, "statements": "{}", "content": ""}
    table = pd.DataFrame([{"record_id": name, "patient_id": f"p{int(name) // 2}", **row} for name in names])
    return table[RECORDS.schema.names]


def write(folder, model, seed, predictions, protocol="patient", dataset="ptb-xl"):
    path = folder / dataset / protocol / model / f"seed-{seed}" / "predictions.parquet"
    predictions.write(path)
    return path


def rows_of(found, test, metric="accuracy"):
    return [row for row in found["comparisons"] if (row["test"], row["metric"]) == (test, metric)]


def test_a_better_model_differs_significantly_and_equal_ones_do_not(rng, tmp_path):
    files = []
    for seed in (0, 1, 2):
        good = given(rng, 2.5)
        order = np.concatenate([np.arange(i, N, 4)[::-1] for i in range(4)])
        order = order[np.argsort(np.concatenate([np.arange(i, N, 4) for i in range(4)]))]
        # the same answers, to other records of the same class: as good, by construction
        alike = replace(good, logits=good.logits[order])
        for name, predictions in (("bad", given(rng, 0.2)), ("good", good), ("alike", alike)):
            files.append(write(tmp_path, name, seed, predictions))
    found = compare_models(read_reported(files, records()), CONFIG)
    assert found["groups"] == N / 2 and found["seeds"] == [0, 1, 2] and found["parts"] == 1
    (against_bad, against_alike, others) = rows_of(found, "bootstrap")
    assert (against_bad["first"], against_bad["second"], against_bad["family"]) == ("good", "bad", "reference")
    assert against_bad["low"] > 0 and against_bad["p_holm"] < 0.05
    assert against_alike["difference"] == 0 and against_alike["low"] < 0 < against_alike["high"]
    assert others["family"] == "others" and others["p_holm"] == others["p"]  # alone in its family
    assert len(rows_of(found, "mcnemar")) == 9 and len(rows_of(found, "sign-flip")) == 9
    assert rows_of(found, "mcnemar")[0]["p"] < 1e-6
    means = {model["model"]: model["scores"]["accuracy"] for model in found["models"]}
    assert means["good"]["value"] == pytest.approx(np.mean(list(means["good"]["by_seed"].values())))
    assert means["good"]["low"] < means["good"]["value"] < means["good"]["high"] <= 1
    write_comparisons(tmp_path / "c.json", found, "comparisons", COMPARISON_COLUMNS)
    assert read_json(tmp_path / "c.json")["comparisons"] == json.loads(json.dumps(found["comparisons"]))
    table = pd.read_csv(tmp_path / "c.csv")
    assert len(table) == len(found["comparisons"]) and table["seeds"][0] == "0 1 2"


def test_planned_pairs_are_a_family_of_their_own(rng, tmp_path):
    files = [write(tmp_path, name, 0, given(rng, skill)) for name, skill in (("a", 1), ("b", 1), ("c", 0.9), ("d", 1))]
    config = EvaluateConfig(resamples=100, reference="a", planned=[["b", "a"], ["c", "d"], ["a", "absent"]])
    rows = rows_of(compare_models(read_reported(files, records()), config), "bootstrap")
    pairs = [(row["first"] + row["second"], row["family"]) for row in rows]
    assert pairs[:2] == [("ba", "planned"), ("cd", "planned")] and len(pairs) == 6
    assert dict(pairs[2:]) == {"ac": "reference", "ad": "reference", "bc": "others", "bd": "others"}
    smaller = min(rows[:2], key=lambda row: row["p"])
    assert smaller["p_holm"] == pytest.approx(min(1, 2 * smaller["p"]))


def test_corrected_p_values_of_many_pairs_can_be_significant(rng, tmp_path):
    """With the configured 100 resamples, p after Holm's correction over 15 pairs would be at least 0.2."""
    skills = {"good": 1.0, "bad": 0.0} | {f"model{i}": 1.0 for i in range(4)}
    files = [write(tmp_path, name, 0, given(rng, 3 * skill)) for name, skill in skills.items()]
    found = compare_models(read_reported(files, records()), EvaluateConfig(resamples=100, reference="none"))
    against_bad = [row for row in rows_of(found, "bootstrap") if "bad" in (row["first"], row["second"])]
    assert len(against_bad) == 5 and all(row["p_holm"] < 0.05 for row in against_bad)
    assert found["resamples"] == 4 * 15 / 0.05


def with_validation(rng, skill: float, validation_skill: float) -> Predictions:
    """Test and validation records."""
    test, other = given(rng, skill), given(rng, validation_skill)
    other = replace(other, record_ids=np.char.add("v", other.record_ids), roles=np.full(N, "validation"))
    return Predictions.joined([test, other])


def test_cost_of_the_image_is_measured_with_the_model_chosen_on_validation_records(rng, tmp_path):
    lucky, chosen = with_validation(rng, 2.5, 0.3), with_validation(rng, 1.0, 2.5)
    files = [write(tmp_path, "lucky", 0, lucky), write(tmp_path, "chosen", 0, chosen)]
    signal_file = write(tmp_path, "baseline-signal", 0, with_validation(rng, 3.0, 3.0))
    models, signal = read_reported(files, records()), read_reported([signal_file], records())
    row = compare_models(models, CONFIG, signal)["image_cost"]
    assert (row["first"], row["second"], row["chosen_on"]) == ("baseline-signal", "chosen", "validation")
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["difference"] == pytest.approx(row["first_value"] - row["second_value"])
    assert compare_models(models, CONFIG)["image_cost"] is None


def test_cost_of_the_image_without_a_test_part_says_that_the_choice_is_optimistic(rng, tmp_path):
    good, bad, signal = (replace(given(rng, skill), roles=np.full(N, "validation")) for skill in (2.0, 0.5, 2.5))
    files = [write(tmp_path, "bad", 0, bad), write(tmp_path, "better", 0, good)]
    signal = read_reported([write(tmp_path, "baseline-signal", 0, signal)], records())
    row = compare_models(read_reported(files, records()), CONFIG, signal)["image_cost"]
    assert (row["second"], row["chosen_on"]) == ("better", "the scored records")
    elsewhere = read_reported([write(tmp_path, "bad", 3, bad)], records())
    assert compare_models(elsewhere, CONFIG, signal)["image_cost"] is None


def test_cost_of_digitizing_is_the_paired_difference_between_the_two_references(rng, tmp_path):
    predictions = {"baseline-signal": given(rng, 2.5), "baseline-digitized": given(rng, 0.7)}
    files = [write(tmp_path, name, 0, each) for name, each in predictions.items()]
    models = read_reported([write(tmp_path, "swin", 0, given(rng, 1.5))], records())
    row = compare_models(models, CONFIG, read_reported(files, records()))["digitizing_cost"]
    assert (row["first"], row["second"], row["metric"]) == (*predictions, "auc_macro")
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["difference"] == pytest.approx(row["first_value"] - row["second_value"])
    assert compare_models(models, CONFIG, read_reported(files[:1], records()))["digitizing_cost"] is None


def test_models_are_compared_with_baselines_on_the_same_records(rng, tmp_path):
    files = [write(tmp_path, name, 0, given(rng, skill)) for name, skill in (("good", 2.5), ("bad", 0.3))]
    models = read_reported(files, records())
    places = (("nearest", 0), ("x", 3))
    weak, elsewhere = (write(tmp_path, f"baseline-{name}", seed, given(rng, 1.0)) for name, seed in places)
    found = compare_models(models, CONFIG, read_reported([weak, elsewhere], records()))
    assert [one["model"] for one in found["baselines"]] == ["baseline-nearest", "baseline-x"]
    rows = {(row["first"], row["metric"]): row for row in found["against_baselines"]}
    assert {(row["second"], row["test"]) for row in rows.values()} == {("baseline-nearest", "bootstrap")}
    assert rows["good", "auc_macro"]["low"] > 0 > rows["bad", "auc_macro"]["high"]
    row, (cell, _) = rows["good", "accuracy"], found["baselines"]
    assert row["difference"] == pytest.approx(row["first_value"] - row["second_value"])
    assert row["second_value"] == pytest.approx(cell["scores"]["accuracy"]["value"])
    alone = compare_models(models, CONFIG)
    assert alone["against_baselines"] == [] and alone["comparisons"] == found["comparisons"]


def test_missing_seeds_and_different_records_have_notes(rng, tmp_path):
    files = [write(tmp_path, "good", seed, given(rng, 1.0)) for seed in (0, 1)]
    files.append(write(tmp_path, "lacks", 1, given(rng, 1.0)))
    files.append(write(tmp_path, "alone", 7, given(rng, 1.0)))
    files.append(write(tmp_path, "elsewhere", 0, given(rng, 1.0, np.array([f"{i:05d}" for i in range(90, 200)]))))
    found = compare_models(read_reported(files, records(range(200))), CONFIG)
    lacks, alone, elsewhere = rows_of(found, "bootstrap")[:3]
    assert lacks["seeds"] == [1] and "one seed" in lacks["note"]
    assert alone["difference"] is None and alone["note"] == "the two have no seed in common"
    assert elsewhere["difference"] is None and elsewhere["note"] == "they were not scored on the same records"
    model = next(model for model in found["models"] if model["model"] == "lacks")
    assert model["missing_seeds"] == [0, 7] and (
        model["scores"]["accuracy"]["note"] == "seeds missing: 0, 7, so the interval covers patients only"
    )


def test_constant_scores_and_identical_models(rng, tmp_path):
    flat = given(rng, 1.0)
    flat.logits[:] = 0.0
    files = [write(tmp_path, name, 0, flat) for name in ("good", "same")]
    found = compare_models(read_reported(files, records()), CONFIG)
    (row,) = rows_of(found, "bootstrap")
    assert (row["difference"], row["low"], row["p"]) == (0.0, None, 1.0) and "no interval" in row["note"]
    (exact,) = rows_of(found, "mcnemar")
    assert (exact["p"], exact["detectable"]) == (1.0, None) and "same records" in exact["note"]
    assert "no variance" in rows_of(found, "delong", "auc:NORM")[0]["note"]


def test_parts_of_a_cross_validation_are_joined_and_must_not_overlap(rng, tmp_path):
    halves = np.array([f"{i:05d}" for i in range(N)]).reshape(2, -1)
    files = [
        write(tmp_path, model, 0, given(rng, skill, ids), f"patient-cv3-{part}")
        for part, ids in enumerate(halves, 1)
        for model, skill in (("good", 2.0), ("bad", 0.5))
    ]
    found = compare_models(read_reported(files, records()), CONFIG)
    assert (found["parts"], found["records"]) == (2, N)
    assert rows_of(found, "bootstrap")[0]["records"] == N
    assert "cross-validation" in rows_of(found, "delong", "auc:MI")[0]["note"]
    write(tmp_path, "good", 0, given(rng, 1.0, halves[0]), "patient-cv3-2")
    with pytest.raises(DataError, match="00000 is scored twice"):
        read_reported(files, records())
    write(tmp_path, "good", 0, replace(given(rng, 1.0, halves[1]), classes=CLASSES[::-1]), "patient-cv3-2")
    with pytest.raises(DataError, match="good, seed 0: the folds of the cross-validation disagree on the classes"):
        read_reported(files, records())


def test_different_labels_are_an_error(rng, tmp_path):
    other = given(rng, 1.0)
    other.targets[3] = other.targets[3][::-1].copy()
    files = [write(tmp_path, "good", 0, given(rng, 1.0)), write(tmp_path, "other", 0, other)]
    with pytest.raises(DataError, match="different labels for 1 records, 00003 first"):
        compare_models(read_reported(files, records()), CONFIG)


def test_what_a_protocol_adds(rng, tmp_path):
    protocols = {}
    for protocol, skill in (("patient", 0.5), ("paper", 3.0)):
        files = [write(tmp_path, "good", seed, given(rng, skill), protocol) for seed in (0, 1, 2)]
        files += [write(tmp_path, "only", 0, given(rng, 1.0), protocol)] if protocol == "paper" else []
        protocols[protocol] = read_reported(files, records())
    found = compare_protocols(protocols, CONFIG)
    row = next(row for row in found["rows"] if (row["model"], row["metric"]) == ("good", "accuracy"))
    assert (row["first"], row["second"]) == ("paper", "patient")
    assert row["difference"] == pytest.approx(row["first_value"] - row["second_value"]) and row["low"] > 0
    only = next(row for row in found["rows"] if row["model"] == "only")
    assert only["difference"] is None and only["note"] == "not run under patient"
    assert set(row) == set(PROTOCOL_COLUMNS)
    assert compare_protocols({"patient": protocols["patient"]}, CONFIG)["rows"] == []


def test_two_folders_of_results(rng, tmp_path, capsys):
    for side, skill in (("a", 0.5), ("b", 2.5)):
        write(tmp_path / side, "swin", 0, given(rng, skill))
        RECORDS.write(records(), tmp_path / side / "ptb-xl" / "records.parquet")
    write(tmp_path / "b", "vit", 0, given(rng, 1.0))
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    page = tmp_path / "out" / "page.html"
    assert main(["compare", *folders, "--resamples", "200", "-o", str(page)]) == 0
    printed = capsys.readouterr().out
    assert f"{N} and {N} records, {N} in both; seeds 0" in printed and "ptb-xl/patient/vit" in printed
    text = page.read_text()
    assert "ptb-xl, patient: swin" in text and "&lt; 0.001" in text
    assert "<script" not in text and "http" not in text
    assert main(["compare", *folders, "--resamples", "200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    accuracy = found["pairs"][0]["rows"][0]
    assert accuracy["groups"] == N / 2 and accuracy["high"] < 0
    assert found["only_second"] == ["ptb-xl/patient/vit"]


def test_runs_are_compared_on_common_records(rng, tmp_path, capsys):
    ids = [np.array([f"{i:05d}" for i in span]) for span in (range(100), range(60, 160), range(200, 260))]
    runs = [write(tmp_path / str(i), "swin", 0, given(rng, 1.0, own)).parent for i, own in enumerate(ids)]
    assert main(["compare", str(runs[0]), str(runs[1]), "--resamples", "200"]) == 0
    printed = capsys.readouterr().out
    assert "100 and 100 records, 40 in both" in printed and "compared on the records that both report" in printed
    assert "patients unknown" in printed
    assert main(["compare", str(runs[0]), str(runs[2]), "--resamples", "200"]) == 1
    assert "no record is scored in both (100 and 60 records)" in capsys.readouterr().err
    assert main(["compare", str(runs[0]), str(tmp_path / "nowhere")]) == 1
    assert "no predictions.parquet" in capsys.readouterr().err


def test_two_runs_of_different_models_and_seeds(rng, tmp_path, capsys):
    first = write(tmp_path, "swin", 0, given(rng, 1.0)).parent
    second = write(tmp_path, "vit", 5, given(rng, 1.0)).parent
    assert main(["compare", str(first), str(second), "--resamples", "200"]) == 0
    printed = capsys.readouterr().out
    assert "swin against vit" in printed and "seed 0 of the first against seed 5 of the second" in printed
    strange = tmp_path / "x" / "predictions.parquet"
    given(rng, 1.0).write(strange)
    assert main(["compare", str(first), str(strange.parent)]) == 1
    assert "its path must end in <dataset>/<protocol>/<model>/seed-<n>" in capsys.readouterr().err


def test_delong_is_refused_if_either_side_is_a_cross_validation(rng, tmp_path):
    """AUCs across folds compare outputs of different networks."""
    write(tmp_path / "whole", "swin", 0, given(rng, 1.0))
    for fold in (1, 2):
        half = np.array([f"{i:05d}" for i in range(N) if i // (N // 2) == fold - 1])
        write(tmp_path / "folds", "swin", 0, given(rng, 1.0, half), f"patient-cv2-{fold}")
    sides = [read_results_folder(tmp_path / side) for side in ("whole", "folds")]
    for first, second in (sides, sides[::-1]):
        (pair,) = compare_results(first, second, CONFIG)["pairs"]
        rows = [row for row in pair["rows"] if row["test"] == "delong"]
        assert len(rows) == len(CLASSES) and all(row["p"] is None and "across" in row["note"] for row in rows)


def test_a_run_in_a_folder_near_the_root_is_refused(rng):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        given(rng, 1.0).write(Path(folder) / "predictions.parquet")
        with pytest.raises(DataError, match="its path must end in <dataset>/<protocol>"):
            read_results_folder(Path(folder))


def test_seeds_without_the_score_are_left_out_of_both_means():
    """Else the difference would not be the first value minus the second."""

    def scores(*values: float) -> dict[int, BootstrapScores]:
        samples = np.linspace(-0.01, 0.01, 50)
        return {
            seed: BootstrapScores({"auc_macro": value}, {"auc_macro": value + samples}, np.ones(1, bool), {})
            for seed, value in enumerate(values)
        }

    row = bootstrap_row({}, scores(0.9, np.nan, 0.8), scores(0.5, np.nan, 0.6), "auc_macro", CONFIG)
    assert (row["first_value"], row["second_value"]) == (pytest.approx(0.85), pytest.approx(0.55))
    assert row["difference"] == pytest.approx(0.3) and row["note"] is None
    left = bootstrap_row({}, scores(0.9, np.nan), scores(0.5, np.nan), "auc_macro", CONFIG)
    assert left["between_seeds"] is None and "one seed: the interval covers patients only" in left["note"]
    none = bootstrap_row({}, scores(np.nan), scores(np.nan), "auc_macro", CONFIG)
    assert (none["first_value"], none["difference"]) == (None, None)


def test_patients_known_on_one_side_only_are_used_for_both(rng, tmp_path):
    """The same predictions in both folders differ in no resample."""
    own = given(rng, 1.0)
    runs = [write(tmp_path / side, "swin", 0, own).parent for side in ("a", "b")]
    RECORDS.write(records(), tmp_path / "a" / "ptb-xl" / "records.parquet")
    for first, second in (runs, runs[::-1]):
        found = compare_results(read_results_folder(first), read_results_folder(second), CONFIG)
        row = found["pairs"][0]["rows"][0]
        assert (row["difference"], row["low"], row["p"], row["groups"]) == (0, None, 1, N / 2)
        assert found["notes"] == []


def test_runs_of_a_dataset_without_patients_are_grouped_by_the_duplicates_of_its_audit(rng, tmp_path):
    write(tmp_path, "model", 0, given(rng, 1.0))
    table = records().assign(patient_id=None)
    RECORDS.write(table, tmp_path / "ptb-xl/records.parquet")
    identical = [f"file {number // 2}" for number in range(N)]
    copies = pd.DataFrame({"record_id": table["record_id"], "identical": identical, "near": identical})
    DUPLICATES.write(copies, tmp_path / "ptb-xl/audit/duplicates.parquet")
    (runs,) = read_results_folder(tmp_path).runs.values()
    assert len(set(runs[0].groups)) == N / 2
