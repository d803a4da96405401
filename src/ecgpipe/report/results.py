"""What there is to say of a data set under one protocol, without figures.

The report's section on control experiments: their scores beside the best model, and what follows from them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t

from ecgpipe.artifacts.files import read_json
from ecgpipe.config.analysis import BASELINE_PREFIX
from ecgpipe.errors import DataError
from ecgpipe.report.collect import CROSS_VALIDATION, Cell, Run, over_seeds, whole_protocol
from ecgpipe.report.names import PAPER_TABLES, PROTOCOL_MEANINGS, alterations, names_of_runs
from ecgpipe.report.statistics import Statistics, pooled_cells

COLUMNS = (
    ("accuracy", "Accuracy"),
    ("specificity_macro", "Specificity"),
    ("recall_weighted", "Recall"),
    ("precision_weighted", "Precision"),
    ("f1_weighted", "F1"),
    ("auc_macro", "Macro AUC"),
)
FIGURES = {"cardiac-images": " (figure 10)", "ptb-xl": " (figures 11 and 13)"}


def protocol_view(dataset: str, protocol: str, all_runs: Sequence[Run], statistics: Statistics) -> dict:
    """The results of a data set under one protocol; the parts of a cross-validation together.

    Args:
        dataset: its name.
        protocol: its name; of a cross-validation that of the whole.
        all_runs: scored models, those of other data sets and protocols among them.
        statistics: comparisons.

    Returns:
        ``name``, ``meaning``, ``parts`` (0: no cross-validation), ``role``, ``records`` and ``groups`` that are
        reported, ``task``, ``coverage`` of the intervals, ``seeds``, ``cells`` (model -> metric of COLUMNS -> Cell),
        ``paper_tables`` and their figures ``printed`` by model, ``figures``, ``missing`` (sentences), and ``shown``:
        the runs of the first part and seed, whose curves stand for the others; ``names`` by variant; how models
        were ``altered`` (sentences).

    Raises:
        DataError: the models were not compared.
    """
    runs = [run for run in all_runs if (run.dataset, whole_protocol(run.protocol)) == (dataset, protocol)]
    parts = list(dict.fromkeys(run.protocol for run in runs))
    match = CROSS_VALIDATION.fullmatch(parts[0])
    compared = statistics.of(dataset, protocol)
    if compared is None:
        raise DataError(f"{dataset}, protocol {protocol}: its models were not compared; run the rule compare_models")
    tables = PAPER_TABLES.get(dataset, ()) if protocol == "paper" else ()
    names = names_of_runs(runs)
    first_seed = min(run.seed for run in runs)
    scored = [run for run in runs if (run.variant, run.seed) == (runs[0].variant, first_seed)]  # one of each part
    meaning = PROTOCOL_MEANINGS[match["base"] if match else protocol]
    return {
        "name": protocol,
        "meaning": f"cross-validation in {match['parts']} parts, each reported once; {meaning}" if match else meaning,
        "parts": len(parts) if match else 0,
        "role": runs[0].metrics["role"],
        "records": sum(run.metrics["records"] for run in scored),
        "groups": sum(run.metrics["groups"] for run in scored),
        "task": runs[0].metrics["task"],
        "coverage": f"{runs[0].metrics['confidence']:.0%}",
        "seeds": sorted({run.seed for run in runs}),
        "cells": pooled_cells(compared, COLUMNS),
        "paper_tables": tables,
        "printed": {variant: row for _, table in tables for variant, row in table.items()},
        "figures": FIGURES.get(dataset, "") if tables else "",
        "missing": _missing(runs, names),
        "names": names,
        "altered": alterations(runs),
        "shown": [run for run in runs if (run.protocol, run.seed) == (parts[0], first_seed)],
    }


def _missing(runs: Sequence[Run], names: dict[str, str]) -> list[str]:
    """Seeds that some models have and others lack."""
    seeds = {run.seed for run in runs}
    lacking = []
    for variant in dict.fromkeys(run.variant for run in runs):
        absent = sorted(seeds - {run.seed for run in runs if run.variant == variant})
        if absent:
            lacking.append(f"{names.get(variant, variant)}: seed {', '.join(map(str, absent))}")
    return lacking


BASELINE_NAMES = {
    "majority": "Majority: the classes' shares alone",
    "nearest": "Nearest neighbour on page thumbnails",
    "outside": "Only what lies outside the traces",
    "thumbnail": "Logistic regression on image thumbnails",
    "shuffled": "The same, training labels shuffled",
    "signal": "Signal reference: a network on the recordings",
}
BASELINE_METRICS = ("accuracy", "auc_macro")
CHANCE_AUC = 0.5
"""Macro AUC of a classifier that knows nothing."""


def read_baselines(metrics_files: Iterable[Path | str]) -> list[Run]:
    """The controls whose metrics.json are given, from their folders (dataset/protocol/baseline-name/seed-n)."""
    runs = []
    for file in map(Path, metrics_files):
        dataset, protocol, variant, seed = file.parts[-5:-1]
        runs.append(Run(dataset, protocol, variant, int(seed.removeprefix("seed-")), read_json(file), {}, None))
    return runs


def baseline_tables(
    controls: Sequence[Run], models: Sequence[Run], metrics: Sequence[str] = BASELINE_METRICS
) -> list[dict]:
    """A table per data set and protocol (each part of a cross-validation by itself).

    Args:
        controls: scored controls.
        models: scored models.
        metrics: of the rows, METRICS among them.

    Returns:
        ``dataset``, ``protocol``, ``rows`` (``name``, ``kind``, and a Cell per metric), ``findings`` (sentences).
    """
    tables = []
    for dataset, protocol in dict.fromkeys((run.dataset, run.protocol) for run in controls):
        own = [run for run in controls if (run.dataset, run.protocol) == (dataset, protocol)]
        kinds = list(dict.fromkeys(_kind(run.variant) for run in own))
        cells = {kind: _cells([run for run in own if _kind(run.variant) == kind], kind, metrics) for kind in kinds}
        rows = [{"name": BASELINE_NAMES.get(kind, kind), "kind": kind, **cells[kind]} for kind in kinds]
        best = _best_model([run for run in models if (run.dataset, run.protocol) == (dataset, protocol)])
        tables.append(
            {"dataset": dataset, "protocol": protocol, "rows": rows, "best": best, "findings": _findings(cells, best)}
        )
    return tables


def nearest_by_protocol(tables: Sequence[dict]) -> list[str]:
    """What the nearest neighbour reaches under each protocol of a data set: what its copies and relatives are worth."""
    sentences = []
    for dataset in dict.fromkeys(table["dataset"] for table in tables):
        reached = [
            f"{row['accuracy'].value:.3f} under {table['protocol']}"
            for table in tables
            if table["dataset"] == dataset
            for row in table["rows"]
            if row["kind"] == "nearest" and row["accuracy"].value is not None
        ]
        if len(reached) > 1:
            sentences.append(
                f"{dataset}: a nearest neighbour on thumbnails reaches an accuracy of {', '.join(reached)}."
            )
    return sentences


def _kind(variant: str) -> str:
    """``shuffled`` of ``baseline-shuffled-3``."""
    return variant.removeprefix(BASELINE_PREFIX).partition("-")[0]


def _cells(runs: list[Run], kind: str, metrics: Sequence[str]) -> dict[str, Cell]:
    """Scores over seeds. Of shuffles: the mean with its t interval, since one shuffle may lie far from chance."""
    if kind != "shuffled":
        return {metric: over_seeds(runs, metric) for metric in metrics}
    return {metric: _mean_interval(runs, metric) for metric in metrics}


def _mean_interval(runs: list[Run], metric: str) -> Cell:
    values = [run.score[metric]["value"] for run in runs if run.score.get(metric, {}).get("value") is not None]
    if len(values) < 2:
        return Cell(values[0] if values else None, None, None, len(values))
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    reach = error * float(t.ppf((1 + runs[0].metrics["confidence"]) / 2, len(values) - 1))
    return Cell(mean, mean - reach, mean + reach, len(values))


def _best_model(runs: list[Run]) -> dict | None:
    """The model with the highest mean macro AUC."""
    cells = {
        variant: {
            metric: over_seeds([run for run in runs if run.variant == variant], metric) for metric in BASELINE_METRICS
        }
        for variant in dict.fromkeys(run.variant for run in runs)
    }
    measured = {variant: cell for variant, cell in cells.items() if cell["auc_macro"].value is not None}
    if not measured:
        return None
    variant = max(measured, key=lambda name: measured[name]["auc_macro"].value)
    return {"variant": variant, **measured[variant]}


def _findings(cells: dict[str, dict[str, Cell]], best: dict | None) -> list[str]:
    """Sentences computed from the scores; what is as it should be is told, too."""
    told = []
    outside = cells.get("outside", {}).get("auc_macro")
    if outside and outside.low is not None:
        reach = f"macro AUC {outside.value:.3f} ({outside.low:.3f} – {outside.high:.3f})"
        told.append(
            f"Leak: what lies outside the traces tells the class: {reach}, above chance in every seed."
            if outside.low > CHANCE_AUC
            else f"What lies outside the traces is not shown to tell the class: {reach}."
        )
    shuffled = cells.get("shuffled", {}).get("auc_macro")
    if shuffled and shuffled.low is not None:
        reach = (
            f"mean macro AUC {shuffled.value:.3f} ({shuffled.low:.3f} – {shuffled.high:.3f}), {shuffled.seeds} shuffles"
        )
        told.append(
            f"With shuffled training labels the classifier is not above chance: {reach}."
            if shuffled.low <= CHANCE_AUC  # a leak of labels can only raise it
            else f"With shuffled training labels the classifier is above chance: {reach}. If more shuffles "
            "(baselines.shuffles) do not change that, labels reach the test records by another way."
        )
    signal = cells.get("signal", {}).get("auc_macro")
    if best and signal and signal.value is not None:
        lead = signal.value - best["auc_macro"].value
        told.append(
            f"What the image costs: the network on the recordings reaches a macro AUC of {signal.value:.3f}, the best "
            f"image model {best['auc_macro'].value:.3f}, {abs(lead):.3f} {'less' if lead > 0 else 'more'}."
        )
    for kind in ("nearest", "thumbnail"):
        cell = cells.get(kind, {}).get("accuracy")
        if best and cell and cell.value is not None and cell.value >= best["accuracy"].value:
            told.append(f"No model is better than this control: {BASELINE_NAMES[kind]}, accuracy {cell.value:.3f}.")
    return told
