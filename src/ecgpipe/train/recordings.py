"""Train the built-in model: networks on random windows of recordings, cut like pages of many layouts."""

import csv
import hashlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from timm.utils import ModelEmaV3
from torch.nn import functional as F

from ecgpipe.artifacts.files import atomic_path, read_json, write_json
from ecgpipe.config.box import BoxConfig
from ecgpipe.errors import DataError
from ecgpipe.fingerprint import fingerprint
from ecgpipe.models.recordings import LEADS, MOST_MISSING, WINDOW, RecordingNet, ResNet1d
from ecgpipe.progress import progress

COLUMNS = {4: 0.6, 2: 0.15, 1: 0.25}
"""Columns of a page's layout -> share of the training windows; leads of one column are shown at the same time."""
STRIPS = {1: 0.6, 6: 0.15, 10: 0.15}
"""Lead (II, V1, V5) -> share of windows in which its piece is from a rhythm strip, at another time."""
FEWER = 0.2  # share of windows that lack leads
CUT, SHORTEST = 0.3, 100  # share of windows with one cut column, and minimum number of samples left of it
GAIN = 0.1
"""Standard deviation of the log of a window's random gain."""
EMA_DECAY = 0.99
HEAD = ("head.1.weight", "head.1.bias")
"""The parameters with one row per output."""
IDENTITY = "identity.json"


@dataclass(frozen=True)
class Examples:
    """Records to train on.

    Attributes:
        signals: (n, 12, samples) mV at 100 Hz.
        targets: (n, classes) 0/1.
        statements: (n, m) 0/1, additional targets; m may be 0.
    """

    signals: np.ndarray
    targets: np.ndarray
    statements: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """(n, classes + m) float32."""
        return np.concatenate([self.targets, self.statements], axis=1).astype(np.float32)


def train_recordings(
    examples: Examples, recipe: BoxConfig, folder: Path, threads: int = 1, first: Examples | None = None
) -> RecordingNet:
    """Train all members of the model; networks that an interrupted run has finished are kept, unless the records,
    settings or code differ.

    The members differ only in their seeds. Statements are additional targets in training: from these more detailed
    labels, the network learns features that they share with the classes.

    Args:
        examples: the training records.
        recipe: members, width, epochs and so on.
        folder: receives ``member-K.safetensors`` and ``member-K.csv``, the history of its training; with ``first`` also
            ``pretrained.safetensors`` and ``.csv``. It is emptied if it has networks of another run.
        threads: CPU threads.
        first: records with the same classes to train on first, for example simulated ones; all members start from the
            result.

    Raises:
        DataError: fewer records than one batch, or a loss that is not finite.
    """
    torch.set_num_threads(threads)
    _remove_others(folder, _identity(recipe, examples, first))
    net = RecordingNet(
        examples.targets.shape[1], recipe.members, recipe.width, float(examples.signals.astype(np.float32).std())
    )
    start = None
    if first is not None:
        file = folder / "pretrained.safetensors"
        if not file.is_file():
            _train(net, first, recipe, recipe.pretrain_epochs, recipe.seed, "pre-training", file)
        start = load_file(file)
    for number, member in enumerate(net.members):
        file = folder / f"member-{number}.safetensors"
        if not file.is_file():
            title = f"member {number + 1} of {recipe.members}"
            _train(net, examples, recipe, recipe.epochs, recipe.seed + number, title, file, start)
        member.load_state_dict(_of_classes(load_file(file), examples.targets.shape[1]))
    return net.eval()


def _identity(recipe: BoxConfig, *examples: Examples | None) -> dict[str, str]:
    """Everything that determines a network, but its number among the members."""
    digest = hashlib.sha256()
    for array in (array for each in examples if each is not None for array in (each.signals, each.labels)):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    settings = recipe.model_dump_json(exclude={"members", "looks", "calibration_every"})
    return {
        "records": digest.hexdigest(),
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
        "code": fingerprint(__file__),
        "torch": torch.__version__,
    }


def _remove_others(folder: Path, identity: dict[str, str]) -> None:
    """Remove the networks of another run."""
    try:
        stored = read_json(folder / IDENTITY)
    except DataError:
        stored = None
    if stored != identity:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / IDENTITY, identity)


