"""Resources of this machine and of a Slurm cluster."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ecgpipe.environment import installed_versions
from ecgpipe.errors import EcgpipeError

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "safetensors",
    "opencv-python-headless",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "wfdb",
    "grad-cam",
    "snakemake",
    "snakemake-executor-plugin-slurm",
)
MAX_SECONDS_BETWEEN_CHECKS = 180  # Snakemake's Slurm executor asks for the states of jobs at least this often
SINFO_FORMAT = "%P|%l|%c|%m|%G"  # partition (* after the default), time limit, CPUs, memory (MB), generic resources


@dataclass(frozen=True)
class Machine:
    """This machine.

    Attributes:
        cores: available to this process.
        memory_mb, disk_free_mb: installed memory, and free space on the disk of the results.
        gpus: name and memory (MB) of each GPU that PyTorch can use.
        cuda: version for which PyTorch was built.
        driver: version of NVIDIA's driver, and its GPUs.
        packages: versions; None: not installed.
    """

    python: str
    system: str
    cores: int
    memory_mb: int
    disk_free_mb: int
    gpus: list[tuple[str, int]]
    cuda: str | None
    driver: str | None
    packages: dict[str, str | None]


def inspect_machine(results: Path) -> Machine:
    """Determine the resources of this machine.

    Args:
        results: folder, existing or not, whose disk is inspected.
    """
    gpus, cuda = _gpus()
    folder = results.absolute()
    while not folder.exists():
        folder = folder.parent
    return Machine(
        python=platform.python_version(),
        system=platform.platform(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        disk_free_mb=shutil.disk_usage(folder).free // 2**20,
        gpus=gpus,
        cuda=cuda,
        driver=_driver(),
        packages=dict.fromkeys(PACKAGES) | installed_versions(PACKAGES),
    )


def machine_faults(machine: Machine) -> list[str]:
    """GPUs that PyTorch cannot use, and packages of unsupported versions."""
    faults = []
    if machine.driver and not machine.gpus:
        faults.append(
            f"GPU: the driver lists {machine.driver}, but PyTorch (CUDA {machine.cuda or 'none'}) finds none; is "
            "CUDA_VISIBLE_DEVICES empty, or was PyTorch built for another CUDA version?"
        )
    try:
        stated = metadata.requires("ecgpipe") or ()
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        stated = ()
    for text in stated:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        version = machine.packages.get(requirement.name)
        if version and not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"package {requirement.name}: {version} is installed, {requirement.specifier} is required")
    return list(dict.fromkeys(faults))


def _driver() -> str | None:
    """Version of NVIDIA's driver and its GPUs, from nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return "; ".join(done.stdout.split("\n")).strip("; ") or None if done.returncode == 0 else None


def _gpus() -> tuple[list[tuple[str, int]], str | None]:
    """PyTorch's GPUs and CUDA version."""
    try:
        import torch
    except ImportError:
        return [], None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0  # it also counts GPUs whose driver is too old
    properties = [torch.cuda.get_device_properties(index) for index in range(count)]
    return [(gpu.name, gpu.total_memory // 2**20) for gpu in properties], torch.version.cuda


@dataclass(frozen=True)
class Partition:
    """The largest node of a partition, and its time limit (None: unlimited)."""

    name: str
    minutes: int | None
    cpus: int
    memory_mb: int
    gres: str
    is_default: bool

    @property
    def gpus(self) -> int:
        """The largest number of GPUs of one model in a node."""
        counts = re.findall(r"gpu(?::[^:,()]*[^\d:,()][^:,()]*)?(?::(\d+))?", self.gres)
        return max((int(count or 1) for count in counts), default=0)


def parse_minutes(limit: str) -> int | None:
    """Minutes of Slurm's time limit ([days-]hours:minutes:seconds, minutes:seconds, infinite); None: unlimited."""
    if limit in ("infinite", "n/a", "UNLIMITED"):
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    while len(parts) < 3:
        parts.insert(0, 0)
    hours, minutes, seconds = parts
    return int(days or 0) * 1440 + hours * 60 + minutes + (seconds > 0)


def parse_partitions(listing: str) -> dict[str, Partition]:
    """Parse the output of ``sinfo --noheader --format=%P|%l|%c|%m|%G``; a partition may have several rows."""
    partitions: dict[str, Partition] = {}
    for line in filter(None, listing.splitlines()):
        name, limit, cpus, memory, gres = line.split("|")
        is_default = name.endswith("*")
        name = name.removesuffix("*")
        row = Partition(name, parse_minutes(limit), int(cpus.rstrip("+")), int(memory.rstrip("+")), gres, is_default)
        other = partitions.get(name)
        if other is not None:
            gres = ",".join(filter(lambda text: text != "(null)", {row.gres, other.gres})) or "(null)"
            cpus, memory = max(row.cpus, other.cpus), max(row.memory_mb, other.memory_mb)
            row = Partition(name, row.minutes, cpus, memory, gres, is_default)
        partitions[name] = row
    return partitions


def list_partitions() -> dict[str, Partition]:
    """List the partitions of this cluster.

    Raises:
        EcgpipeError: this machine has no sinfo.
    """
    if shutil.which("sinfo") is None:
        raise EcgpipeError("sinfo: not found; run this on the login node of the cluster")
    return parse_partitions(_output("sinfo", "--noheader", f"--format={SINFO_FORMAT}"))


def cluster_settings() -> dict[str, str]:
    """Slurm's settings from ``scontrol show config``, by name."""
    lines = _output("scontrol", "show", "config").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def status_command_faults(profile: dict, settings: dict[str, str]) -> list[str]:
    """Whether the profile's status command can report how jobs ended."""
    command = profile.get("slurm-status-command")
    if command == "sacct" and settings.get("AccountingStorageType") in (None, "(null)", "accounting_storage/none"):
        return ["slurm-status-command: sacct; this cluster stores no accounting, so Snakemake would wait forever"]
    age = int(re.sub(r"\D.*", "", settings.get("MinJobAge", "")) or 300)
    if command == "squeue" and age < MAX_SECONDS_BETWEEN_CHECKS:
        return [
            f"slurm-status-command: squeue; Slurm forgets finished jobs after {age} s (MinJobAge), but Snakemake "
            f"may ask {MAX_SECONDS_BETWEEN_CHECKS} s later: use sacct"
        ]
    return []


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EcgpipeError(f"{command[0]} failed: {error}") from None
    if done.returncode:
        raise EcgpipeError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
