"""A network for the parts of a recording on a page: leads of different lengths, at different times, some missing.

The network sees windows of 2.5 s with one piece of each lead. The pieces need not be from the same time: on a page of
3 x 4 leads, the columns show different seconds. A lead that the page shows for longer, such as a rhythm strip, has
several pieces and fills several windows. A page's logits are the mean over its windows.
"""

import numpy as np
import torch
from torch import nn

from ecgpipe.artifacts.resampling import resample_with_gaps

LEADS = 12
RATE = 100
"""Hz, of the network's input."""
WINDOW = 250
"""Samples of a window, 2.5 s: the width of a lead on a page of 3 x 4 leads."""
STEP = 125
"""Largest distance in samples between two pieces of a lead."""
LEAST = 20
"""Samples: a lead that is shown for a shorter time counts as missing."""
MOST_MISSING = 4
"""Largest number of leads that are missing in a training window."""
NEAR = 25
"""Samples by which the starts and ends of leads of one column may differ, and a column may exceed a window."""
KERNEL = 7


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv1d(inputs, outputs, KERNEL, stride, KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, KERNEL, 1, KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.short = nn.Sequential(
            nn.AvgPool1d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv1d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, samples) -> (n, outputs, samples / stride)."""
        return torch.relu(self.path(x) + self.short(x))


class ResNet1d(nn.Module):
    """A one-dimensional residual network, smaller than common ones (Wang et al. 2017; Strodthoff et al. 2021).

    Args:
        outputs: logits.
        channels: of the input.
        width: of the first blocks; the last ones have eight times as many channels.
    """

    def __init__(self, outputs: int, channels: int = LEADS, width: int = 32) -> None:
        super().__init__()
        widths = [width * factor for factor in (1, 2, 4, 8)]
        layers: list[nn.Module] = [
            nn.Conv1d(channels, width, KERNEL, 2, KERNEL // 2, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        ]  # fmt: skip
        for number, wide in enumerate(widths):
            inputs = widths[max(0, number - 1)]
            layers += [Block(inputs, wide, 2 if number else 1), Block(wide, wide, 1)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * widths[-1], outputs))

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, samples) -> (n, features): mean and maximum of the last maps."""
        maps = self.features(x)
        return torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, samples) -> (n, outputs)."""
        return self.head(self.pooled(x))


class RecordingNet(nn.Module):
    """Several networks of the same size, whose logits are averaged.

    Args:
        classes: outputs.
        members: networks.
        width: of each network.
        spread: mV, the unit of the signals inside; the standard deviation of the training records.
    """

    spread: torch.Tensor

    def __init__(self, classes: int, members: int, width: int, spread: float = 1.0) -> None:
        super().__init__()
        self.members = nn.ModuleList(ResNet1d(classes, 2 * LEADS, width) for _ in range(members))
        self.register_buffer("spread", torch.tensor(spread))

    def inputs(self, windows: torch.Tensor) -> torch.Tensor:
        """(n, 12, WINDOW) mV, NaN where a lead is not shown -> (n, 24, WINDOW): signals, and where they are known."""
        known = torch.isfinite(windows)
        level = torch.nan_to_num(torch.nanmedian(windows, dim=2, keepdim=True).values)
        signals = torch.where(known, windows - level, 0.0) / self.spread
        return torch.cat([signals, known.to(signals.dtype)], dim=1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(n, 24, WINDOW) -> (n, classes) logits."""
        return torch.stack([member(inputs) for member in self.members]).mean(dim=0)


def at_network_rate(signal: np.ndarray, rate: float) -> np.ndarray:
    """A recording (12, samples) mV with gaps (NaN) at any rate in Hz -> float32 (12, samples) at RATE."""
    return resample_with_gaps(signal, rate, RATE)


def page_windows(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The windows of a page.

    Args:
        signal: (12, samples) mV at RATE; NaN where the page shows no trace.

    Returns:
        float32 (windows, 12, WINDOW) mV, NaN where a lead has no trace; and (windows, 12), the first sample of each
        piece, -1 for a lead that is not shown. No windows if no lead is shown.
    """
    by_lead = [piece_starts(*span) if span else [] for span in _common_spans(signal)]
    count = max(map(len, by_lead))
    starts = np.full((count, len(signal)), -1)
    windows = np.full((count, len(signal), WINDOW), np.nan, np.float32)
    padded = np.pad(signal.astype(np.float32), ((0, 0), (0, WINDOW)), constant_values=np.nan)
    for lead, of_lead in enumerate(by_lead):
        for number in range(count if of_lead else 0):
            start = of_lead[round(number * (len(of_lead) - 1) / max(count - 1, 1))]
            starts[number, lead] = start
            windows[number, lead] = padded[lead, start : start + WINDOW]
    return windows, starts


def _common_spans(signal: np.ndarray) -> list[tuple[int, int] | None]:
    """First sample and end of each lead; None if it is shown too briefly.

    The leads of a column begin and end within a few samples of each other. Since they show the same time, they get the
    same span, and the network compares them sample by sample.
    """
    spans: list[tuple[int, int] | None] = []
    for row in signal:
        known = np.flatnonzero(np.isfinite(row))
        spans.append((int(known[0]), int(known[-1]) + 1) if len(known) >= LEAST else None)
    common = list(spans)
    for lead, span in enumerate(spans):
        if span is not None:
            near = [each for each in spans if each and max(abs(each[0] - span[0]), abs(each[1] - span[1])) <= NEAR]
            common[lead] = min(each[0] for each in near), max(each[1] for each in near)
    return common


def piece_starts(first: int, stop: int) -> list[int]:
    """First samples of the pieces of WINDOW samples of a lead that is shown from ``first`` to ``stop``.

    Neighbouring pieces are at most STEP apart. Columns may be a little wider or narrower than a window.
    """
    spare = stop - first - WINDOW
    if spare <= NEAR:
        return [first + max(0, spare // 2)]
    pieces = 1 + -(-spare // STEP)
    return [first + round(number * spare / (pieces - 1)) for number in range(pieces)]
