"""Only what changed runs again: one change at a time, and the jobs that Snakemake plans.

The finished workflow has three shards (00000, 00040, and 00080 with one record) and one run.
"""

import json
import os
import shutil
import time

import pytest

from ecgpipe.render.layout import kit_layout
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]

OWN_LAYOUT = kit_layout().model_dump(mode="json")
COMPARING = {"compare_models": 1, "compare_protocols": 1, "claims": 1}
SCORING = COMPARING | {"evaluate": 1, "card": 1}
EXPLAINED = {"explain": 1, "measure_saliency": 1}
TRAINING = SCORING | EXPLAINED | {"train": 1, "predict": 1, "report": 1, "all": 1}
FROM_IMAGES = {"split": 1, "audit_leaks": 1, "prepare": 1} | TRAINING


def test_nothing_changed(workflow):
    assert workflow.plan() == {}


def test_touched_or_commented_code_changes_nothing(workflow):
    workflow.replace("src/ecgpipe/train/recipe.py", "import numpy as np", "import numpy as np  # arrays")
    os.utime(workflow.folder / "scripts" / "train.py")
    assert workflow.plan() == {}


def test_a_training_key(workflow):
    workflow.replace("tiny.yaml", "learning_rate: 1.0e-3", "learning_rate: 2.0e-3")
    assert workflow.plan() == {"prepare": 1} | TRAINING


def test_a_preprocessing_key(workflow):
    workflow.append("tiny.yaml", "preprocess: {coverage: 0.3}\n")
    assert workflow.plan() == {"preprocess": 3} | FROM_IMAGES


def test_a_rendering_key(workflow):
    workflow.append("tiny.yaml", "render: {gain: 5}\n")
    assert workflow.plan() == {"render": 3, "preprocess": 3} | FROM_IMAGES


def test_an_evaluation_key(workflow):
    workflow.replace("tiny.yaml", "resamples: 100", "resamples: 200")
    assert workflow.plan() == SCORING | {"measure_saliency": 1, "report": 1, "all": 1}


def test_a_key_of_comparisons_alone(workflow):
    workflow.replace("tiny.yaml", "resamples: 100", "resamples: 100, reference: resnet10t")
    assert workflow.plan() == {"compare_models": 1, "claims": 1, "report": 1, "all": 1}


def test_the_list_of_claims(workflow):
    workflow.replace("src/ecgpipe/paper/claims.yaml", "[0.7779, 0.9334", "[0.7778, 0.9334")
    assert workflow.plan() == {"claims": 1, "report": 1, "all": 1}


def test_a_saliency_key_that_only_measuring_needs(workflow):
    workflow.replace("tiny.yaml", "curve_steps: 2", "curve_steps: 3")
    assert workflow.plan() == {"measure_saliency": 1, "report": 1, "all": 1}


def test_a_saliency_key(workflow):
    workflow.replace("tiny.yaml", "measured_per_class: 2", "measured_per_class: 3")
    assert workflow.plan() == EXPLAINED | {"report": 1, "all": 1}


def test_a_label_policy(workflow):
    workflow.replace("tiny.yaml", "policy: primary", "policy: multilabel")
    assert workflow.plan() == {"labels": 1} | FROM_IMAGES


def test_a_template_of_the_report(workflow):
    workflow.replace("src/ecgpipe/report/templates/data.html.j2", '<h2 id="data">Data', '<h2 id="data">Records')
    assert workflow.plan() == {"report": 1, "all": 1}


def test_code_of_the_loss(workflow):
    workflow.replace("src/ecgpipe/train/recipe.py", "** gamma * negative_log", "** gamma * 2 * negative_log")
    assert workflow.plan() == TRAINING


def test_code_of_the_renderer(workflow):
    workflow.append("src/ecgpipe/render/shard.py", "\nUNUSED = 1\n")
    assert workflow.plan() == {"render": 3, "preprocess": 3} | FROM_IMAGES


def test_a_signal_of_one_shard(workflow):
    signal = workflow.folder / "raw/records100/00000/00050_lr.dat"
    signal.write_bytes(signal.read_bytes())
    os.utime(signal, (time.time() + 5, time.time() + 5))
    audit = {"audit_sketch": 1, "audit_join": 1}
    assert workflow.plan() == {"render": 1, "preprocess": 1} | audit | FROM_IMAGES


def test_strict_runs_nothing_again_if_nothing_is_wrong(workflow):
    strict = Workflow(workflow.folder, workflow.configs, (*workflow.overrides, "strict=true"))
    assert strict.plan() == {"strict": 1, "all": 1}


def test_the_content_of_a_layout_file(finished, tmp_path):
    """Pages drawn with a layout file, then planned with another content of the same file."""
    pages = Workflow(copy_project(tmp_path / "project"), (tmp_path / "project" / "tiny.yaml",), finished.overrides)
    shutil.copytree(finished.folder / "raw", pages.folder / "raw", copy_function=shutil.copy2)
    layout = pages.folder / "own.json"
    layout.write_text(json.dumps(OWN_LAYOUT))
    pages.append("tiny.yaml", "render: {layout: own.json}\n")
    pages.run("pages")
    assert pages.plan("pages") == {}
    layout.write_text(json.dumps(OWN_LAYOUT | {"width": OWN_LAYOUT["width"] + 10.0}))
    assert pages.plan("pages") == {"render": 3, "pages": 1}


def test_a_new_seed_trains_only_itself(workflow):
    workflow.replace(
        "tiny.yaml",
        "ptb-xl: {protocols: [paper], models: [resnet10t], seeds: [0]}",
        "ptb-xl: {protocols: [paper], models: [resnet10t], seeds: [0, 1]}",
    )
    expected = {
        "split": 1,
        "audit_leaks": 1,
        "prepare": 1,
        "train": 1,
        "predict": 1,
        "explain": 1,  # of the first seed's records
        "measure_saliency": 1,  # of the first seed: whether seeds agree
        "report": 1,
        "all": 1,
    } | SCORING
    assert workflow.plan() == expected


def test_single_targets_and_until(workflow):
    assert workflow.plan("results/tiny/ptb-xl/paper/resnet10t/seed-7/run.json") == {"split": 1, "prepare": 1}
    (workflow.folder / "results/tiny/ptb-xl/images/00040.npy").unlink()
    assert workflow.plan("images") == {"preprocess": 1, "images": 1}
    workflow.append("tiny.yaml", "preprocess: {coverage: 0.3}\n")
    assert workflow.plan("all", "--until", "split") == {"preprocess": 3, "split": 1}
