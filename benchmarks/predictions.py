"""Whether ``ecgpipe predict`` says of recordings what the benchmark's table says of them.

    python benchmarks/predictions.py RUN_DIR PTBXL_DIR [--records N] [--seed 0]

Gives the WFDB recordings of the run's test records (or N of them, drawn at random) to
``ecgpipe predict RUN_DIR/model``, which draws and prepares each page anew, and compares with predictions.parquet: the
largest difference of a probability, how many records are called otherwise at 0.5, and the macro AUC of both. Half a
second a record.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ecgpipe.artifacts.tables import RECORDS


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("ptbxl", type=Path)
    parser.add_argument("--records", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if not (given.run / "model" / "config.json").is_file():
        sys.exit(f"{given.run}: no model in it; make it with: ecgpipe card {given.run}")
    table = pd.read_parquet(given.run / "predictions.parquet")
    table = table[table["role"] == "test"]
    if given.records:
        table = table.sample(given.records, random_state=given.seed)
    records = RECORDS.read(given.run.parents[2] / "records.parquet", ["record_id", "path"])
    paths = records.set_index("record_id")["path"].loc[table["record_id"]]
    command = [sys.executable, "-m", "ecgpipe", "predict", str(given.run / "model")]
    command += [*(str(given.ptbxl / path) for path in paths), "--json"]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["predictions"]
    classes = [name.removeprefix("logit:") for name in table.columns if name.startswith("logit:")]
    # the order of the files is kept; a record that could not be read would end the command with an error
    predicted = np.array([[page["classes"][name]["raw"] for name in classes] for page in told])
    stored = 1 / (1 + np.exp(-table[[f"logit:{name}" for name in classes]].to_numpy(dtype=float)))
    targets = table[[f"target:{name}" for name in classes]].to_numpy()
    otherwise = ((predicted >= 0.5) != (stored >= 0.5)).any(axis=1)
    print(f"{len(told)} records; largest difference of a probability {np.abs(predicted - stored).max():.2g}")
    print(f"called otherwise at 0.5: {otherwise.sum()}")
    try:
        areas = [roc_auc_score(targets, scores, average="macro") for scores in (predicted, stored)]
    except ValueError as error:
        sys.exit(f"no macro AUC: {error}")
    print(f"macro AUC: ecgpipe predict {areas[0]:.4f}, predictions.parquet {areas[1]:.4f}")


if __name__ == "__main__":
    main()
