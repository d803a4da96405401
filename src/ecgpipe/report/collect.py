"""Gathers what the stages left behind into tables.

What made a report: commit, versions, machine, time.
"""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import ecgpipe
from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.runs import HISTORY_FILE, SUMMARY_FILE, check_history
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.environment import installed_versions


@dataclass(frozen=True)
class Run:
    """One training with its results."""

    dataset: str
    protocol: str
    variant: str
    seed: int
    metrics: dict
    summary: dict
    history: pd.DataFrame

    @property
    def score(self) -> dict[str, dict]:
        """Name -> value, low, high."""
        return self.metrics["scores"]


def read_runs(metrics_files: Iterable[Path | str]) -> list[Run]:
    """The runs whose metrics.json are given, from their folders (dataset/protocol/variant/seed-n)."""
    runs = []
    for file in map(Path, metrics_files):
        dataset, protocol, variant, seed = file.parts[-5:-1]
        check_history(file.parent)
        history = pd.read_csv(file.parent / HISTORY_FILE)
        summary = read_json(file.parent / SUMMARY_FILE)
        number = int(seed.removeprefix("seed-"))
        runs.append(Run(dataset, protocol, variant, number, read_json(file), summary, history))
    return runs


def score_table(runs: Iterable[Run]) -> pd.DataFrame:
    """A row per run, class ("all" for the whole) and metric: value and interval."""
    rows = []
    for run in runs:
        head = {
            "dataset": run.dataset,
            "protocol": run.protocol,
            "variant": run.variant,
            "seed": run.seed,
            "role": run.metrics["role"],
            "records": run.metrics["records"],
        }
        for scope, scores in {"all": run.score, **run.metrics["per_class"]}.items():
            rows += [
                head
                | {"class": scope, "metric": name, "value": entry["value"]}
                | {"low": entry.get("low"), "high": entry.get("high")}
                for name, entry in scores.items()
            ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Cell:
    """A score over seeds with its interval; ``note`` says what to mind, such as why there is no interval."""

    value: float | None
    low: float | None
    high: float | None
    seeds: int
    note: str | None = None

    def __str__(self) -> str:
        """``0.912 (0.890 – 0.934)``; a dash without a value."""
        if self.value is None:
            return "–"
        return f"{self.value:.3f}" + (f" ({self.low:.3f} – {self.high:.3f})" if self.low is not None else "")


def over_seeds(runs: Iterable[Run], metric: str) -> Cell:
    """The mean over seeds and the widest reach of their intervals; None where no run has the metric."""
    entries = [run.score[metric] for run in runs if run.score.get(metric, {}).get("value") is not None]
    if not entries:
        return Cell(None, None, None, 0)
    lows = [entry["low"] for entry in entries if entry["low"] is not None]
    highs = [entry["high"] for entry in entries if entry["high"] is not None]
    return Cell(
        float(np.mean([entry["value"] for entry in entries])),
        min(lows, default=None),
        max(highs, default=None),
        len(entries),
    )


CROSS_VALIDATION = re.compile(r"(?P<whole>(?P<base>\w+)-cv(?P<parts>\d+))-\d+")
"""A part of a cross-validation, as protocols name it."""


def whole_protocol(protocol: str) -> str:
    """``patient-cv5`` of ``patient-cv5-2``; other protocols are themselves."""
    match = CROSS_VALIDATION.fullmatch(protocol)
    return match["whole"] if match else protocol


def read_problems(files: Iterable[Path | str], results: Path | str) -> pd.DataFrame:
    """All problems, with the data set that each belongs to."""
    tables = []
    for file in files:
        table = PROBLEMS.read(file)
        table.insert(0, "dataset", Path(file).relative_to(results).parts[0])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def stage_seconds(results: Path | str) -> pd.DataFrame:
    """Jobs, seconds, processor seconds and peak memory (MB) per rule, from Snakemake's benchmark files."""
    rows = []
    folder = Path(results) / "benchmarks"
    for file in sorted(folder.rglob("*.tsv")):
        table = pd.read_csv(file, sep="\t")
        memory = pd.to_numeric(table["max_rss"], errors="coerce").max()
        rule = file.relative_to(folder).parts[0].removesuffix(".tsv")
        cpu = pd.to_numeric(table["cpu_time"], errors="coerce").sum(min_count=1) if "cpu_time" in table else np.nan
        rows.append({"stage": rule, "seconds": float(table["s"].sum()), "cpu_seconds": cpu, "peak_mb": memory})
    if not rows:
        return pd.DataFrame(columns=["stage", "jobs", "seconds", "cpu_seconds", "peak_mb"])
    return (
        pd.DataFrame(rows)
        .groupby("stage", sort=False)
        .agg(
            jobs=("seconds", "size"),
            seconds=("seconds", "sum"),
            cpu_seconds=("cpu_seconds", "sum"),
            peak_mb=("peak_mb", "max"),
        )
        .reset_index()
    )


LIBRARIES = (
    "torch",
    "timm",
    "lightning",
    "numpy",
    "opencv-python-headless",
    "scikit-learn",
    "wfdb",
    "grad-cam",
    "snakemake",
)


def provenance() -> dict[str, str]:
    """Name -> what it was, of the code and the machine that this runs on."""
    return {
        "ecgpipe": ecgpipe.__version__,
        "commit": commit_of(Path(ecgpipe.__file__).parent),
        "python": platform.python_version(),
        **installed_versions(LIBRARIES),
        "system": platform.platform(),
        "processor": f"{_processor()}, {os.cpu_count()} logical cores",
        "memory": _memory(),
    }


def commit_of(folder: Path) -> str:
    """The git commit of the checkout that a folder is in, marked where files differ from it; or why it is not known."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "not known (no git checkout)"
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "not known"
