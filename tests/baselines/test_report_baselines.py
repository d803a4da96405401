"""The report's section on controls: its figures and sentences follow from the scores."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from ecgpipe.report.collect import Run
from ecgpipe.report.results import baseline_tables, nearest_by_protocol


def run(variant, accuracy, auc, seed=0, protocol="paper"):
    scores = {
        name: {"value": v, "low": v - 0.05, "high": v + 0.05}
        for name, v in (("accuracy", accuracy), ("auc_macro", auc))
    }
    return Run("cardiac-images", protocol, variant, seed, {"scores": scores, "confidence": 0.95}, {}, None)


def findings(*controls, models=()):
    return " ".join(baseline_tables(controls, models)[0]["findings"])


def test_outside_above_chance_is_called_a_leak_and_at_chance_not():
    assert "Leak" in findings(run("baseline-outside", 0.6, 0.7))
    assert "Leak" not in findings(run("baseline-outside", 0.6, 0.54))
    # one seed of two whose interval holds chance is enough to stay silent
    assert "Leak" not in findings(run("baseline-outside", 0.6, 0.7), run("baseline-outside", 0.6, 0.54, seed=1))


def test_shuffles_are_pooled_and_judged_by_their_mean():
    around = [run(f"baseline-shuffled-{i}", 0.4, auc) for i, auc in enumerate((0.44, 0.57, 0.48, 0.52), 1)]
    table = baseline_tables(around, [])[0]
    assert len(table["rows"]) == 1
    cell = table["rows"][0]["auc_macro"]
    assert abs(cell.value - 0.5025) < 1e-9 and cell.low < 0.5 < cell.high and cell.seeds == 4
    assert "is not above chance" in table["findings"][0]
    assert "is above chance" in findings(*[run(f"baseline-shuffled-{i}", 0.4, 0.8 + i / 100) for i in range(1, 5)])


def test_a_control_that_no_model_beats_is_named():
    models = [run("swin", 0.8, 0.9), run("resnet34", 0.7, 0.95)]
    assert "No model is better" not in findings(run("baseline-nearest", 0.6, 0.7), models=models)
    assert "No model is better" in findings(
        run("baseline-nearest", 0.75, 0.7), models=models
    )  # resnet34 has the best AUC


def test_what_the_image_costs_is_told_either_way():
    models = [run("swin", 0.8, 0.9)]
    assert "0.950, the best image model 0.900, 0.050 less" in findings(run("baseline-signal", 0.5, 0.95), models=models)
    assert "0.870, the best image model 0.900, 0.030 more" in findings(run("baseline-signal", 0.5, 0.87), models=models)
    assert "costs" not in findings(run("baseline-signal", 0.5, 0.95))


def test_protocols_are_compared_and_the_partial_renders():
    controls = [run("baseline-nearest", 0.86, 0.8), run("baseline-nearest", 0.57, 0.6, protocol="unique")]
    tables = baseline_tables(controls, [run("swin", 0.9, 0.9)])
    sentences = nearest_by_protocol(tables)
    assert sentences == [
        "cardiac-images: a nearest neighbour on thumbnails reaches an accuracy of 0.860 under paper, 0.570 under unique."  # noqa: E501
    ]
    environment = Environment(loader=PackageLoader("ecgpipe.report"), undefined=StrictUndefined)
    environment.filters["score"] = lambda value: f"{value:.3f}"
    template = environment.get_template("baselines.html.j2")
    text = template.render(controls=tables, control_sentences=sentences, names={"swin": "Swin"})
    assert "0.860" in text and "Best model: Swin" in text
    assert template.render(controls=[], control_sentences=[]).strip() == ""
