"""Workflows in a copy of the project, so that tests can change its code."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PARTS = ("Snakefile", "config.yaml", "config", "rules", "scripts", "envs", "profiles", "report", "src")
# One thread a process: several runs share the machine during the tests.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
ENVIRONMENT.pop("PYTHONPATH", None)


@dataclass(frozen=True)
class Workflow:
    """A copy of the project with a configuration."""

    folder: Path
    configs: tuple[Path, ...]
    overrides: tuple[str, ...] = ()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "2",
            *arguments,
            "--configfile",
            *map(str, self.configs),
        ]
        if self.overrides:
            command += ["--config", *self.overrides]
        done = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
        if check and done.returncode:
            pytest.fail(f"snakemake {' '.join(arguments)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    def plan(self, *arguments: str) -> Counter:
        """Rule -> number of jobs that Snakemake would run."""
        done = self.run("-n", *(arguments or ("all",)))
        table = re.search(r"^job\s+count\n-+\s+-+\n(.*?)^total", done.stdout + done.stderr, re.M | re.S)
        if table is None:
            assert "Nothing to be done" in done.stdout + done.stderr
            return Counter()
        return Counter({name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table[1], re.M)})

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        assert old in path.read_text(), f"{file} no longer contains {old!r}"
        path.write_text(path.read_text().replace(old, new, 1))

    def append(self, file: str, text: str) -> None:
        path = self.folder / file
        path.write_text(path.read_text() + text)


def copy_project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    shutil.copy2(PROJECT / "tests" / "workflow" / "tiny.yaml", folder / "tiny.yaml")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """The tiny workflow on simulated records, in PTB-XL's place, run once for all processes of pytest-xdist.

    Tests must not change its folder.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    shared.mkdir(exist_ok=True)
    folder = shared / "project"
    workflow = Workflow(folder, (folder / "tiny.yaml",), ("ptb_xl={source: raw, shard_size: 40}", "datasets=[ptb-xl]"))
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            copy_project(folder)
            simulate = [sys.executable, "-m", "ecgpipe", "simulate", "raw", "--records", "80", "--seed", "3"]
            environment = {**ENVIRONMENT, "PYTHONPATH": str(folder / "src")}
            subprocess.run(simulate, cwd=folder, env=environment, check=True)
            workflow.run("all")
            (shared / "done").touch()
    return workflow


@pytest.fixture
def workflow(finished, tmp_path) -> Workflow:
    """A finished workflow that a test may change: a copy with the same modification times."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, copy_function=shutil.copy2, symlinks=True)
    return Workflow(folder, (folder / "tiny.yaml",), finished.overrides)
