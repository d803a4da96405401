"""The environment: of the processes that a workflow starts, and which libraries are there.

Jobs that Slurm still holds for a folder, so that none is started twice.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from ecgpipe.errors import EcgpipeError


def export_source(folder: Path | str) -> None:
    """Let child processes use the library in a folder, whether it is installed or not, and share the processor well.

    Threads that wait for others sleep instead of spinning: two trainings that shared two cores then each ran at more
    than half the speed of one alone; spinning, at a quarter.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Version by name of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


# What Snakemake's executor for Slurm writes into a job's comment.
COMMENTS = ("rule_", "group_")
# States that Slurm remembers for a while; a job in any other (stopped, suspended, put back, ...) may still write files.
OVER = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)


def unfinished_jobs(folder: Path | str) -> list[tuple[str, str, str]]:
    """Slurm's jobs of this user that a Snakemake in this folder submitted and that are not over.

    A Snakemake that was killed leaves its jobs running. Returns (number, state, rule and wildcards) of each; nothing
    where there is no Slurm, where it does not answer within 30 s, and inside of a job.
    """
    if shutil.which("squeue") is None or "SLURM_JOB_ID" in os.environ:
        return []
    command = ["squeue", "--me", "--noheader", "--states=all"]
    try:
        listing = subprocess.run([*command, "--format=%i|%T|%k|%Z"], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return []
    jobs = []
    for line in listing.stdout.splitlines():
        number, state, comment, work_folder = line.split("|", 3)
        is_ours = comment.startswith(COMMENTS) and state not in OVER
        if is_ours and Path(work_folder).resolve() == Path(folder).resolve():
            jobs.append((number, state, comment))
    return jobs


def refuse_second_submission(folder: Path | str) -> None:
    """Raise EcgpipeError if jobs of an earlier Snakemake in this folder still wait or run: they would be run twice."""
    jobs = unfinished_jobs(folder)
    if jobs:
        listed = "\n".join(f"  {number} {state} {comment}" for number, state, comment in jobs)
        numbers = " ".join(number for number, _, _ in jobs)
        raise EcgpipeError(
            f"Slurm still holds jobs that an earlier Snakemake submitted from this folder:\n{listed}\n"
            f"Wait until they are over (squeue --me), or end them (scancel {numbers}); then run the same command again."
        )
