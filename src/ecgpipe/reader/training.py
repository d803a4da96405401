"""Train the page reader on synthetic pages."""

import csv
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.config.pages import ReaderConfig
from ecgpipe.errors import DataError
from ecgpipe.reader.examples import make_example, make_name_examples
from ecgpipe.reader.network import GEOMETRY_MAPS, LEAD_NAMES, NameNet, ReaderNet
from ecgpipe.reader.signals import SAMPLING_RATE

logger = logging.getLogger(__name__)
PIXEL_WEIGHTS = (4.0, 2.0, 3.0, 1.0)  # of trace, ink, pulse and grid in the loss
OTHER_INK = 3.0  # additional weight of the trace's loss where there is other ink
SMOOTHING = 0.02  # label smoothing of the names, since some are illegible
HISTORY = ("step", "seconds", "mask", "dice", "offset", "names", "geometry")


class Examples(IterableDataset):
    """Training examples with the given numbers, made by a worker process.

    Args:
        signals: .npy file of ``collect_signals``.
        make: makes the example with a number from the signals.
        numbers: of the examples.
    """

    def __init__(self, signals: Path, make: Callable[[int, np.ndarray], Any], numbers: range) -> None:
        self.signals, self.make, self.numbers = signals, make, numbers

    def __iter__(self) -> Iterator[Any]:
        signals = np.load(self.signals, mmap_mode="r")
        return (self.make(number, signals) for number in self.numbers)


def _page_example(number: int, signals: np.ndarray, recipe: ReaderConfig) -> dict[str, torch.Tensor]:
    example = make_example((recipe.seed, number), signals, SAMPLING_RATE, recipe.size)
    return {name: torch.from_numpy(value) for name, value in vars(example).items()}


def _name_examples(number: int, signals: np.ndarray, recipe: ReaderConfig) -> tuple[np.ndarray, np.ndarray]:
    return make_name_examples((recipe.seed, number), signals, SAMPLING_RATE)


def _joined(examples: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    views, classes = zip(*examples, strict=True)
    return torch.from_numpy(np.concatenate(views)), torch.from_numpy(np.concatenate(classes))


class Stateful(Protocol):
    """A network or an optimizer."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict, /) -> object: ...


def train_reader(signals: Path | str, folder: Path | str, recipe: ReaderConfig, device: str = "cpu") -> Path:
    """Train the networks that read pages, or resume an interrupted run; ``train_lines`` trains the line network.

    Args:
        signals: .npy file of ``collect_signals``.
        folder: receives ``checkpoint.pt`` (every ``save_every`` steps) and ``history.csv``, then ``names.pt`` and
            ``names.csv``, and finally ``pages.safetensors`` (float16, about 3 MB).

    Returns:
        The path of the weights.

    Raises:
        DataError: the folder contains the checkpoint of another recipe.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    net = ReaderNet().to(device, memory_format=torch.channels_last).train()
    average = ReaderNet().to(device)
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    parts: dict[str, Stateful] = {"net": net, "average": average, "optimizer": optimizer}
    step = resume(folder / "checkpoint.pt", recipe, parts)
    numbers = range(step * recipe.batch_size, recipe.steps * recipe.batch_size)
    examples = Examples(Path(signals), partial(_page_example, recipe=recipe), numbers)
    batches = DataLoader(examples, batch_size=recipe.batch_size, num_workers=1, prefetch_factor=4)
    started, sums = time.monotonic(), dict.fromkeys(HISTORY[2:], 0.0)
    for batch in batches:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, recipe.steps)
        batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        pictures = batch["picture"].permute(0, 3, 1, 2).float().div(127.5).sub(1).to(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=device.startswith("cuda")):
            pixels, coarse = net(pictures)
        losses = reader_losses(pixels.float(), coarse.float(), batch)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        step += 1
        average_weights(average, net, min(recipe.averaging, step / (step + 20)))
        sums = {name: total + losses[name].item() for name, total in sums.items()}
        if step % recipe.save_every == 0 or step == recipe.steps:
            means = {name: round(total / recipe.save_every, 5) for name, total in sums.items()}
            add_row(folder / "history.csv", {"step": step, "seconds": round(time.monotonic() - started, 1)} | means)
            sums = dict.fromkeys(sums, 0.0)
            save_checkpoint(folder / "checkpoint.pt", recipe, parts, step)
    train_names(average.namer, Path(signals), folder, recipe, device)
    return save_reader(average, folder / "pages.safetensors", recipe.model_dump())


