"""The page reader's networks: a small U-Net that labels every pixel of a page, and one that reads lead names.

``line_network.LineNet`` corrects digitized lines, and ``text_network.TextNet`` reads printed scales.

The network works at half resolution: four pixels of the picture become channels, and channels become four pixels of the
maps (pixel shuffle). So a trace one pixel wide survives, at a quarter of the arithmetic.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ecgpipe.lead_names import PRINTED_NAMES
from ecgpipe.reader.line_network import LineNet
from ecgpipe.reader.text_network import TextNet

LEAD_NAMES = (*PRINTED_NAMES, "V3R", "V4R", "V7", "V8", "V9")
"""Leads whose printed names the network locates, in the order of its channels."""
PIXEL_MAPS = ("trace", "ink", "pulse", "grid", "offset")
"""Maps at full resolution: four logits, then the height of a trace above its own baseline, in centimetres of paper."""
OFFSET_UNIT = 10.0
"""Unit of the map offset, mm."""
GEOMETRY_MAPS = ("cos_x", "sin_x", "cos_y", "sin_y", "log2_x", "log2_y")
"""Maps at an eighth of the resolution: the directions of the page's x and y in the picture, and log2(pixels per mm) - 2
along each."""
CELL = 8
"""Pixels per side of a cell of the coarse maps."""
MULTIPLE = 32
"""The sides of an input must be multiples of this."""
VIEW = 48, 80
"""Height and width in pixels of the view of a name."""
NO_NAME = len(LEAD_NAMES)
"""The class of a view without a name in its middle."""
WIDTHS = (24, 32, 64, 112, 160)


class ReaderNet(nn.Module):
    """Encoder and decoder of five levels, about 1,340,000 parameters (U-Net, Ronneberger et al. 2015).

    The U-Net locates printed names; ``namer`` reads them, ``liner`` corrects the digitized lines, and ``text``
    reads printed scales. These three are not part of ``forward``.

    Args:
        widths: channels of each level, from half resolution down.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.first = _block(3 * 4, widths[0])
        self.down = nn.ModuleList(_block(*pair) for pair in pairwise(widths))
        self.up = nn.ModuleList(_block(a + b, a) for a, b in pairwise(widths))
        self.full = nn.Conv2d(widths[0], len(PIXEL_MAPS) * 4, 1)
        self.around = nn.Sequential(*(_layer(widths[2], widths[2], dilation) for dilation in (1, 2, 4)))
        self.names = nn.Conv2d(widths[2], len(LEAD_NAMES), 1)
        self.geometry = nn.Conv2d(widths[2], len(GEOMETRY_MAPS), 1)
        self.namer = NameNet()
        self.liner = LineNet()
        self.text = TextNet()
        for head in (self.full, self.names):  # most pixels are paper
            nn.init.constant_(head.bias, -3.0)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Label the pixels of pictures.

        Args:
            pictures: float (B, 3, H, W), RGB scaled to -1..1; H and W multiples of 32.

        Returns:
            The pixel maps (B, 5, H, W), and the coarse maps (B, 17 + 6, H / 8, W / 8): a logit for each lead name,
            then the geometry.
        """
        x = self.first(F.pixel_unshuffle(pictures, 2))
        levels = [x]
        for down in self.down:
            x = down(F.max_pool2d(x, 2))
            levels.append(x)
        coarse = x  # replaced below
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([levels[level], F.interpolate(x, scale_factor=2.0, mode="nearest")], dim=1))
            if level == 2:
                coarse = self.coarse_maps(x)
        return F.pixel_shuffle(self.full(x), 2), coarse

    def coarse_maps(self, x: torch.Tensor) -> torch.Tensor:
        """The coarse maps, from the decoder's features at an eighth of the resolution."""
        around = self.around(x)
        return torch.cat([self.names(around), self.geometry(around)], dim=1)


class NameNet(nn.Module):
    """Classifies views of names: four levels of two convolutions, about 240,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 48, 64)
        levels = zip((3, *widths), widths, strict=False)
        self.levels = nn.ModuleList(nn.Sequential(_layer(a, b), _layer(b, b)) for a, b in levels)
        self.hidden = nn.Linear(widths[-1] * (VIEW[0] // 16) * (VIEW[1] // 16), 128)
        self.classes = nn.Linear(128, len(LEAD_NAMES) + 1)

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Classify views.

        Args:
            views: uint8 (n, 48, 80, 3), RGB.

        Returns:
            Logits (n, 18): the names of LEAD_NAMES, then NO_NAME.
        """
        x = views.permute(0, 3, 1, 2).float()
        x = (x - x.mean(dim=(1, 2, 3), keepdim=True)) / (x.std(dim=(1, 2, 3), keepdim=True) + 8.0)
        for level in self.levels:
            x = F.max_pool2d(level(x), 2)
        return self.classes(F.relu(self.hidden(x.flatten(1))))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(inputs, outputs), _layer(outputs, outputs))


def _layer(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
