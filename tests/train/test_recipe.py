"""What goes beyond the paper's recipe, each key against an independent computation."""

import numpy as np
import pytest
import timm
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score
from timm.optim import param_groups_layer_decay
from timm.utils import ModelEmaV3
from torch.nn import functional as F

from ecgpipe.config.training import TrainConfig
from ecgpipe.models.factory import create_model
from ecgpipe.train.augment import mix
from ecgpipe.train.data import EpochBatchSampler, sampling_weights
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.recipe import FocalLoss, macro_auc, parameter_groups, smooth

ONE = TrainerOptions(threads=1)


def rates(model, recipe):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"] / recipe.peak_lr, group["weight_decay"])
        for group in parameter_groups(model, recipe)
        for parameter in group["params"]
    }


def test_the_paper_has_one_rate_and_decays_everything():
    model = timm.create_model("resnet10t", num_classes=3)
    assert set(rates(model, TrainConfig()).values()) == {(1.0, 0.05)}


def test_layer_decay_is_timms_and_the_formula():
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    found = rates(model, TrainConfig(layer_decay=0.8, decay_biases=False))
    for block in range(12):
        assert found[f"blocks.{block}.attn.qkv.weight"][0] == pytest.approx(0.8 ** (13 - block - 1))
    assert found["patch_embed.proj.weight"][0] == pytest.approx(0.8**13)
    assert found["head.weight"] == (1.0, 0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    theirs = param_groups_layer_decay(model, 0.05, model.no_weight_decay(), layer_decay=0.8)
    for group in theirs:
        for parameter in group["params"]:
            expected = (group["lr_scale"], group["weight_decay"])
            assert found[names[id(parameter)]] == pytest.approx(expected), names[id(parameter)]


def test_layer_decay_of_our_own_model_rises_with_depth():
    model = create_model("swin_lgf_fpn", num_classes=2, img_size=64, embed_dim=12, neck_width=32, norm_groups=4)
    found = rates(model, TrainConfig(layer_decay=0.5))
    stages = [found[f"backbone.layers.{stage}.blocks.0.mlp.fc1.weight"][0] for stage in range(4)]
    assert found["backbone.patch_embed.proj.weight"][0] < stages[0]
    assert stages == sorted(stages)
    assert len(set(stages)) == 4
    assert found["head.fc2.weight"][0] == 1


def test_the_average_of_the_weights(make_run, monkeypatch):
    """Validated and kept is the average, not the last weights."""
    steps = []
    update = ModelEmaV3.update

    def watched(self, model, step=None):
        steps.append({name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()})
        update(self, model, step)

    monkeypatch.setattr(ModelEmaV3, "update", watched)
    folder = make_run("test_resnet", epochs=1, warmup_epochs=0, ema_decay=0.7)
    train_run(folder, ONE)
    kept = load_file(folder / "weights.safetensors")
    assert len(steps) == 5
    for name, value in steps[0].items():
        average = value.astype(np.float64)
        for number, weights in enumerate(steps[1:], start=1):
            decay = min(0.7, 1 - (1 + number) ** (-2 / 3))
            average = decay * average + (1 - decay) * weights[name]
        assert kept[name] == pytest.approx(average, abs=1e-6)
    assert np.abs(kept["fc.weight"] - steps[-1]["fc.weight"]).max() > 1e-4


def test_balanced_sampling_draws_every_class_as_often():
    targets = np.eye(3, dtype=np.uint8)[[0] * 80 + [1] * 15 + [2] * 5]
    chances = sampling_weights(targets)
    assert chances[[0, 80, 95]] == pytest.approx([100 / 80, 100 / 15, 20])
    sampler = EpochBatchSampler(np.arange(100), 10, seed=1, chances=chances)
    drawn = []
    for epoch in range(200):
        sampler.set_epoch(epoch)
        drawn += [key.item for batch in sampler for key in batch]
    assert targets[drawn].mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)
    several = sampling_weights(np.array([[1, 1], [1, 0], [1, 0], [0, 0]], np.uint8))
    assert several == pytest.approx([4, 4 / 3, 4 / 3, 4 / 3])


