"""What this machine has."""

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

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
    """Cores that this process may use, memory and free disk space in MB, GPUs by name with their memory in MB."""

    python: str
    system: str
    cores: int
    memory_mb: int
    disk_free_mb: int
    gpus: list[tuple[str, int]]
    cuda: str | None
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
        packages=dict.fromkeys(PACKAGES) | installed_versions(PACKAGES),
    )


def _gpus() -> tuple[list[tuple[str, int]], str | None]:
    """GPUs that PyTorch sees, and the CUDA version that it was built for; nothing without PyTorch."""
    try:
        import torch
    except ImportError:
        return [], None
    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [(gpu.name, gpu.total_memory // 2**20) for gpu in properties], torch.version.cuda
