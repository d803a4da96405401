"""Loss, schedule, parameter groups and scores, each against an independent computation."""

import math

import numpy as np
import pytest
import timm
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from timm.optim import param_groups_layer_decay
from torch.nn import functional as F

from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError
from ecgpipe.models.factory import create_model
from ecgpipe.train.augment import mixup
from ecgpipe.train.recipe import (
    FocalLoss,
    accuracy,
    class_weights,
    lr_ratio,
    macro_auc,
    parameter_groups,
    smooth_labels,
)


def focal_by_hand(logits, targets, gamma, alpha, multilabel):
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
def test_focal_loss_is_equation_25(task, gamma):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 4))
    targets = (rng.random((20, 4)) < 0.4).astype(float) if task == "multilabel" else np.eye(4)[rng.integers(0, 4, 20)]
    alpha = rng.uniform(0.5, 3, 4)
    found = FocalLoss(task, gamma, torch.tensor(alpha))(torch.tensor(logits), torch.tensor(targets)).item()
    assert found == pytest.approx(focal_by_hand(logits, targets, gamma, alpha, task == "multilabel"), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_focal_loss_is_computed_in_float32(dtype):
    logits, targets = torch.randn(64, 3).to(dtype), F.one_hot(torch.randint(0, 3, (64,)), 3)
    loss = FocalLoss("single", 2.0, torch.ones(3))
    assert loss(logits, targets).dtype == torch.float32
    assert torch.equal(loss(logits, targets), loss(logits.float(), targets))


def test_focal_loss_is_finite_for_certain_and_wrong():
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = FocalLoss("single", 2.0, torch.ones(2))(logits, torch.tensor([[0, 1]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_loss_has_a_finite_gradient_for_certain_and_right(gamma):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    FocalLoss("single", gamma, torch.ones(2))(logits, torch.tensor([[1, 0]])).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_loss_of_mixed_targets_is_the_mixed_loss(task):
    loss = FocalLoss(task, 2.0, torch.tensor([0.5, 2.0, 1.0]))
    logits = torch.randn(4, 3)
    targets = F.one_hot(torch.tensor([0, 1, 2, 1]), 3).float()
    shares = np.array([0.3, 0.9, 0.5, 1.0])
    each = [
        share * loss(logits[i : i + 1], targets[i : i + 1]) + (1 - share) * loss(logits[i : i + 1], other[None])
        for i, (share, other) in enumerate(zip(shares, targets.roll(-1, 0), strict=True))
    ]
    assert loss(logits, mixup(targets, shares)).item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


def test_label_smoothing_is_that_of_pytorch():
    logits, truth = torch.randn(8, 4), torch.randint(0, 4, (8,))
    found = FocalLoss("single", 0.0, torch.ones(4))(logits, smooth_labels(F.one_hot(truth, 4).float(), 0.2, "single"))
    assert found.item() == pytest.approx(F.cross_entropy(logits, truth, label_smoothing=0.2).item(), rel=1e-5)
    hot = (torch.rand(8, 4) < 0.5).float()
    found = FocalLoss("multilabel", 0.0, torch.ones(4))(logits, smooth_labels(hot, 0.2, "multilabel"))
    expected = F.binary_cross_entropy_with_logits(logits, hot * 0.8 + 0.1)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_class_weights_are_inverse_frequencies():
    targets = np.eye(2, dtype=np.uint8)[[0] * 90 + [1] * 10]
    weights = class_weights(targets, "single", "inverse-frequency").numpy()
    assert weights[1] / weights[0] == pytest.approx(9)
    assert (targets @ weights).mean() == pytest.approx(1)
    assert class_weights(targets, "multilabel", "inverse-frequency").tolist() == pytest.approx([10 / 90, 9])
    assert class_weights(targets, "single", "none").tolist() == [1, 1]
    rare = np.eye(2, dtype=np.uint8)[[0] * 990 + [1] * 10]
    assert class_weights(rare, "multilabel", "inverse-frequency")[1] == 20


def test_a_class_of_all_records_is_learned_too():
    targets = np.array([[1, 1], [0, 1], [0, 1]], np.uint8)
    assert class_weights(targets, "multilabel", "inverse-frequency").tolist() == [2, 1]


def lrs(model, recipe):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"] / recipe.peak_lr, group["weight_decay"])
        for group in parameter_groups(model, recipe)
        for parameter in group["params"]
    }


def test_by_default_one_learning_rate_and_weight_decay_on_everything():
    model = timm.create_model("resnet10t", num_classes=3)
    found = lrs(model, TrainConfig())
    assert found.keys() == dict(model.named_parameters()).keys()
    assert set(found.values()) == {(1.0, 0.05)}


def test_frozen_parameters_are_left_out():
    model = timm.create_model("resnet10t", num_classes=3)
    model.fc.weight.requires_grad_(False)
    assert lrs(model, TrainConfig()).keys() == dict(model.named_parameters()).keys() - {"fc.weight"}


def test_decay_biases_false_exempts_vectors_scalars_and_what_the_model_names():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 3)
            self.temperature = torch.nn.Parameter(torch.ones(()))
            self.position = torch.nn.Parameter(torch.ones(2, 2))

        def no_weight_decay(self):
            return {"position"}

    found = lrs(Model(), TrainConfig(decay_biases=False))
    assert {name for name, (_, decay) in found.items() if decay == 0} == {"layer.bias", "temperature", "position"}
    assert found["layer.weight"] == (1.0, 0.05)


def test_layer_decay_is_that_of_timm():
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    found = lrs(model, TrainConfig(layer_decay=0.8, decay_biases=False))
    for block in range(12):
        assert found[f"blocks.{block}.attn.qkv.weight"][0] == pytest.approx(0.8 ** (13 - block - 1))
    assert found["patch_embed.proj.weight"][0] == pytest.approx(0.8**13)
    assert found["head.weight"] == (1.0, 0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in param_groups_layer_decay(model, 0.05, model.no_weight_decay(), layer_decay=0.8):
        for parameter in group["params"]:
            expected = (group["lr_scale"], group["weight_decay"])
            assert found[names[id(parameter)]] == pytest.approx(expected), names[id(parameter)]


def test_layer_decay_of_swin_lgf_fpn_rises_with_depth():
    model = create_model("swin_lgf_fpn", num_classes=2, img_size=64, embed_dim=12, neck_width=32, norm_groups=4)
    found = lrs(model, TrainConfig(layer_decay=0.5))
    stages = [found[f"backbone.layers.{stage}.blocks.0.mlp.fc1.weight"][0] for stage in range(4)]
    assert found["backbone.patch_embed.proj.weight"][0] < stages[0]
    assert stages == sorted(stages)
    assert len(set(stages)) == 4
    assert found["head.fc2.weight"][0] == 1


def test_layer_decay_requires_a_model_that_names_its_layers():
    with pytest.raises(ConfigError, match=r"train\.layer_decay: this model has no group_matcher"):
        parameter_groups(torch.nn.Linear(2, 2), TrainConfig(layer_decay=0.5))


def paper_schedule(epoch):
    return lr_ratio(epoch, 100, 30, 0.001)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, 0.001),
        (15, 0.5005),
        (30, 1),
        (47.5, 0.001 + 0.999 * (1 + math.sqrt(0.5)) / 2),  # a quarter of the way down a cosine, not a straight line
        (65, 0.5005),
        (82.5, 0.001 + 0.999 * (1 - math.sqrt(0.5)) / 2),
        (100, 0.001),
    ],
)
def test_schedule_is_a_line_then_half_a_cosine(epoch, expected):
    assert paper_schedule(epoch) == pytest.approx(expected, rel=1e-9)


