"""The paper's claim about Grad-CAM: which of two models puts more of its saliency on the finding."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.saliency import MEASURES
from ecgpipe.bootstrap import (
    bootstrap_interval,
    bootstrap_p,
    distinct_groups,
    group_counts,
    join_notes,
    resampling_groups,
)
from ecgpipe.config.analysis import EvaluateConfig

MEASURE, RESOLUTION, MAPS = "finding", "common", "trained"
"""The share of the map on the samples of the finding, at one resolution for all models (docs/saliency.md)."""


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
