"""Read the runs, problems, times and machine that the report shows."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import ecgpipe
from ecgpipe.artifacts.files import read_json, verify
from ecgpipe.artifacts.runs import HISTORY_FILE, SUMMARY_FILE
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.config.data import whole_protocol
from ecgpipe.environment import installed_versions
from ecgpipe.machine import git, memory_bytes, processor_name


@dataclass(frozen=True)
class Run:
    """A scored model or baseline.

    Attributes:
        folder: RESULTS/dataset/protocol/variant/seed-N.
        metrics: metrics.json.
        summary: train.json; empty for baselines.
        history: history.csv; None for baselines.
    """

    folder: Path
    metrics: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    history: pd.DataFrame | None = None

    @property
    def dataset(self) -> str:
        return self.folder.parts[-4]

    @property
    def protocol(self) -> str:
        return self.folder.parts[-3]

    @property
    def variant(self) -> str:
        return self.folder.parts[-2]

    @property
    def seed(self) -> int:
        return int(self.folder.parts[-1].removeprefix("seed-"))

    @property
    def scores(self) -> dict[str, dict]:
        """Metric -> value, low, high."""
        return self.metrics["scores"]


def read_runs(metrics_files: Iterable[Path | str], trained: bool = True) -> list[Run]:
    """The runs with the given metrics.json files; with ``trained``, also how they were trained."""
    runs = []
    for file in map(Path, metrics_files):
        summary, history = {}, None
        if trained:
            verify(file.parent / HISTORY_FILE)
            summary, history = read_json(file.parent / SUMMARY_FILE), pd.read_csv(file.parent / HISTORY_FILE)
        runs.append(Run(file.parent, read_json(file), summary, history))
    return runs


def first_seeds(runs: Iterable[Run]) -> list[Run]:
    """For each dataset, protocol and model, the run with the lowest seed."""
    runs = list(runs)
    lowest: dict[tuple[str, str, str], Run] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        lowest.setdefault((run.dataset, run.protocol, run.variant), run)
    return [run for run in runs if any(run is one for one in lowest.values())]


def score_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run, class ("all" for overall scores) and metric."""
    rows = []
    for run in runs:
        head = {"dataset": run.dataset, "protocol": run.protocol, "variant": run.variant, "seed": run.seed}
        head |= {"role": run.metrics["role"], "records": run.metrics["records"]}
        for scope, scores in {"all": run.scores, **run.metrics["per_class"]}.items():
            rows += [
                head
                | {"class": scope, "metric": name, "value": entry["value"]}
                | {"low": entry.get("low"), "high": entry.get("high")}
                for name, entry in scores.items()
            ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Cell:
    """A score over seeds with its interval; ``note`` explains, for example, a missing interval."""

    value: float | None
    low: float | None
    high: float | None
    seeds: int
    note: str | None = None

    def __str__(self) -> str:
        """See ``score_text``."""
        return score_text(self.value, self.low, self.high)


def score_text(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """``0.912 (0.890 – 0.934)``; a dash without a value; with ``sign="+"`` also the sign of positive numbers."""
    if value is None:
        return "–"
    return f"{value:{sign}z.3f}" + ("" if low is None else f" ({low:{sign}z.3f} – {high:{sign}z.3f})")


def p_text(p: float | None, level: float) -> str:
    """``0.012``; ``< 0.001``; a dash without a value.

    Near the significance level there are more digits, so that the text is below the level exactly if p is: ``0.0496``.
    """
    smallest = min(0.001, level)
    if p is None or p < smallest:
        return "–" if p is None else f"< {smallest:.4g}"
    level = round(level, 12)  # 1 - 0.95 is slightly above 0.05
    for digits in range(3, 13):
        text = f"{p:.{digits}f}"
        if (float(text) < level, float(text) > level) == (p < level, p > level):
            break
    return text


def over_seeds(runs: Iterable[Run], metric: str) -> Cell:
    """Mean over seeds, lowest lower and highest upper limit of their intervals; None if no run has the metric."""
    entries = [run.scores[metric] for run in runs if run.scores.get(metric, {}).get("value") is not None]
    if not entries:
        return Cell(None, None, None, 0)
    lows = [entry["low"] for entry in entries if entry["low"] is not None]
    highs = [entry["high"] for entry in entries if entry["high"] is not None]
    mean = float(np.mean([entry["value"] for entry in entries]))
    return Cell(mean, min(lows, default=None), max(highs, default=None), len(entries))


def runs_of(runs: Iterable[Run], dataset: str, protocol: str) -> list[Run]:
    """The runs of a dataset under a protocol; for a cross-validation, those of all its folds."""
    return [run for run in runs if (run.dataset, whole_protocol(run.protocol)) == (dataset, protocol)]


def read_problems(files: Iterable[Path | str], results: Path | str) -> pd.DataFrame:
    """All problems, with their dataset; a record that has neither a page nor an image is listed once."""
    tables = []
    for file in files:
        table = PROBLEMS.read(file)
        table.insert(0, "dataset", Path(file).relative_to(results).parts[0])
        tables.append(table)
    problems = pd.concat(tables, ignore_index=True)
    return problems.drop_duplicates(["dataset", "stage", "record_id", "problem"], ignore_index=True)


def stage_times(results: Path | str) -> pd.DataFrame:
    """Jobs, seconds, CPU seconds and peak memory (MB) per rule, from Snakemake's benchmark files."""
    rows = []
    folder = Path(results) / "benchmarks"
    for file in sorted(folder.rglob("*.tsv")):
        try:
            table = pd.read_csv(file, sep="\t")
        except ValueError:  # Snakemake was killed while it wrote the file, which is empty
            continue
        memory = pd.to_numeric(table["max_rss"], errors="coerce").max()
        rule = file.relative_to(folder).parts[0].removesuffix(".tsv")
        cpu = pd.to_numeric(table["cpu_time"], errors="coerce").sum(min_count=1) if "cpu_time" in table else np.nan
        rows.append({"stage": rule, "seconds": float(table["s"].sum()), "cpu_seconds": cpu, "peak_mb": memory})
    if not rows:
        return pd.DataFrame(columns=["stage", "jobs", "seconds", "cpu_seconds", "peak_mb"])
    grouped = pd.DataFrame(rows).groupby("stage", sort=False)
    sums = grouped[["seconds", "cpu_seconds"]].sum(min_count=1)
    return (
        sums.assign(peak_mb=grouped["peak_mb"].max())
        .assign(jobs=grouped.size())
        .reset_index()[["stage", "jobs", "seconds", "cpu_seconds", "peak_mb"]]
    )


def trainings_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per training: duration, speed, device, machine and commit."""
    rows = []
    for run in runs:
        summary, history = run.summary, run.history
        hardware, model = summary.get("hardware") or {}, summary.get("model") or {}
        rows.append(
            {"dataset": run.dataset, "protocol": run.protocol, "model": run.variant, "seed": run.seed}
            | {key: model.get(key) for key in ("image_size", "pretrained")}
            | {"options": ", ".join(f"{key} {value}" for key, value in (model.get("options") or {}).items())}
            | {key: summary.get(key) for key in ("parameters", "training_records", "epochs", "best_epoch", "seconds")}
            | {
                column: float(history[name].median()) if history is not None and name in history else None
                for column, name in (("seconds_per_epoch", "seconds"), ("images_per_second", "images_per_second"))
            }
            | {"ms_per_image": ms_per_image(history)}
            | {
                key: summary.get(key)
                for key in ("device", "precision", "processes", "peak_memory_mb", "peak_gpu_bytes")
            }
            | {key: hardware.get(key) for key in ("processor", "cores", "memory_gb")}
            | {"system": system_name(hardware.get("system"))}
            | {"gpus": ", ".join(hardware.get("gpus") or []), "commit": commit_of_run(run)}
            | {"versions": ", ".join(f"{name} {value}" for name, value in (summary.get("versions") or {}).items())}
        )
    return pd.DataFrame(rows).convert_dtypes()  # integers stay integers despite missing values


def ms_per_image(history: pd.DataFrame | None) -> float | None:
    """CPU time of a training step per image, milliseconds; the median over epochs."""
    if history is None or not {"images", "processor_seconds"} <= set(history):
        return None
    return float((1000 * history["processor_seconds"] / history["images"]).median())


def system_name(system: object) -> str:
    """The operating system without its kernel version: Linux-6.1-x86 -> Linux."""
    return str(system or "unknown").partition("-")[0]


def commit_of_run(run: Run) -> str | None:
    """The commit of the code that trained a run; None outside a repository."""
    git = run.summary.get("git")
    return f"{git['commit'][:12]}{'-dirty' if git['changed'] else ''}" if git else None


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
    """Versions of the code and its libraries, and the machine that writes the report."""
    memory = memory_bytes()
    return {
        "ecgpipe": ecgpipe.__version__,
        "commit": commit_of(Path(ecgpipe.__file__).parent),
        "python": platform.python_version(),
        **installed_versions(LIBRARIES),
        "system": platform.platform(),
        "processor": f"{processor_name()}, {os.cpu_count()} logical cores",
        "memory": "unknown" if memory is None else f"{memory / 2**30:.0f} GiB",
    }


def commit_of(folder: Path) -> str:
    """The git commit of a folder's checkout, with "-dirty" if files differ from it."""
    commit = git(folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    return "unknown (no git checkout)" if commit is None else commit
