"""The workflow on a real Slurm makes the same files as without, also with disturbed jobs."""

import csv
import json
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from ecgpipe.doctor.profile import DEFAULT
from tests.cluster.conftest import (
    CANCELLED,
    MODEL,
    OUT_OF_MEMORY,
    PRETENDED_GPUS,
    REQUEUED,
    RESULTS,
    SEEDS,
    TIMED_OUT,
    Project,
    fit_profile,
    kill,
    run_of,
)
from tests.conftest import PROJECT
from tests.workflow.conftest import copy_project

pytestmark = pytest.mark.cluster
TIMES = ("seconds", "processor_seconds", "images_per_second")  # columns of the history that differ between runs


def scores_by_epoch(project: Project, seed: int) -> list[dict[str, str]]:
    with open(project.file(seed, "history.csv"), newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def assert_same_results(project: Project, undisturbed: Project, seed: int) -> None:
    for name in ("weights.safetensors", "predictions.parquet", "metrics.json"):
        assert project.file(seed, name).read_bytes() == undisturbed.file(seed, name).read_bytes(), name
    assert scores_by_epoch(project, seed) == scores_by_epoch(undisturbed, seed)
    assert not list(project.folder.glob("results/**/*.partial*"))


def attempts_to_train(output: str, seed: int) -> list[str]:
    """Slurm's numbers of the jobs that Snakemake submitted for a run."""
    return re.findall(rf"has been submitted with SLURM jobid (\d+) \(log: \S+/rule_train/\S+_{seed}/\d+\.log\)", output)


def test_the_doctor_reports_what_does_not_fit_this_cluster(cluster):
    command = [sys.executable, "-m", "ecgpipe", "doctor", "--json", "--profile", PROJECT / "profiles/slurm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["slurm"]
    assert {
        "train: mem_mb 16000; the largest node of gpu has 12000",
        "train: 8 CPUs; the largest node of gpu has 4",
        "train: runtime 1440 minutes; gpu allows 60",
    } <= set(found["faults"])
    assert not any(fault.startswith((DEFAULT, "predict", "slurm-status-command")) for fault in found["faults"])


@pytest.mark.parametrize("pattern", ["images/*", "records*", "labels*", "splits/*/*", "paper/*/*/run_index.npz"])
def test_the_cluster_makes_the_same_data_as_this_machine(disturbed, undisturbed, pattern):
    ours, theirs = (
        {
            file.relative_to(each.folder): file.read_bytes()
            for file in (each.folder / RESULTS).glob(pattern)
            if file.is_file()  # not the folders of checksums
        }
        for each in (disturbed.project, undisturbed)
    )
    assert len(theirs) >= 2
    assert ours == theirs


def test_the_undisturbed_trainings_keep_improving(undisturbed):
    """Otherwise their weights would exist before any disturbance."""
    best = [json.loads(undisturbed.file(seed, "train.json").read_text())["best_epoch"] for seed in SEEDS]
    assert sum(epoch > 5 for epoch in best) >= 3, best


def test_a_training_is_one_task_on_one_gpu(disturbed):
    asked = disturbed.asked
    assert "Partition=gpu" in asked
    assert re.search(r"TresPerJob=gres:gpu:1$", asked, re.M), asked
    assert "NumTasks=1 " in asked


def test_a_requeued_training_ends_as_if_undisturbed(disturbed, undisturbed):
    assert attempts_to_train(disturbed.output, REQUEUED) == [disturbed.numbers[REQUEUED]]  # only Slurm queued it again
    assert json.loads(disturbed.project.file(REQUEUED, "train.json").read_text())["resumed"]
    assert_same_results(disturbed.project, undisturbed, REQUEUED)


@pytest.mark.parametrize("seed, state", [(CANCELLED, "CANCELLED"), (TIMED_OUT, "TIMEOUT")])
def test_a_stopped_training_is_reported_and_continues(disturbed, undisturbed, seed, state):
    number = disturbed.numbers[seed]
    assert f"SLURM-job '{number}' failed, SLURM status is: '{state}'" in disturbed.output
    assert len(attempts_to_train(disturbed.output, seed)) == 2
    assert json.loads(disturbed.project.file(seed, "train.json").read_text())["resumed"]
    assert_same_results(disturbed.project, undisturbed, seed)


def test_more_memory_after_an_out_of_memory_kill(disturbed, undisturbed):
    number = disturbed.numbers[OUT_OF_MEMORY]
    assert re.search(rf"SLURM-job '{number}' failed, SLURM status is: '(OUT_OF_MEMORY|FAILED)'", disturbed.output)
    log = disturbed.project.folder / f".snakemake/slurm_logs/rule_train/simulated_paper_{MODEL}_3/{number}.log"
    assert re.search("exceeded.*memory limit", log.read_text())
    assert len(attempts_to_train(disturbed.output, OUT_OF_MEMORY)) == 2
    assert_same_results(disturbed.project, undisturbed, OUT_OF_MEMORY)


def test_a_failing_job_is_reported_and_only_what_is_missing_runs_again(cluster, undisturbed, scored):
    target = str(run_of(0) / "metrics.json")
    for name in ("predictions.parquet", "metrics.json"):
        scored.file(0, name).unlink()
    sound, broken = "    model = model.to(device)\n", '    raise RuntimeError("broken on purpose")\n'
    scored.edit("src/ecgpipe/train/predict.py", sound, broken)
    output = scored.run(target, "--retries", "0", success=False)
    assert "broken on purpose" in output
    assert "Error in rule predict" in output
    scored.edit("src/ecgpipe/train/predict.py", broken, sound)
    output = scored.run(target)
    assert "Predicting" in output and "Training" not in output
    assert_same_results(scored, undisturbed, 0)


def test_the_demo_runs_on_the_cluster_to_its_report(cluster, tmp_path):
    """Like `make demo`, with fewer jobs: each run is a GPU job, the rest is on the main partition."""
    project = Project(copy_project(tmp_path / "project"), "config/demo.yaml")
    project.edit("config/demo.yaml", "records: 480", "records: 160")
    project.edit("config/demo.yaml", "epochs: 14", "epochs: 2")
    project.edit("config/demo.yaml", "variants: [small_resnet, swin_lgf_fpn]", "variants: [small_resnet]")
    project.edit("config/demo.yaml", "evaluate:", "baselines: {enabled: [majority]}\nevaluate:")
    fit_profile(project.folder)
    process = project.start("all")
    seen: dict[str, set[str]] = {}
    try:
        while process.poll() is None:
            for line in cluster.call("squeue", "--noheader", "--format=%P|%k").splitlines():
                partition, _, comment = line.partition("|")
                seen.setdefault(partition, set()).update(re.findall(r"rule_([a-z_]+?)(?:_wildcards|$)", comment))
            time.sleep(1)
    finally:
        kill(process)
    project.finish(process)
    assert seen["gpu"] == {"train"}
    assert {"predict", "render", "preprocess"} <= seen["main"]
    results = project.folder / "results/demo"
    page = (results / "report/index.html").read_text()
    for model in ("small_resnet", "swin_lgf_fpn"):
        (metrics,) = results.glob(f"simulated/patient/{model}/seed-0/metrics.json")
        assert json.loads(metrics.read_text())["records"] > 0
        assert model in page
    assert not list(results.rglob("*.partial*"))


def test_a_killed_snakemake_submits_nothing_twice(cluster, undisturbed, prepared):
    target = str(run_of(0) / "metrics.json")
    process = prepared.start(target)
    cluster.wait_for(lambda: prepared.epochs_done(0), 900)
    (number,) = cluster.jobs("train")
    kill(process)
    cluster.call("scancel", "--signal=STOP", number)  # starting Snakemake three times takes longer than the job
    assert "--unlock" in prepared.run(target, success=False)
    prepared.run("--unlock")
    assert f"scancel {number}" in prepared.run(target, success=False)
    assert list(cluster.jobs()) == [number]
    cluster.call("scancel", "--signal=CONT", number)
    cluster.wait_for(lambda: not cluster.jobs(), 900)
    output = prepared.run(target)
    assert "Predicting" in output and "Training" not in output  # the files of the job are used
    assert_same_results(prepared, undisturbed, 0)


def test_each_local_training_has_its_own_gpu(undisturbed):
    """Two simulated GPUs, four runs, `--resources gpu=2`."""
    spans = {gpu: [] for gpu in PRETENDED_GPUS}
    for seed in SEEDS:
        log = undisturbed.folder / f"results/tiny/logs/train/simulated/paper/{MODEL}/seed-{seed}.log"
        lines = [line for line in log.read_text().splitlines() if line[:2] == "20"]
        (gpu,) = (line.rpartition(" ")[2] for line in lines if "GPUs of this process: " in line)
        spans[gpu].append((lines[0][:23], lines[-1][:23]))
    for each in map(sorted, spans.values()):
        assert each and all(end <= start for (_, end), (start, _) in pairwise(each)), spans
