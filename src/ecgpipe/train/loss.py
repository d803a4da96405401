"""Focal loss (equation 25)."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """-alpha_t (1 - p_t)^gamma log(p_t), equation 25 (Lin et al. 2017), mean over the batch.

    For single-label tasks p_t is the softmax probability of the true class; for multi-label tasks it is, for every
    class on its own, the sigmoid probability of the truth (presence or absence), and the mean is over classes too.

    Args:
        task: ``single`` or ``multilabel``.
        gamma: focusing parameter, >= 0; with 0 and alpha 1 this is the cross-entropy.
        alpha: (classes,) weights of the classes; multilabel: weights of their presence, absence counts 1.
    """

    def __init__(self, task: str, gamma: float, alpha: torch.Tensor) -> None:
        super().__init__()
        self.multilabel = task == "multilabel"
        self.gamma = gamma
        self.register_buffer("alpha", alpha.float())

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(batch, classes) logits and 0/1 targets -> scalar; computed in float32 whatever the autocast."""
        logits, targets = logits.float(), targets.float()
        if self.multilabel:
            negative_log = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            weight = torch.where(targets > 0, self.alpha, torch.ones_like(self.alpha))
        else:
            negative_log = -(F.log_softmax(logits, dim=1) * targets).sum(dim=1)
            weight = (self.alpha * targets).sum(dim=1)
        # 1 - p_t; kept above 0, where a power below 1 has no finite slope
        miss = (-torch.expm1(-negative_log)).clamp_min(1e-7)
        return (weight * miss**self.gamma * negative_log).mean()


def class_weights(targets: np.ndarray, task: str, mode: str) -> torch.Tensor:
    """alpha of equation 25.

    Args:
        targets: (n, classes) 0/1 targets of the training records; every class occurs.
        task: ``single`` or ``multilabel``.
        mode: ``inverse-frequency`` or ``none`` (all 1).

    Returns:
        (classes,) float32. Single-label: proportional to 1 / frequency, with mean 1 over the records. Multi-label: the
        ratio of absences to presences, at most 20, so that both weigh the same.
    """
    counts = targets.sum(axis=0).astype(np.float64)
    if mode == "none":
        weights = np.ones_like(counts)
    elif task == "multilabel":
        weights = np.minimum((len(targets) - counts) / counts, 20.0)
    else:
        weights = len(targets) / (len(counts) * counts)
    return torch.tensor(weights, dtype=torch.float32)
