"""Training of the network that reads printed scales."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ecgpipe.config.pages import ReaderConfig
from ecgpipe.reader.part_training import train_part
from ecgpipe.reader.signals import SAMPLING_RATE
from ecgpipe.reader.text_examples import make_text_examples
from ecgpipe.reader.text_network import BLANK, HEIGHT, STRIDE, encode, normalized
from ecgpipe.reader.training import Examples


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

    def losses(net: nn.Module, done: int) -> Iterator[torch.Tensor]:
        numbers = range(done * recipe.text_batch_size, recipe.text_steps * recipe.text_batch_size)
        pictures = Examples(Path(signals), partial(_examples, seed=recipe.seed), numbers)
        for batch in DataLoader(pictures, recipe.text_batch_size, num_workers=1, prefetch_factor=8, collate_fn=_joined):
            views, steps, codes, lengths = text_batch(batch)
            shares = net(views).log_softmax(dim=2).transpose(0, 1)
            yield F.ctc_loss(shares, codes, steps, lengths, blank=BLANK, zero_infinity=True)

    return train_part("text", "text", losses, reader, Path(path), recipe)


def _examples(number: int, signals: np.ndarray, seed: int) -> list[tuple[np.ndarray, str]]:
    return make_text_examples((seed, number), signals, SAMPLING_RATE)


def _joined(examples: list[list[tuple[np.ndarray, str]]]) -> list[tuple[np.ndarray, str]]:
    return list(chain.from_iterable(examples))
