"""Baselines: cheap classifiers on thumbnails, trained and scored under the same splits as the models.

The classifiers take training targets (n, classes) 0/1 and return logits (m, classes) float32: of a softmax for task
``single``, of one sigmoid per class for ``multilabel``.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin_min

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.baselines import BaselineFeatures
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.analysis import BASELINE_PREFIX
from ecgpipe.errors import DataError

FEATURES = {"majority": "images", "nearest": "pages", "outside": "outside", "thumbnail": "images", "shuffled": "images"}
COMPONENTS = 50  # principal components that the linear classifiers see
REGULARISATION = 0.1  # C of the logistic regression: smaller is stronger
PCA_ROWS = 4000
"""Largest number of records that the components are fitted on, to limit memory."""
CHUNK = 1000
LOGITS_OF_A_DISTANCE = 30.0
"""Logit of the largest possible distance: small enough that no softmax rounds to 1 in float64."""


def majority(targets: np.ndarray, count: int, task: str) -> np.ndarray:
    """Log odds of the class shares among training records, plus half a record, for each of ``count`` records."""
    positive = targets.sum(axis=0) + 0.5
    other = 1.0 if task == "single" else len(targets) - targets.sum(axis=0) + 0.5
    return np.tile(np.log(positive / other), (count, 1)).astype(np.float32)


def nearest(train: np.ndarray, targets: np.ndarray, test: np.ndarray, task: str) -> np.ndarray:
    """One nearest neighbour by Euclidean distance, with a ranking.

    Single-label: minus the distance to the nearest training record of each class, so that the largest logit belongs to
    the class of the nearest neighbour. Multi-label: distance to the nearest record without the class minus the distance
    to the nearest one with it, so that the logit is positive if the nearest neighbour has the class. A class without
    records has the largest possible distance. With equally near neighbours the first class wins (single), or the class
    is predicted (multi-label).

    Args:
        train, test: (n, d), (m, d) uint8.
    """
    furthest = 255.0 * np.sqrt(train.shape[1])

    def distance(rows: np.ndarray) -> np.ndarray:
        if not rows.any():
            return np.full(len(test), furthest)
        points = train[rows].astype(np.float64)
        parts = [
            pairwise_distances_argmin_min(test[start : start + CHUNK].astype(np.float64), points)[1]
            for start in range(0, len(test), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    has = np.stack([distance(column == 1) for column in targets.T], axis=1)
    if task == "multilabel":
        has = has - np.stack([distance(column == 0) for column in targets.T], axis=1)
    return (-LOGITS_OF_A_DISTANCE * has / furthest).astype(np.float32)


def linear(
    train: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
    task: str,
) -> np.ndarray:
    """Logistic regression on principal components and the page's size, all fitted on training records.

    Args:
        train, test: features (n, d) uint8 and form (n, 2), see ``BaselineFeatures``.
    """
    train_features, test_features = _components(train[0], test[0], COMPONENTS)
    forms = _standardised(train[1], test[1])
    train_features, test_features = np.hstack([train_features, forms[0]]), np.hstack([test_features, forms[1]])
    logits = majority(targets, len(test_features), task)
    if not train_features.shape[1] or not len(test_features):
        return logits
    model = LogisticRegression(C=REGULARISATION, max_iter=2000)
    if task == "single":
        truth = targets.argmax(axis=1)
        if len(np.unique(truth)) > 1:
            model.fit(train_features, truth)
            # a class without training records keeps the logarithm of its (tiny) share
            logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
            scores = model.decision_function(test_features)
            if scores.ndim == 1:  # of two classes, scikit-learn gives only the second one's
                scores = np.stack([np.zeros_like(scores), scores], axis=1)
            # predict_log_proba is -inf for pages that are unlike all training pages
            logits[:, model.classes_] = log_softmax(scores, axis=1)
        return logits
    for place, column in enumerate(targets.T):
        if 0 < column.sum() < len(column):
            logits[:, place] = model.fit(train_features, column).decision_function(test_features)
    return logits


def _components(train: np.ndarray, test: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Whitened principal components, without components of negligible variance."""
    varied = (train != train[0]).any(axis=0)
    train, test = train[:, varied], test[:, varied]
    chosen = np.unique(np.linspace(0, len(train) - 1, min(PCA_ROWS, len(train))).astype(int))
    count = min(count, len(chosen) - 1, train.shape[1])
    if count < 1:
        return np.zeros((len(train), 0)), np.zeros((len(test), 0))
    pca = PCA(count, svd_solver="randomized", random_state=0).fit(train[chosen].astype(np.float32))
    variance = pca.explained_variance_
    used = variance > 1e-6 * variance[0]

    def project(rows: np.ndarray) -> np.ndarray:
        parts = [pca.transform(rows[start : start + CHUNK].astype(np.float32)) for start in range(0, len(rows), CHUNK)]
        scores = np.concatenate(parts) if parts else np.zeros((0, count))
        return scores[:, used] / np.sqrt(variance[used])

    return project(train), project(test)


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns scaled to mean 0 and variance 1 in training, without constant ones."""
    spread = train.std(axis=0)
    used = spread > 0
    mean = train[:, used].mean(axis=0)
    return (train[:, used] - mean) / spread[used], (test[:, used] - mean) / spread[used]


def run_baseline(name: str, split: pd.DataFrame, labels: Labels, files: Sequence[Path | str], seed: int) -> Predictions:
    """Train a baseline on the training records of a split and predict the others.

    Args:
        name: as in file names: baseline-majority, -nearest, -outside, -thumbnail, -shuffled-<number>.
        split: rows of the split format.
        labels: targets.
        files: features of all shards.
        seed: seed of the run; a shuffle combines it with its number.

    Raises:
        DataError: unknown baseline, or a record of the split has no label or no features.
    """
    kind, shuffle = _kind(name)
    ids, features, form = BaselineFeatures.read(files, FEATURES[kind])
    split = split.sort_values("record_id", ignore_index=True)
    record_ids, roles = split["record_id"].to_numpy(dtype=str), split["role"].to_numpy(dtype=str)
    targets = labels.targets[require_rows(record_ids, labels.record_ids, "labels")]
    rows = require_rows(record_ids, ids, "baseline features")
    features, form = features[rows], form[rows]
    train, other = roles == "train", roles != "train"
    if not train.any():
        raise DataError("the split has no training records; check the protocol")
    known = targets[train]
    if kind == "shuffled":
        known = known[np.random.default_rng([seed, shuffle]).permutation(len(known))]
    if kind == "majority":
        logits = majority(known, int(other.sum()), labels.task)
    elif kind == "nearest":
        logits = nearest(features[train], known, features[other], labels.task)
    else:
        sides = [(features[side], form[side] if kind == "outside" else form[side][:, :0]) for side in (train, other)]
        logits = linear(sides[0], known, sides[1], labels.task)
    return Predictions(record_ids[other], roles[other], logits, targets[other], labels.classes, labels.task)


def _kind(name: str) -> tuple[str, int]:
    """Kind and number: ``shuffled`` and 3 for ``baseline-shuffled-3``; other baselines have number 0."""
    match = re.fullmatch(rf"{BASELINE_PREFIX}([a-z]+)(?:-(\d+))?", name)
    if match is None or match[1] not in FEATURES or (match[1] == "shuffled") != (match[2] is not None):
        raise DataError(f"unknown baseline: {name}")
    return match[1], int(match[2] or 0)


def require_rows(record_ids: np.ndarray, given: np.ndarray, what: str) -> np.ndarray:
    """Rows of record ids in ``given``.

    Raises:
        DataError: one is missing; the message calls the rows ``what``.
    """
    rows, found = find_rows(record_ids, given)
    if not found.all():
        missing = record_ids[~found]
        raise DataError(f"{len(missing)} records of the split have no {what}, {missing[0]} first; make them again")
    return rows
