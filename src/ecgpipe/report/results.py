"""Results of a dataset under one protocol: scores of the models and baselines, and the best model's scores by class."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import t

from ecgpipe.config.analysis import BASELINE_PREFIX
from ecgpipe.config.data import PROTOCOL_PATTERN, base_protocol, whole_protocol
from ecgpipe.errors import DataError
from ecgpipe.report.collect import Cell, Run, first_seeds, over_seeds
from ecgpipe.report.names import (
    COLUMNS,
    PAPER_COLUMNS,
    PAPER_TABLES,
    PROTOCOL_MEANINGS,
    alterations,
    baseline_names,
    names_of_runs,
)
from ecgpipe.report.statistics import Statistics

FIGURES = {"cardiac-images": " (figure 10)", "ptb-xl": " (figures 11 and 13)"}


def protocol_view(dataset: str, protocol: str, all_runs: Sequence[Run], statistics: Statistics) -> dict:
    """The results of a dataset under one protocol, with the folds of a cross-validation pooled.

    Args:
        dataset: name.
        protocol: name; for a cross-validation the whole, not one fold.
        all_runs: scored models; may include other datasets and protocols.
        statistics: comparisons.

    Returns:
        ``name``; ``meaning``; ``parts`` (0: no cross-validation); ``role``, ``records``, ``groups`` scored;
        ``support`` (scored records per class); ``task``; ``coverage`` of the intervals; ``seeds``; ``models``:
        ``variant``, ``name``, ``parameters``, ``seeds``,
        ``cells`` (metric -> Cell), ``paper`` (printed accuracy or None); ``best``: variant with the highest macro AUC,
        or None; ``paper_tables``: ``caption``, ``file``, ``rows`` (``name``, ``cells``: (printed, ours or None));
        ``figures`` of the paper, in words; ``altered`` and ``missing``: lists of sentences.

    Raises:
        DataError: the models were not compared.
    """
    runs = [run for run in all_runs if (run.dataset, whole_protocol(run.protocol)) == (dataset, protocol)]
    parts = list(dict.fromkeys(run.protocol for run in runs))
    folds = PROTOCOL_PATTERN.fullmatch(parts[0])[2]  # None without cross-validation
    compared = statistics.of(dataset, protocol)
    if compared is None:
        raise DataError(f"{dataset}, protocol {protocol}: its models were not compared; run the rule compare_models")
    names = names_of_runs(runs)
    scored = first_seeds([run for run in runs if run.variant == runs[0].variant])  # one of each fold
    meaning = PROTOCOL_MEANINGS[base_protocol(protocol)]
    cells = pooled_cells(compared)
    tables = PAPER_TABLES.get(dataset, ()) if protocol == "paper" else ()
    printed = {variant: row for _, table in tables for variant, row in table.items()}
    sizes = {run.variant: run.summary.get("parameters") for run in reversed(runs)}
    areas = {variant: own["auc_macro"].value for variant, own in cells.items()}
    measured = {variant: area for variant, area in areas.items() if area is not None}
    return {
        "name": protocol,
        "meaning": f"cross-validation with {folds} folds, each scored once; {meaning}" if folds else meaning,
        "parts": len(parts) if folds else 0,
        "role": runs[0].metrics["role"],
        "records": sum(run.metrics["records"] for run in scored),
        # several parts may report records of one patient
        "groups": compared["groups"] if folds else scored[0].metrics["groups"],
        "support": {
            name: sum(run.metrics["support"].get(name, 0) for run in scored) for name in runs[0].metrics["classes"]
        },
        "task": runs[0].metrics["task"],
        "coverage": f"{100 * runs[0].metrics['confidence']:.4g}%",
        "seeds": sorted({run.seed for run in runs}),
        "models": [
            {"variant": variant, "name": names.get(variant, variant), "parameters": sizes.get(variant)}
            | {"seeds": own["accuracy"].seeds, "cells": own, "paper": printed.get(variant, (None,))[0]}
            for variant, own in cells.items()
        ],
        "best": max(measured, key=lambda variant: measured[variant], default=None),
        "paper_tables": [_paper_table(caption, table, cells, names) for caption, table in tables],
        "figures": FIGURES.get(dataset, "") if tables else "",
        "altered": alterations(runs),
        "missing": _missing_seeds(runs, names),
    }


def pooled_cells(compared: dict) -> dict[str, dict[str, Cell]]:
    """Model -> metric of COLUMNS -> score over seeds and folds, from comparisons/<protocol>.json."""
    return {model["model"]: {metric: _cell(model, metric) for metric, _ in COLUMNS} for model in compared["models"]}


def _cell(model: dict, metric: str) -> Cell:
    cell = model["scores"].get(metric)
    if cell is None:
        return Cell(None, None, None, 0, "not measured")
    return Cell(cell["value"], cell["low"], cell["high"], len(model["seeds"]), cell["note"])


def _paper_table(caption: str, table: dict, cells: dict[str, dict[str, Cell]], names: dict[str, str]) -> dict:
    rows = [
        {
            "name": names[variant],
            "cells": [
                (value, cells[variant][metric] if variant in cells else None)
                for (metric, _), value in zip(PAPER_COLUMNS, values, strict=True)
            ],
        }
        for variant, values in table.items()
    ]
    return {"caption": caption, "file": caption.partition(":")[0].lower().replace(" ", "-"), "rows": rows}


def _missing_seeds(runs: Sequence[Run], names: dict[str, str]) -> list[str]:
    """Seeds that some models have and others lack."""
    seeds = {run.seed for run in runs}
    missing = []
    for variant in dict.fromkeys(run.variant for run in runs):
        absent = sorted(seeds - {run.seed for run in runs if run.variant == variant})
        if absent:
            missing.append(f"{names.get(variant, variant)}: seed {', '.join(map(str, absent))}")
    return missing


METRICS = ("accuracy", "auc_macro")
CHANCE_AUC = 0.5


def baseline_tables(
    baselines: Sequence[Run],
    models: Sequence[Run],
    metrics: Iterable[str] = tuple(dict(COLUMNS)),
    statistics: Statistics | None = None,
) -> list[dict]:
    """A table of baselines per dataset and protocol; each fold of a cross-validation has its own.

    Args:
        baselines: scored baselines.
        models: scored models.
        metrics: metrics of the rows; must include METRICS.
        statistics: comparisons, for intervals over patients and seeds and for the cost of the image.

    Returns:
        ``dataset``; ``protocol``; ``rows``: ``name``, ``kind``, and one Cell per metric; ``model``: the model with the
        highest mean macro AUC, ``variant`` and a Cell per metric of METRICS, or None; ``findings``: sentences, of which
        those about the cost of the image are only in the table of a cross-validation's first fold.
    """
    tables = []
    for dataset, protocol in dict.fromkeys((run.dataset, run.protocol) for run in baselines):
        runs = [run for run in baselines if (run.dataset, run.protocol) == (dataset, protocol)]
        kinds = list(dict.fromkeys(baseline_kind(run.variant) for run in runs))
        cells = {
            kind: _cells([run for run in runs if baseline_kind(run.variant) == kind], kind, metrics) for kind in kinds
        }
        whole = whole_protocol(protocol)
        compared = statistics and statistics.of(dataset, whole)
        pooled: dict[str, dict[str, Cell]] = {}
        if compared and protocol == whole:  # the same intervals as for models
            pooled = pooled_cells({"models": [*compared.get("models", ()), *compared.get("baselines", ())]})
            cells |= {baseline_kind(name): own for name, own in pooled.items() if baseline_kind(name) in cells}
        model = _best_model([run for run in models if (run.dataset, run.protocol) == (dataset, protocol)], pooled)
        rows = [{"name": baseline_names(kind).row, "kind": kind, **cells[kind]} for kind in kinds]
        findings = baseline_findings(cells, model)
        if not any((table["dataset"], whole_protocol(table["protocol"])) == (dataset, whole) for table in tables):
            costs = filter(
                None, [image_cost_sentence(compared, names_of_runs(models)), digitizing_cost_sentence(compared)]
            )
            # the costs are those of the whole cross-validation, so only its first fold has them
            findings += [cost if protocol == whole else f"{cost} All folds are pooled." for cost in costs]
        tables.append({"dataset": dataset, "protocol": protocol, "rows": rows, "model": model, "findings": findings})
    return tables


def image_cost_sentence(compared: dict | None, names: Mapping[str, str]) -> str | None:
    """The baseline on the recordings against the best image model, from comparisons/<protocol>.json."""
    row = compared and compared.get("image_cost")
    if not row or row["difference"] is None:
        return None
    return (
        f"Cost of the image: macro AUC of the network on the recordings {row['first_value']:.3f}, of "
        f"{names.get(row['second'], row['second'])} {row['second_value']:.3f}; {_paired(row)}. "
        "The image model is the one with the highest macro AUC on "
        f"{'the validation records' if row['chosen_on'] == 'validation' else 'the scored records, which favours it'}."
    )


def digitizing_cost_sentence(compared: dict | None) -> str | None:
    """The same network on recordings and on digitized pages, from comparisons/<protocol>.json."""
    row = compared and compared.get("digitizing_cost")
    if not row or row["difference"] is None:
        return None
    return (
        f"Cost of the page and of digitizing it: macro AUC of the network on the recordings {row['first_value']:.3f}, "
        f"on digitized pages {row['second_value']:.3f}; {_paired(row)}."
    )


def _paired(row: dict) -> str:
    interval = "" if row["low"] is None else f" ({row['low']:+.3f} to {row['high']:+.3f})"
    return f"paired difference {row['difference']:+.3f}{interval}"


def nearest_by_protocol(tables: Sequence[dict], titles: Mapping[str, str]) -> list[str]:
    """Accuracy of the nearest neighbour under each protocol of a dataset: the effect of duplicates in training."""
    sentences = []
    for dataset in dict.fromkeys(table["dataset"] for table in tables):
        found = [
            f"{row['accuracy'].value:.3f} under {table['protocol']}"
            for table in tables
            if table["dataset"] == dataset
            for row in table["rows"]
            if row["kind"] == "nearest" and row["accuracy"].value is not None
        ]
        if len(found) > 1:
            sentences.append(
                f"{titles.get(dataset, dataset)}: a nearest neighbour on thumbnails has an accuracy of "
                f"{', '.join(found)}."
            )
    return sentences


def baseline_kind(variant: str) -> str:
    """``shuffled`` for ``baseline-shuffled-3``."""
    return variant.removeprefix(BASELINE_PREFIX).partition("-")[0]


def _cells(runs: list[Run], kind: str, metrics: Iterable[str]) -> dict[str, Cell]:
    """Scores over seeds; for shuffled labels, the mean with its t interval: a single shuffle may be far from chance."""
    return {
        metric: _mean_interval(runs, metric) if kind == "shuffled" else over_seeds(runs, metric) for metric in metrics
    }


def _mean_interval(runs: list[Run], metric: str) -> Cell:
    values = [run.scores[metric]["value"] for run in runs if run.scores.get(metric, {}).get("value") is not None]
    if len(values) < 2:
        return Cell(values[0] if values else None, None, None, len(values))
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    half_width = error * float(t.ppf((1 + runs[0].metrics["confidence"]) / 2, len(values) - 1))
    return Cell(mean, mean - half_width, mean + half_width, len(values))


def _best_model(runs: list[Run], pooled: Mapping[str, dict[str, Cell]]) -> dict | None:
    """The model with the highest mean macro AUC; with its pooled cells, if there are any."""
    cells = {
        variant: {metric: over_seeds([run for run in runs if run.variant == variant], metric) for metric in METRICS}
        | {metric: cell for metric, cell in pooled.get(variant, {}).items() if metric in METRICS}
        for variant in dict.fromkeys(run.variant for run in runs)
    }
    measured = {variant: cell for variant, cell in cells.items() if cell["auc_macro"].value is not None}
    if not measured:
        return None
    variant = max(measured, key=lambda name: measured[name]["auc_macro"].value)
    return {"variant": variant, **measured[variant]}


def baseline_findings(cells: dict[str, dict[str, Cell]], model: dict | None) -> list[str]:
    """Sentences computed from the scores, good news included."""
    findings = []
    outside = cells.get("outside", {}).get("auc_macro")
    if outside and outside.low is not None:
        findings.append(
            f"Leak: the area outside the traces predicts the class better than chance: macro AUC {outside}."
            if outside.low > CHANCE_AUC
            else "The area outside the traces does not predict the class significantly better than chance: macro AUC "
            f"{outside}."
        )
    shuffled = cells.get("shuffled", {}).get("auc_macro")
    if shuffled and shuffled.low is not None:
        score = f"mean macro AUC {shuffled}, {shuffled.seeds} shuffles"
        findings.append(
            f"With shuffled training labels the classifier is not significantly above chance: {score}."
            if shuffled.low <= CHANCE_AUC  # a leak of labels can only raise the score
            else f"With shuffled training labels the classifier is above chance: {score}. If more shuffles do not "
            "change that, labels reach the test records in another way."
        )
    for kind in ("nearest", "thumbnail"):
        cell = cells.get(kind, {}).get("accuracy")
        if model and cell and cell.value is not None and cell.value >= model["accuracy"].value:
            findings.append(
                f"The best model is not more accurate than this baseline: {baseline_names(kind).row}, {cell.value:.3f}."
            )
    return findings


def best_model_view(runs: Sequence[Run], view: dict) -> dict | None:
    """Scores by class of the best model's first run (the first fold of a cross-validation).

    Returns:
        ``variant``, ``name``, ``protocol``, ``seed``, ``ece``, ``brier``, ``classes``: ``name``, ``records``,
        ``scores``; None without a best model.
    """
    run = next((run for run in runs if run.variant == view["best"]), None)
    if run is None:
        return None
    names = {model["variant"]: model["name"] for model in view["models"]}
    return {
        "variant": run.variant,
        "name": names[run.variant],
        "protocol": run.protocol,
        "seed": run.seed,
        "ece": run.scores.get("ece"),
        "brier": run.scores.get("brier"),
        "classes": [
            {"name": label, "records": run.metrics["support"].get(label), "scores": scores}
            for label, scores in run.metrics["per_class"].items()
        ],
    }
