"""The reader's network for prediction on a CPU: the same function in fewer operations and with less memory."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ecgpipe.reader.network import PIXEL_MAPS, ReaderNet

STRIP = 192
"""Rows at half resolution that are computed together: whole maps are large, and the maps of strips reuse memory."""
HALO = 2
"""Rows outside a strip that two convolutions of 3 x 3 pixels read."""


class FusedReader(ReaderNet):
    """A copy of a network for prediction, with batch normalization merged into the convolutions.

    Args:
        net: the network; it is not changed.
    """

    def __init__(self, net: ReaderNet) -> None:
        super().__init__(net.widths)
        self.load_state_dict(net.state_dict())
        self.eval()
        for module in list(self.modules()):
            if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], nn.BatchNorm2d):
                fused = fuse_conv_bn_eval(module[0], module[1])  # type: ignore[type-var]
                module[0], module[1] = fused, nn.Identity()
        self.up = nn.ModuleList(_Up(block, width) for block, width in zip(self.up, net.widths, strict=False))
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Label the pixels of pictures, as ``ReaderNet.forward`` does."""
        strips, beside, pooled = self._half(pictures)
        below, coarse = self._from_half(pooled)
        pixels = pictures.new_empty(len(pictures), len(PIXEL_MAPS), *pictures.shape[2:])
        for (top, bottom), skipped in zip(strips, beside, strict=True):
            above = max(top - HALO, 0)
            x = self.up[0](skipped, below[:, :, above // 2 : (bottom + HALO) // 2])
            pixels[:, :, 2 * top : 2 * bottom] = F.pixel_shuffle(self.full(x[:, :, top - above : bottom - above]), 2)
        return pixels, coarse

    def _half(self, pictures: torch.Tensor) -> tuple[list[tuple[int, int]], list[torch.Tensor], torch.Tensor]:
        """The finest level: its strips, each strip's features with a halo, and all features reduced by 2."""
        height = pictures.shape[2] // 2
        strips = [(top, min(top + STRIP, height)) for top in range(0, height, STRIP)]
        features, reduced = [], []
        for top, bottom in strips:
            above, wide = max(top - HALO, 0), max(top - 2 * HALO, 0)
            x = self.first(F.pixel_unshuffle(pictures[:, :, 2 * wide : 2 * (bottom + 2 * HALO)], 2))
            features.append(x[:, :, above - wide : bottom + HALO - wide])
            reduced.append(F.max_pool2d(x[:, :, top - wide : bottom - wide], 2))
        return strips, features, torch.cat(reduced, dim=2)

    def _from_half(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From the finest level's reduced features: the decoder's features at level 1, and the coarse maps."""
        levels = []
        for level, down in enumerate(self.down):
            x = down(x if level == 0 else F.max_pool2d(x, 2))
            levels.append(x)
        coarse = x  # replaced below
        for level in reversed(range(1, len(self.up))):
            x = self.up[level](levels[level - 1], x)
            if level == 2:
                coarse = self.coarse_maps(x)
        return x, coarse


class _Up(nn.Module):
    """A block of the decoder that does not enlarge the maps from the level below.

    A 3 x 3 convolution of a map with doubled pixels reads only 2 x 2 different pixels. It equals a transposed
    convolution of the original map with kernels of 4 x 4 pixels.
    """

    def __init__(self, block: nn.Module, width: int) -> None:
        super().__init__()
        first, self.last = block.children()
        weight, bias = first.get_parameter("0.weight").detach(), first.get_parameter("0.bias").detach()
        outputs, inputs = weight.shape[:2]
        self.beside = nn.Conv2d(width, outputs, 3, padding=1)
        self.beside.load_state_dict({"weight": weight[:, :width], "bias": bias})
        self.below = nn.ConvTranspose2d(inputs - width, outputs, 4, stride=2, padding=1, bias=False)
        double = torch.zeros(4, 3)  # which pixels of 3 fall on each place of the kernel of 4
        for place, seen in ((0, (2,)), (1, (1, 2)), (2, (0, 1)), (3, (0,))):
            double[place, list(seen)] = 1
        kernels = torch.einsum("ay,bx,oiyx->ioab", double, double, weight[:, width:])
        self.below.load_state_dict({"weight": kernels})

    def forward(self, beside: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        return self.last(self.beside(beside).add_(self.below(below)).relu_())
