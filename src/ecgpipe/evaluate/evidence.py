"""Gathers from results what the paper's claims are held against."""

from collections.abc import Iterable
from pathlib import Path

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.claims import PROTOCOL, Evidence
from ecgpipe.evaluate.focus import compare_focus
from ecgpipe.paper import Paper

CLOSE = 0.01
"""Share by which the number of records may differ: releases 1.0.1 and 1.0.3 of PTB-XL differ by 38."""


def gather(
    comparisons: Iterable[Path],
    runs: Iterable[Path],
    labels: Iterable[Path],
    saliency: Iterable[Path],
    paper: Paper,
    config: EvaluateConfig,
) -> Evidence:
    """Read what was run.

    Args:
        comparisons: ``<dataset>/comparisons/<protocol>.json``.
        runs: ``<dataset>/<protocol>/<model>/seed-<n>/run.json``.
        labels: ``<dataset>/labels.json``.
        saliency: ``<dataset>/<protocol>/<model>/seed-<n>/saliency.parquet``, with ``<dataset>/records.parquet`` there.
        paper: its recipe, which runs may depart from.
        config: of the resampling.
    """
    read = [read_json(file) for file in comparisons]
    settings = [read_json(file) for file in runs]
    departures = {}
    for file in map(Path, labels):
        dataset = file.parent.name
        own = [run for run in settings if (run["dataset"], run["protocol"]) == (dataset, PROTOCOL)]
        departures[dataset] = depart(dataset, own, read_json(file), paper)
    compared = {(found["dataset"], found["protocol"]): found for found in read}
    return Evidence(compared, departures, _focus(list(map(Path, saliency)), paper, config))


def _focus(files: list[Path], paper: Paper, config: EvaluateConfig) -> dict[str, dict]:
    """Claim id -> the saliency of its two models compared, of the first protocol and seed that has both."""
    found = {}
    for claim in paper.claims:
        if claim.kind != "saliency":
            continue
        for first in files:
            dataset, protocol, model, seed = first.parts[-5:-1]
            second = first.parents[2] / claim.second[0] / seed / first.name
            if (dataset, model) == (claim.datasets[0], claim.first[0]) and second in files and claim.id not in found:
                records = RECORDS.read(first.parents[3] / "records.parquet")
                compared = compare_focus(first, second, claim.metrics[0], records, config)
                if compared:
                    found[claim.id] = compared | {"note": f"protocol {protocol}, {seed}; {compared['note']}"}
    return found


def gather_folder(results: Path, paper: Paper, config: EvaluateConfig) -> Evidence:
    """The same from a folder of results, whatever part of it is there."""
    comparisons = [file for file in sorted(results.glob("*/comparisons/*.json")) if file.stem != "protocols"]
    runs = sorted(results.glob(f"*/{PROTOCOL}/*/seed-*/run.json"))
    saliency = sorted(results.glob("*/*/*/seed-*/saliency.parquet"))
    return gather(comparisons, runs, sorted(results.glob("*/labels.json")), saliency, paper, config)


def depart(dataset: str, runs: list[dict], labels: dict, paper: Paper) -> list[str]:
    """What in the runs of a data set is not as the paper describes it; empty if they are its runs."""
    told = []
    records, policies = paper.recipe["records"].get(dataset), paper.recipe["policies"]
    found = labels["kept"] + sum(labels["dropped"].values())
    if records is None:
        told.append(f"the paper does not use {dataset} records")
    elif abs(found - records) > CLOSE * records:
        told.append(f"{found} records, not {records}")
    if records is not None and labels["policy"] not in policies:
        told.append(f"label policy {labels['policy']}; the paper's tables are single-label")
    for part in ("model", "train"):
        for key, meant in paper.recipe[part].items():
            given = sorted({run[part][key] for run in runs} - {meant})
            if given:
                told.append(f"{key} {', '.join(map(str, given))}, not {meant}")
    changed = sorted({run["variant"] for run in runs if run["model"]["options"]})
    if changed:
        told.append(f"models with other options: {', '.join(changed)}")
    return told
