"""A cluster for all tests of a session, and the tiny workflow in a copy of the project: here, and on the cluster."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ecgpipe.doctor.profile import read_rule_resources
from tests.cluster.slurm import Cluster, missing
from tests.workflow.conftest import ENVIRONMENT, copy_project

# What happens to the run of each seed while it runs.
REQUEUED, CANCELLED, TIMED_OUT, OUT_OF_MEMORY = SEEDS = range(4)
RESULTS = Path("results/tiny/simulated")
MODEL = "test_convnext"  # learns from 42 images, so that its best epoch is not the first, before any disturbance
PRETENDED_GPUS = ("GPU-0-of-a-workstation", "GPU-1-of-a-workstation")
# One CPU per job, since the machine has few; the rest of the profile is unchanged.
OPTIONS = ["--workflow-profile", "profiles/slurm"]
SNAKEMAKE = Path(__file__).parent / "impatient.py"
MEMORY = {"train": 2500, "predict": 2000}
ENOUGH_FOR_THE_WRAPPERS = 550  # MB for the two Snakemake processes around each job's script; PyTorch needs more


def run_of(seed: int) -> Path:
    return RESULTS / f"paper/{MODEL}/seed-{seed}"


def fit_profile(folder: Path, **train) -> None:
    """Change the project's profile for a small machine, with other resources of the training if given.

    On the command line they would replace everything that the profile sets.
    """
    file = folder / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["set-threads"] = dict.fromkeys(read_rule_resources(folder / "profiles/slurm"), 1)
    for rule, mem_mb in MEMORY.items():
        profile["set-resources"][rule] = {**profile["set-resources"][rule], "mem_mb": mem_mb, "runtime": 10}
    profile["set-resources"]["train"].update(train)
    file.write_text(yaml.safe_dump(profile))


@pytest.fixture(scope="session")
def cluster():
    if reason := missing():
        pytest.skip(f"no Slurm here: {reason}")
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ecgpipe-slurm-")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@dataclass
class Project:
    """A copy of the project with the tiny configuration: four seeds, runs long enough to be disturbed."""

    folder: Path
    config: str = "tiny.yaml"

    @classmethod
    def new(cls, folder: Path) -> "Project":
        project = cls(copy_project(folder))
        project.edit("tiny.yaml", "epochs: 1,", "epochs: 30, patience: 30,")
        project.edit(
            "tiny.yaml", "learning_rate: 1.0e-3", "learning_rate: 1.0e-4"
        )  # slowly, so that it keeps improving
        project.edit("tiny.yaml", "models: [resnet10t], seeds: [0]", f"models: [{MODEL}], seeds: {list(SEEDS)}")
        return project

    def start(self, *arguments: str, how: list[str] = OPTIONS, **environment: str) -> subprocess.Popen:
        # targets first: options would take them as values
        command = [sys.executable, str(SNAKEMAKE), *arguments, *how, "--configfile", self.config]
        with open(self.folder / "log.txt", "w") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=ENVIRONMENT | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen, success: bool = True, seconds: float = 1800) -> str:
        """Wait for a run, and return its output."""
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill(process)
            status = None
        output = (self.folder / "log.txt").read_text()
        if status is None or (status == 0) != success:
            pytest.fail(f"snakemake ended with {status}:\n{output[-6000:]}")
        return output

    def run(self, *arguments: str, success: bool = True) -> str:
        return self.finish(self.start(*arguments), success)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new, 1))

    def epochs_done(self, seed: int) -> int:
        """Epochs in the history of a running training."""
        history = self.folder / run_of(seed) / "history.csv"
        return max(0, len(history.read_text().splitlines()) - 1) if history.is_file() else 0

    def file(self, seed: int, name: str) -> Path:
        return self.folder / run_of(seed) / name


def kill(process: subprocess.Popen) -> None:
    """Kill a process with its children on this machine; jobs on the cluster go on."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def every_score() -> list[str]:
    return [str(run_of(seed) / "metrics.json") for seed in SEEDS]


@pytest.fixture(scope="session")
def on_this_machine(cluster, tmp_path_factory):
    """The tiny workflow by the local executor, started: it goes on while others wait for the cluster.

    Where no cluster can be had there is nothing to compare it with.
    """
    project = Project.new(tmp_path_factory.mktemp("local") / "project")
    # the weights depend on the number of threads (docs/training.md)
    process = project.start(
        *every_score(),
        how=["--cores", "2", "--set-threads", "train=1", "predict=1", "--resources", "gpu=2"],
        CUDA_VISIBLE_DEVICES=",".join(PRETENDED_GPUS),
        ECGPIPE_GPU_LOCKS=str(project.folder.parent / "locks"),
    )
    yield project, process
    kill(process)


@pytest.fixture(scope="session")
def undisturbed(on_this_machine) -> Project:
    """The same, finished."""
    project, process = on_this_machine
    project.finish(process)
    return project


@dataclass
class Disturbed:
    """The whole workflow on the cluster, from nothing, each of its runs disturbed once.

    Attributes:
        numbers: seed -> Slurm's number of the training's first job.
        asked: what Slurm said about the first of them.
        output: Snakemake's.
    """

    project: Project
    numbers: dict[int, str] = field(default_factory=dict)
    asked: str = ""
    output: str = ""


@pytest.fixture(scope="session")
def disturbed(cluster, on_this_machine, tmp_path_factory) -> Disturbed:
    found = Disturbed(Project.new(tmp_path_factory.mktemp("slurm") / "project"))
    little = f"{ENOUGH_FOR_THE_WRAPPERS} if wildcards.seed == '{OUT_OF_MEMORY}' and attempt == 1 else {MEMORY['train']}"
    fit_profile(found.project.folder, mem_mb=little)
    process = found.project.start(*every_score())
    todo = {REQUEUED: requeue, CANCELLED: cancel, TIMED_OUT: time_out}
    try:
        while process.poll() is None:
            for seed in SEEDS:
                jobs = cluster.jobs(f"train_wildcards_simulated_paper_{MODEL}_{seed}")
                if jobs:
                    found.numbers.setdefault(seed, min(jobs, key=int))
                if jobs and seed in todo and found.project.epochs_done(seed) >= 3:
                    number = found.numbers[seed]
                    found.asked = found.asked or cluster.call("scontrol", "show", "job", number)
                    todo.pop(seed)(cluster, number)
            time.sleep(0.2)
    finally:
        kill(process)
    found.output = found.project.finish(process)
    return found


def requeue(cluster: Cluster, number: str) -> None:
    cluster.call("scontrol", "requeue", number)


def cancel(cluster: Cluster, number: str) -> None:
    cluster.call("scancel", number)


def time_out(cluster: Cluster, number: str) -> None:
    """Stop the training until its minute is over, since Slurm counts in minutes."""
    cluster.call("scontrol", "update", f"JobId={number}", "TimeLimit=1")
    cluster.call("scancel", "--signal=STOP", number)


@pytest.fixture
def scored(cluster, undisturbed, tmp_path):
    """A copy of the finished local run, to continue on the cluster; with the same modification times."""
    folder = tmp_path / "project"
    shutil.copytree(undisturbed.folder, folder, copy_function=shutil.copy2, symlinks=True)
    fit_profile(folder)
    yield Project(folder)
    cluster.call("scancel", "--user=root", check=False)
    cluster.wait_for(lambda: not cluster.jobs(), 60)


@pytest.fixture
def prepared(scored) -> Project:
    """The same with the first seed's run prepared but not trained."""
    for file in (scored.folder / run_of(0)).iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.name not in ("run.json", "run_index.npz"):
            file.unlink()
    return scored
