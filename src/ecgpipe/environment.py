"""The environment of a job: variables, libraries, git, this machine, and earlier jobs in Slurm's queue."""

import os
import platform
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


def processor_name() -> str:
    """The model of this machine's processor, or its architecture if the system does not name the model."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Installed memory; None where it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def git(folder: Path | str, *arguments: str) -> str | None:
    """The output of a git command in a folder; None without git or outside a repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


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
