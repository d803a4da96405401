"""The local-global feature module (ECG-LGF) and its axial temporal attention: equations 9 to 14.

Maps are NHWC, as a Swin stage leaves them, so a 1x1 convolution is a linear layer over the last axis: one matrix
product and no copy. The width axis of a map is the time axis of the page, its height axis runs over the leads.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ecgpipe.errors import ConfigError

AtaGate = Literal["pixel", "column"]


class GroupNorm(nn.GroupNorm):
    """Group normalisation of an NHWC map, over height, width and the channels of a group.

    Args:
        max_groups: wanted number of groups; the largest divisor that it shares with ``channels`` is used.
        channels: channels C of the input.

    Shapes: (B, H, W, C) to the same, contiguous.
    """

    def __init__(self, max_groups: int, channels: int) -> None:
        super().__init__(math.gcd(max_groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        normed = super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return normed.contiguous()  # copies only where the backend answers in NCHW


class LocalPath(nn.Module):
    """Local(x) = GELU(GroupNorm(Conv1x1(DWConv3x3(x)))), equation 9.

    Shapes: (B, H, W, C) to the same.
    """

    def __init__(self, channels: int, norm_groups: int = 32) -> None:
        super().__init__()
        # A bias here would only pass through the linear 1x1 convolution, which has its own.
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Linear(channels, channels)
        self.norm = GroupNorm(norm_groups, channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        neighbours = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # views: channels_last is NHWC
        return self.act(self.norm(self.pointwise(neighbours)))


class GlobalPath(nn.Module):
    """GELU(Conv1x1(GlobalMaxPool(x))), equation 10 without its upsampling.

    Upsampling a 1 x 1 map gives a constant map whatever the interpolation, so the map stays 1 x 1 and broadcasts.

    Shapes: (B, H, W, C) to (B, 1, 1, C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pointwise = nn.Linear(channels, channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        # amax shares the gradient among equal maxima: blank parts of a binary page give exactly equal features.
        return self.act(self.pointwise(x.amax(dim=(1, 2), keepdim=True)))


class AxialTemporalAttention(nn.Module):
    """The weight map sigmoid(Conv1x1(GELU(Conv1x1(f1)))) of equation 13; the caller multiplies it onto ``f1``.

    Args:
        channels: channels C of ``f1``.
        gate: ``"pixel"``, a weight per channel and pixel as the equation reads; ``"column"``, a weight per channel
            and column of the time axis, from the mean of ``f1`` over the height.

    Shapes: (B, H, W, C) to (B, H, W, C) for pixel, (B, 1, W, C) for column; values in (0, 1).
    """

    def __init__(self, channels: int, gate: AtaGate = "pixel") -> None:
        super().__init__()
        if gate not in ("pixel", "column"):
            raise ConfigError(f"ata_gate {gate!r} is not known: use 'pixel' or 'column'")
        self.gate = gate
        self.inner = nn.Linear(channels, channels)
        self.act = nn.GELU()
        self.outer = nn.Linear(channels, channels)

    def forward(self, f1: Tensor) -> Tensor:
        if self.gate == "column":
            f1 = f1.mean(dim=1, keepdim=True)
        # In place is safe: a linear layer's backward pass never looks at its output.
        return self.outer(self.act(self.inner(f1))).sigmoid_()


class LGF(nn.Module):
    """The ECG-LGF module: both paths, their compression, the temporal gate and the residual, equations 9 to 14.

    Args:
        channels: channels C of the map.
        ata_gate: see :class:`AxialTemporalAttention`.
        norm_groups: groups of the group normalisations (the paper gives none).
        init_gain: initial scale of the normalisation in equation 12. 1 is the framework's default; with 0 the
            module starts as the identity, which keeps a pretrained backbone's features as they were.

    Shapes: (B, H, W, C) to the same.
    """

    def __init__(
        self, channels: int, ata_gate: AtaGate = "pixel", norm_groups: int = 32, init_gain: float = 1.0
    ) -> None:
        super().__init__()
        self.local_path = LocalPath(channels, norm_groups)
        self.global_path = GlobalPath(channels)
        self.compress = nn.Linear(2 * channels, channels)
        self.norm = GroupNorm(norm_groups, channels)
        self.attention = AxialTemporalAttention(channels, ata_gate)
        nn.init.constant_(self.norm.weight, init_gain)

    def forward(self, x: Tensor) -> Tensor:
        f1 = self.norm(self._compress(self.local_path(x), self.global_path(x)))
        return torch.addcmul(x, f1, self.attention(f1))  # equations 13 and 14 in one pass over the map

    def _compress(self, local: Tensor, global_: Tensor) -> Tensor:
        """Conv1x1(Concat(local, global)), equations 11 and 12, without building the concatenated map.

        The convolution is linear in its input channels and the global half is constant over the map, so its share
        is computed once an image instead of once a pixel.
        """
        local_weight, global_weight = self.compress.weight.chunk(2, dim=1)
        once = nn.functional.linear(global_, global_weight, self.compress.bias)
        return nn.functional.linear(local, local_weight) + once
