"""A cluster for all tests of a session, and the tiny workflow in a copy of the project."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cluster.slurm import Cluster, missing
from tests.workflow.conftest import ENVIRONMENT, copy_project

RUN = Path("results/tiny/simulated/paper/resnet10t/seed-0")
# One CPU a job, since the machine has few; the rest of the profile as it stands.
OPTIONS = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"]
MEMORY = {"train": 2500, "train_trial": 2500, "predict": 2000, "explain": 2000}


def fit_profile(folder: Path, **train) -> None:
    """The project's own profile with what a small machine has; other resources of the training if given.

    On the command line they would take the place of all that the profile sets.
    """
    file = folder / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["set-threads"] = dict.fromkeys(profile["set-threads"], 1)
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


@dataclass(frozen=True)
class Project:
    """A copy of the project with the tiny configuration."""

    folder: Path

    def command(self, *arguments: str, local: bool = False) -> list[str]:
        # another number of threads gives other weights (docs/training.md)
        how = ["--cores", "2", "--set-threads", "train=1", "predict=1", "explain=1"] if local else OPTIONS
        target, *more = arguments  # before the options, which would take it for one more of their values
        return [sys.executable, "-m", "snakemake", target, *how, *more, "--configfile", "tiny.yaml"]

    def start(self, *arguments: str) -> subprocess.Popen:
        with open(self.folder / "log.txt", "w") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=ENVIRONMENT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen, success: bool = True, seconds: float = 600) -> str:
        """Wait for a run on the cluster; its output."""
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = None
        output = (self.folder / "log.txt").read_text()
        if status is None or (status == 0) != success:
            pytest.fail(f"snakemake ended with {status}:\n{output[-6000:]}")
        return output

    def run(self, *arguments: str, success: bool = True) -> str:
        return self.finish(self.start(*arguments), success)

    def run_local(self, *arguments: str) -> None:
        command = self.command(*arguments, local=True)
        done = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-6000:]

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new, 1))

    def epochs_done(self) -> int:
        """Epochs in the history of the training that runs."""
        for history in (self.folder / RUN).glob("**/*history*.csv"):
            return max(0, len(history.read_text().splitlines()) - 1)
        return 0

    def bytes_of(self, name: str) -> bytes:
        return (self.folder / RUN / name).read_bytes()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Project:
    """The tiny workflow, run to its end by the local executor; its training is long enough to be disturbed."""
    project = Project(copy_project(tmp_path_factory.mktemp("local") / "project"))
    project.edit("tiny.yaml", "epochs: 1,", "epochs: 25, patience: 25,")
    fit_profile(project.folder)
    project.run_local("all")
    return project


@pytest.fixture
def prepared(undisturbed, tmp_path) -> Project:
    """A copy with everything up to the prepared run; nothing trained."""
    folder = tmp_path / "project"
    shutil.copytree(undisturbed.folder, folder, copy_function=shutil.copy2, symlinks=True)
    for file in (folder / RUN).iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.name not in ("run.json", "items.npz"):
            file.unlink()
    return Project(folder)
