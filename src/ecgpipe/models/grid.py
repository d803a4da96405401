"""ResNets that know where on the page a finding is: they pool over the cells of a grid instead of the whole map.

A finding of an ECG belongs to its leads: Q waves are an inferior infarction in II, III and aVF and ordinary in aVR.
On a page a lead is a place. Global average pooling forgets places, so that a network has to learn them from what
padding leaves at the borders. Ours, not the paper's; what it is worth on pages: docs/results/index.md.
"""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn
from torch.nn import functional as F


class GridPool(nn.Module):
    """Channels reduced by a 1x1 convolution, then averaged over each cell of a grid and laid out as one vector.

    Args:
        channels: channels C of the map.
        width: channels that each cell keeps.
        grid: rows and columns of cells; the standard page has four rows, three of leads and one of rhythm, and four
            columns.

    Shapes: (B, C, H, W) to (B, width x rows x columns), a channel's cells side by side, row by row.
    """

    def __init__(self, channels: int, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.num_features = width * grid[0] * grid[1]
        self.conv = nn.Conv2d(channels, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(F.relu(self.norm(self.conv(maps))), self.grid).flatten(1)


class GridResNet(ResNet):
    """timm's ResNet with :class:`GridPool` before its last linear layer; everything else, and its keys, are as there.

    Args:
        grid: rows and columns of cells, positive.
        grid_width: channels that each cell keeps, positive.
        options: as for timm's ``ResNet``; ``global_pool`` does not apply.

    Raises:
        ValueError: for a grid or width that is not positive.
    """

    def __init__(self, *args: Any, grid: tuple[int, int] = (4, 4), grid_width: int = 64, **options: Any) -> None:
        rows, columns = grid
        if min(rows, columns, grid_width) < 1:
            raise ValueError(f"grid and grid_width must be positive; given: {grid}, {grid_width}")
        super().__init__(*args, **options)
        self.global_pool = GridPool(self.num_features, grid_width, (rows, columns))
        self.num_features = self.head_hidden_size = self.global_pool.num_features
        self.reset_classifier(self.num_classes)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A fresh last layer; 0 classes leave the cells' vector."""
        if global_pool is not None:
            raise ValueError("the pooling of a GridResNet is its grid")
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        cells = self.global_pool(maps)
        if self.drop_rate:
            cells = F.dropout(cells, p=float(self.drop_rate), training=self.training)
        return cells if pre_logits else self.fc(cells)


default_cfgs = generate_default_cfgs(
    {
        name: {"input_size": (3, 224, 224), "pool_size": (7, 7), "first_conv": "conv1", "classifier": "fc"}
        for name in ("resnet18_grid", "resnet34_grid")
    }
)


@register_model
def resnet18_grid(pretrained: bool = False, **kwargs: Any) -> GridResNet:
    """ResNet-18 with a grid; keywords are those of :class:`GridResNet`. There are no published weights."""
    arguments = {"block": BasicBlock, "layers": (2, 2, 2, 2)} | kwargs
    return build_model_with_cfg(GridResNet, "resnet18_grid", pretrained, **arguments)


@register_model
def resnet34_grid(pretrained: bool = False, **kwargs: Any) -> GridResNet:
    """ResNet-34 with a grid; keywords are those of :class:`GridResNet`. There are no published weights."""
    arguments = {"block": BasicBlock, "layers": (3, 4, 6, 3)} | kwargs
    return build_model_with_cfg(GridResNet, "resnet34_grid", pretrained, **arguments)