def test_schedule_without_warm_up_and_beyond_the_end():
    assert lr_ratio(0, 10, 0, 0.1) == pytest.approx(1)
    assert lr_ratio(10, 10, 0, 0.1) == pytest.approx(0.1)
    assert lr_ratio(11, 10, 0, 0.1) == pytest.approx(0.1)
    assert lr_ratio(1, 1, 1, 0.1) == pytest.approx(1)


def test_peak_lr_follows_the_batch_size():
    assert TrainConfig(batch_size=64).peak_lr == pytest.approx(3e-5)
    assert TrainConfig(batch_size=64, lr_scaling="linear").peak_lr == pytest.approx(12e-5)
    assert TrainConfig(batch_size=64, lr_scaling="sqrt").peak_lr == pytest.approx(6e-5)
    with pytest.raises(ValidationError, match=r"batch_size \(16\) must be a multiple of accumulate \(3\)"):
        TrainConfig(accumulate=3)


def test_accuracy():
    logits = torch.tensor([[2.0, 1.0, -0.5], [0.5, 1.0, -1.0], [-1.0, -2.0, 3.0], [0.5, -3.0, -3.0]])
    assert accuracy(logits, torch.eye(3)[[0, 1, 0, 0]], "single") == pytest.approx(3 / 4)
    hot = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 0]])  # a false alarm and a miss
    assert accuracy(logits, hot, "multilabel") == pytest.approx(2 / 4)


def test_macro_auc_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 3)).round(1) * 30  # ties, and values whose float32 sigmoid is 1
    hot = (rng.random((60, 3)) < 0.4).astype(int)
    assert macro_auc(torch.tensor(logits), torch.tensor(hot), "multilabel") == pytest.approx(
        roc_auc_score(hot, logits, average="macro"), abs=1e-6
    )
    one = np.eye(3, dtype=int)[rng.integers(0, 3, 60)]
    probabilities = torch.tensor(logits).softmax(dim=1).numpy()
    assert macro_auc(torch.tensor(logits), torch.tensor(one), "single") == pytest.approx(
        roc_auc_score(one, probabilities, average="macro", multi_class="ovr"), abs=1e-6
    )
    assert np.isnan(macro_auc(torch.tensor(logits), torch.tensor(hot * [1, 1, 0]), "multilabel"))
    assert np.isnan(macro_auc(torch.tensor(logits), torch.tensor(hot | [0, 0, 1]), "multilabel"))


def test_constant_schedule_stays_at_the_peak_after_the_warm_up():
    assert [lr_ratio(epoch, 10, 2, 0.1, "constant") for epoch in (0, 1, 2, 9, 30)] == pytest.approx(
        [0.1, 0.55, 1, 1, 1]
    )
