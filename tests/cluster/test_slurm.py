"""The workflow on a real Slurm: the same files as without, whatever happens to the jobs."""

import json
import os
import signal

import pytest

from tests.cluster.conftest import RUN, Project, fit_profile
from tests.workflow.conftest import copy_project

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def no_jobs_left(cluster):
    yield
    cluster.call("scancel", "--user=root", check=False)
    cluster.wait_for(lambda: not cluster.jobs(), 60)


def assert_same_results(project: Project, undisturbed: Project) -> None:
    for name in ("weights.safetensors", "predictions.parquet", "metrics.json"):
        assert project.bytes_of(name) == undisturbed.bytes_of(name), name
    assert not list(project.folder.glob("results/**/*.partial*"))


def training(cluster, project: Project, epochs: int = 3) -> str:
    """Slurm's number of the training, once it has done some epochs."""
    cluster.wait_for(lambda: project.epochs_done() >= epochs and cluster.jobs("train"), 240)
    return next(iter(cluster.jobs("train")))


def test_the_cluster_makes_the_same_files_as_this_machine(cluster, undisturbed, tmp_path):
    project = Project(copy_project(tmp_path / "project"))
    project.edit("tiny.yaml", "epochs: 1,", "epochs: 25, patience: 25,")
    fit_profile(project.folder)
    process = project.start("all")
    number = training(cluster, project, epochs=1)
    asked = cluster.call("scontrol", "show", "job", number)
    assert "Partition=gpu" in asked
    assert "gres/gpu=1" in asked or "gpu:1" in asked
    assert "NumTasks=1 " in asked
    output = project.finish(process)
    assert output.count("has been submitted with SLURM jobid") >= 8
    assert_same_results(project, undisturbed)
    for file in ("images/00000.npy", "pages/00040.parquet", "records.parquet", "labels.parquet"):
        ours, theirs = (side.folder / "results/tiny/simulated" / file for side in (project, undisturbed))
        assert ours.read_bytes() == theirs.read_bytes(), file
    assert len((project.folder / RUN / "history.csv").read_text().splitlines()) == 26  # the script ran once


def test_a_failing_job_is_reported_and_only_what_is_missing_runs_again(cluster, undisturbed, prepared):
    module = "src/ecgpipe/evaluate/run.py"
    sound = (prepared.folder / module).read_text()
    (prepared.folder / module).write_text(sound.replace('"""', 'raise RuntimeError("broken on purpose")\n"""', 1))
    output = prepared.run(f"{RUN}/metrics.json", success=False)
    assert "broken on purpose" in output
    (prepared.folder / module).write_text(sound)
    output = prepared.run(f"{RUN}/metrics.json")
    assert "rule_train" not in output
    assert_same_results(prepared, undisturbed)


def test_a_cancelled_training_goes_on_where_it_was(cluster, undisturbed, prepared):
    process = prepared.start(f"{RUN}/metrics.json", "--retries", "0")
    cluster.call("scancel", training(cluster, prepared))
    output = prepared.finish(process, success=False)
    assert "CANCELLED" in output
    prepared.run(f"{RUN}/metrics.json")
    assert json.loads(prepared.bytes_of("train.json"))["resumed"]
    assert_same_results(prepared, undisturbed)


def test_a_requeued_training_ends_as_if_undisturbed(cluster, undisturbed, prepared):
    process = prepared.start(f"{RUN}/metrics.json")
    cluster.call("scontrol", "requeue", training(cluster, prepared))
    prepared.finish(process)
    assert json.loads(prepared.bytes_of("train.json"))["resumed"]
    assert_same_results(prepared, undisturbed)


def test_more_memory_after_an_out_of_memory_kill(cluster, undisturbed, prepared):
    process = prepared.start(
        f"{RUN}/metrics.json", "--set-resources", "train:mem_mb=attempt**3*400", "train:runtime=10"
    )
    output = prepared.finish(process)
    assert "Trying to restart job" in output
    assert_same_results(prepared, undisturbed)


def test_more_time_after_a_time_out(cluster, undisturbed, prepared):
    """Slurm counts in minutes: the training stands still, as on a slow node, until its minute is over."""
    fit_profile(prepared.folder, runtime="attempt ** 3")
    process = prepared.start(f"{RUN}/metrics.json")
    number = training(cluster, prepared)
    cluster.call("scancel", "--signal=STOP", number)
    output = prepared.finish(process)
    assert "TIMEOUT" in output
    assert json.loads(prepared.bytes_of("train.json"))["resumed"]
    assert_same_results(prepared, undisturbed)


def test_a_killed_snakemake_submits_nothing_twice(cluster, undisturbed, prepared):
    process = prepared.start(f"{RUN}/metrics.json")
    number = training(cluster, prepared)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    output = prepared.run(f"{RUN}/metrics.json", success=False)
    assert "--unlock" in output
    prepared.run("--unlock")
    output = prepared.run(f"{RUN}/metrics.json", success=False)
    assert f"scancel {number}" in output
    assert list(cluster.jobs()) == [number]
    cluster.wait_for(lambda: not cluster.jobs(), 240)
    prepared.run(f"{RUN}/metrics.json")
    assert_same_results(prepared, undisturbed)
