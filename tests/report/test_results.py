"""Baselines in the report: rows and sentences computed from the scores."""

from pathlib import Path

import pytest

from ecgpipe.report.build import html_environment, plain
from ecgpipe.report.collect import Run
from ecgpipe.report.results import METRICS, baseline_tables, image_cost_sentence, nearest_by_protocol, protocol_view
from ecgpipe.report.statistics import Statistics
from ecgpipe.report.tables import data_table, latex


def run(variant, accuracy, auc, seed=0, protocol="paper"):
    scores = {
        name: {"value": v, "low": v - 0.05, "high": v + 0.05}
        for name, v in (("accuracy", accuracy), ("auc_macro", auc))
    }
    return Run(Path(f"cardiac-images/{protocol}/{variant}/seed-{seed}"), {"scores": scores, "confidence": 0.95})


def findings(*baselines, models=()):
    return " ".join(baseline_tables(baselines, models, METRICS)[0]["findings"])


def test_leak_is_reported_only_above_chance_in_every_seed():
    assert "Leak" in findings(run("baseline-outside", 0.6, 0.7))
    # 0.49 to 0.59: such an interval does not show that nothing can be predicted
    text = findings(run("baseline-outside", 0.6, 0.54))
    assert "Leak" not in text and "does not predict the class significantly better than chance" in text
    assert "Leak" not in findings(run("baseline-outside", 0.6, 0.7), run("baseline-outside", 0.6, 0.54, seed=1))


def test_shuffles_are_pooled():
    around = [run(f"baseline-shuffled-{i}", 0.4, auc) for i, auc in enumerate((0.44, 0.57, 0.48, 0.52), 1)]
    (table,) = baseline_tables(around, [])
    (row,) = table["rows"]
    cell = row["auc_macro"]
    assert abs(cell.value - 0.5025) < 1e-9 and cell.low < 0.5 < cell.high and cell.seeds == 4
    assert "is not significantly above chance" in table["findings"][0]
    assert "is above chance" in findings(*[run(f"baseline-shuffled-{i}", 0.4, 0.8 + i / 100) for i in range(1, 5)])


def test_baseline_that_matches_the_best_model_is_reported():
    models = [run("swin", 0.8, 0.9), run("resnet34", 0.7, 0.95)]  # resnet34 has the best AUC
    assert "not more accurate" not in findings(run("baseline-nearest", 0.6, 0.7), models=models)
    assert "not more accurate" in findings(run("baseline-nearest", 0.75, 0.7), models=models)


def test_cost_of_the_image_has_its_interval_and_says_how_the_model_was_chosen():
    row = {"first_value": 0.95, "second": "swin", "second_value": 0.9, "difference": 0.05, "low": 0.03, "high": 0.07}
    compared = {"dataset": "cardiac-images", "protocol": "paper", "image_cost": row | {"chosen_on": "validation"}}
    tables = baseline_tables(
        [run("baseline-signal", 0.5, 0.95)], [run("swin", 0.8, 0.9)], METRICS, Statistics([compared])
    )
    (sentence,) = [one for one in tables[0]["findings"] if one.startswith("Cost")]
    assert "0.950" in sentence and "+0.050 (+0.030 to +0.070)" in sentence and "validation records" in sentence
    assert "favours it" in image_cost_sentence({"image_cost": row | {"chosen_on": "the scored records"}}, {})
    assert image_cost_sentence({"image_cost": None}, {}) is None
    assert "Cost" not in findings(run("baseline-signal", 0.5, 0.95))


def test_cost_of_digitizing_has_its_interval():
    row = {"first_value": 0.95, "second_value": 0.9, "difference": 0.05, "low": 0.03, "high": 0.07}
    compared = {"dataset": "cardiac-images", "protocol": "paper", "digitizing_cost": row}
    tables = baseline_tables([run("baseline-digitized", 0.5, 0.9)], [], METRICS, Statistics([compared]))
    (sentence,) = [one for one in tables[0]["findings"] if one.startswith("Cost")]
    assert "0.950" in sentence and "+0.050 (+0.030 to +0.070)" in sentence
    assert tables[0]["rows"][0]["name"] == "The signal reference on digitized pages"


