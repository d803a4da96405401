"""What a Slurm cluster offers, by sinfo."""

import shutil
import subprocess
from dataclasses import dataclass

from ecgpipe.errors import EcgpipeError

# partition, time limit, CPUs, memory (MB), generic resources, default or not
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
    done = subprocess.run(
        ["sinfo", "--noheader", f"--format={FORMAT}"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise EcgpipeError(f"sinfo failed: {done.stderr.strip()}")
    return parse_partitions(done.stdout)
