"""What our runs show about the claims: comparisons, departures from the recipe, the saliency of two models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.saliency import MEASURES
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.bootstrap import (
    bootstrap_interval,
    bootstrap_p,
    distinct_groups,
    group_counts,
    join_notes,
    resampling_groups,
)
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.paper import Paper

PROTOCOL = "paper"
RECORDS_TOLERANCE = 0.01
"""Relative difference allowed in the number of records: releases 1.0.1 and 1.0.3 of PTB-XL differ by 38."""
SAME_TRAINING = {"accumulate", "precision", "cpu_precision", "keep_state", "continue_from"}
"""Settings that change how a training is computed, not what is trained."""
MEASURE, RESOLUTION, MAPS = "finding", "common", "trained"
"""The share of the map on the samples of the finding, at one resolution for all models (docs/saliency.md)."""


@dataclass(frozen=True)
class Evidence:
    """Results of our runs.

    Args:
        comparisons: (dataset, protocol) -> content of comparisons/<protocol>.json.
        departures: dataset -> differences between its runs and the paper's recipe.
        saliency: claim id -> comparison of two models' saliency: ``ours`` (difference), ``low``, ``high``, ``p``,
            ``test``, ``note``.
    """

    comparisons: Mapping[tuple[str, str], dict]
    departures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    saliency: Mapping[str, dict] = field(default_factory=dict)

    def compared(self, dataset: str) -> dict | None:
        """Comparisons under the paper's protocol."""
        return self.comparisons.get((dataset, PROTOCOL))


def gather_evidence(
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
        paper: contains the recipe, from which runs may depart.
        config: settings of the resampling.
    """
    read = [read_json(file) for file in comparisons]
    settings = [read_json(file) for file in runs]
    departures = {}
    for file in map(Path, labels):
        dataset = file.parent.name
        # saliency is measured under any protocol
        any_protocol = dataset in paper.saliency_datasets
        own = [run for run in settings if run["dataset"] == dataset and (any_protocol or run["protocol"] == PROTOCOL)]
        departures[dataset] = recipe_departures(dataset, own, read_json(file), paper)
    compared = {(found["dataset"], found["protocol"]): found for found in read}
    return Evidence(compared, departures, _saliency(list(map(Path, saliency)), paper, config))


def gather_evidence_from_folder(results: Path, paper: Paper, config: EvaluateConfig) -> Evidence:
    """The same from a folder of results; incomplete folders are fine."""
    comparisons = [file for file in sorted(results.glob("*/comparisons/*.json")) if file.stem != "protocols"]
    runs = sorted(results.glob("*/*/*/seed-*/run.json"))
    saliency = sorted(results.glob("*/*/*/seed-*/saliency.parquet"))
    return gather_evidence(comparisons, runs, sorted(results.glob("*/labels.json")), saliency, paper, config)


def recipe_departures(dataset: str, runs: list[dict], labels: dict, paper: Paper) -> list[str]:
    """Differences between the runs of a dataset and the paper's recipe; empty if there are none.

    Only runs of models that the paper's tables or claims name for this dataset count. Settings of the training that the
    paper does not specify are compared with the defaults (docs/paper.md).

    Args:
        dataset: name.
        runs: contents of run.json.
        labels: content of labels.json.
        paper: its recipe, tables and claims.
    """
    models = {model for table in paper.tables if table.dataset == dataset for model in table.rows}
    models |= {model for claim in paper.claims if dataset in claim.datasets for model in (*claim.first, *claim.second)}
    runs = [run for run in runs if run["variant"] in models]
    recipe = {"model": paper.recipe["model"], "train": TrainConfig().model_dump(exclude=SAME_TRAINING)}
    recipe["train"] |= paper.recipe["train"]
    departures = []
    records, policies = paper.recipe["records"].get(dataset), paper.recipe["policies"]
    total = labels["kept"] + sum(labels["dropped"].values())
    if records is None and dataset not in paper.saliency_datasets:
        departures.append(f"the paper does not use {dataset} records")
    elif records is not None and abs(total - records) > RECORDS_TOLERANCE * records:
        departures.append(f"{total} records, not {records}")
    if records is not None and labels["policy"] not in policies:
        departures.append(f"label policy {labels['policy']}; the paper's tables are single-label")
    for part in ("model", "train"):
        for key, expected in recipe[part].items():
            # runs of earlier versions lack settings that were added later, and were trained as with the default
            different = sorted({run[part].get(key, expected) for run in runs} - {expected}, key=str)
            if different:
                planned = "null" if expected is None else expected
                departures.append(f"{key} {', '.join(map(str, different))}, not {planned}")
    changed = sorted({run["variant"] for run in runs if run["model"]["options"]})
    if changed:
        departures.append(f"models with other options: {', '.join(changed)}")
    return departures


def _saliency(files: list[Path], paper: Paper, config: EvaluateConfig) -> dict[str, dict]:
    """Claim id -> comparison of its two models, for the first protocol and seed with both."""
    comparisons = {}
    for claim in paper.claims:
        if claim.kind != "saliency":
            continue
        for first in files:
            dataset, protocol, model, seed = first.parts[-5:-1]
            second = first.parents[2] / claim.second[0] / seed / first.name
            if (
                (dataset, model) == (claim.datasets[0], claim.first[0])
                and second in files
                and claim.id not in comparisons
            ):
                records = RECORDS.read(first.parents[3] / "records.parquet")
                compared = compare_saliency(first, second, claim.metrics[0], records, config)
                if compared:
                    comparisons[claim.id] = compared | {"note": f"protocol {protocol}, {seed}; {compared['note']}"}
    return comparisons


def compare_saliency(
    first: Path, second: Path, method: str, records: pd.DataFrame, config: EvaluateConfig
) -> dict | None:
    """First minus second, on the records for which both have maps.

    Args:
        first: saliency.parquet of one model.
        second: saliency.parquet of the other model.
        method: method of the maps: ``gradcam``.
        records: rows of records.parquet, for patients.
        config: resamples, confidence, seed.

    Returns:
        ``ours`` (difference), ``low``, ``high``, ``p``, ``test``, ``note``; None if no record is measured in both.
    """
    shares = [_shares(MEASURES.read(file), method) for file in (first, second)]
    # a record with several classes counts once, with its mean
    paired = (shares[0] - shares[1]).dropna().groupby("record_id").mean()
    if paired.empty:
        return None
    difference = paired.to_numpy()
    groups = resampling_groups(paired.index.to_numpy(str), records)
    names = distinct_groups(groups)
    member = np.searchsorted(names, groups)
    samples = np.concatenate(
        [
            difference @ counts[member] / counts[member].sum(axis=0)
            for counts in group_counts(len(names), config.resamples, config.seed)
        ]
    )
    cell = bootstrap_interval(float(difference.mean()), samples, config.confidence)
    note = f"share of the map on the samples of the finding, {len(paired)} records, one seed, maps at one resolution"
    return {
        "ours": cell["value"],
        "low": cell["low"],
        "high": cell["high"],
        "p": bootstrap_p(samples),
        "test": "paired bootstrap",
        "note": join_notes([note, cell["note"]]),
    }


def _shares(table: pd.DataFrame, method: str) -> pd.Series:
    """Record and class -> the share of this map; empty maps are left out."""
    kind = (table["method"] == method) & (table["maps"] == MAPS)
    kind &= (table["measure"] == MEASURE) & (table["resolution"] == RESOLUTION)
    return table[kind].dropna(subset="value").set_index(["record_id", "class"])["value"]