def _of_classes(state: dict[str, torch.Tensor], classes: int) -> dict[str, torch.Tensor]:
    """A network's state without the outputs for statements, which follow those for the classes."""
    return state | {name: state[name][:classes] for name in HEAD}


def _train(
    net: RecordingNet,
    examples: Examples,
    recipe: BoxConfig,
    epochs: int,
    seed: int,
    title: str,
    file: Path,
    start: dict[str, torch.Tensor] | None = None,
) -> None:
    """Train one network from random weights or from ``start``, and write its averaged weights and its history."""
    if len(examples.signals) < recipe.batch_size:
        raise DataError(f"box: {len(examples.signals)} records are fewer than one batch ({recipe.batch_size})")
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    labels, classes = examples.labels, examples.targets.shape[1]
    network = ResNet1d(labels.shape[1], 2 * LEADS, recipe.width)
    if start is not None:
        state = network.state_dict()
        heads = {name: torch.cat([start[name][:classes], state[name][classes:]]) for name in HEAD}
        network.load_state_dict(start | heads)
    network = network.to(device)
    average = ModelEmaV3(network, decay=EMA_DECAY, use_warmup=True)
    steps = len(examples.signals) // recipe.batch_size
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps * epochs)
    started, course = time.monotonic(), []
    for epoch in progress(range(epochs), title, epochs, "epochs"):
        network.train()
        order, total = generator.permutation(len(examples.signals)), 0.0
        for step in range(steps):
            rows = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            inputs = net.inputs(torch.from_numpy(random_windows(examples.signals[rows], generator)))
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                logits = network(inputs.to(device))
            truth = torch.from_numpy(labels[rows]).to(device)
            losses = F.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none")
            loss = losses[:, :classes].mean()
            total += float(loss.detach())
            if labels.shape[1] > classes:
                loss = loss + recipe.statements * losses[:, classes:].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update(network, step=epoch * steps + step + 1)
        if not math.isfinite(total):
            raise DataError(f"box: {title}: the loss is not finite in epoch {epoch + 1}; lower box.learning_rate")
        course.append((epoch + 1, round(time.monotonic() - started, 1), round(total / steps, 5)))
    with atomic_path(file.with_suffix(".csv")) as partial, partial.open("w", newline="") as stream:
        csv.writer(stream).writerows([("epoch", "seconds", "loss"), *course])
    with atomic_path(file) as partial:
        save_file({name: tensor.cpu().contiguous() for name, tensor in average.module.state_dict().items()}, partial)


def random_windows(signals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One window of each recording, cut like a page of a random layout.

    Args:
        signals: (n, 12, samples) mV.
        generator: of all random choices.

    Returns:
        float32 (n, 12, WINDOW) mV; NaN where a lead is not shown.
    """
    last = signals.shape[2] - WINDOW
    windows = np.empty((len(signals), LEADS, WINDOW), np.float32)
    for window, signal in zip(windows, signals, strict=True):
        columns = int(generator.choice(list(COLUMNS), p=list(COLUMNS.values())))
        column_of = np.arange(LEADS) * columns // LEADS
        starts = generator.integers(0, last + 1, columns)[column_of]
        for lead, share in STRIPS.items() if columns > 1 else ():
            if generator.random() < share:
                starts[lead] = generator.integers(0, last + 1)
        for lead, start in enumerate(starts):
            window[lead] = signal[lead, start : start + WINDOW]
        window *= np.exp(generator.normal(0, GAIN))
        _hide(window, column_of, generator)
    return windows


def _hide(window: np.ndarray, column_of: Sequence[int] | np.ndarray, generator: np.random.Generator) -> None:
    """Blank some leads of a window (12, WINDOW), and the end of a column, as on a cut page."""
    if generator.random() < FEWER:
        window[generator.choice(LEADS, generator.integers(1, MOST_MISSING + 1), replace=False)] = np.nan
    if generator.random() < CUT:
        column = generator.integers(0, max(column_of) + 1)
        window[np.asarray(column_of) == column, generator.integers(SHORTEST, WINDOW) :] = np.nan
