"""What a Slurm cluster offers, by sinfo."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from ecgpipe.errors import EcgpipeError

# partition, time limit, CPUs, memory (MB), generic resources, default or not
MOST_SECONDS_BETWEEN_CHECKS = 180  # of Snakemake's executor
FORMAT = "%P|%l|%c|%m|%G"


@dataclass(frozen=True)
class Partition:
    """The largest node of a partition, and the longest time that a job may take there (minutes; None: any)."""

    name: str
    minutes: int | None
    cpus: int
    memory_mb: int
    gres: str
    is_default: bool

    @property
    def gpus(self) -> int:
        """The most that a node has, of one kind."""
        counts = re.findall(r"gpu(?::[^:,()]*[^\d:,()][^:,()]*)?(?::(\d+))?", self.gres)
        return max((int(count or 1) for count in counts), default=0)


def minutes_of(limit: str) -> int | None:
    """Slurm's time limit ([days-]hours:minutes:seconds, minutes:seconds, infinite) in minutes."""
    if limit in ("infinite", "n/a", "UNLIMITED"):
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    while len(parts) < 3:
        parts.insert(0, 0)
    hours, minutes, seconds = parts
    return int(days or 0) * 1440 + hours * 60 + minutes + (seconds > 0)


def parse_partitions(listing: str) -> dict[str, Partition]:
    """Partitions by name from what `sinfo --noheader --format=%P|%l|%c|%m|%G` prints; several rows a partition."""
    found: dict[str, Partition] = {}
    for line in filter(None, listing.splitlines()):
        name, limit, cpus, memory, gres = line.split("|")
        is_default = name.endswith("*")
        name = name.removesuffix("*")
        row = Partition(name, minutes_of(limit), int(cpus.rstrip("+")), int(memory.rstrip("+")), gres, is_default)
        other = found.get(name)
        if other is not None:
            gres = ",".join(filter(lambda text: text != "(null)", {row.gres, other.gres})) or "(null)"
            cpus, memory = max(row.cpus, other.cpus), max(row.memory_mb, other.memory_mb)
            row = Partition(name, row.minutes, cpus, memory, gres, is_default)
        found[name] = row
    return found


def list_partitions() -> dict[str, Partition]:
    """The partitions of the cluster that this machine belongs to; raises EcgpipeError where there is none."""
    if shutil.which("sinfo") is None:
        raise EcgpipeError("sinfo is not there: run this on the cluster's login node")
    return parse_partitions(_ask("sinfo", "--noheader", f"--format={FORMAT}"))


def cluster_settings() -> dict[str, str]:
    """Slurm's own settings by name, and its version, as `scontrol show config` tells."""
    lines = _ask("scontrol", "show", "config").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def faults_of_status(profile: dict, settings: dict[str, str]) -> list[str]:
    """Whether Snakemake can learn how jobs ended in the way that the profile says."""
    command = profile.get("slurm-status-command")
    if command == "sacct" and settings.get("AccountingStorageType") in (None, "(null)", "accounting_storage/none"):
        return [
            "slurm-status-command: sacct; this cluster keeps no accounting, so that jobs would be waited for forever"
        ]
    age = int(re.sub(r"\D.*", "", settings.get("MinJobAge", "")) or 300)
    if command == "squeue" and age < MOST_SECONDS_BETWEEN_CHECKS:
        return [
            f"slurm-status-command: squeue; finished jobs are forgotten after {age} s (MinJobAge), and Snakemake "
            f"asks up to {MOST_SECONDS_BETWEEN_CHECKS} s later: use sacct"
        ]
    return []


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EcgpipeError(f"{command[0]} does not answer: {error}") from None
    if done.returncode:
        raise EcgpipeError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
