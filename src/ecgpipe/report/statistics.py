"""The report's sections on comparisons, protocols, calibration and claims: what the rules computed, put in rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecgpipe.artifacts.files import read_json
from ecgpipe.report.collect import Cell, Run
from ecgpipe.report.figures import reliability_figure

SHOWN = ("accuracy", "f1_weighted", "auc_macro", "f_max")
VERDICTS = ("supported", "contradicted", "undecided", "not run")


@dataclass(frozen=True)
class Statistics:
    """Contents of comparisons/<protocol>.json, comparisons/protocols.json and report/claims.json."""

    comparisons: Sequence[dict] = ()
    protocols: Sequence[dict] = ()
    claims: dict = field(default_factory=dict)

    def of(self, dataset: str, protocol: str) -> dict | None:
        """The comparisons of one protocol of a data set."""
        return next((c for c in self.comparisons if (c["dataset"], c["protocol"]) == (dataset, protocol)), None)


def read_statistics(comparisons: Sequence[Path], protocols: Sequence[Path], claims: Sequence[Path]) -> Statistics:
    """Read the files, as far as they are there."""
    claim = read_json(claims[0]) if claims else {}
    return Statistics(list(map(read_json, comparisons)), list(map(read_json, protocols)), claim)


def pooled_cells(compared: dict, columns: Sequence[tuple[str, str]]) -> dict[str, dict[str, Cell]]:
    """Cells of a table of results: model -> metric -> the score over seeds and parts, with its interval."""
    return {model["model"]: {metric: _cell(model, metric) for metric, _ in columns} for model in compared["models"]}


def _cell(model: dict, metric: str) -> Cell:
    cell = model["scores"].get(metric)
    if cell is None:
        return Cell(None, None, None, 0, "not measured")
    return Cell(cell["value"], cell["low"], cell["high"], len(model["seeds"]), cell["note"])


def comparison_tables(statistics: Statistics) -> list[dict]:
    """A table per data set and protocol with more than one model.

    Returns:
        ``dataset``, ``protocol``, ``family`` and its ``first`` model (None: all pairs), ``metrics``, ``rows``
        (``first``, ``second``, a row of comparisons.json per metric, ``exact`` rows), ``significant`` of ``tests``
        (bootstrap, after Holm's correction) at the ``level``, ``confidence``, ``limit`` (what too few
        resamples hide, in words), ``alone`` (no other table of that protocol: no model is the reference).
    """
    tables = []
    for compared in statistics.comparisons:
        rows = compared["comparisons"]
        families = list(dict.fromkeys(row["family"] for row in rows))
        for family in families:
            own = [row for row in rows if row["family"] == family]
            metrics = [metric for metric in SHOWN if any(row["metric"] == metric for row in own)]
            pairs = [
                {
                    "first": first,
                    "second": second,
                    "cells": [_find(own, first, second, metric) for metric in metrics],
                    "exact": [r for r in own if (r["first"], r["second"]) == (first, second) and _exact(r)],
                }
                for first, second in dict.fromkeys((row["first"], row["second"]) for row in own)
            ]
            tested = [cell for pair in pairs for cell in pair["cells"] if cell and cell["p_holm"] is not None]
            level = 1 - compared["confidence"]
            tables.append(
                {"dataset": compared["dataset"], "protocol": compared["protocol"], "family": family}
                | {"first": compared["reference"] if family == "reference" else None, "metrics": metrics, "rows": pairs}
                | {"tests": len(tested), "significant": sum(cell["p_holm"] < level for cell in tested)}
                | {"confidence": compared["confidence"], "level": level}
                | {"limit": _limit(tested, level, compared["resamples"]), "alone": len(families) == 1}
            )
    return tables


def _limit(tested: Sequence[dict], level: float, resamples: int) -> str:
    """A sentence where resamples are too few for what they always show to pass Holm's correction; else nothing."""
    smallest = 2 / (resamples + 1)  # evaluate.paired.bootstrap_p
    bound = [cell for cell in tested if cell["p"] <= smallest and cell["p_holm"] >= level]
    if not bound:
        return ""
    needed = math.ceil(2 * max(cell["p_holm"] / cell["p"] for cell in bound) / level)
    return (
        f"Of the others, {len(bound)} have the smallest p that {resamples:,} resamples can give ({smallest:.2g}) "
        f"and fail by the correction alone: set evaluate.resamples to at least {needed:,} to tell."
    )


def _exact(row: dict) -> bool:
    return row["test"] in ("mcnemar", "sign-flip")


