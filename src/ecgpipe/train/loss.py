"""Focal loss (equation 25)."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """-alpha_t (1 - p_t)^gamma log(p_t), equation 25 (Lin et al. 2017), mean over the batch.

    For single-label tasks p_t is the softmax probability of the true class; for multi-label tasks it is, for every
    class on its own, the sigmoid probability of the truth (presence or absence), and the mean is over classes too.
    Soft targets (smoothed or mixed) weigh the losses of the hard ones: the loss is linear in the targets.

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
        """(batch, classes) logits and targets in [0, 1] -> scalar; computed in float32 whatever the autocast."""
        logits, targets = logits.float(), targets.float()
        if self.multilabel:
            present = self.alpha * _focal(-F.logsigmoid(logits), self.gamma)
            return (targets * present + (1 - targets) * _focal(-F.logsigmoid(-logits), self.gamma)).mean()
        return (targets * self.alpha * _focal(-F.log_softmax(logits, dim=1), self.gamma)).sum(dim=1).mean()


def _focal(negative_log: torch.Tensor, gamma: float) -> torch.Tensor:
    """(1 - p)^gamma * -log(p) from -log(p)."""
    # 1 - p is kept above 0, where a power below 1 has no finite slope
    return (-torch.expm1(-negative_log)).clamp_min(1e-7) ** gamma * negative_log


def smooth(targets: torch.Tensor, share: float, task: str) -> torch.Tensor:
    """Label smoothing (Szegedy et al. 2016): a share of each target is spread evenly.

    Args:
        targets: (batch, classes) in [0, 1].
        share: in [0, 1).
        task: single: over the classes; multilabel: over presence and absence of each.
    """
    return (1 - share) * targets + share / (targets.shape[1] if task == "single" else 2)


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
