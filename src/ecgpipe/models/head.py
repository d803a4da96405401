"""The classification head on the pooled levels of a pyramid: equation 24 and the sentence before it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LevelFusion(nn.Module):
    """The mean of the levels under learnable weights that are positive and sum to one.

    The paper says "learnable weights"; a softmax keeps the balance between levels free of their common scale.
    They start equal.

    Shapes: list of L tensors (B, C) to (B, C).
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(levels))

    @property
    def weights(self) -> Tensor:
        """The weights in use, (L,), positive, summing to one."""
        return self.logits.softmax(dim=0)

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        return torch.einsum("l,lbc->bc", self.weights.to(pooled[0].dtype), torch.stack(list(pooled)))


class PyramidHead(nn.Module):
    """Global average pooling, weighted fusion, LayerNorm and the two-layer MLP of equation 24.

    The equation as printed has a second bias without its weight matrix; the MLP is read as
    W2 Dropout(LayerNorm(CELU(W1 x + b1))) + b2.

    Args:
        levels: number of maps; with one there is nothing to weigh and no fusion parameter.
        channels: channels C of every map.
        num_classes: outputs; 0 returns the features before the last linear layer.
        hidden: width of the hidden layer; by default C.
        drop_rate: probability of the dropout.

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
        """Replace the last linear layer by a fresh one with ``num_classes`` outputs."""
        self.fc2 = nn.Linear(self.num_features, num_classes) if num_classes > 0 else nn.Identity()
        if num_classes > 0:
            # Near-zero logits: training starts at the loss of a uniform guess.
            nn.init.trunc_normal_(self.fc2.weight, std=0.02)
            nn.init.zeros_(self.fc2.bias)

    def forward(self, maps: Sequence[Tensor], pre_logits: bool = False) -> Tensor:
        pooled = [level.mean(dim=(2, 3)) for level in maps]
        fused = self.fusion(pooled) if self.fusion is not None else pooled[0]
        features = self.drop(self.hidden_norm(self.act(self.fc1(self.norm(fused)))))
        return features if pre_logits else self.fc2(features)
