"""Training of the line network."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.reader.line_network import CHANNELS, PER_COLUMN, LineNet, upside_down
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_weights
from ecgpipe.reader.training import (
    Stateful,
    add_row,
    average_weights,
    learning_rate,
    resume,
    save_checkpoint,
    save_reader,
)

COLUMNS = 560  # of an example; of a longer one, some part
FLOOR = 2e-4  # of the ratio of powers: more than 37 dB are not sought
CLIP = 5.0  # largest norm of the gradient


@dataclass(frozen=True)
class LineExamples:
    """The examples in a file of ``imaging.line_examples``: views, what is missing to the truth (mm), and its power."""

    channels: np.ndarray
    above: np.ndarray
    starts: np.ndarray
    power: np.ndarray

    @classmethod
    def read(cls, path: Path | str) -> "LineExamples":
        """Read a file."""
        with np.load(path) as file:
            starts = np.concatenate([[0], np.cumsum(file["columns"])])
            return cls(file["channels"], file["above"], starts, file["power"])

    def batch(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random pieces, half of them upside down.

        Returns:
            Views (size, CHANNELS, COLUMNS), mm above the line (size, 2 COLUMNS) with NaN where nothing is known, and
            power (size,).
        """
        views = np.zeros((size, CHANNELS, COLUMNS), np.float32)
        above = np.full((size, PER_COLUMN * COLUMNS), np.nan, np.float32)
        chosen = rng.integers(len(self.power), size=size)
        for view, missing, number in zip(views, above, chosen, strict=True):
            start, stop = self.starts[number : number + 2]
            first = start + rng.integers(max(stop - start - COLUMNS, 0) + 1)
            last = min(first + COLUMNS, stop)
            view[:, : last - first] = self.channels[:, first:last]
            missing[: PER_COLUMN * (last - first)] = self.above[PER_COLUMN * first : PER_COLUMN * last]
            if rng.random() < 0.5:
                view[:], missing[:] = upside_down(view), -missing
        return torch.from_numpy(views), torch.from_numpy(above), torch.from_numpy(self.power[chosen])


def line_loss(found: torch.Tensor, above: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Minus the mean signal-to-noise ratio of the lines, dB, each at the offset that fits best (Challenge 2024).

    Args:
        found: (B, n) mm, what the network returned.
        above: (B, n) mm, the truth; NaN where it is unknown.
        power: (B,) mm², of the signal.
    """
    known = ~above.isnan()
    error = torch.where(known, above.nan_to_num() - found, 0)
    count = known.sum(dim=1).clamp(min=1)
    error = torch.where(known, error - (error.sum(dim=1) / count)[:, None], 0)
    return 10 * torch.log10(error.square().sum(dim=1) / count / power + FLOOR).mean()


def train_lines(examples: Path | str, pages: Path | str, path: Path | str, recipe: ReaderConfig) -> Path:
    """Train the line network, or resume an interrupted training, and write the weights of the whole reader.

    Args:
        examples: file of ``imaging.line_examples``.
        pages: weights of a reader whose other networks are kept.
        path: of the weights; ``lines.pt`` (every ``save_every`` steps) and ``lines.csv`` are beside it.
    """
    path = Path(path)
    torch.manual_seed(recipe.seed)
    net, average = LineNet().train(), LineNet()
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    parts: dict[str, Stateful] = {"net": net, "average": average, "optimizer": optimizer}
    step = resume(path.with_name("lines.pt"), recipe, parts)
    known, started, total = LineExamples.read(examples), time.monotonic(), 0.0
    while step < recipe.line_steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, recipe.line_steps)
        views, above, power = known.batch(np.random.default_rng((recipe.seed, step)), recipe.line_batch)
        loss = line_loss(net(views), above, power)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        step += 1
        average_weights(average, net, min(recipe.averaging, step / (step + 20)))
        total += loss.item()
        if step % recipe.save_every == 0 or step == recipe.line_steps:
            seconds = round(time.monotonic() - started, 1)
            add_row(
                path.with_name("lines.csv"),
                {"step": step, "seconds": seconds, "decibels": round(-total / recipe.save_every, 3)},
            )
            total = 0.0
            save_checkpoint(path.with_name("lines.pt"), recipe, parts, step)
    reader = ReaderNet()
    load_weights(reader, pages)
    reader.liner = average
    return save_reader(reader, path, recipe)
