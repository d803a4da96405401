"""The feature pyramid neck: channel alignment, top-down fusion and refinement, equations 15 to 23.

Levels are listed from fine to coarse, F1 to F4, as NCHW maps; their memory is that of the backbone's NHWC maps.
"""

from collections.abc import Sequence

from torch import Tensor, nn


class ChannelAlignment(nn.Module):
    """ReLU(BN(Conv3x3(x)) + BN(Conv1x1(x))), equation 15.

    Shapes: (B, C_in, H, W) to (B, width, H, W).
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        # No bias: batch normalisation takes it out again.
        self.main = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.main_norm = nn.BatchNorm2d(width)
        self.residual = nn.Linear(in_channels, width, bias=False)
        self.residual_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        # A 1x1 convolution is a linear layer over the channels, and here they lie together in memory.
        residual = self.residual(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # In place is safe: the backward pass of a normalisation or a sum never looks at its output.
        return nn.functional.relu_(self.main_norm(self.main(x)).add_(self.residual_norm(residual)))


class Refinement(nn.Module):
    """ReLU(Conv3x3(BN(x))), equations 20 to 23, in the printed order.

    Shapes: (B, width, H, W) to the same.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu_(self.conv(self.norm(x)))


def top_down(levels: Sequence[Tensor]) -> list[Tensor]:
    """F34 = U(F4) + F3, F234 = U(F34) + F2, F1234 = U(F234) + F1, equations 16 to 19.

    U is bilinear interpolation to the exact size of the finer level (pixel centres aligned, borders repeated), so
    levels of odd sizes fit.

    Args:
        levels: F1 to F4, each (B, C, H_i, W_i) with one C.

    Returns:
        F1234, F234, F34 and F4, in the order of the input.
    """
    fused = [levels[-1]]
    for level in reversed(levels[:-1]):
        upsampled = nn.functional.interpolate(fused[0], size=level.shape[-2:], mode="bilinear", align_corners=False)
        fused.insert(0, upsampled.add_(level))
    return fused


class FeaturePyramid(nn.Module):
    """Alignment, top-down sums and refinement: the whole neck, equations 15 to 23.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse.
        width: channels of every level of the pyramid.
        refine: ``False`` leaves equations 20 to 23 out; the fused levels are the output.

    Shapes: list of (B, C_i, H_i, W_i) to list of (B, width, H_i, W_i), fine to coarse.
    """

    def __init__(self, in_channels: Sequence[int], width: int = 256, refine: bool = True) -> None:
        super().__init__()
        self.align = nn.ModuleList(ChannelAlignment(channels, width) for channels in in_channels)
        self.refine = nn.ModuleList(Refinement(width) if refine else nn.Identity() for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        fused = top_down([align(level) for align, level in zip(self.align, maps, strict=True)])
        return [refine(level) for refine, level in zip(self.refine, fused, strict=True)]
