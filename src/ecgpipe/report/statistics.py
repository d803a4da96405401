"""Comparisons of models and of protocols, calibration, and claims, as rows for the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecgpipe.artifacts.files import read_json
from ecgpipe.report.collect import Run
from ecgpipe.report.names import TESTED

VERDICTS = ("supported", "contradicted", "undecided", "not run")


@dataclass(frozen=True)
class Statistics:
    """Contents of comparisons/<protocol>.json, comparisons/protocols.json and report/claims.json."""

    comparisons: Sequence[dict] = ()
    protocols: Sequence[dict] = ()
    claims: dict = field(default_factory=dict)

    def of(self, dataset: str, protocol: str) -> dict | None:
        """The comparisons of one protocol of a dataset."""
        return next((c for c in self.comparisons if (c["dataset"], c["protocol"]) == (dataset, protocol)), None)


def read_statistics(comparisons: Sequence[Path], protocols: Sequence[Path], claims: Sequence[Path]) -> Statistics:
    """Read the files; each list may be empty."""
    claim = read_json(claims[0]) if claims else {}
    return Statistics(list(map(read_json, comparisons)), list(map(read_json, protocols)), claim)


def comparison_tables(statistics: Statistics) -> list[dict]:
    """A table per dataset, protocol and family of tests.

    Returns:
        ``dataset``, ``protocol``, ``family``; ``first``: the reference model (None: several); ``metrics``; ``rows``:
        ``first``, ``second``, ``cells`` (a row of comparisons.json per metric), ``one_seed`` (whether the two share
        only one), ``exact`` tests; ``significant`` of ``tests`` (bootstrap, after Holm's correction) at ``level``;
        ``confidence``; ``alone``: whether this is the protocol's only family.
    """
    tables = []
    for compared in statistics.comparisons:
        rows = compared["comparisons"]
        families = list(dict.fromkeys(row["family"] for row in rows))
        for family in families:
            own = [row for row in rows if row["family"] == family]
            metrics = [metric for metric in TESTED if any(row["metric"] == metric for row in own)]
            pairs = [
                {
                    "first": first,
                    "second": second,
                    "cells": (cells := [_bootstrap(own, first, second, metric) for metric in metrics]),
                    "one_seed": _one_seed(cells, "seeds"),
                    "exact": [
                        row
                        for row in own
                        if (row["first"], row["second"]) == (first, second) and row["test"] in ("mcnemar", "sign-flip")
                    ],
                }
                for first, second in dict.fromkeys((row["first"], row["second"]) for row in own)
            ]
            tested = [cell for pair in pairs for cell in pair["cells"] if cell and cell["p_holm"] is not None]
            level = 1 - compared["confidence"]
            tables.append(
                {"dataset": compared["dataset"], "protocol": compared["protocol"], "family": family}
                | {"first": compared["reference"] if family == "reference" else None, "metrics": metrics, "rows": pairs}
                | {"tests": len(tested), "significant": sum(cell["p_holm"] < level for cell in tested)}
                | {"confidence": compared["confidence"], "level": level, "alone": len(families) == 1}
            )
    return tables


def _bootstrap(rows: Sequence[dict], first: str, second: str, metric: str) -> dict | None:
    for row in rows:
        if (row["first"], row["second"], row["metric"], row["test"]) == (first, second, metric, "bootstrap"):
            return row
    return None


def _one_seed(cells: Sequence[dict | None], *sides: str) -> bool:
    """Whether one of the seed lists of these rows has only one seed; their intervals then cover patients only."""
    return any(len(cell[side] or ()) == 1 for cell in cells if cell for side in sides)


def comparison_sentences(tables: Sequence[dict], names: dict[str, str]) -> list[tuple[str, str, str]]:
    """Dataset, protocol and a sentence for each table of planned comparisons or with a reference model."""
    sentences = []
    for table in tables:
        if not table["tests"] or table["family"] not in ("planned", "reference"):
            continue
        significant = [
            cell["difference"]
            for row in table["rows"]
            for cell in row["cells"]
            if cell and cell["p_holm"] is not None and cell["p_holm"] < table["level"]
        ]
        better = sum(difference > 0 for difference in significant)
        worse = sum(difference < 0 for difference in significant)
        first, tests = names.get(table["first"], table["first"]), table["tests"]
        if table["family"] == "planned":
            verb = "is" if len(significant) == 1 else "are"
            found = (
                f"of the comparisons planned before the results, {len(significant)} of {tests} differences {verb} "
                "significant"
            )
            if len(table["rows"]) > 1:
                found += " after Holm's correction"
        elif len(table["rows"]) > 1:
            found = (
                f"in {tests} paired tests against {len(table['rows'])} other models (Holm-corrected), {first} is "
                f"significantly better in {better} and worse in {worse}"
            )
        else:
            second = names.get(table["rows"][0]["second"], table["rows"][0]["second"])
            found = f"{first} and {second} do not differ significantly in any of {tests} scores"
            if significant:
                found = (
                    f"{first} is significantly better than {second} in {better} of {tests} scores and worse in {worse}"
                )
        if alone := sum(row["one_seed"] for row in table["rows"]):
            pairs = "" if alone == len(table["rows"]) else f" for {alone} of the pairs"
            found += f"; with one seed{pairs}, the tests cover patients only"
        sentences.append((table["dataset"], table["protocol"], f"{found}."))
    return sentences


def protocol_tables(statistics: Statistics) -> list[dict]:
    """A table per dataset with several protocols: each score's difference between the first protocol and another.

    Returns:
        ``dataset``, ``metrics``, ``confidence``; ``rows``: ``model``, ``first``, ``second`` (protocols), ``cells`` (a
        row of protocols.json per metric), ``one_seed`` (whether one of the two has only one).
    """
    tables = []
    for comparison in statistics.protocols:
        metrics = [metric for metric in TESTED if any(row["metric"] == metric for row in comparison["rows"])]
        cells = {(row["model"], row["first"], row["second"], row["metric"]): row for row in comparison["rows"]}
        rows = [
            {"model": model, "first": first, "second": second}
            | {"cells": (own := [cells.get((model, first, second, metric)) for metric in metrics])}
            | {"one_seed": _one_seed(own, "first_seeds", "second_seeds")}
            for model, first, second in dict.fromkeys(key[:3] for key in cells)
        ]
        if rows:
            confidence = comparison["confidence"]
            tables.append(
                {"dataset": comparison["dataset"], "metrics": metrics, "confidence": confidence, "rows": rows}
            )
    return tables


def calibration_tables(runs: Sequence[Run]) -> list[dict]:
    """Per dataset and protocol, for the first seed: calibration, and sensitivity at fixed specificities.

    Returns:
        ``dataset``, ``protocol``, ``seed``, ``specificities``, ``chosen_on``, ``top`` (whether the reliability of the
        predicted class is known); ``models``: ``variant``, ``ece``, ``brier``, ``classes``: ``name``, ``cells``,
        ``thresholds``, ``confusion`` (counts), ``note``.
    """
    tables = []
    for dataset, protocol in dict.fromkeys((run.dataset, run.protocol) for run in runs):
        shown = first_seed_runs(runs, dataset, protocol)
        models = [
            {
                "variant": run.variant,
                "ece": run.scores["ece"],
                "brier": run.scores["brier"],
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
        validated = bool(rows) and rows[0]["chosen_on"] == "validation"
        tables.append(
            {"dataset": dataset, "protocol": protocol, "seed": shown[0].seed, "models": models}
            | {"specificities": list(dict.fromkeys(row["asked_specificity"] for row in rows))}
            | {"chosen_on": f"{'the validation' if validated else 'the same'} records"}
            | {"top": "calibration_top" in shown[0].metrics}
        )
    return tables


def first_seed_runs(runs: Sequence[Run], dataset: str, protocol: str) -> list[Run]:
    """The runs of a dataset and protocol with the lowest seed that any of them has."""
    own = [run for run in runs if (run.dataset, run.protocol) == (dataset, protocol)]
    seed = min(run.seed for run in own)
    return [run for run in own if run.seed == seed]


def claim_view(statistics: Statistics) -> dict | None:
    """The paper's claims with their parts, cells counted by verdict, and what the printed figures imply."""
    claims = statistics.claims
    if not claims:
        return None
    rows = claims["claims"]
    cells = [row for row in rows if row["kind"] == "cell"]
    return {
        "claims": [
            row
            | {"parts": [part for part in rows if part["kind"] == "part" and part["id"].startswith(f"{row['id']}/")]}
            | {"as_described": _as_described(row, claims["departures"])}
            for row in rows
            if row["kind"] == "claim"
        ],
        "cells": cells,
        "counts": {
            column: {word: sum(cell[column] == word for cell in cells) for word in VERDICTS}
            for column in ("verdict", "finding")
        },
        "arithmetic": claims["arithmetic"],
        "departures": {dataset: list(words) for dataset, words in claims["departures"].items() if words},
        "margin": claims["margin"],
        "confidence": claims["confidence"],
    }


def _as_described(row: dict, departures: dict) -> bool:
    """Whether the claim was tested by runs made as the paper describes."""
    changed = any(departures.get(dataset) for dataset in (row["dataset"] or "").split())
    return not changed and "not run" not in (row["finding"], row["verdict"])
