"""Parts of the report: printed tables, scores over seeds, figures, names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgpipe.config.data import whole_protocol
from ecgpipe.report.collect import Cell, Run, over_seeds, score_table, stage_times
from ecgpipe.report.figures import (
    comparison_figure,
    confusion_figure,
    history_figure,
    reliability_figure,
    roc_figure,
)
from ecgpipe.report.names import MODEL_NAMES, TABLE_3, TABLE_4, alterations, model_name, names_of_runs


def make_run(seed: int, accuracy: float | None, low: float | None = None, high: float | None = None) -> Run:
    entry = {"value": accuracy, "low": low, "high": high}
    metrics = {
        "role": "test",
        "records": 40,
        "confidence": 0.95,
        "classes": ["NORM", "MI"],
        "scores": {"accuracy": entry, "f1_weighted": entry},
        "per_class": {"NORM": {"auc": entry}, "MI": {"auc": entry}},
        "roc": {"NORM": {"fpr": [0, 0.2, 1], "tpr": [0, 0.7, 1]}},
        "confusion": [[15, 5], [3, 17]],
    }
    history = pd.DataFrame(
        {"epoch": [1, 2], "train_loss": [2.0, 1.0], "validation_loss": [2.0, 1.5], "validation_accuracy": [0.4, 0.6]}
    )
    return Run(Path(f"ptb-xl/folds/swin/seed-{seed}"), metrics, {}, history)


def test_printed_tables_match_the_papers_text():
    """Recall equals accuracy in tables 3 and 4; table 4 repeats two rows (2: test_granularity.py)."""
    for table in (TABLE_3, TABLE_4):
        assert all(row[0] == row[2] for row in table.values())
    assert TABLE_4["swin"] == TABLE_3["swin"]
    assert TABLE_4["swin_lgf_fpn"] == TABLE_3["swin_lgf_fpn"]
    # the prose: 0.7% less F1 than the backbone, 1.48% less than the full model, without the neck
    assert TABLE_4["swin"][4] - TABLE_4["swin_lgf_fpn_no_fpn"][4] == pytest.approx(0.0070)
    assert TABLE_4["swin_lgf_fpn"][4] - TABLE_4["swin_lgf_fpn_no_fpn"][4] == pytest.approx(0.0148)


def test_cell_is_the_mean_with_the_widest_limits_over_seeds():
    runs = [make_run(0, 0.6, 0.5, 0.7), make_run(1, 0.8, 0.7, 0.85)]
    assert over_seeds(runs, "accuracy") == Cell(pytest.approx(0.7), 0.5, 0.85, 2)


def test_parts_of_a_cross_validation_are_one_protocol():
    assert {whole_protocol(f"patient-cv3-{part}") for part in (1, 2, 3)} == {"patient-cv3"}
    assert whole_protocol("unique") == "unique"


def test_missing_metrics_are_none():
    assert over_seeds([make_run(0, None)], "accuracy") == Cell(None, None, None, 0)
    assert over_seeds([], "accuracy").value is None
    assert over_seeds([make_run(0, 0.5)], "no_such_metric").value is None
    assert over_seeds([make_run(0, 0.5), make_run(1, None)], "accuracy").value == 0.5


def test_score_table_has_a_row_per_class_and_metric():
    table = score_table([make_run(0, 0.6, 0.5, 0.7)])
    assert len(table) == 4
    row = table[(table["class"] == "all") & (table["metric"] == "accuracy")].iloc[0]
    assert (row["value"], row["low"], row["high"], row["records"]) == (0.6, 0.5, 0.7, 40)


def test_figures_are_reproducible_svg():
    run = make_run(0, 0.6, 0.5, 0.7)
    cells = {"accuracy": Cell(0.6, 0.5, 0.7, 1), "f1_weighted": Cell(None, None, None, 0)}
    models = [{"variant": "swin", "name": "Swin", "cells": cells}]
    makers = [
        lambda: roc_figure(run),
        lambda: history_figure([run]),
        lambda: confusion_figure(run),
        lambda: comparison_figure(models, TABLE_3),
    ]
    for make in makers:
        svg = make()
        assert svg.startswith("<svg")
        assert (
            "http" not in svg.replace("http://www.w3.org", "").replace("https://matplotlib.org", "").split("<g", 1)[1]
        )
        assert make() == svg


def test_every_class_has_its_curves():
    """There are nine colours; labels such as the eleven classes of the PhysioNet Challenge 2024 need more."""
    names = [f"class {i:02d}" for i in range(11)]
    run = make_run(0, 0.6, 0.5, 0.7)
    row = {"predicted": 0.4, "observed": 0.5, "low": 0.3, "high": 0.7}
    run.metrics["roc"] = {name: {"fpr": [0, 1], "tpr": [0, 1]} for name in names}
    run.metrics["per_class"] = {name: {"auc": {"value": 0.5, "low": None, "high": None}} for name in names}
    run.metrics["calibration"] = {name: [row] for name in names}
    for svg in (roc_figure(run), reliability_figure([run])):
        assert all(name in svg for name in names)


def test_stage_times_are_summed_per_rule(tmp_path):
    folder = tmp_path / "benchmarks" / "render" / "ptb-xl"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((1.5, 2.5)):
        (folder / f"{number}.tsv").write_text(f"s\tmax_rss\n{seconds}\t{100 + number}\n")
    (tmp_path / "benchmarks" / "report.tsv").write_text("s\tmax_rss\n1.0\t-\n")
    (tmp_path / "benchmarks" / "killed.tsv").touch()
    table = stage_times(tmp_path).set_index("stage")
    assert table.loc["render", ["jobs", "seconds", "peak_mb"]].tolist() == [2, 4.0, 101.0]
    assert np.isnan(table.loc["report", "peak_mb"]) and "killed" not in table.index
    assert stage_times(tmp_path / "nowhere").empty


def test_model_names_state_what_was_built():
    assert model_name("resnet34") == "ResNet-34"
    assert model_name("swin_lgf_fpn+paper", {}) == "Swin-LGF-FPN+paper"
    assert model_name("resnet34", {"architecture": "resnet18"}) == "resnet18 for ResNet-34"
    assert model_name("swin+long", {"embed_dim": 48}) == "Swin Transformer (backbone only)+long (modified)"
    assert model_name("swin_lgf_fpn", {"architecture": "swin_small_patch4_window7_224"}) == "Swin-LGF-FPN (modified)"
    assert model_name("resnet18+both", {"drop_rate": 0.1}) == "resnet18+both"


def test_alterations_are_listed_once_for_all_seeds():
    plain, narrow = make_run(0, 0.5), make_run(1, 0.6)
    narrow.summary["model"] = {"options": {"embed_dim": 48, "depths": [2, 2]}}
    assert alterations([plain]) == []
    assert names_of_runs([plain])["swin"] == MODEL_NAMES["swin"]
    name = "Swin Transformer (backbone only) (modified)"
    assert alterations([narrow, narrow]) == [f"{name}: embed_dim 48; depths 2, 2."]
    assert names_of_runs([narrow]) == MODEL_NAMES | {"swin": name}
    options = {"architecture": "resnet34", "channels": [96, 192]}
    own = replace(plain, folder=Path("ptb-xl/folds/resnet34_wide+long/seed-0"), summary={"model": {"options": options}})
    assert alterations([own]) == ["resnet34_wide+long: architecture resnet34; channels 96, 192."]
