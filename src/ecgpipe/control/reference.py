"""The signal reference under one split, as predictions like a model's."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.control.resnet1d import signal_reference
from ecgpipe.control.run import rows_of
from ecgpipe.errors import DataError


def run_reference(
    split: pd.DataFrame, labels: Labels, files: Sequence[Path | str], epochs: int, seed: int, threads: int | None = None
) -> Predictions:
    """Train the reference on the training records of a split and predict the others.

    Args:
        split: rows of the split format.
        labels: targets.
        files: signals of all shards.
        epochs: of training.
        seed: of the run.
        threads: CPU threads.

    Raises:
        DataError: a record of the split has no label or no signal, or too few records are for training.
    """
    if threads:
        torch.set_num_threads(threads)
    split = split.sort_values("record_id", ignore_index=True)
    record_ids, roles = split["record_id"].to_numpy(dtype=str), split["role"].to_numpy(dtype=str)
    if (roles == "train").sum() < 2:
        raise DataError(f"the signal reference needs training records, the split has {(roles == 'train').sum()}")
    targets = labels.targets[rows_of(labels.record_ids, record_ids, "labels")]
    stored = BaselineSignals.read(files)
    signals = stored.signals[rows_of(stored.record_ids, record_ids, "signals")]
    logits = signal_reference(signals, targets, roles, labels.task, epochs, seed)
    other = roles != "train"
    return Predictions(record_ids[other], roles[other], logits, targets[other], labels.classes, labels.task)
