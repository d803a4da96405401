"""What a page leaves of a recording: the signal reference on as much of the recordings as a page shows.

    python benchmarks/page_information.py RESULTS/ptb-xl [--protocol folds] [--seed 0] [--epochs 30] [--samples 33]

Macro AUC on the test records, and of each class, of the signal reference (docs/baselines.md)

- on the whole recordings;
- trained on the same, but tested on their first 2.5 s, as long as a page shows of most leads (repeated to fill 10 s);
- trained and tested at about ``--samples`` samples a second, as many as a page has columns for a second of signal: 33
  for an image of 320 pixels in the usual layout.

Needs the reference's files (``snakemake baselines`` with ``signal`` enabled). Two trainings, minutes each.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from ecgpipe.artifacts.baselines import SAMPLING_RATE, BaselineSignals
from ecgpipe.artifacts.tables import SPLIT, Labels
from ecgpipe.baselines.classifiers import find_rows
from ecgpipe.baselines.signal_reference import signal_reference

SHOWN = 2.5  # seconds of a lead on a page


def coarse(signals: np.ndarray, samples: int) -> np.ndarray:
    """Means over blocks, so many a second, each repeated: the same length, less detail."""
    block = round(SAMPLING_RATE / samples)
    means = np.stack([part.mean(axis=2) for part in np.array_split(signals, signals.shape[2] // block, axis=2)], axis=2)
    widths = [part.size for part in np.array_split(np.arange(signals.shape[2]), means.shape[2])]
    return np.repeat(means, widths, axis=2)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--protocol", default="folds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=33)
    given = parser.parse_args()
    torch.set_num_threads(1)
    split = SPLIT.read(given.dataset / f"splits/{given.protocol}/seed-{given.seed}.parquet")
    split = split.sort_values("record_id", ignore_index=True)
    record_ids, roles = split["record_id"].to_numpy(dtype=str), split["role"].to_numpy(dtype=str)
    labels = Labels.read(given.dataset / "labels.parquet")
    targets = labels.targets[find_rows(labels.record_ids, record_ids, "labels")]
    stored = BaselineSignals.read(sorted((given.dataset / "baselines").glob("*.signals.npz")))
    signals = stored.signals[find_rows(stored.record_ids, record_ids, "signals")].astype(np.float32)
    test = roles == "test"
    shown = np.tile(
        signals[test][:, :, : round(SHOWN * SAMPLING_RATE)], (1, 1, round(signals.shape[2] / (SHOWN * SAMPLING_RATE)))
    )
    rows = {}

    def trained(inputs: np.ndarray, further: np.ndarray) -> np.ndarray:
        """Logits of the test records, and behind them of further signals of the same records."""
        count = len(further)
        logits = signal_reference(
            np.concatenate([inputs, further]),
            np.concatenate([targets, targets[test][:count]]),
            np.concatenate([roles, np.full(count, "test")]),
            labels.task,
            given.epochs,
            given.seed,
        )
        return logits[np.concatenate([roles[roles != "train"], np.full(count, "test")]) == "test"]

    both = trained(signals, shown)
    rows["whole recordings"], rows["their first 2.5 s"] = both[: test.sum()], both[test.sum() :]
    rows[f"{given.samples} samples a second"] = trained(coarse(signals, given.samples), shown[:0])
    table = pd.DataFrame(
        {
            name: [
                roc_auc_score(targets[test], logits, average="macro"),
                *roc_auc_score(targets[test], logits, average=None),
            ]
            for name, logits in rows.items()
        },
        index=["macro AUC", *labels.classes],
    )
    print(table.T.round(3).to_string())


if __name__ == "__main__":
    main()
