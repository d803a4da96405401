"""Focal loss (equation 25) against a loop in float64, and cross-entropy as its special case."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ecgpipe.train.recipe import FocalLoss, class_weights


def by_hand(logits, targets, gamma, alpha, multilabel):
    total, count = 0.0, 0
    for row, truth in zip(logits, targets, strict=True):
        if multilabel:
            for k, logit in enumerate(row):
                p = 1 / (1 + np.exp(-logit))
                p_t, weight = (p, alpha[k]) if truth[k] else (1 - p, 1.0)
                total += -weight * (1 - p_t) ** gamma * np.log(p_t)
                count += 1
        else:
            k = int(np.argmax(truth))
            p_t = np.exp(row[k]) / np.exp(row).sum()
            total += -alpha[k] * (1 - p_t) ** gamma * np.log(p_t)
            count += 1
    return total / count


@pytest.mark.parametrize("task", ["single", "multilabel"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_equation_25(task, gamma):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 4))
    targets = (rng.random((20, 4)) < 0.4).astype(float) if task == "multilabel" else np.eye(4)[rng.integers(0, 4, 20)]
    alpha = rng.uniform(0.5, 3, 4)
    loss = FocalLoss(task, gamma, torch.tensor(alpha))
    found = loss(torch.tensor(logits), torch.tensor(targets)).item()
    assert found == pytest.approx(by_hand(logits, targets, gamma, alpha, task == "multilabel"), rel=1e-5)


def test_without_focus_it_is_cross_entropy():
    logits, truth = torch.randn(8, 3), torch.randint(0, 3, (8,))
    found = FocalLoss("single", 0.0, torch.ones(3))(logits, F.one_hot(truth, 3))
    assert found.item() == pytest.approx(F.cross_entropy(logits, truth).item(), rel=1e-6)


def test_certain_and_wrong_is_finite():
    loss = FocalLoss("single", 2.0, torch.ones(2))
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = loss(logits, torch.tensor([[0, 1]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_certain_and_right_has_a_finite_slope(gamma):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    FocalLoss("single", gamma, torch.ones(2))(logits, torch.tensor([[1, 0]])).backward()
    assert torch.isfinite(logits.grad).all()


def test_weights_are_inverse_frequencies_with_mean_one_over_records():
    targets = np.eye(2, dtype=np.uint8)[[0] * 90 + [1] * 10]
    weights = class_weights(targets, "single", "inverse-frequency").numpy()
    assert weights[1] / weights[0] == pytest.approx(9)
    assert (targets @ weights).mean() == pytest.approx(1)
    assert class_weights(targets, "multilabel", "inverse-frequency").tolist() == pytest.approx([10 / 90, 9])
    assert class_weights(targets, "single", "none").tolist() == [1, 1]
