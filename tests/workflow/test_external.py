"""External validation in the workflow: a model of PTB-XL on simulated records, and what runs again."""

import json

import pytest

from ecgpipe.artifacts.predictions import ExternalLogits
from tests.workflow.conftest import Workflow

pytestmark = [pytest.mark.workflow, pytest.mark.long]

ENTRY = "  external: [{from: ptb-xl, to: simulated, classes: {NORM: NORM, MI: [MI]}}]\n"
RESULT = "results/tiny/simulated/external/paper/ptb-xl/paper.json"


def test_what_runs_and_what_runs_again(workflow):
    workflow.append("tiny.yaml", ENTRY)
    both = Workflow(
        workflow.folder, workflow.configs, ("ptb_xl={source: raw, shard_size: 40}", "datasets=[ptb-xl, simulated]")
    )
    both.replace("tiny.yaml", "records: 60", "records: 30")
    plan = both.plan("external")
    for rule in ("external_classes", "predict_external", "evaluate_external", "train"):  # trains on simulated records
        assert plan[rule] == 1, rule
    both.run("external")
    assert both.plan("external") == {}

    result = json.loads((both.folder / RESULT).read_text())
    assert [one["name"] for one in result["classes"]] == ["NORM", "MI"]
    assert result["models"][0]["model"] == "resnet10t" and result["models"][0]["internal_seeds"] == [0]
    folder = both.folder / "results/tiny/ptb-xl/paper/resnet10t/seed-0/external/simulated"
    logits = ExternalLogits.read(folder / "paper.parquet")
    assert set(logits.roles) == {"validation"} and len(logits.record_ids) == result["records"]
    assert logits.classes == ("NORM", "MI", "STTC", "CD", "HYP")

    both.replace("tiny.yaml", "MI: [MI]", "STTC: [STTC]")
    assert both.plan("external") == {"external_classes": 1, "evaluate_external": 1, "external": 1}
    both.replace("tiny.yaml", "STTC: [STTC]", "MI: [MI]")
    both.replace("tiny.yaml", "resamples: 100", "resamples: 200")
    assert both.plan("external") == {"evaluate_external": 1, "external": 1}
    both.replace("tiny.yaml", "resamples: 200", "resamples: 100")
    both.replace("tiny.yaml", "MI: [MI]", "MI: [infarction]")
    done = both.run("external", check=False)
    assert done.returncode and "benchmark.external.0.classes: simulated has no class infarction" in done.stderr
