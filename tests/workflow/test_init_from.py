"""Recipes in the workflow that start from another run, or draw further pages."""

import json

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.long]

BOTH = "models: [resnet10t, resnet10t+pre], seeds: [0]"


def test_a_training_waits_for_the_one_it_starts_from(workflow):
    workflow.replace(
        "tiny.yaml",
        "ptb-xl: {protocols: [paper], models: [resnet10t], seeds: [0]",
        f"ptb-xl: {{protocols: [paper], {BOTH}",
    )
    workflow.append("tiny.yaml", "recipes: {pre: {init_from: ptb-xl/paper/resnet10t}}\n")
    first, second = (f"results/tiny/ptb-xl/paper/{name}/seed-0" for name in ("resnet10t", "resnet10t+pre"))
    assert workflow.plan(f"{second}/weights.safetensors") == {"prepare": 1, "train": 1}
    workflow.run(f"{second}/weights.safetensors")
    summary = json.loads((workflow.folder / second / "train.json").read_text())
    assert summary["init_from"]["taken"] == summary["init_from"]["of"]
    assert workflow.plan(f"{second}/weights.safetensors") == {}
    workflow.replace("tiny.yaml", "init_from: ptb-xl/paper/resnet10t", "epochs: 2, init_from: ptb-xl/paper/resnet10t")
    assert workflow.plan(f"{second}/weights.safetensors") == {"prepare": 1, "train": 1}
    both = workflow.plan(f"{second}/weights.safetensors", "--forcerun", f"{first}/weights.safetensors")
    assert both == {"prepare": 1, "train": 2}


def test_training_records_have_further_pages(workflow):
    workflow.replace(
        "tiny.yaml",
        "ptb-xl: {protocols: [paper], models: [resnet10t], seeds: [0]",
        "ptb-xl: {protocols: [paper], models: [resnet10t, resnet10t+more], seeds: [0]",
    )
    workflow.append("tiny.yaml", "recipes: {more: {windows: 2}}\n")
    folder = "results/tiny/ptb-xl/paper/resnet10t+more/seed-0"
    plan = workflow.plan(f"{folder}/predictions.parquet")
    shards = plan.pop("window")
    assert shards >= 1
    assert plan == {"prepare": 1, "train": 1, "predict": 1}
    workflow.run(f"{folder}/predictions.parquet")
    plain = json.loads((workflow.folder / "results/tiny/ptb-xl/paper/resnet10t/seed-0/run.json").read_text())
    run = json.loads((workflow.folder / folder / "run.json").read_text())
    assert run["images"] == [
        *plain["images"],
        *(name.replace("/images/", "/windows/2-of-2/") for name in plain["images"]),
    ]
    assert workflow.plan(f"{folder}/predictions.parquet") == {}
