"""Scores of pages of several looks, and the differences between them."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.box import paired_difference, score_looks

CLASSES = ("A", "B")
CONFIG = EvaluateConfig(resamples=200)


def predictions(ids: np.ndarray, noise: float, seed: int, role: str = "test") -> Predictions:
    """Targets depend on the record alone; logits follow them, with noise."""
    targets = np.array([[int(each) % 2, int(each) // 2 % 2] for each in ids], np.uint8)
    logits = targets + np.random.default_rng(seed).normal(0, noise, targets.shape)
    return Predictions(ids, np.full(len(ids), role), logits.astype(np.float32), targets, CLASSES, "multilabel")


def table(ids: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"record_id": ids, "patient_id": [int(each) // 2 for each in ids], "content": ""})


IDS = np.array([f"{number:03d}" for number in range(120)])


def test_the_difference_is_of_the_common_records():
    first, second = predictions(IDS, 0.3, 0), predictions(IDS[::3], 2.0, 1)
    row = paired_difference(first, second, table(IDS), CONFIG)
    expected = roc_auc_score(first.targets[::3], first.logits[::3]) - roc_auc_score(second.targets, second.logits)
    assert row["records"] == 40
    assert abs(row["value"] - expected) < 1e-9
    assert row["low"] < row["value"] < row["high"]
    assert row["low"] > 0  # much less noise


def test_each_look_is_scored_with_thresholds_from_the_validation_pages():
    looks = {"clean": predictions(IDS, 0.3, 0), "worn": predictions(IDS[::2], 1.0, 1)}
    validation = predictions(IDS, 0.5, 2, "validation")
    scores = score_looks(looks, validation, table(IDS), CONFIG)
    assert {name: each["records"] for name, each in scores.items()} == {"clean": 120, "worn": 60}
    first, second = (each["thresholds"]["A"][0] for each in scores.values())
    assert first["threshold"] == second["threshold"]
    assert first["chosen_on"] == "validation"
    assert scores["clean"]["recalibration"]["records"] == 120
