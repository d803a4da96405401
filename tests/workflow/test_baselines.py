"""Baselines are scored without touching a finished training."""

import json

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.long]


def test_baselines_are_scored_and_nothing_is_trained_again(workflow):
    tiny = workflow.folder / "tiny.yaml"
    tiny.write_text(tiny.read_text().replace("enabled: []", "enabled: [nearest, outside, shuffled], shuffles: 2"))
    workflow.replace("tiny.yaml", "  ptb-xl: {", "  ptb-xl: {baselines: false, ")
    assert "baseline" not in workflow.plan()
    workflow.replace("tiny.yaml", "baselines: false, ", "")
    plan = workflow.plan()
    assert plan["baseline"] == plan["evaluate"] == 4
    assert not {"train", "predict", "preprocess", "split"} & set(plan)
    workflow.run("all")
    folder = workflow.folder / "results/tiny/ptb-xl/paper"
    names = {path.name for path in folder.glob("baseline-*")}
    assert names == {"baseline-nearest", "baseline-outside", "baseline-shuffled-1", "baseline-shuffled-2"}
    models = json.loads((folder / "resnet10t/seed-0/metrics.json").read_text())
    for name in names:
        metrics = json.loads((folder / name / "seed-0/metrics.json").read_text())
        assert metrics["support"] == models["support"]
    page = (workflow.folder / "results/tiny/report/index.html").read_text()
    assert 'id="baselines"' in page and "Nearest neighbour on page thumbnails" in page
    assert "baseline-" not in (workflow.folder / "results/tiny/report/scores.csv").read_text()
    assert not workflow.plan()
