"""Unfinished Slurm jobs, with an squeue that prints recorded output."""

import os

import pytest

from ecgpipe.environment import refuse_second_submission, unfinished_jobs
from ecgpipe.errors import EcgpipeError


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """A program of that name that prints a listing; test_slurm.py uses the real one."""

    def say(listing: str) -> None:
        program = tmp_path / "bin" / "squeue"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return say


def test_only_jobs_of_this_folder_stop_the_start(squeue, tmp_path):
    squeue(f"7|RUNNING|rule_train_wildcards_x|{tmp_path}\n8|RUNNING|rule_train|/other\n9|RUNNING|(null)|{tmp_path}\n")
    assert unfinished_jobs(tmp_path) == [("7", "RUNNING", "rule_train_wildcards_x")]
    with pytest.raises(EcgpipeError, match="scancel 7"):
        refuse_second_submission(tmp_path)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SUSPENDED", "STOPPED", "COMPLETING", "REQUEUE_HOLD"])
def test_a_job_that_may_still_write_stops_the_start(squeue, tmp_path, state):
    over = "".join(f"{number}|{each}|rule_train|{tmp_path}\n" for number, each in enumerate(("COMPLETED", "TIMEOUT")))
    squeue(f"{over}7|{state}|rule_train|{tmp_path}\n")
    assert unfinished_jobs(tmp_path) == [("7", state, "rule_train")]


def test_nothing_stops_the_start_inside_of_a_job(squeue, tmp_path, monkeypatch):
    squeue(f"7|RUNNING|rule_train|{tmp_path}\n")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    refuse_second_submission(tmp_path)


def test_nothing_stops_the_start_without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    refuse_second_submission(tmp_path)
