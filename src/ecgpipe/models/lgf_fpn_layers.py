"""Layers of Swin-LGF-FPN: the ECG-LGF module (equations 9-14), the pyramid neck (15-23) and the head (24).

LGF modules work on NHWC maps, as Swin stages return them: a 1x1 convolution is a linear layer over the last axis, so
nothing is copied. The neck reads the same memory as channels_last NCHW maps. Width is the time axis of the page; the
leads are arranged along the height. Pyramid levels are listed from fine to coarse, F1 to F4.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgpipe.errors import ConfigError

AtaGate = Literal["pixel", "column"]


class GroupNorm(nn.GroupNorm):
    """Group normalisation of an NHWC map; (B, H, W, C) to the same, contiguous.

    Args:
        max_groups: reduced to the largest number that divides the channels.
        channels: C.
    """

    def __init__(self, max_groups: int, channels: int) -> None:
        super().__init__(math.gcd(max_groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        normed = super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return normed.contiguous()  # a copy only if the backend returned NCHW memory


class LocalPath(nn.Module):
    """GELU(GroupNorm(Conv1x1(DWConv3x3(x)))), equation 9; (B, H, W, C) to the same."""

    def __init__(self, channels: int, norm_groups: int = 32) -> None:
        super().__init__()
        # no bias: the linear layer after it has one
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Linear(channels, channels)
        self.norm = GroupNorm(norm_groups, channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        neighbours = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # views: channels_last is NHWC
        return self.act(self.norm(self.pointwise(neighbours)))


class GlobalPath(nn.Module):
    """GELU(Conv1x1(GlobalMaxPool(x))), equation 10; (B, H, W, C) to (B, 1, 1, C).

    The upsampling of equation 10 is left to broadcasting: a 1 x 1 map gives a constant map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pointwise = nn.Linear(channels, channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        # amax divides the gradient among equal maxima, which blank parts of a binary page have
        return self.act(self.pointwise(x.amax(dim=(1, 2), keepdim=True)))


class AxialTemporalAttention(nn.Module):
    """The weights sigmoid(Conv1x1(GELU(Conv1x1(f1)))) of equation 13; the caller multiplies them by f1.

    Args:
        channels: C.
        gate: ``"pixel"``: a weight per channel and pixel, as the equation says; ``"column"``: a weight per channel and
            column of the time axis, from the mean of f1 over the height.

    Shapes: (B, H, W, C) to (B, H, W, C) for pixel, to (B, 1, W, C) for column; values in (0, 1).
    """

    def __init__(self, channels: int, gate: AtaGate = "pixel") -> None:
        super().__init__()
        if gate not in ("pixel", "column"):
            raise ConfigError(f"unknown ata_gate {gate!r}: use 'pixel' or 'column'")
        self.gate = gate
        self.inner = nn.Linear(channels, channels)
        self.act = nn.GELU()
        self.outer = nn.Linear(channels, channels)

    def forward(self, f1: Tensor) -> Tensor:
        if self.gate == "column":
            f1 = f1.mean(dim=1, keepdim=True)
        return self.outer(self.act(self.inner(f1))).sigmoid_()  # a linear layer's backward pass ignores its output


class LGF(nn.Module):
    """The ECG-LGF module, equations 9 to 14; (B, H, W, C) to the same.

    Args:
        channels: C.
        ata_gate: see :class:`AxialTemporalAttention`.
        norm_groups: groups of the group normalisations (not given in the paper).
        init_gain: initial scale of the normalisation in equation 12; 0 makes the module start as the identity.
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
        return torch.addcmul(x, f1, self.attention(f1))  # equations 13 and 14 in one pass

    def _compress(self, local: Tensor, global_: Tensor) -> Tensor:
        """Conv1x1(Concat(local, global)), equations 11 and 12, without the concatenation.

        The global half is constant over the map, so its part is computed once per image, not per pixel.
        """
        local_weight, global_weight = self.compress.weight.chunk(2, dim=1)
        return F.linear(local, local_weight) + F.linear(global_, global_weight, self.compress.bias)


class ChannelAlignment(nn.Module):
    """ReLU(BN(Conv3x3(x)) + BN(Conv1x1(x))), equation 15; (B, C_in, H, W) to (B, width, H, W)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        # no biases: batch normalisation removes them
        self.main = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.main_norm = nn.BatchNorm2d(width)
        self.residual = nn.Linear(in_channels, width, bias=False)
        self.residual_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        # the 1x1 convolution as a linear layer: the channels are contiguous in memory
        residual = self.residual(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # in place: the backward pass of a normalisation or a sum ignores its output
        return F.relu_(self.main_norm(self.main(x)).add_(self.residual_norm(residual)))


class Refinement(nn.Module):
    """ReLU(Conv3x3(BN(x))), equations 20 to 23, in the printed order; (B, width, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(self.norm(x)))


def top_down(levels: Sequence[Tensor]) -> list[Tensor]:
    """F34 = U(F4) + F3, F234 = U(F34) + F2, F1234 = U(F234) + F1, equations 16 to 19.

    U is bilinear interpolation to the exact size of the finer level, so odd sizes fit.

    Args:
        levels: F1 to F4, each (B, C, H_i, W_i) with the same C.

    Returns:
        F1234, F234, F34 and F4.
    """
    fused = [levels[-1]]
    for level in reversed(levels[:-1]):
        upsampled = F.interpolate(fused[0], size=level.shape[-2:], mode="bilinear", align_corners=False)
        fused.insert(0, upsampled.add_(level))
    return fused


class FeaturePyramid(nn.Module):
    """The neck, equations 15 to 23: list of (B, C_i, H_i, W_i) to list of (B, width, H_i, W_i).

    Args:
        in_channels: C_i of the backbone's maps.
        width: channels of each level.
        refine: whether to apply equations 20 to 23.
    """

    def __init__(self, in_channels: Sequence[int], width: int = 256, refine: bool = True) -> None:
        super().__init__()
        self.align = nn.ModuleList(ChannelAlignment(channels, width) for channels in in_channels)
        self.refine = nn.ModuleList(Refinement(width) if refine else nn.Identity() for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        fused = top_down([align(level) for align, level in zip(self.align, maps, strict=True)])
        return [refine(level) for refine, level in zip(self.refine, fused, strict=True)]


class LevelFusion(nn.Module):
    """Mean of the levels with learnable weights, a softmax that starts uniform; L tensors (B, C) to (B, C).

    The paper says only "learnable weights".
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(levels))

    @property
    def weights(self) -> Tensor:
        """The weights (L,), positive, with sum 1."""
        return self.logits.softmax(dim=0)

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        return torch.einsum("l,lbc->bc", self.weights.to(pooled[0].dtype), torch.stack(list(pooled)))


class PyramidHead(nn.Module):
    """Global average pooling, LevelFusion, LayerNorm and the two-layer MLP of equation 24.

    The equation as printed has a second bias without its matrix; it is read as
    W2 Dropout(LayerNorm(CELU(W1 x + b1))) + b2.

    Args:
        levels: number of maps; a single one has no fusion weights.
        channels: C of each map.
        num_classes: outputs; 0 returns the features before the last linear layer.
        hidden: width of the hidden layer; None: C.
        drop_rate: dropout probability.

    Shapes: list of (B, C, H_i, W_i) to logits (B, num_classes).
    """

    def __init__(
        self, levels: int, channels: int, num_classes: int, hidden: int | None = None, drop_rate: float = 0.1
    ) -> None:
        super().__init__()
        self.num_features = hidden or channels
        self.fusion = LevelFusion(levels) if levels > 1 else None
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, self.num_features)
        self.act = nn.CELU()
        self.hidden_norm = nn.LayerNorm(self.num_features)
        self.drop = nn.Dropout(drop_rate)
        self.reset(num_classes)

    def reset(self, num_classes: int) -> None:
        """Replace the last linear layer by a new one."""
        self.fc2 = nn.Linear(self.num_features, num_classes) if num_classes > 0 else nn.Identity()
        if num_classes > 0:
            nn.init.trunc_normal_(self.fc2.weight, std=0.02)  # logits near 0, so training starts at a uniform guess
            nn.init.zeros_(self.fc2.bias)

    def forward(self, maps: Sequence[Tensor], pre_logits: bool = False) -> Tensor:
        pooled = [level.mean(dim=(2, 3)) for level in maps]
        fused = self.fusion(pooled) if self.fusion is not None else pooled[0]
        features = self.drop(self.hidden_norm(self.act(self.fc1(self.norm(fused)))))
        return features if pre_logits else self.fc2(features)
