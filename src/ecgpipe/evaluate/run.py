"""Scores of one run: the reported role, resampled by what belongs together."""

import numpy as np
import pandas as pd

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.scores import evaluate_predictions

GROUPED_BY = ["record_id", "patient_id", "content"]
"""Columns of records.parquet that tell what is resampled together."""


def reported_role(predictions: Predictions) -> str:
    """``test`` where the protocol has a test part, else ``validation`` (the paper's protocol)."""
    return "test" if (predictions.roles == "test").any() else "validation"


def resampling_groups(record_ids: np.ndarray, records: pd.DataFrame) -> np.ndarray:
    """What is resampled as a whole, per record: its patient; else its file's content; else itself."""
    rows = records.set_index("record_id").loc[record_ids]
    alone = pd.Series(record_ids, index=rows.index)
    return rows["patient_id"].fillna(rows["content"].where(rows["content"] != "", alone)).to_numpy(dtype=str)


def evaluate_run(predictions: Predictions, records: pd.DataFrame, config: EvaluateConfig) -> dict:
    """The content of metrics.json (see ``evaluate_predictions``).

    Args:
        predictions: of a trained run.
        records: rows of records.parquet with the columns GROUPED_BY, for patients and duplicates.
        config: intervals and thresholds.
    """
    role = reported_role(predictions)
    chosen = predictions.of_role(role)
    validation = predictions.of_role("validation") if role == "test" else None
    return evaluate_predictions(chosen, resampling_groups(chosen.record_ids, records), config, validation)
