"""Scores of one model on pages of several looks, and the paired differences from one of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.bootstrap import resampling_groups
from ecgpipe.evaluate.compare import bootstrap_row, pair_head
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores
from ecgpipe.evaluate.scores import evaluate_predictions

SCORE = "auc_macro"


def score_looks(
    looks: Mapping[str, Predictions], validation: Predictions, records: pd.DataFrame, config: EvaluateConfig
) -> dict[str, dict[str, Any]]:
    """The scores of each look (see ``evaluate_predictions``), with thresholds and calibration from all looks.

    Args:
        looks: name -> predictions of test records.
        validation: predictions of the validation pages of all looks; a record may occur in several.
        records: rows of records.parquet with the columns GROUPED_BY.
        config: intervals and thresholds.
    """
    return {
        name: evaluate_predictions(each, resampling_groups(each.record_ids, records), config, validation)
        for name, each in looks.items()
    }


def paired_difference(
    first: Predictions, second: Predictions, records: pd.DataFrame, config: EvaluateConfig
) -> dict[str, Any]:
    """Macro AUC of the first predictions minus that of the second, on their common records.

    Returns:
        ``value``, ``low`` and ``high``, with a bootstrap over patients, and ``records``.
    """
    common = np.intersect1d(first.record_ids, second.record_ids)
    runs = {name: {0: _reported(each, common, records)} for name, each in (("first", first), ("second", second))}
    scores = bootstrap_scores(runs, config)
    head = pair_head("first", "second", None, runs["first"])
    row = bootstrap_row(head, scores["first"], scores["second"], SCORE, config)
    return {"value": row["difference"], "low": row["low"], "high": row["high"], "records": len(common)}


def _reported(predictions: Predictions, record_ids: np.ndarray, records: pd.DataFrame) -> Reported:
    rows, _ = find_rows(record_ids, predictions.record_ids)
    return Reported(predictions.select(rows), np.full(len(record_ids), ""), resampling_groups(record_ids, records))
