"""The training recipe of section 2.5: focal loss, parameter groups, learning rate schedule, validation scores."""

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

MAX_CLASS_WEIGHT = 20.0  # multi-label


class FocalLoss(nn.Module):
    """-alpha_t (1 - p_t)^gamma log(p_t), the mean over the batch (equation 25; Lin et al. 2017).

    Single-label: p_t is the softmax probability of the true class. Multi-label: p_t is, for each class, the sigmoid
    probability of its truth (presence or absence), and the mean is also over classes. The loss is linear in the
    targets, so soft targets (smoothed, mixed) give a weighted mean of the losses of hard targets.

    Args:
        task: ``single`` or ``multilabel``.
        gamma: focusing parameter, >= 0; 0 with alpha 1 is the cross-entropy.
        alpha: (classes,) class weights; multi-label: weights of presence; the weight of absence is 1.
    """

    def __init__(self, task: str, gamma: float, alpha: torch.Tensor) -> None:
        super().__init__()
        self.multilabel = task == "multilabel"
        self.gamma = gamma
        self.register_buffer("alpha", alpha.float())

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return a scalar for (batch, classes) logits and targets in [0, 1]; always computed in float32."""
        logits, targets = logits.float(), targets.float()
        if self.multilabel:
            present = self.alpha * _focal(-F.logsigmoid(logits), self.gamma)
            return (targets * present + (1 - targets) * _focal(-F.logsigmoid(-logits), self.gamma)).mean()
        return (targets * self.alpha * _focal(-F.log_softmax(logits, dim=1), self.gamma)).sum(dim=1).mean()


def _focal(negative_log: torch.Tensor, gamma: float) -> torch.Tensor:
    """Compute (1 - p)^gamma * -log(p) from -log(p)."""
    # 1 - p stays above 0, where the gradient of a power below 1 is infinite
    return (-torch.expm1(-negative_log)).clamp_min(1e-7) ** gamma * negative_log


def smooth_labels(targets: torch.Tensor, share: float, task: str) -> torch.Tensor:
    """Spread a share of each target evenly (label smoothing, Szegedy et al. 2016).

    Args:
        targets: (batch, classes) in [0, 1].
        share: in [0, 1).
        task: single: over the classes; multilabel: over presence and absence of each class.
    """
    return (1 - share) * targets + share / (targets.shape[1] if task == "single" else 2)


def class_weights(targets: np.ndarray, task: str, mode: str) -> torch.Tensor:
    """Alpha of equation 25.

    Args:
        targets: (n, classes) 0/1 targets of the training records; every class occurs.
        task: ``single`` or ``multilabel``.
        mode: ``inverse-frequency`` or ``none`` (all 1).

    Returns:
        (classes,) float32. Single-label: proportional to 1 / frequency, with mean 1 over the records. Multi-label:
        absences / presences, at most 20; 1 for a class that all records have, since 0 would leave its output random.
    """
    counts = targets.sum(axis=0).astype(np.float64)
    if mode == "none":
        weights = np.ones_like(counts)
    elif task == "multilabel":
        absences = len(targets) - counts
        weights = np.where(absences > 0, np.minimum(absences / counts, MAX_CLASS_WEIGHT), 1.0)
    else:
        weights = len(targets) / (len(counts) * counts)
    return torch.tensor(weights, dtype=torch.float32)


def parameter_groups(model: nn.Module, recipe: TrainConfig) -> list[dict[str, Any]]:
    """Parameter groups for AdamW; by default one group, since equation 26 decays every parameter.

    ``layer_decay`` multiplies the learning rate once per layer before the classifier, with timm's layers (Clark et al.
    2020; BEiT). ``decay_biases: false`` exempts biases, scales and ``model.no_weight_decay()`` from weight decay.

    Raises:
        ConfigError: ``layer_decay`` is set, but the model has no ``group_matcher``.
    """
    depths: dict[str, int] = {}
    if recipe.layer_decay is not None:
        if not hasattr(model, "group_matcher"):
            raise ConfigError("train.layer_decay: this model has no group_matcher, so its layers are unknown; use null")
        depths = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    last = max(depths.values(), default=0)
    exempt = set(model.no_weight_decay()) if hasattr(model, "no_weight_decay") else set()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = (recipe.layer_decay or 1.0) ** (last - depths.get(name, last))
        decays = recipe.decay_biases or not (parameter.ndim <= 1 or name in exempt)
        decay = recipe.weight_decay if decays else 0.0
        group = groups.setdefault((scale, decay), {"params": [], "lr": scale * recipe.peak_lr, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())


def lr_ratio(epoch: float, epochs: float, warmup_epochs: float, min_lr_ratio: float, schedule: str = "cosine") -> float:
    """Learning rate as a share of its peak: linear warm-up, then half a cosine (equation 27, corrected) or constant.

    As printed, equation 27 warms up to half the peak and then stays constant (docs/paper.md).

    Args:
        epoch: time in epochs, 0 to epochs, fractions allowed.
        epochs: length of the training (T_warm + T_max).
        warmup_epochs: length of the warm-up (T_warm).
        min_lr_ratio: first and last learning rate as a share of the peak (eta_min / eta).
        schedule: after the warm-up: ``cosine`` or ``constant``.
    """
    if epoch < warmup_epochs:
        return min_lr_ratio + (1 - min_lr_ratio) * epoch / warmup_epochs
    if schedule == "constant":
        return 1.0
    progress = min((epoch - warmup_epochs) / max(epochs - warmup_epochs, 1e-9), 1.0)
    return min_lr_ratio + (1 - min_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2


def accuracy(logits: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Share of correct records; multi-label: correct in every class at a probability of 0.5."""
    if task == "single":
        return (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean().item()
    return ((logits > 0) == targets.bool()).all(dim=1).float().mean().item()


def macro_auc(logits: torch.Tensor, targets: torch.Tensor, task: str) -> float:
    """Mean one-vs-rest area under the ROC curve; NaN if a class has no positive or no negative record.

    Args:
        logits: (n, classes).
        targets: (n, classes) 0/1.
        task: ``single`` (ranks softmax probabilities) or ``multilabel`` (ranks logits).
    """
    scores = logits.double().softmax(dim=1) if task == "single" else logits.double()
    truth = targets.bool()
    if not (truth.any(dim=0) & ~truth.all(dim=0)).all():
        return float("nan")
    # ranks, because torchmetrics applies a float32 sigmoid to logits, which creates ties
    areas = []
    for column, positive in zip(scores.T, truth.T, strict=True):
        ranks = torch.unique(column, return_inverse=True)[1].double()
        areas.append(binary_auroc(ranks / len(ranks), positive.int()).item())
    return float(np.mean(areas))
