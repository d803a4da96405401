"""The network that reads printed text as far as the scales of a page need it: numbers and units."""

from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import nn
from torch.nn import functional as F

CHARACTERS = "0123456789./:mvsec "
"""What the network can write, in lower case. Any run of other characters is one OTHER."""
OTHER = "*"
ALPHABET = CHARACTERS + OTHER
BLANK = len(ALPHABET)
"""The class between characters (connectionist temporal classification)."""
HEIGHT, LETTERS = 32, 20
"""Pixels of a view's height, and of the text in it."""
STRIDE = 2
"""Pixels of a view per step of the output."""
LEAST_WIDTH = 16
"""Pixels of a view's width."""
WIDTHS = (16, 32, 48, 64, 96)


class TextNet(nn.Module):
    """Reads views of text lines: four levels of convolutions, then a classifier of each column; 130,000 parameters.

    Until it is trained, it reads nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((1, *WIDTHS), WIDTHS[:-1], strict=False)
        self.levels = nn.ModuleList(_layer(a, b, (3, 3), padding=1) for a, b in pairs)
        self.column = _layer(WIDTHS[-2], WIDTHS[-1], (2, 3), padding=(0, 1))
        self.around = _layer(WIDTHS[-1], WIDTHS[-1], (1, 5), padding=(0, 4), dilation=(1, 2))
        self.classes = nn.Conv2d(WIDTHS[-1], len(ALPHABET) + 1, 1)
        nn.init.zeros_(self.classes.weight)
        with torch.no_grad():
            self.classes.bias.copy_(torch.tensor([0.0] * len(ALPHABET) + [5.0]))

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Classify the columns of views.

        Args:
            views: float (n, 32, W), from ``normalized``; W even, at least 16.

        Returns:
            Logits (n, W / 2, 21): the characters of ALPHABET, then BLANK.
        """
        x = views[:, None]
        for number, level in enumerate(self.levels):
            x = F.max_pool2d(level(x), 2 if number == 0 else (2, 1))
        return self.classes(self.around(self.column(x)))[:, :, 0].transpose(1, 2)


def _layer(inputs: int, outputs: int, kernel: tuple[int, int], **shape: Any) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, bias=False, **shape)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def normalized(view: np.ndarray) -> np.ndarray:
    """A view of grey values, uint8 (32, W), as float32 with mean 0 and standard deviation 1, less without contrast."""
    grey = view.astype(np.float32)
    return (grey - grey.mean()) / (grey.std() + 4)


def encode(text: str) -> list[int]:
    """The classes of a text, as the network should write it."""
    codes: list[int] = []
    for character in " ".join(text.lower().split()):
        code = ALPHABET.index(character if character in CHARACTERS else OTHER)
        if not codes or code != ALPHABET.index(OTHER) or codes[-1] != code:
            codes.append(code)
    return codes


def decode(logits: np.ndarray) -> tuple[str, np.ndarray]:
    """The most probable character of each column, without repetitions and blanks.

    Args:
        logits: float (steps, 21).

    Returns:
        The text, and the probability of each of its characters, float (n,).
    """
    shares = softmax(logits, axis=1)
    best = shares.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    highest = np.maximum.reduceat(shares.max(axis=1), starts)
    kept = best[starts] != BLANK
    return "".join(ALPHABET[code] for code in best[starts][kept]), highest[kept]
