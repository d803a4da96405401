"""What is watched during training: computed from all validation records at once."""

import numpy as np
import torch
from torchmetrics.functional.classification import binary_auroc


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
