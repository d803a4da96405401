"""What a training runs on, and what it takes: for the summary, and to choose the trainer's devices."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True)
class TrainerOptions:
    """Where a training runs; nothing here is part of the run, since it must not decide the result.

    Args:
        accelerator: ``auto``, ``cpu``, ``gpu`` or ``mps``.
        devices: of each node; with more than one, the batch is divided among processes (DDP).
        nodes: machines.
        strategy: Lightning's name; ``auto`` is ``ddp`` for several devices.
        threads: CPU threads a process; None leaves PyTorch's choice.
        on_device: keep all images in the device's memory: ``auto`` (on a GPU, if they take less than a quarter of what
            is free), ``yes`` or ``no``.
        tensorboard: write TensorBoard logs; None: if it is installed.
        save_minutes: also save the state within long epochs, so often.
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
        """Whether NVIDIA's (or AMD's) GPUs are used."""
        return self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()

    def holds(self, size: int) -> bool:
        """Whether so many bytes of images are to be kept in the device's memory."""
        if self.on_device != "auto":
            return self.on_device == "yes"
        return self.on_gpu and size < torch.cuda.mem_get_info()[0] / 4


def hardware_info() -> dict[str, Any]:
    """Processor, memory and GPUs."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
    }


def git_state() -> dict[str, Any] | None:
    """Commit of the library's source, and whether it was changed since; None if it is not in a repository."""
    folder = Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(folder, "status", "--porcelain", "--", str(folder.parent)))}
    except (OSError, subprocess.SubprocessError):
        return None


def gpu_utilisation(device: torch.device) -> float | None:
    """Share of the last moment in which a GPU was busy; None where NVIDIA's library does not tell."""
    if device.type != "cuda":
        return None
    try:
        return torch.cuda.utilization(device) / 100
    except Exception:  # a missing module, a driver that refuses, ...: it is only for information
        return None


class Energy:
    """Joules since it was made, where the machine tells: the processors' by RAPL, the GPUs' by NVML."""

    def __init__(self) -> None:
        self._processors = {zone: (_read(zone / "energy_uj"), _read(zone / "max_energy_range_uj")) for zone in _zones()}
        self._gpus = _gpu_millijoules()

    def used(self) -> dict[str, float | None]:
        """Of the whole machine, whoever used it; None where it cannot be read."""
        joules: list[float] = []
        for zone, (start, reach) in self._processors.items():
            end = _read(zone / "energy_uj")
            if start is not None and end is not None:
                # a counter that began anew once since
                joules.append((end - start if end >= start else end + (reach or 0) - start) / 1e6)
        gpus = _gpu_millijoules()
        return {
            "processors": round(sum(joules), 1) if joules else None,
            "gpus": round((gpus - self._gpus) / 1e3, 1) if gpus is not None and self._gpus is not None else None,
        }


def _zones() -> list[Path]:
    return [zone for zone in sorted(RAPL.glob("intel-rapl:*")) if zone.name.count(":") == 1]


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
    except Exception:  # no library, no driver, a GPU that does not tell: it is only for information
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == "model name"]
    return names[0] if names else platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError, AttributeError):
        return None
