"""Accuracy on reported files with and without an identical copy in training; part B of docs/protocol.md.

python -m benchmarks.copies RESULTS [--dataset cardiac-images] [--protocol paper]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import DUPLICATES, SPLIT


def copies_table(results: Path, dataset: str, protocol: str) -> pd.DataFrame:
    """One row per model: ``model``, ``seeds``, mean accuracy on files ``with_copy`` and ``without_copy``, the mean
    ``difference`` and its ``low`` and ``high`` over seeds, and the mean number of ``files_without_copy``.

    Only single-label tasks. Baselines are included. Differences between the two kinds of files have causes other than
    the copies; a model whose difference is far above another's depends more on them.
    """
    base = results / dataset
    identical = DUPLICATES.read(base / "audit/duplicates.parquet").set_index("record_id")["identical"]
    rows = []
    for file in sorted((base / protocol).glob("*/seed-*/predictions.parquet")):
        predictions = Predictions.read(file)
        reported = predictions.reported()
        seed = file.parent.name.removeprefix("seed-")
        ids, roles = SPLIT.read_text(base / f"splits/{protocol}/seed-{seed}.parquet", ["record_id", "role"])
        seen = set(identical[ids[roles == "train"]])
        copied = np.array([content in seen for content in identical[reported.record_ids]])
        right = reported.logits.argmax(axis=1) == reported.targets.argmax(axis=1)
        row = {"model": file.parts[-3], "files_without_copy": int((~copied).sum())}
        rows.append(row | {"with_copy": right[copied].mean(), "without_copy": right[~copied].mean()})
    found = pd.DataFrame(rows).assign(difference=lambda table: table["with_copy"] - table["without_copy"])
    grouped = found.groupby("model")
    spread = grouped["difference"]
    return grouped.mean().assign(seeds=grouped.size(), low=spread.min(), high=spread.max()).reset_index()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--dataset", default="cardiac-images")
    parser.add_argument("--protocol", default="paper")
    args = parser.parse_args(arguments)
    print(copies_table(args.results, args.dataset, args.protocol).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
