"""Hardware of a run: trainer options, and what train.json reports (hardware, energy, git commit)."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ecgpipe.machine import git, memory_bytes, processor_name

RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class TrainerOptions:
    """Where and how a model is trained; not part of the run, since it must not change the result.

    Args:
        accelerator: ``auto``, ``cpu``, ``gpu`` or ``mps``.
        devices: per node; with more than one, each batch is divided among processes (DDP).
        nodes: number of machines.
        strategy: Lightning's name; ``auto`` is ``ddp`` for several devices.
        threads: CPU threads per process; None leaves PyTorch's choice.
        on_device: keep all images in device memory: ``auto`` (on a GPU, if they take less than a quarter of its
            free memory), ``yes`` or ``no``.
        tensorboard: write TensorBoard logs; None: if it is installed.
        save_minutes: interval of checkpoints within an epoch.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    threads: int | None = None
    on_device: str = "auto"
    tensorboard: bool | None = None
    save_minutes: float = 15.0

    @property
    def on_gpu(self) -> bool:
        """Whether NVIDIA or AMD GPUs are used."""
        return self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()

    def keeps_on_device(self, size: int) -> bool:
        """Whether images of this many bytes are kept in device memory."""
        if self.on_device != "auto":
            return self.on_device == "yes"
        return self.on_gpu and size < torch.cuda.mem_get_info()[0] / 4


def peak_memory_mb() -> float | None:
    """Largest memory of this process so far, MB; None where it is unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if platform.system() == "Darwin" else 1e3), 1)


def hardware_info() -> dict[str, Any]:
    """Processor, memory and GPUs."""
    memory = memory_bytes()
    return {
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "memory_gb": None if memory is None else round(memory / 1e9, 1),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
    }


def git_state() -> dict[str, Any] | None:
    """Commit of the library's source and whether it has uncommitted changes; None outside a repository."""
    folder = Path(__file__).resolve().parent
    commit = git(folder, "rev-parse", "HEAD")
    changes = git(folder, "status", "--porcelain", "--", str(folder.parent))
    return None if commit is None or changes is None else {"commit": commit, "changed": bool(changes)}


def gpu_utilisation(device: torch.device) -> float | None:
    """Current utilisation of a GPU, 0 to 1; None if NVML does not report it."""
    if device.type != "cuda":
        return None
    try:
        return torch.cuda.utilization(device) / 100
    except Exception:  # no NVML, a driver that refuses, ...: for information only
        return None


class EnergyMeter:
    """Energy in joules used by the whole machine since construction: processors by RAPL, GPUs by NVML."""

    def __init__(self) -> None:
        zones = [zone for zone in sorted(RAPL.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._processors = {zone: (_read(zone / "energy_uj"), _read(zone / "max_energy_range_uj")) for zone in zones}
        self._gpus = _gpu_millijoules()

    def joules(self) -> dict[str, float | None]:
        """``processors`` and ``gpus``; None where unknown."""
        joules: list[float] = []
        for zone, (start, wrap) in self._processors.items():
            end = _read(zone / "energy_uj")
            if start is not None and end is not None:
                joules.append((end - start if end >= start else end + (wrap or 0) - start) / 1e6)  # counters wrap
        gpus = _gpu_millijoules()
        return {
            "processors": round(sum(joules), 1) if joules else None,
            "gpus": round((gpus - self._gpus) / 1e3, 1) if gpus is not None and self._gpus is not None else None,
        }


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _gpu_millijoules() -> int | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return sum(map(pynvml.nvmlDeviceGetTotalEnergyConsumption, handles))
    except Exception:  # no NVML, or a GPU without a counter: for information only
        return None
