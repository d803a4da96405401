"""What there is to say of a data set under one protocol, without figures."""

from collections.abc import Sequence

from ecgpipe.errors import DataError
from ecgpipe.report import paper
from ecgpipe.report.collect import CROSS_VALIDATION, Run, whole_protocol
from ecgpipe.report.names import alterations, names_of_runs
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
    tables = paper.TABLES.get(dataset, ()) if protocol == "paper" else ()
    names = names_of_runs(runs)
    first_seed = min(run.seed for run in runs)
    scored = [run for run in runs if (run.variant, run.seed) == (runs[0].variant, first_seed)]  # one of each part
    meaning = paper.PROTOCOLS[match["base"] if match else protocol]
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
