"""The environment of a workflow: variables of its processes, installed libraries, and earlier jobs in Slurm's queue."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from ecgpipe.errors import EcgpipeError

JOB_COMMENTS = ("rule_", "group_")  # prefixes of the comments that Snakemake's Slurm executor gives its jobs
FINISHED_STATES = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
)  # fmt: skip
"""Slurm lists finished jobs for a while. A job in any other state (suspended, requeued, ...) may still write files."""


def export_source(folder: Path | str) -> None:
    """Let child processes import the library from a folder, installed or not.

    Also lets OpenMP threads sleep instead of spin while they wait: two runs that share two cores then run at more
    than half the speed of one alone, instead of a quarter.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Name -> version of the packages that are installed."""
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def unfinished_jobs(folder: Path | str) -> list[tuple[str, str, str]]:
    """Unfinished Slurm jobs of this user that Snakemake submitted from a folder.

    Returns:
        (number, state, rule and wildcards) of each. Empty without Slurm, inside a job, and if Slurm does not answer
        within 30 s.
    """
    if shutil.which("squeue") is None or "SLURM_JOB_ID" in os.environ:
        return []
    command = ["squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%k|%Z"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return []
    jobs = []
    for line in listing.stdout.splitlines():
        number, state, comment, work_folder = line.split("|", 3)
        unfinished = comment.startswith(JOB_COMMENTS) and state not in FINISHED_STATES
        if unfinished and Path(work_folder).resolve() == Path(folder).resolve():
            jobs.append((number, state, comment))
    return jobs


def refuse_second_submission(folder: Path | str) -> None:
    """Raise EcgpipeError if jobs that a killed Snakemake submitted from this folder still wait or run."""
    jobs = unfinished_jobs(folder)
    if jobs:
        listed = "\n".join(f"  {number} {state} {comment}" for number, state, comment in jobs)
        numbers = " ".join(number for number, _, _ in jobs)
        raise EcgpipeError(
            f"Slurm has unfinished jobs that an earlier Snakemake submitted from this folder:\n{listed}\n"
            f"Wait for them (squeue --me) or cancel them (scancel {numbers}), then run the same command again."
        )
