"""Training of the line network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.reader.line_data import LineExamples
from ecgpipe.reader.part_training import train_part

FLOOR = 2e-4  # of the ratio of powers: more than 37 dB bring no gain


def line_loss(found: torch.Tensor, above: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Minus the mean signal-to-noise ratio of the lines, dB, each at the offset that fits best (Challenge 2024).

    Args:
        found: (B, n) mm, the network's output.
        above: (B, n) mm, the truth; NaN where it is unknown.
        power: (B,) mm², of the signal.
    """
    known = ~above.isnan()
    error = torch.where(known, above.nan_to_num() - found, 0)
    count = known.sum(dim=1).clamp(min=1)
    error = torch.where(known, error - (error.sum(dim=1) / count)[:, None], 0)
    return 10 * torch.log10(error.square().sum(dim=1) / count / power + FLOOR).mean()


def train_lines(examples: Path | str, pages: Path | str, path: Path | str, recipe: ReaderConfig) -> Path:
    """Train the line network, or resume an interrupted run, and write the weights of the whole reader.

    Args:
        examples: file of ``LineExamples``.
        pages: weights of a reader; its other networks are kept.
        path: of the new weights; ``lines.pt`` (every ``save_every`` steps) and ``lines.csv`` are written beside them.
    """

    def losses(net: nn.Module, done: int) -> Iterator[torch.Tensor]:
        known = LineExamples.read(examples)
        for step in range(done, recipe.line_steps):
            views, above, power = known.batch(np.random.default_rng((recipe.seed, step)), recipe.line_batch_size)
            yield line_loss(net(views), above, power)

    return train_part("liner", "line", losses, pages, Path(path), recipe)
