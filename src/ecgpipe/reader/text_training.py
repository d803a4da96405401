"""Training of the network that reads printed scales."""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.reader.network import ReaderNet
from ecgpipe.reader.read import load_weights
from ecgpipe.reader.signals import SAMPLING_RATE
from ecgpipe.reader.text_examples import make_text_examples
from ecgpipe.reader.text_network import BLANK, HEIGHT, STRIDE, TextNet, encode, normalized
from ecgpipe.reader.training import (
    Examples,
    Stateful,
    add_row,
    average_weights,
    learning_rate,
    resume,
    save_checkpoint,
    save_reader,
)

CLIP = 5.0  # largest norm of the gradient


def text_batch(examples: list[tuple[np.ndarray, str]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Views of one width, their lengths in steps, and their texts.

    Args:
        examples: views uint8 (32, W) and texts.

    Returns:
        Views float32 (n, 32, W), 0 beyond the ends; lengths (n,); the classes of all texts, joined; their counts (n,).
    """
    width = max(view.shape[1] for view, _ in examples)
    views = np.zeros((len(examples), HEIGHT, width), np.float32)
    for place, (view, _) in zip(views, examples, strict=True):
        place[:, : view.shape[1]] = normalized(view)
    codes = [encode(text) for _, text in examples]
    return (
        torch.from_numpy(views),
        torch.tensor([view.shape[1] // STRIDE for view, _ in examples]),
        torch.tensor([code for each in codes for code in each]),
        torch.tensor([len(each) for each in codes]),
    )


def train_texts(signals: Path | str, reader: Path | str, path: Path | str, recipe: ReaderConfig) -> Path:
    """Train the network that reads printed scales, or resume an interrupted run, and write the whole reader's weights.

    Args:
        signals: .npy file of ``collect_signals``.
        reader: weights of a reader; its other networks are kept.
        path: of the new weights; ``texts.pt`` (every ``save_every`` steps) and ``texts.csv`` are written beside them.
    """
    path = Path(path)
    torch.manual_seed(recipe.seed)
    net, average = TextNet().train(), TextNet()
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    parts: dict[str, Stateful] = {"net": net, "average": average, "optimizer": optimizer}
    step = resume(path.with_name("texts.pt"), recipe, parts)
    numbers = range(step * recipe.text_batch, recipe.text_steps * recipe.text_batch)
    pictures = Examples(Path(signals), partial(_examples, seed=recipe.seed), numbers)
    started, total = time.monotonic(), 0.0
    for batch in DataLoader(pictures, recipe.text_batch, num_workers=1, prefetch_factor=8, collate_fn=_joined):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe, recipe.text_steps)
        if batch:
            views, steps, codes, lengths = text_batch(batch)
            shares = net(views).log_softmax(dim=2).transpose(0, 1)
            loss = F.ctc_loss(shares, codes, steps, lengths, blank=BLANK, zero_infinity=True)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            total += loss.item()
        step += 1
        average_weights(average, net, min(recipe.averaging, step / (step + 20)))
        if step % recipe.save_every == 0 or step == recipe.text_steps:
            seconds = round(time.monotonic() - started, 1)
            row = {"step": step, "seconds": seconds, "loss": round(total / recipe.save_every, 5)}
            add_row(path.with_name("texts.csv"), row)
            total = 0.0
            save_checkpoint(path.with_name("texts.pt"), recipe, parts, step)
    whole = ReaderNet()
    load_weights(whole, reader)
    whole.text = average
    with safe_open(reader, "pt") as file:
        earlier = json.loads((file.metadata() or {}).get("recipe", "{}"))
    own = {key: value for key, value in recipe.model_dump().items() if key.startswith("text_")}
    return save_reader(whole, path, earlier | own)


def _examples(number: int, signals: np.ndarray, seed: int) -> list[tuple[np.ndarray, str]]:
    return make_text_examples((seed, number), signals, SAMPLING_RATE)


def _joined(examples: list[list[tuple[np.ndarray, str]]]) -> list[tuple[np.ndarray, str]]:
    return [line for each in examples for line in each]
