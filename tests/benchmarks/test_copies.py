"""The table of accuracy with and without copies in training."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.copies import copies_table
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import DUPLICATES, SPLIT


def test_files_are_divided_by_copies_in_training(tmp_path):
    """a to c train; d copies a, e copies the reported f only, g is alone."""
    ids, base = np.array(list("abcdefg")), tmp_path / "cardiac-images"
    table = pd.DataFrame({"record_id": ids, "identical": list("abcaeeg"), "near": list("abcaeeg")})
    for path in ("audit", "splits/paper", "paper/m/seed-0", "paper/m/seed-1"):
        (base / path).mkdir(parents=True)
    DUPLICATES.write(table, base / "audit/duplicates.parquet")
    roles = ["train"] * 3 + ["validation"] * 4
    targets = np.eye(2, dtype=np.uint8)[[0, 0, 0, 0]]
    for seed, guesses in enumerate(([0, 0, 1, 1], [0, 0, 0, 1])):
        SPLIT.write(pd.DataFrame({"record_id": ids, "role": roles}), base / f"splits/paper/seed-{seed}.parquet")
        logits = np.eye(2, dtype=np.float32)[guesses]
        predictions = Predictions(ids[3:], np.repeat("validation", 4), logits, targets, ("x", "y"), "single")
        predictions.write(base / f"paper/m/seed-{seed}/predictions.parquet")
    row = copies_table(tmp_path, "cardiac-images", "paper").iloc[0]
    assert row["with_copy"] == 1 and row["without_copy"] == pytest.approx(1 / 2)
    assert (row["low"], row["high"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert row["seeds"] == 2 and row["files_without_copy"] == 3
