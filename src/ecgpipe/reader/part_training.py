"""Training of one of the reader's small networks, while its other networks are kept."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from ecgpipe.config.pages import ReaderConfig
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

CLIP = 5.0  # largest norm of the gradient
Losses = Callable[[nn.Module, int], Iterator[torch.Tensor]]
"""From the network and the number of completed steps: the loss of each further step."""


def train_part(part: str, name: str, losses: Losses, reader: Path | str, path: Path, recipe: ReaderConfig) -> Path:
    """Train one network of a reader, or resume an interrupted run, and write the weights of the whole reader.

    Args:
        part: attribute of ``ReaderNet``, such as ``liner``.
        name: of the settings, such as ``line`` for ``line_steps``.
        losses: of the steps.
        reader: weights of a reader; its other networks are kept.
        path: of the new weights; beside them are ``<name>s.pt``, every ``save_every`` steps, and ``<name>s.csv``.
    """
    checkpoint, steps = path.with_name(f"{name}s.pt"), getattr(recipe, f"{name}_steps")
    whole = ReaderNet()
    load_weights(whole, reader)
    kind = type(getattr(whole, part))
    torch.manual_seed(recipe.seed)
    net, average = kind().train(), kind()
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    parts: dict[str, Stateful] = {"net": net, "average": average, "optimizer": optimizer}
    step = resume(checkpoint, recipe, parts)
    started, total = time.monotonic(), 0.0
    for loss in losses(net, step):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        step += 1
        average_weights(average, net, min(recipe.averaging, step / (step + 20)))
        total += loss.item()
        if step % recipe.save_every == 0 or step == steps:
            seconds = round(time.monotonic() - started, 1)
            row = {"step": step, "seconds": seconds, "loss": round(total / recipe.save_every, 5)}
            add_row(path.with_name(f"{name}s.csv"), row)
            total = 0.0
            save_checkpoint(checkpoint, recipe, parts, step)
    setattr(whole, part, average)
    with safe_open(reader, "pt") as file:
        earlier = json.loads((file.metadata() or {}).get("recipe", "{}"))
    own = {key: value for key, value in recipe.model_dump().items() if key.startswith(f"{name}_")}
    return save_reader(whole, path, earlier | own)