def test_label_smoothing_is_pytorchs():
    logits, truth = torch.randn(8, 4), torch.randint(0, 4, (8,))
    found = FocalLoss("single", 0.0, torch.ones(4))(logits, smooth(F.one_hot(truth, 4).float(), 0.2, "single"))
    assert found.item() == pytest.approx(F.cross_entropy(logits, truth, label_smoothing=0.2).item(), rel=1e-5)
    hot = (torch.rand(8, 4) < 0.5).float()
    found = FocalLoss("multilabel", 0.0, torch.ones(4))(logits, smooth(hot, 0.2, "multilabel"))
    expected = F.binary_cross_entropy_with_logits(logits, hot * 0.8 + 0.1)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("task", ["single", "multilabel"])
def test_mixed_targets_mix_the_losses(task):
    loss = FocalLoss(task, 2.0, torch.tensor([0.5, 2.0, 1.0]))
    logits = torch.randn(4, 3)
    targets = F.one_hot(torch.tensor([0, 1, 2, 1]), 3).float()
    shares = np.array([0.3, 0.9, 0.5, 1.0])
    each = [
        share * loss(logits[i : i + 1], targets[i : i + 1]) + (1 - share) * loss(logits[i : i + 1], other[None])
        for i, (share, other) in enumerate(zip(shares, targets.roll(-1, 0), strict=True))
    ]
    assert loss(logits, mix(targets, shares)).item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


def test_the_rate_follows_the_batch():
    assert TrainConfig(batch_size=64).peak_lr == pytest.approx(3e-5)
    assert TrainConfig(batch_size=64, lr_scaling="linear").peak_lr == pytest.approx(12e-5)
    assert TrainConfig(batch_size=64, lr_scaling="sqrt").peak_lr == pytest.approx(6e-5)
    with pytest.raises(ValidationError, match=r"batch_size \(16\) must be a multiple of accumulate \(3\)"):
        TrainConfig(accumulate=3)


def test_parts_cover_a_batch_once_and_their_weights_give_its_mean():
    deals = [EpochBatchSampler(np.arange(41), 8, 5, parts=2, rank=rank, world=2) for rank in range(2)]
    whole = [[key.item for key in batch] for batch in EpochBatchSampler(np.arange(41), 8, 5)]
    dealt = [list(deal) for deal in deals]
    for step, members in enumerate(whole):
        parts = [dealt[rank][2 * step + part] for rank in range(2) for part in range(2)]
        assert sorted(key.item for part in parts for key in part) == sorted(members)
    last = list(EpochBatchSampler(np.arange(21), 8, 5, parts=2))[-2:]
    assert [len(part) for part in last] == [3, 2]
    assert sum(part[0].weight * len(part) / len(part) for part in last) / 2 == pytest.approx(1)
    assert last[0][0].weight / last[1][0].weight == pytest.approx(3 / 2)


def test_a_batch_in_parts_trains_as_one(make_run):
    """Without batch normalisation, whose statistics are those of a part; 41 = 6 x 6 + 5, so the last is unequal."""
    settings = {"epochs": 2, "learning_rate": 1e-4, "batch_size": 6}
    one = make_run("test_convnext", "a", **settings)
    parts = make_run("test_convnext", "b", accumulate=2, **settings)
    losses = [train_run(folder, ONE)["best_validation_loss"] for folder in (one, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, parts))
    for name in first:
        assert first[name] == pytest.approx(second[name], abs=2e-5), name


def test_every_key_changes_the_training(make_run):
    changes = [
        {},
        {"ema_decay": 0.5},
        {"layer_decay": 0.5},
        {"decay_biases": False, "weight_decay": 0.5},
        {"sampling": "balanced"},
        {"label_smoothing": 0.3},
        {"mixup": 0.4},
        {"rotate": 5},
        {"scale": 0.2},
        {"erase": 0.3},
        {"dilate": 0.5},
        {"noise": 0.05},
        {"batch_size": 10, "lr_scaling": "linear"},
    ]
    losses = []
    for number, change in enumerate(changes):
        folder = make_run("test_resnet", str(number), **{"epochs": 1, "warmup_epochs": 0} | change)
        losses.append(train_run(folder, ONE)["best_validation_loss"])
    assert len(set(losses)) == len(changes)


def test_macro_auc_is_scikit_learns():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 3)).round(1) * 30  # ties, and values where a sigmoid in float32 is 1
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
