"""What this machine has."""

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ecgpipe.environment import installed_versions

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


@dataclass(frozen=True)
class Machine:
    """Cores that this process may use, memory and free disk space in MB, GPUs by name with their memory in MB.

    `gpus` are those that PyTorch can use, `cuda` the version that it was built for, `driver` the version of
    NVIDIA's driver and the GPUs that it has, where there is one.
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

    def as_dict(self) -> dict:
        return asdict(self)


def look_at_machine(results: Path) -> Machine:
    """What this machine has.

    Args:
        results: the disk that holds this folder (or would) is looked at.
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


def faults_of_machine(machine: Machine) -> list[str]:
    """GPUs that cannot be used, and packages that are missing or of a version that this one was not made for."""
    faults = []
    if machine.driver and not machine.gpus:
        faults.append(
            f"GPU: the driver has one ({machine.driver}), PyTorch (CUDA {machine.cuda or 'none'}) sees none; is "
            "CUDA_VISIBLE_DEVICES empty, or PyTorch built for another CUDA?"
        )
    for text in metadata.requires("ecgpipe") or ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        version = machine.packages.get(wanted.name)
        if version and not wanted.specifier.contains(version, prereleases=True):
            faults.append(f"package {wanted.name}: {version} is installed, {wanted.specifier} is wanted")
    return list(dict.fromkeys(faults))


def _driver() -> str | None:
    """NVIDIA's driver's version and GPUs, by nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return "; ".join(done.stdout.split("\n")).strip("; ") or None if done.returncode == 0 else None


def _gpus() -> tuple[list[tuple[str, int]], str | None]:
    """GPUs that PyTorch sees, and the CUDA version that it was built for; nothing without PyTorch."""
    try:
        import torch
    except ImportError:
        return [], None
    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [(gpu.name, gpu.total_memory // 2**20) for gpu in properties], torch.version.cuda
