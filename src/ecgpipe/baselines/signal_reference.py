"""The signal reference: a small one-dimensional residual network on the recordings, to measure the cost of the image.

A smaller version of common designs (Wang et al. 2017; Strodthoff et al. 2021, arXiv:2004.13701). As in the latter, it
trains on random windows of 2.5 s, and a recording's logits are the mean over windows. Training on whole recordings of
10 s scores clearly lower (docs/evidence.md).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from timm.utils import ModelEmaV3
from torch import nn

from ecgpipe.artifacts.baselines import BaselineSignals
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.baselines.classifiers import require_rows
from ecgpipe.errors import DataError
from ecgpipe.models.recordings import ResNet1d
from ecgpipe.progress import progress

EPOCHS = 30
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
WINDOW = 250
"""Samples of a training window, 2.5 s; a recording's logits are the mean over windows that overlap by half."""
GAIN = 0.1
"""Standard deviation of the log of a training window's random gain."""
EMA_DECAY = 0.99
"""Decay of the moving average of the weights."""


def signal_reference(
    signals: np.ndarray, targets: np.ndarray, roles: np.ndarray, task: str, epochs: int, seed: int
) -> np.ndarray:
    """Train on the training records and predict all others with averaged weights.

    Keeps the epoch with the lowest validation loss, or the last one without validation records.

    Args:
        signals: (n, 12, 1000) mV.
        targets: (n, classes) 0/1.
        roles: (n,) train, validation, test.
        task: ``single`` (cross-entropy) or ``multilabel`` (binary cross-entropy).
        epochs: epochs of training, with one cycle of the learning rate.
        seed: seed of weights, order, windows, gains and dropout.

    Returns:
        (m, classes) float32 logits of the records outside training, in their order.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, validation, other = (
        np.flatnonzero(mask) for mask in (roles == "train", roles == "validation", roles != "train")
    )
    spread = max(float(signals[train].astype(np.float32).std()), 1e-6)
    inputs = torch.from_numpy(signals.astype(np.float32) / spread)
    truth = torch.from_numpy(targets.astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResNet1d(targets.shape[1]).to(device)
    average = ModelEmaV3(model, decay=EMA_DECAY, use_warmup=True)
    dropout = torch.Generator(device="cpu").manual_seed(seed)
    loss = nn.BCEWithLogitsLoss() if task == "multilabel" else nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batch_size = min(BATCH, max(2, len(train) // 16))  # several steps per epoch even with few records
    steps = len(train) // batch_size  # an incomplete last batch is dropped
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(2, steps * epochs))
    best, best_weights, done = math.inf, None, 0
    generator = np.random.default_rng(seed)
    for _ in progress(range(epochs), "signal reference", epochs, "epochs"):
        model.train()
        order = generator.permutation(train)
        for step in range(steps):
            chosen = order[step * batch_size : (step + 1) * batch_size]
            batch = _windows(inputs[chosen], generator)
            with torch.random.fork_rng(devices=[]):  # seeds dropout without changing the caller's generator
                torch.manual_seed(int(torch.randint(2**31, (1,), generator=dropout)))
                value = loss(model(batch.to(device)), truth[chosen].to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            done += 1
            average.update(model, step=done)
        if len(validation):
            now = float(loss(_logits(average.module, inputs[validation], device), truth[validation]))
            if now < best:
                best, best_weights = now, {name: tensor.clone() for name, tensor in average.module.state_dict().items()}
    if best_weights is not None:
        average.module.load_state_dict(best_weights)
    return _logits(average.module, inputs[other], device).numpy()


def _windows(batch: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """(n, leads, samples) -> (n, leads, WINDOW): a random window of each signal with a random gain."""
    starts = generator.integers(0, batch.shape[2] - WINDOW + 1, len(batch))
    gains = torch.from_numpy(np.exp(generator.normal(0, GAIN, (len(batch), 1, 1))).astype(np.float32))
    return gains * torch.stack([signal[:, s : s + WINDOW] for signal, s in zip(batch, starts, strict=True)])


@torch.inference_mode()
def _logits(model: nn.Module, inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(n, leads, samples) -> (n, classes): the mean over windows."""
    model.eval()
    if not len(inputs):
        return torch.zeros((0, model.head[1].out_features))
    windows = inputs.unfold(2, WINDOW, WINDOW // 2)
    parts = [
        torch.stack([model(part[:, :, number].to(device)) for number in range(windows.shape[2])]).mean(dim=0).cpu()
        for part in windows.split(256)
    ]
    return torch.cat(parts).float()


def run_reference(
    split: pd.DataFrame,
    labels: Labels,
    files: Sequence[Path | str],
    seed: int,
    threads: int | None = None,
    epochs: int = EPOCHS,
) -> Predictions:
    """Train the reference on the training records of a split and predict the others.

    Args:
        split: rows of the split format.
        labels: targets.
        files: signals of all shards.
        epochs: epochs of training.
        seed: seed of the run.
        threads: CPU threads.

    Raises:
        DataError: a record of the split has no label or no signal, or fewer than two training records.
    """
    if threads:
        torch.set_num_threads(threads)
    split = split.sort_values("record_id", ignore_index=True)
    record_ids, roles = split["record_id"].to_numpy(dtype=str), split["role"].to_numpy(dtype=str)
    if (roles == "train").sum() < 2:
        raise DataError(f"the signal reference requires two training records, the split has {(roles == 'train').sum()}")
    targets = labels.targets[require_rows(record_ids, labels.record_ids, "labels")]
    stored = BaselineSignals.read(files)
    signals = stored.signals[require_rows(record_ids, stored.record_ids, "signals")]
    logits = signal_reference(signals, targets, roles, labels.task, epochs, seed)
    other = roles != "train"
    return Predictions(record_ids[other], roles[other], logits, targets[other], labels.classes, labels.task)
