"""Verdicts from constructed comparisons: all four words, each with a reason."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.saliency import MEASURES
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.cli import main
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.evaluate.claims import check_claims
from ecgpipe.evaluate.evidence import Evidence, compare_saliency, gather_evidence_from_folder, recipe_departures
from ecgpipe.paper import load_paper

PAPER = load_paper()
CONFIG = EvaluateConfig()
MODELS = (
    *("resnet34", "vit", "mobilevit", "swin", "convnext", "swin_lgf_fpn"),
    *("swin_lgf_fpn_no_lgf", "swin_lgf_fpn_no_fpn", "swin_lgf_fpn_no_refine"),
)
METRICS = ("accuracy", "specificity_macro", "recall_weighted", "precision_weighted", "f1_weighted")


def cell(value, half):
    return {"value": value, "low": value - half, "high": value + half, "note": None}


def compared(values: dict[str, float], half: float, auc: float = 0.92) -> dict:
    """Comparisons in which every metric of a model has one value, with intervals of one half-width."""
    rows = []
    for i, first in enumerate(values):
        for second in list(values)[i + 1 :]:
            difference = values[first] - values[second]
            for metric in METRICS:
                rows.append(
                    {"first": first, "second": second, "metric": metric, "test": "bootstrap", "difference": difference}
                    | {"low": difference - half, "high": difference + half, "note": None}
                    | {"p_holm": 0.5 if abs(difference) < half else 0.001}
                )
            rows.append(
                {"first": first, "second": second, "metric": "accuracy", "test": "mcnemar", "detectable": 0.02}
                | {"detectable_records": 69, "records": 3467}
            )
    models = [
        {"model": name, "scores": dict.fromkeys(METRICS, cell(value, half))}
        | {"per_class": {label: {"auc": cell(auc, half)} for label in ("NORM", "MI")}}
        for name, value in values.items()
    ]
    return {"models": models, "comparisons": rows, "power": 0.8}


def verdicts(evidence: Evidence, column: str = "verdict") -> dict[str, str]:
    return {row["id"]: row[column] for row in check_claims(PAPER, evidence, CONFIG)["claims"]}


def test_without_runs_only_the_printed_figures_are_checked():
    found = check_claims(PAPER, Evidence({}), CONFIG)["claims"]
    assert {row["finding"] for row in found} == {"not run"}
    by_id = {row["id"]: row for row in found}
    # table 2: no lead can be significant; table 3: ConvNeXt's printed specificity equals the model's
    assert by_id["significant-accuracy-f1"]["verdict"] == "contradicted"
    even = by_id["significant-every-metric/ptb-xl/swin_lgf_fpn/convnext/specificity_macro"]
    assert even["by_print"] == even["verdict"] == "contradicted" and "0.9336" in even["note"]
    assert by_id["each-component-helps"]["verdict"] == "not run"
    assert by_id["significant-accuracy-f1/ptb-xl/swin_lgf_fpn/swin/accuracy"]["by_print"] == "undecided"
    assert all(row["note"] for row in found)
    assert sum(row["kind"] == "cell" for row in found) == 30 + 30 + 25


@pytest.mark.parametrize(
    ("full", "half", "verdict"), [(0.80, 0.01, "supported"), (0.80, 0.05, "undecided"), (0.70, 0.01, "contradicted")]
)
def test_a_component_helps_if_every_metric_shows_it(full, half, verdict):
    values = dict.fromkeys(MODELS, 0.76) | {"swin_lgf_fpn": full}
    found = verdicts(Evidence({("ptb-xl", "paper"): compared(values, half)}))
    assert found["each-component-helps"] == verdict
    one_worse = values | {"swin_lgf_fpn_no_fpn": full + 0.1}
    assert (
        verdicts(Evidence({("ptb-xl", "paper"): compared(one_worse, 0.01)}))["each-component-helps"] == "contradicted"
    )


def test_undecided_claims_have_the_smallest_detectable_lead():
    values = dict.fromkeys(MODELS, 0.76)
    checked = check_claims(PAPER, Evidence({("ptb-xl", "paper"): compared(values, 0.02)}), CONFIG)["claims"]
    row = next(
        row for row in checked if row["id"] == "each-component-helps/ptb-xl/swin_lgf_fpn/swin_lgf_fpn_no_lgf/accuracy"
    )
    assert row["finding"] == "undecided" and "69 records (2.0 points)" in row["note"]


def test_a_pair_stored_the_other_way_round():
    names = ["swin_lgf_fpn_no_fpn", *(name for name in MODELS if name != "swin_lgf_fpn_no_fpn")]
    values = dict.fromkeys(names, 0.76) | {"swin_lgf_fpn_no_fpn": 0.70}
    found = check_claims(PAPER, Evidence({("ptb-xl", "paper"): compared(values, 0.004)}), CONFIG)["claims"]
    row = next(
        row
        for row in found
        if row["id"] == "fpn-matters-most/ptb-xl/swin_lgf_fpn_no_lgf/swin_lgf_fpn_no_fpn/f1_weighted"
    )
    assert row["ours"] == pytest.approx(0.06) and row["low"] == pytest.approx(0.056)
    assert verdicts(Evidence({("ptb-xl", "paper"): compared(values, 0.004)}))["fpn-matters-most"] == "supported"
    assert verdicts(Evidence({("ptb-xl", "paper"): compared(values, 0.004)}))["fpn-f1-below-full"] == "contradicted"


def test_a_cell_is_compared_with_the_interval_of_the_printed_figure():
    values = dict.fromkeys(MODELS, 0.7894)
    near = verdicts(Evidence({("ptb-xl", "paper"): compared(values, 0.005)}))
    assert near["table-3/swin_lgf_fpn/accuracy"] == "supported"
    assert near["table-3/swin_lgf_fpn/specificity_macro"] == "contradicted"
    wide = verdicts(Evidence({("ptb-xl", "paper"): compared(values, 0.2)}))
    assert wide["table-3/swin_lgf_fpn/accuracy"] == "undecided"
    assert wide["table-2/swin_lgf_fpn/accuracy"] == "not run"


def test_the_auc_range_by_class():
    values = dict.fromkeys(MODELS, 0.79)
    for auc, half, verdict in ((0.92, 0.01, "supported"), (0.92, 0.05, "undecided"), (0.85, 0.01, "contradicted")):
        assert verdicts(Evidence({("ptb-xl", "paper"): compared(values, half, auc)}))["auc-range"] == verdict


def test_runs_that_depart_from_the_recipe_do_not_decide():
    values = dict.fromkeys(MODELS, 0.7) | {"swin_lgf_fpn": 0.80}
    evidence = Evidence({("ptb-xl", "paper"): compared(values, 0.01)}, {"ptb-xl": ["epochs 3, not 100"]})
    assert verdicts(evidence)["each-component-helps"] == "not run"
    assert verdicts(evidence, "finding")["each-component-helps"] == "supported"


def test_a_missing_score_has_a_reason():
    values = dict.fromkeys(MODELS, 0.79)
    given = compared(values, 0.01)
    given["models"][5]["per_class"]["MI"]["auc"] = {"value": None, "low": None, "high": None, "note": "no record of MI"}
    found = check_claims(PAPER, Evidence({("ptb-xl", "paper"): given}), CONFIG)["claims"]
    row = next(row for row in found if row["id"] == "auc-range/ptb-xl/MI")
    assert (row["finding"], row["note"]) == ("not run", "no record of MI")


def test_departures_are_listed():
    train = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-5, "warmup_epochs": 30, "weight_decay": 0.05}
    train |= {"clip_norm": 0.5, "patience": 15, "translate": 0.1}
    run = {"variant": "swin", "model": {"image_size": 128, "options": {"embed_dim": 24}}, "train": train}
    labels = {"policy": "multilabel", "kept": 400, "dropped": {"none": 100}}
    departures = recipe_departures("ptb-xl", [run], labels, PAPER)
    assert departures == [
        "500 records, not 21837",
        "label policy multilabel; the paper's tables are single-label",
        "image_size 128, not 640",
        "epochs 3, not 100",
        "models with other options: swin",
    ]
    exact = {"variant": "swin", "model": {"image_size": 640, "options": {}}, "train": train | {"epochs": 100}}
    assert (
        recipe_departures("ptb-xl", [exact], {"policy": "single", "kept": 16244, "dropped": {"x": 5555}}, PAPER) == []
    )


def paper_run(variant: str = "swin", protocol: str = "paper", dataset: str = "ptb-xl", **train) -> dict:
    """run.json of a run as the paper describes it, with changed settings of the training."""
    head = {"dataset": dataset, "protocol": protocol, "variant": variant}
    return head | {"model": {"image_size": 640, "options": {}}, "train": TrainConfig(**train).model_dump()}


LABELS = {"policy": "single", "kept": 16244, "dropped": {"x": 5555}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": "constant"}, "schedule constant, not cosine"),
        ({"focal_gamma": 0.0}, "focal_gamma 0.0, not 2.0"),
        ({"focal_alpha": "none", "sampling": "balanced"}, "focal_alpha none, not inverse-frequency"),
        ({"epoch_images": 5000}, "epoch_images 5000, not null"),
        ({"mixup": 0.2}, "mixup 0.2, not 0.0"),
        ({"windows": 3}, "windows 3, not 1"),
        ({"lr_scaling": "linear"}, "lr_scaling linear, not none"),
        ({"init_from": "simulated/patient/swin"}, "init_from simulated/patient/swin, not null"),
    ],
)
def test_every_setting_that_changes_the_training_is_a_departure(changes, words):
    assert words in recipe_departures("ptb-xl", [paper_run(**changes)], LABELS, PAPER)


def test_settings_of_the_computation_and_models_outside_the_paper_are_no_departures():
    computed = paper_run(accumulate=4, precision="bf16", cpu_precision="bf16", keep_state=True)
    others = [paper_run("resnet10t", epochs=3, warmup_epochs=1), paper_run("swin+strong", mixup=0.2)]
    assert recipe_departures("ptb-xl", [computed, *others], LABELS, PAPER) == []
    assert recipe_departures("ptb-xl", [paper_run("vit", mixup=0.2)], LABELS, PAPER) == ["mixup 0.2, not 0.0"]


def test_the_command(tmp_path, capsys):
    assert main(["claims"]) == 0
    printed = capsys.readouterr().out
    assert "182/183" in printed and "lead over swin                       1 records; never significant" in printed
    assert main(["claims", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arithmetic"][0]["records"] == 183
    folder = tmp_path / "ptb-xl" / "comparisons"
    folder.mkdir(parents=True)
    assert main(["claims", str(tmp_path)]) == 1
    assert "snakemake" in capsys.readouterr().err
    content = {"dataset": "ptb-xl", "protocol": "paper"} | compared(dict.fromkeys(MODELS, 0.79), 0.01)
    (folder / "paper.json").write_text(json.dumps(content))
    assert main(["claims", str(tmp_path), "--all"]) == 0
    assert "ours: 0.7900 (0.7800 - 0.8000)" in capsys.readouterr().out


def test_saliency_is_compared_on_the_same_records_by_patient(rng, tmp_path):
    ids = [f"{i:05d}" for i in range(40)]
    row = {"shard": "0", "path": "x", "fold": None, "age": None, "sex": None, "statements": "{}", "content": ""}
    records = pd.DataFrame([{"record_id": i, "patient_id": f"p{int(i) // 2}", **row} for i in ids])
    RECORDS.write(records[RECORDS.schema.names], tmp_path / "simulated/records.parquet")
    base = rng.random(40) / 2
    shares = {"swin_lgf_fpn": base + 0.1 + rng.normal(0, 0.02, 40), "swin": base}
    for model, values in shares.items():
        rows = [
            {"record_id": i, "class": "MI", "method": "gradcam", "maps": maps, "resolution": resolution}
            | {
                "measure": "finding",
                "value": value if maps == "trained" and resolution == "common" else 9.0,
                "chance": 0.1,
            }
            for i, value in zip(ids, values, strict=True)
            for maps in ("trained", "randomised")
            for resolution in ("raw", "common")
        ]
        if model == "swin":
            rows = [one for one in rows if one["record_id"] != "00000"]  # has no map here
        MEASURES.write(pd.DataFrame(rows), tmp_path / f"simulated/patient/{model}/seed-0/saliency.parquet")
    found = gather_evidence_from_folder(tmp_path, PAPER, EvaluateConfig(resamples=400)).saliency["gradcam-more-focused"]
    difference = (shares["swin_lgf_fpn"] - shares["swin"])[1:]
    assert found["ours"] == pytest.approx(difference.mean())
    by_patient = pd.Series(difference).groupby([int(i) // 2 for i in ids[1:]]).mean()
    width = 2 * 1.96 * by_patient.std() / np.sqrt(20)
    assert found["high"] - found["low"] == pytest.approx(width, rel=0.35)
    assert "39 records" in found["note"] and found["p"] < 0.01
    by_id = {
        one["id"]: one
        for one in check_claims(PAPER, Evidence({}, {}, {"gradcam-more-focused": found}), CONFIG)["claims"]
    }
    assert by_id["gradcam-more-focused"]["finding"] == "supported"


@pytest.mark.parametrize(("epochs", "verdict"), [(100, "supported"), (50, "not run")])
def test_runs_on_simulated_records_decide_the_claim_about_saliency(tmp_path, epochs, verdict):
    """Only simulated records have known findings; the paper does not use them, so the claim always was "not run"."""
    for model in ("swin_lgf_fpn", "swin"):
        run = paper_run(model, "patient", "simulated", epochs=epochs)
        write_json(tmp_path / f"simulated/patient/{model}/seed-0/run.json", run)
    write_json(tmp_path / "simulated/labels.json", {"policy": "multilabel", "kept": 40, "dropped": {}})
    saliency = {"ours": 0.1, "low": 0.05, "high": 0.15, "p": 0.001, "test": "paired bootstrap", "note": None}
    evidence = replace(
        gather_evidence_from_folder(tmp_path, PAPER, CONFIG), saliency={"gradcam-more-focused": saliency}
    )
    assert verdicts(evidence)["gradcam-more-focused"] == verdict
    own = recipe_departures("own", [], {"policy": "single", "kept": 40, "dropped": {}}, PAPER)
    assert own == ["the paper does not use own records"]


def shares_of(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    """Measures of maps from record, class and share."""
    head = {"method": "gradcam", "maps": "trained", "resolution": "common", "measure": "finding", "chance": 0.1}
    return pd.DataFrame([head | {"record_id": i, "class": label, "value": value} for i, label, value in rows])


def test_saliency_of_one_patient_is_undecided():
    """One patient gives no interval, which is not an error."""
    saliency = {"ours": 0.1, "low": None, "high": None, "p": 0.005, "test": "paired bootstrap", "note": "one patient"}
    found = check_claims(PAPER, Evidence({}, {}, {"gradcam-more-focused": saliency}), CONFIG)["claims"]
    (claim,) = [one for one in found if one["id"] == "gradcam-more-focused"]
    assert (claim["finding"], claim["note"]) == ("undecided", "one patient")


def test_saliency_of_a_record_with_two_classes_is_compared_class_by_class(tmp_path):
    files = tmp_path / "first.parquet", tmp_path / "second.parquet"
    MEASURES.write(shares_of([("a", "MI", 0.6), ("a", "CD", 0.4), ("b", "MI", 0.2), ("c", "MI", 0.9)]), files[0])
    MEASURES.write(shares_of([("a", "CD", 0.1), ("a", "MI", 0.5), ("b", "MI", 0.3), ("c", "CD", 0.0)]), files[1])
    records = pd.DataFrame({"record_id": ["a", "b", "c"], "patient_id": None, "content": ""})
    found = compare_saliency(*files, "gradcam", records, EvaluateConfig(resamples=100))
    assert found["ours"] == pytest.approx((0.2 - 0.1) / 2)  # a: mean of 0.1 and 0.3; b: -0.1; c: no class in both
    assert "2 records" in found["note"]
