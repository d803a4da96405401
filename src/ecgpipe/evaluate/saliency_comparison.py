"""Which of two models looks more at the samples that carry the finding: the paper's claim about Grad-CAM, measured."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.saliency import MEASURES
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.bootstrap import bootstrap_interval, distinct_groups, group_counts
from ecgpipe.evaluate.scores import resampling_groups
from ecgpipe.evaluate.tests import bootstrap_p

MEASURE, RESOLUTION, MAPS = "finding", "common", "trained"
"""Share of the map on the samples that carry the finding; at one resolution for all models (docs/saliency.md)."""


def compare_saliency(
    first: Path, second: Path, method: str, records: pd.DataFrame, config: EvaluateConfig
) -> dict | None:
    """First minus second, on the records whose maps were made for both.

    Args:
        first: saliency.parquet of a model.
        second: of another.
        method: of the maps: ``gradcam``.
        records: rows of records.parquet, for patients.
        config: resamples, confidence, seed.

    Returns:
        ``ours``, ``low``, ``high``, ``p``, ``test``, ``note``; None if no record was measured in both.
    """
    shares = [_shares(MEASURES.read(file), method) for file in (first, second)]
    both = shares[0].index.intersection(shares[1].index)
    if not len(both):
        return None
    difference = (shares[0][both] - shares[1][both]).to_numpy()
    groups = resampling_groups(both.to_numpy(str), records)
    names = distinct_groups(groups)
    member = np.searchsorted(names, groups)
    drawn = np.concatenate(
        [
            difference @ counts[member] / counts[member].sum(axis=0)
            for counts in group_counts(len(names), config.resamples, config.seed)
        ]
    )
    cell = bootstrap_interval(float(difference.mean()), drawn, config.confidence)
    note = f"share of the map on the finding's samples, {len(both)} records, one seed, maps at one resolution"
    return {
        "ours": cell["value"],
        "low": cell["low"],
        "high": cell["high"],
        "p": bootstrap_p(drawn),
        "test": "paired bootstrap",
        "note": "; ".join(filter(None, (note, cell["note"]))),
    }


def _shares(table: pd.DataFrame, method: str) -> pd.Series:
    """Record -> its share, those without a map left out."""
    kind = (table["method"] == method) & (table["maps"] == MAPS)
    kind &= (table["measure"] == MEASURE) & (table["resolution"] == RESOLUTION)
    return table[kind].dropna(subset="value").set_index("record_id")["value"]