def train_names(net: NameNet, signals: Path, folder: Path, recipe: ReaderConfig, device: str) -> None:
    """Train the network for lead names, or resume; writes ``names.pt`` and ``names.csv`` as in ``train_reader``."""
    net.to(device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    step = resume(folder / "names.pt", recipe, {"net": net, "optimizer": optimizer})
    numbers = range(step * recipe.name_batch_size, recipe.name_steps * recipe.name_batch_size)
    views = Examples(signals, partial(_name_examples, recipe=recipe), numbers)
    started, total = time.monotonic(), 0.0
    for pictures, classes in DataLoader(
        views, recipe.name_batch_size, num_workers=1, prefetch_factor=8, collate_fn=_joined
    ):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, recipe.name_steps)
        loss = F.cross_entropy(net(pictures.to(device)), classes.to(device), label_smoothing=SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step, total = step + 1, total + loss.item()
        if step % recipe.save_every == 0 or step == recipe.name_steps:
            seconds = round(time.monotonic() - started, 1)
            add_row(
                folder / "names.csv", {"step": step, "seconds": seconds, "loss": round(total / recipe.save_every, 5)}
            )
            total = 0.0
            save_checkpoint(folder / "names.pt", recipe, {"net": net, "optimizer": optimizer}, step)


def learning_rate(step: int, recipe: ReaderConfig, steps: int) -> float:
    """Linear warm-up, then half a cosine down to 0 after ``steps``; ``step`` counts from 0."""
    rise = min(1.0, (step + 1) / recipe.warmup_steps)
    return recipe.learning_rate * rise * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 1e-6


def reader_losses(
    pixels: torch.Tensor, coarse: torch.Tensor, batch: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The terms of the loss, whose sum is minimized.

    Args:
        pixels, coarse: the output of the network (ReaderNet.forward).
        batch: the fields of ``Example``, stacked.

    Returns:
        mask: binary cross-entropy of the four masks; dice: of the trace (Milletari et al. 2016); offset: smooth L1 on
        the trace; names: focal loss of peaks (CornerNet, Law and Deng 2018); geometry: smooth L1 on paper.
    """
    masks, counts = batch["masks"][:, :4].float(), batch["masks"][:, 4].float()
    weights = torch.tensor(PIXEL_WEIGHTS, device=pixels.device).view(1, 4, 1, 1)
    positive = torch.tensor((2.0, 1.0, 1.0, 1.0), device=pixels.device).view(1, 4, 1, 1)
    entropy = F.binary_cross_entropy_with_logits(pixels[:, :4], masks, reduction="none", pos_weight=positive)
    other = 1 + OTHER_INK * batch["masks"][:, 1:3].amax(dim=1, keepdim=True)  # mistaking text for trace costs more
    entropy = torch.cat([entropy[:, :1] * counts[:, None] * other, entropy[:, 1:]], dim=1) * weights
    found, trace = pixels[:, 0].sigmoid() * counts, masks[:, 0] * counts
    overlap = (2 * (found * trace).sum((1, 2)) + 50) / (found.sum((1, 2)) + trace.sum((1, 2)) + 50)
    offset = F.smooth_l1_loss(pixels[:, 4], batch["offset"], reduction="none", beta=0.1)
    names = len(LEAD_NAMES)
    geometry = F.smooth_l1_loss(coarse[:, names:], batch["geometry"], reduction="none", beta=0.05)
    paper = batch["paper"][:, None]
    return {
        "mask": 4 * entropy.mean(),
        "dice": 1 - overlap.mean(),
        "offset": (offset * trace).sum() / (trace.sum() + 1),
        "names": 0.25 * _peak_loss(coarse[:, :names], batch["names"]),
        "geometry": (geometry * paper).sum() / (len(GEOMETRY_MAPS) * paper.sum() + 1),
    }


def _peak_loss(logits: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
    share = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = peaks > 0.99
    missed, invented = (1 - share) ** 2 * share.log(), (1 - peaks) ** 4 * share**2 * (1 - share).log()
    return -torch.where(centre, missed, invented).sum() / (centre.sum() + 4)


@torch.no_grad()
def average_weights(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the weights of an average towards those of a network, by 1 - ``decay``."""
    for averaged, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if averaged.dtype.is_floating_point:
            averaged.lerp_(new, 1 - decay)
        else:
            averaged.copy_(new)


def save_checkpoint(path: Path, recipe: ReaderConfig, parts: dict[str, Stateful], step: int) -> None:
    """Write the state of a run after a step."""
    state = {name: part.state_dict() for name, part in parts.items()}
    with atomic_path(path) as partial:
        torch.save(state | {"step": step, "recipe": recipe.model_dump_json()}, partial)


def resume(path: Path, recipe: ReaderConfig, parts: dict[str, Stateful]) -> int:
    """Load the parts' state from a checkpoint; returns its completed steps, 0 without a checkpoint."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if json.loads(state["recipe"]) != recipe.model_dump():
        raise DataError(f"{path}: belongs to a run with another recipe; delete it or use another folder")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    logger.info("%s: resuming after step %d", path, state["step"])
    return state["step"]


def add_row(path: Path, row: dict[str, float]) -> None:
    """Append a row to a run's table, and log it."""
    logger.info("%s", row)
    new = not path.is_file()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def save_reader(net: ReaderNet, path: Path, recipe: dict[str, Any]) -> Path:
    """Write the weights as float16 safetensors, with the recipe in the file's metadata."""
    tensors = {
        name: (value if "running" in name else value.half()).contiguous()  # variances may be too small for float16
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    with atomic_path(path) as partial:
        save_file(tensors, partial, metadata={"recipe": json.dumps(recipe)})
    return path