def _find(rows: Sequence[dict], first: str, second: str, metric: str) -> dict | None:
    for row in rows:
        if (row["first"], row["second"], row["metric"], row["test"]) == (first, second, metric, "bootstrap"):
            return row
    return None


def protocol_tables(statistics: Statistics) -> list[dict]:
    """A table per data set with several protocols: what the first adds to each score."""
    tables = []
    for found in statistics.protocols:
        metrics = [metric for metric in SHOWN if any(row["metric"] == metric for row in found["rows"])]
        keys = dict.fromkeys((row["model"], row["first"], row["second"]) for row in found["rows"])
        rows = [
            {"model": model, "first": first, "second": second}
            | {
                "cells": [
                    next(
                        (r for r in found["rows"] if (r["model"], r["second"], r["metric"]) == (model, second, m)), None
                    )
                    for m in metrics
                ]
            }
            for model, first, second in keys
        ]
        if rows:
            tables.append({"dataset": found["dataset"], "metrics": metrics, "rows": rows})
    return tables


def calibration_tables(runs: Sequence[Run]) -> list[dict]:
    """Per data set and protocol, of the first seed: calibration and sensitivity at fixed specificity of every model.

    Returns:
        ``dataset``, ``protocol``, ``seed``, ``specificities``, ``chosen_on``, ``figure`` (SVG) and whether it has the
        class called (``top``); ``models``: ``variant``, ``scores``, ``classes``: ``name``, ``cells`` of the class,
        ``thresholds``, ``confusion`` (counts), ``note``.
    """
    tables = []
    for dataset, protocol in dict.fromkeys((run.dataset, run.protocol) for run in runs):
        own = [run for run in runs if (run.dataset, run.protocol) == (dataset, protocol)]
        seed = min(run.seed for run in own)
        shown = [run for run in own if run.seed == seed]
        models = [
            {
                "variant": run.variant,
                "scores": run.score,
                "classes": [
                    {
                        "name": name,
                        "cells": run.metrics["per_class"][name],
                        "thresholds": run.metrics["thresholds"][name],
                        "confusion": run.metrics["confusion_per_class"][name],
                        "note": run.metrics["left_out"].get(name),
                    }
                    for name in run.metrics["classes"]
                ],
            }
            for run in shown
        ]
        rows = [row for run in shown for found in run.metrics["thresholds"].values() for row in found]
        own_choice = bool(rows) and rows[0]["chosen_on"] == "validation"
        tables.append(
            {"dataset": dataset, "protocol": protocol, "seed": seed, "models": models}
            | {"specificities": list(dict.fromkeys(row["asked_specificity"] for row in rows))}
            | {"chosen_on": f"{'the validation' if own_choice else 'the same'} records"}
            | {"figure": reliability_figure(shown), "top": "calibration_top" in shown[0].metrics}
        )
    return tables


def claim_view(statistics: Statistics) -> dict | None:
    """The claims in words with their parts, the cells counted by verdict, and what the printed figures imply."""
    found = statistics.claims
    if not found:
        return None
    rows = found["claims"]
    cells = [row for row in rows if row["kind"] == "cell"]
    sentences = [
        row | {"parts": [part for part in rows if part["kind"] == "part" and part["id"].startswith(f"{row['id']}/")]}
        for row in rows
        if row["kind"] == "claim"
    ]
    return {
        "claims": sentences,
        "cells": cells,
        "counts": {
            column: {word: sum(cell[column] == word for cell in cells) for word in VERDICTS}
            for column in ("verdict", "finding")
        },
        "arithmetic": found["arithmetic"],
        "departures": {dataset: told for dataset, told in found["departures"].items() if told},
        "margin": found["margin"],
        "confidence": found["confidence"],
    }


def sentences(tables: Sequence[dict], names: dict[str, str], titles: dict[str, str]) -> list[str]:
    """What a reader should know of the comparisons after a minute."""
    told = []
    for table in tables:
        if table["first"] is None or not table["tests"]:
            continue
        where = f"{titles.get(table['dataset'], table['dataset'])}, protocol {table['protocol']}"
        better = [cell for row in table["rows"] for cell in row["cells"] if _shown(cell, table["level"], 1)]
        worse = [cell for row in table["rows"] for cell in row["cells"] if _shown(cell, table["level"], -1)]
        name = names.get(table["first"], table["first"])
        told.append(
            f"{where}: of {table['tests']} paired tests of {name} against the other models (Holm-corrected), "
            f"{len(better)} show it better and {len(worse)} worse; the others decide nothing at this size."
        )
    return told


def _shown(cell: dict | None, level: float, sign: int) -> bool:
    return bool(cell) and cell["p_holm"] is not None and cell["p_holm"] < level and sign * cell["difference"] > 0
