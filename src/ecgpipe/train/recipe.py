"""Focal loss (equation 25).

Groups of parameters with their rates and weight decays.

The learning rate: linear warm-up, then cosine decay (equation 27 as meant, see docs/paper.md).

What is watched during training: computed from all validation records at once.
"""

import math
from typing import Any

import numpy as np
import torch
from timm.models import group_parameters
from torch import nn
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_auroc

from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError


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


def parameter_groups(model: nn.Module, recipe: TrainConfig) -> list[dict[str, Any]]:
    """Arguments of the optimiser: equation 26 decays every parameter at one rate, unless the recipe says otherwise.

    With ``layer_decay`` the rate of a layer is that share of the next one's (Clark et al. 2020, BEiT); layers are
    timm's, the classifier's the last. With ``decay_biases: false`` vectors (biases, scales) and what the
    model itself names (``no_weight_decay``) have no weight decay.

    Raises:
        ConfigError: the model does not say what its layers are.
    """
    depths: dict[str, int] = {}
    if recipe.layer_decay is not None:
        if not hasattr(model, "group_matcher"):
            raise ConfigError("train.layer_decay: this model does not say what its layers are; leave it null")
        depths = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    last = max(depths.values(), default=0)
    spared = set(model.no_weight_decay()) if hasattr(model, "no_weight_decay") else set()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = (recipe.layer_decay or 1.0) ** (last - depths.get(name, last))
        decays = recipe.decay_biases or not (parameter.ndim <= 1 or name in spared)
        decay = recipe.weight_decay if decays else 0.0
        group = groups.setdefault(
            (scale, decay), {"params": [], "lr": scale * recipe.peak_lr, "weight_decay": decay, "share": scale}
        )
        group["params"].append(parameter)
    return list(groups.values())


def lr_ratio(epoch: float, epochs: float, warmup: float, min_share: float) -> float:
    """The rate as a share of its peak.

    As printed, equation 27 warms up to half the rate, then jumps to a constant, since its cosine does not contain t.
    Meant is a line from min_share to 1 over the warm-up, then half a cosine down to min_share at the end.

    Args:
        epoch: time, in epochs, fractions allowed; from 0 to epochs.
        epochs: length of the training (T_warm + T_max).
        warmup: length of the warm-up (T_warm).
        min_share: eta_min / eta.
    """
    if epoch < warmup:
        return min_share + (1 - min_share) * epoch / warmup
    done = min((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0)
    return min_share + (1 - min_share) * (1 + math.cos(math.pi * done)) / 2


def accuracy(logits: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Share of records that are right; multi-label: in every class, at a probability of 0.5."""
    if task == "single":
        return (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean().item()
    return ((logits > 0) == targets.bool()).all(dim=1).float().mean().item()


def macro_auc(logits: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Mean area under the ROC curve, each class against the rest; NaN where a class has only one kind of record.

    Args:
        logits: (n, classes).
        targets: (n, classes) 0/1.
        task: single (scores are softmax probabilities) or multilabel (logits).
    """
    scores = logits.double().softmax(dim=1) if task == "single" else logits.double()
    truth = targets.bool()
    if not (truth.any(dim=0) & ~truth.all(dim=0)).all():
        return float("nan")
    # ranks instead of values: torchmetrics would squeeze logits through a float32 sigmoid, and tie what is not tied
    areas = []
    for column, answers in zip(scores.T, truth.T, strict=True):
        ranks = torch.unique(column, return_inverse=True)[1].double()
        areas.append(binary_auroc(ranks / max(len(ranks), 1), answers.int()).item())
    return float(np.mean(areas))
