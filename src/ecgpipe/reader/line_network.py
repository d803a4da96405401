"""The network that corrects a digitized line from the ink around it.

A column of a page's pixels holds several samples of a recording. The darkness of a stroke's edges still carries some
information about these samples, and the network has learned from drawn pages to use it.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

RATE = 500.0
"""Samples per second of the corrections."""
PER_COLUMN = 2
"""Samples per column of a view."""
FAR = (1.2, 1.6, 2.2, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0)
OFFSETS = np.concatenate([-np.array(FAR[::-1]), np.arange(-12, 13) * 0.08, FAR])
"""Distances below the line at which a view shows ink, mm: dense near the line, to resolve the edges of its stroke; the
far ones show where it may continue beyond the stroke of another row."""
MEASURES = ("height", "slope", "above", "below", "pen", "stroke", "pixel", "gap")
"""Channels of a view after the ink: the line's height above its baseline (in cm; all others in mm) and its slope per
column; how far its stroke reaches above and below it; the thickness of the page's pen and of this stroke; the size of
a pixel; and the distance to the nearest point of the line."""
CHANNELS = len(OFFSETS) + len(MEASURES)
DILATIONS = (1, 1, 2, 4, 8, 1)
WIDTH, KERNEL = 48, 5


class LineNet(nn.Module):
    """Convolutions along the line, with residual connections; about 90,000 parameters.

    The receptive field is 73 columns, 0.3 s.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(CHANNELS, WIDTH, KERNEL, padding=KERNEL // 2)
        self.middle = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2 * dilation, dilation=dilation),
                nn.BatchNorm1d(WIDTH),
                nn.ReLU(inplace=True),
            )
            for dilation in DILATIONS
        )
        self.last = nn.Conv1d(WIDTH, PER_COLUMN, 1)
        nn.init.zeros_(self.last.weight)  # an untrained network corrects nothing
        nn.init.zeros_(self.last.bias)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Correct lines.

        Args:
            views: float (B, CHANNELS, n): the ink at OFFSETS from the line, then MEASURES.

        Returns:
            (B, 2 n) mm by which each sample is above the line.
        """
        x = F.relu(self.first(views))
        for layer in self.middle:
            x = x + layer(x)
        return self.last(x).transpose(1, 2).flatten(1)


def flipped(view: np.ndarray) -> np.ndarray:
    """The view (CHANNELS, n) of the line in a picture flipped upside down; its correction has the opposite sign."""
    ink = len(OFFSETS)
    other = view.copy()
    other[:ink] = view[:ink][::-1]
    height, slope, above, below = (ink + MEASURES.index(name) for name in ("height", "slope", "above", "below"))
    other[[height, slope]] *= -1
    other[[above, below]] = view[[below, above]]
    return other
