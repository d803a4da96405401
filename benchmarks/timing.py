"""Interleaved timings: a slow moment of the machine affects all candidates alike."""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ecgpipe.environment import installed_versions

LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "matplotlib", "ecg-plot", "wfdb", "scipy")


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call: minimum and median of all repetitions."""

    minimum: float
    median: float


@dataclass(frozen=True)
class Ratio:
    """Speed of ``name`` relative to ``reference``, from the minimum times, and its target, if any."""

    name: str
    reference: str
    value: float
    target: float | None

    @property
    def passed(self) -> bool | None:
        """Whether the target is met; None: no target."""
        return None if self.target is None else self.value >= self.target


@dataclass(frozen=True)
class Report:
    """The results of a benchmark."""

    title: str
    timings: dict[str, Timing]
    ratios: list[Ratio]
    notes: list[str]
    machine: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON; times in ms."""
        return asdict(self) | {"ratios": [asdict(ratio) | {"passed": ratio.passed} for ratio in self.ratios]}

    def as_text(self) -> str:
        """A plain-text table."""
        width = max(map(len, self.timings))
        lines = [self.title, f"{self.machine['processor']}, Python {self.machine['python']}", ""]
        lines.append(f"{'':{width}}  {'min ms':>9}  {'median ms':>9}")
        lines += [f"{name:{width}}  {t.minimum:9.2f}  {t.median:9.2f}" for name, t in self.timings.items()]
        lines.append("")
        for ratio in self.ratios:
            mark = "" if ratio.passed is None else f" (target {ratio.target:g}: {'met' if ratio.passed else 'MISSED'})"
            lines.append(f"{ratio.name}: {ratio.value:.3g} times the speed of {ratio.reference}{mark}")
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Call every candidate once per round and time it; an additional first round is not counted.

    Args:
        candidates: functions by name.
        repetitions: number of rounds.
        clock: seconds; ``time.process_time`` for work on one core, which other processes disturb little.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for repetition in range(repetitions + 1):
        for name, run in candidates.items():
            start = clock()
            run()
            if repetition:
                seconds[name].append(clock() - start)
    return {name: Timing(1e3 * min(taken), 1e3 * median(taken)) for name, taken in seconds.items()}


def machine_info() -> dict[str, str]:
    """Processor, system and library versions."""
    info = {"processor": _processor(), "system": platform.platform(), "python": platform.python_version()}
    return info | installed_versions(LIBRARIES)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    family = f" (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else ""
    return facts.get("model name", platform.machine()) + family
