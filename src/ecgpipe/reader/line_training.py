"""Training of the line network."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.reader.line_data import LineExamples
from ecgpipe.reader.line_network import LineNet
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

FLOOR = 2e-4  # of the ratio of powers: more than 37 dB bring no gain
CLIP = 5.0  # largest norm of the gradient


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
    with safe_open(pages, "pt") as file:
        earlier = json.loads((file.metadata() or {}).get("recipe", "{}"))
    own = {key: value for key, value in recipe.model_dump().items() if key.startswith("line_")}
    return save_reader(reader, path, earlier | own)