def test_costs_of_a_cross_validation_are_told_once_and_as_pooled():
    row = {"first_value": 0.95, "second": "swin", "second_value": 0.9, "difference": 0.05, "low": 0.03, "high": 0.07}
    costs = {"image_cost": row | {"chosen_on": "validation"}, "digitizing_cost": row}
    statistics = Statistics([{"dataset": "cardiac-images", "protocol": "unique-cv2"} | costs])
    folds = [run("baseline-signal", 0.5, 0.95, protocol=f"unique-cv2-{fold}") for fold in (1, 2)]
    tables = baseline_tables(folds, [], METRICS, statistics)
    told = [[text for text in table["findings"] if text.startswith("Cost")] for table in tables]
    assert [len(sentences) for sentences in told] == [2, 0]
    assert all(text.endswith(". All folds are pooled.") for text in told[0])


def test_nearest_neighbour_across_protocols_and_html():
    baselines = [run("baseline-nearest", 0.86, 0.8), run("baseline-nearest", 0.57, 0.6, protocol="unique")]
    tables = baseline_tables(baselines, [run("swin", 0.9, 0.9)])
    sentences = nearest_by_protocol(tables, {"cardiac-images": "Hearts"})
    accuracies = "0.860 under paper, 0.570 under unique"
    assert sentences == [f"Hearts: a nearest neighbour on thumbnails has an accuracy of {accuracies}."]
    template = html_environment().get_template("baselines.html.j2")
    text = template.render(baselines=plain(tables), baseline_sentences=sentences, names={"swin": "Swin"}, titles={})
    assert "0.860" in text and "Best model: Swin" in text
    assert template.render(baselines=[], baseline_sentences=[]).strip() == ""


def scored(variant, seed, protocol, records, groups):
    metrics = {"role": "test", "records": records, "groups": groups, "support": {"A": records}, "classes": ["A"]}
    return Run(
        Path(f"cardiac-images/{protocol}/{variant}/seed-{seed}"), metrics | {"task": "single", "confidence": 0.95}
    )


def view(protocol, runs, groups):
    compared = {"dataset": "cardiac-images", "protocol": protocol, "models": [], "groups": groups}
    return protocol_view("cardiac-images", protocol, runs, Statistics([compared]))


def test_records_of_a_first_model_without_the_lowest_seed():
    """With seeds 3 and 1, a model of ``benchmark.DATASET.once`` has seed 3 only."""
    runs = [scored(name, seed, "patient", 50, 40) for name, seed in (("swin", 3), ("vit", 3), ("vit", 1))]
    shown = view("patient", runs, 70)
    assert (shown["records"], shown["groups"], shown["support"]) == (50, 40, {"A": 50})


@pytest.mark.parametrize(("confidence", "shown"), [(0.95, "95%"), (0.975, "97.5%")])
def test_the_confidence_of_the_intervals_is_not_rounded(confidence, shown):
    run = scored("swin", 0, "patient", 50, 40)
    run.metrics["confidence"] = confidence
    assert view("patient", [run], 40)["coverage"] == shown


def test_patients_in_several_parts_of_a_cross_validation_count_once():
    runs = [scored("swin", seed, f"paper-cv2-{part}", 50, 45) for part in (1, 2) for seed in (0, 1)]
    shown = view("paper-cv2", runs, 60)
    assert (shown["records"], shown["groups"]) == (100, 60)


def test_counts_stay_integers_beside_a_dataset_without_patients():
    labels = {"kept": 5, "policy": "single"}
    audits = [
        {"distinct": 21837, "distinct_groups": 21837, "patients": patients, "patients_with_several": patients}
        for patients in (18869, None)
    ]
    datasets = [
        {"title": f"set {patients}", "paper": None, "records": 21837, "labels": labels, "audit": audit}
        for patients, audit in zip((18869, None), [audit | {"conflicts": []} for audit in audits], strict=True)
    ]
    table = data_table(datasets)
    assert ",18869,18869," in table.to_csv() and "18869.0" not in table.to_csv()
    assert "& 18869 & 18869 &" in latex(table) and "& -- & -- &" in latex(table)
