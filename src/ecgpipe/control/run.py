"""One control experiment under one split, as predictions like a model's."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.baselines import BaselineFeatures
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.analysis import BASELINE_PREFIX, BaselinesConfig
from ecgpipe.control.classify import linear, majority, nearest
from ecgpipe.errors import DataError

FEATURES = {"majority": "images", "nearest": "pages", "outside": "outside", "thumbnail": "images", "shuffled": "images"}


def run_control(
    name: str, split: pd.DataFrame, labels: Labels, files: Sequence[Path | str], config: BaselinesConfig, seed: int
) -> Predictions:
    """Train a control on the training records of a split and predict the others.

    Args:
        name: as files name it: baseline-majority, -nearest, -outside, -thumbnail, -shuffled-<number>.
        split: rows of the split format.
        labels: targets.
        files: features of all shards.
        config: settings of the controls.
        seed: of the run; with the shuffle's number it seeds the shuffle.

    Raises:
        DataError: no such control, or a record of the split has no label or no features.
    """
    kind, shuffle = _kind(name)
    ids, features, form = BaselineFeatures.read(files, FEATURES[kind])
    split = split.sort_values("record_id", ignore_index=True)
    record_ids, roles = split["record_id"].to_numpy(dtype=str), split["role"].to_numpy(dtype=str)
    targets = labels.targets[rows_of(labels.record_ids, record_ids, "labels")]
    rows = rows_of(ids, record_ids, "control features")
    features, form = features[rows], form[rows]
    train, other = roles == "train", roles != "train"
    if not train.any():
        raise DataError("the split has no training records; check it")
    known = targets[train]
    if kind == "shuffled":
        known = known[np.random.default_rng([seed, shuffle]).permutation(len(known))]
    if kind == "majority":
        logits = majority(known, int(other.sum()), labels.task)
    elif kind == "nearest":
        logits = nearest(features[train], known, features[other], labels.task)
    else:
        sides = [(features[side], form[side] if kind == "outside" else form[side][:, :0]) for side in (train, other)]
        logits = linear(sides[0], known, sides[1], labels.task, config)
    return Predictions(record_ids[other], roles[other], logits, targets[other], labels.classes, labels.task)


def _kind(name: str) -> tuple[str, int]:
    """``shuffled`` and 3 of ``baseline-shuffled-3``; other controls have number 0."""
    match = re.fullmatch(rf"{BASELINE_PREFIX}([a-z]+)(?:-(\d+))?", name)
    if match is None or match[1] not in FEATURES or (match[1] == "shuffled") != (match[2] is not None):
        raise DataError(f"no such control: {name}")
    return match[1], int(match[2] or 0)


def rows_of(there: np.ndarray, wanted: np.ndarray, what: str) -> np.ndarray:
    """Where the wanted record ids stand; an error if one is missing, which calls them ``what``."""
    place = pd.Index(there).get_indexer(wanted)
    if (place < 0).any():
        missing = wanted[place < 0]
        raise DataError(f"{len(missing)} records of the split have no {what}, {missing[0]} first; run it again")
    return place
