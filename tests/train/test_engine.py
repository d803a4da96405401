"""Training of whole runs: it learns, keeps the best weights, follows the recipe, and starts from other weights."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from safetensors.numpy import load_file
from timm.utils import ModelEmaV3

from ecgpipe.artifacts.runs import CHECKPOINTS, RunConfig, RunIndex
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models.factory import build_model, load_trained
from ecgpipe.models.weights import load_init_weights
from ecgpipe.train.callbacks import BestWeights
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.module import Classifier
from ecgpipe.train.predict import predict_run
from ecgpipe.train.recipe import FocalLoss, class_weights

ONE = TrainerOptions(threads=1, tensorboard=False)


def weights_of(folder):
    return load_file(folder / "weights.safetensors")


def test_a_model_learns_to_classify_bars(make_run):
    folder = make_run("resnet10t", epochs=6, seed=3)
    summary = train_run(folder, ONE)
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert summary["best_validation_loss"] == pytest.approx(history["validation_loss"].min())
    index, logits = predict_run(folder, threads=1)
    assert set(index.roles) == {1, 2}
    assert (logits.argmax(1) == index.targets.argmax(1)).mean() > 0.9
    assert not (folder / CHECKPOINTS).exists()
    assert json.loads((folder / "train.json").read_text())["training_records"] == 41


def test_the_best_weights_are_kept_not_the_last(make_run, monkeypatch):
    """Three epochs whose validation losses are replaced by 3, 1 and 2."""
    losses, states = [3.0, 1.0, 2.0], []
    save = BestWeights.on_validation_end

    def save_with_given_loss(self, trainer, module):
        states.append({name: tensor.clone().numpy() for name, tensor in module.model.state_dict().items()})
        module.scores["validation_loss"] = losses[trainer.current_epoch]
        save(self, trainer, module)

    monkeypatch.setattr(BestWeights, "on_validation_end", save_with_given_loss)
    folder = make_run(epochs=3)
    summary = train_run(folder, ONE)
    kept = weights_of(folder)
    assert (summary["best_epoch"], summary["best_validation_loss"], summary["epochs"]) == (2, 1.0, 3)
    assert all(np.array_equal(kept[name], array) for name, array in states[1].items())
    assert not np.array_equal(kept["fc.weight"], states[0]["fc.weight"])
    assert not np.array_equal(kept["fc.weight"], states[2]["fc.weight"])


@pytest.mark.parametrize(("task", "precision"), [("single", "fp32"), ("single", "bf16"), ("multilabel", "fp32")])
def test_the_best_validation_loss_is_that_of_the_predictions(make_run, task, precision):
    """Also under autocast: validation and prediction both compute in float32."""
    folder = make_run(task=task, cpu_precision=precision)
    summary = train_run(folder, ONE)
    predicted, logits = predict_run(folder, threads=1)
    validation, index = predicted.roles == 1, RunIndex.read(folder)
    alpha = class_weights(index.targets[index.indices("train")], task, "inverse-frequency")
    loss = FocalLoss(task, 2.0, alpha)(*map(torch.tensor, (logits[validation], predicted.targets[validation])))
    assert loss.item() == pytest.approx(summary["best_validation_loss"], rel=1e-5)


def test_each_step_has_the_learning_rate_of_its_end(make_run, monkeypatch):
    """Five steps of warm-up from 0.1 to 1, then five down half a cosine; the first step is not wasted at 0.1."""
    lrs = []
    step = LightningOptimizer.step

    def note_lr(self, *args, **kwargs):
        lrs.append(self.optimizer.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(LightningOptimizer, "step", note_lr)
    train_run(make_run(epochs=2, warmup_epochs=1, learning_rate=1e-3, min_lr_ratio=0.1), ONE)
    warmup = [0.28, 0.46, 0.64, 0.82, 1.0]
    decay = [0.1 + 0.9 * (1 + np.cos(np.pi * part)) / 2 for part in (0.2, 0.4, 0.6, 0.8, 1.0)]
    assert np.array(lrs) / 1e-3 == pytest.approx(warmup + decay)


def test_mixup_mixes_images_and_targets_alike(make_run, monkeypatch):
    """Both are compared with mixtures of the batch's own images and targets."""
    seen = {}

    def spy(loss, logits, targets):
        seen["targets"] = targets.detach().clone()
        return logits.sum() * 0

    step = Classifier.training_step

    def check(self, batch, number):
        seen["images"] = []
        hook = self.model.register_forward_pre_hook(lambda _, inputs: seen["images"].append(inputs[0]))
        result = step(self, batch, number)
        hook.remove()
        share = torch.tensor(batch.augmentation.mix, dtype=torch.float32)
        assert ((share > 0.05) & (share < 0.95)).any()
        targets, images = batch.targets.float(), self.inputs(batch)
        expected = share[:, None] * targets + (1 - share[:, None]) * targets.roll(-1, 0)
        torch.testing.assert_close(seen["targets"], expected)
        share = share[:, None, None, None]
        torch.testing.assert_close(seen["images"][0], share * images + (1 - share) * images.roll(-1, 0))
        seen["steps"] = seen.get("steps", 0) + 1
        return result

    monkeypatch.setattr(FocalLoss, "forward", spy)
    monkeypatch.setattr(Classifier, "training_step", check)
    train_run(make_run(epochs=1, warmup_epochs=0, mixup=1.0, translate=0), ONE)
    assert seen["steps"] == 5


def test_the_moving_average_of_the_weights_is_kept(make_run, monkeypatch):
    steps = []
    update = ModelEmaV3.update

    def note_weights(self, model, step=None):
        steps.append({name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()})
        update(self, model, step)

    monkeypatch.setattr(ModelEmaV3, "update", note_weights)
    folder = make_run(epochs=1, warmup_epochs=0, ema_decay=0.7)
    train_run(folder, ONE)
    kept = weights_of(folder)
    assert len(steps) == 5
    for name, value in steps[0].items():
        average = value.astype(np.float64)
        for number, weights in enumerate(steps[1:], start=1):
            decay = min(0.7, 1 - (1 + number) ** (-2 / 3))
            average = decay * average + (1 - decay) * weights[name]
        assert kept[name] == pytest.approx(average, abs=1e-6)
    assert np.abs(kept["fc.weight"] - steps[-1]["fc.weight"]).max() > 1e-4


def test_a_batch_in_parts_gives_the_same_weights(make_run):
    """Without batch normalization, whose statistics are per part; 41 = 6 x 6 + 5, so the last parts are unequal."""
    settings = {"epochs": 2, "learning_rate": 1e-4, "batch_size": 6}
    one = make_run("test_convnext", "a", **settings)
    parts = make_run("test_convnext", "b", accumulate=2, **settings)
    losses = [train_run(folder, ONE)["best_validation_loss"] for folder in (one, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    first, second = weights_of(one), weights_of(parts)
    for name in first:
        assert first[name] == pytest.approx(second[name], abs=2e-5), name


def test_each_key_of_the_recipe_changes_the_training(make_run):
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
        folder = make_run(name=str(number), **{"epochs": 1, "warmup_epochs": 0} | change)
        losses.append(train_run(folder, ONE)["best_validation_loss"])
    assert len(set(losses)) == len(changes)


def test_bf16_on_a_cpu_differs_a_little(make_run):
    plain, half = make_run(name="plain", epochs=1), make_run(name="half", epochs=1, cpu_precision="bf16")
    assert train_run(plain, ONE)["precision"] == "32-true"
    assert train_run(half, ONE)["precision"] == "bf16-mixed"
    exact, rounded = (weights_of(run)["fc.weight"] for run in (plain, half))
    assert not np.array_equal(exact, rounded)
    assert np.allclose(exact, rounded, atol=0.02)


def test_a_loss_that_is_not_finite_names_the_records(make_run, monkeypatch):
    folder = make_run()
    monkeypatch.setattr(FocalLoss, "forward", lambda self, logits, targets: logits.sum() * torch.nan)
    with pytest.raises(EcgpipeError, match=r"epoch 1, batch 1.*learning_rate.*records: \d{5}, \d{5}"):
        train_run(folder, ONE)


def test_a_validation_output_that_is_not_finite_names_the_records(make_run, monkeypatch):
    folder = make_run()
    inputs = Classifier.inputs

    def broken(self, batch):
        images = inputs(self, batch)
        return images if self.training else images * float("nan")

    monkeypatch.setattr(Classifier, "inputs", broken)
    with pytest.raises(EcgpipeError, match=r"validation loss is nan after epoch 1.*without a finite output: \d{5}"):
        train_run(folder, ONE)


def test_scores_and_state_of_earlier_weights_are_deleted(make_run):
    folder = make_run(epochs=1, warmup_epochs=0)
    files = [folder / "metrics.json", folder / "state.ckpt"]

    def train() -> list[bool]:
        for file in files:
            file.write_text("{}")
        train_run(folder, ONE)
        return [file.exists() for file in files]

    assert train() == [False, False]
    assert train() == [True, True]  # trained already


def test_weights_of_another_model_and_damaged_weights_are_refused(make_run):
    folder = make_run()
    train_run(folder, ONE)
    run = RunConfig.read(folder)
    run.model_copy(update={"variant": "resnet34"}).write(folder)
    with pytest.raises(DataError, match=r"weights\.safetensors.*not of the model"):
        load_trained(folder)
    run.write(folder)
    (folder / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(DataError, match=r"weights\.safetensors: damaged"):
        load_trained(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(DataError, match="train the run first"):
        load_trained(folder)


def test_training_requires_no_table_library_and_imports_leave_cuda_alone(make_run):
    """CUDA reads the visible GPUs only once, when it is initialised; they are assigned after the imports."""
    folder = make_run(epochs=1, warmup_epochs=0)
    program = f"""
import sys
sys.modules.update(dict.fromkeys(("pandas", "pyarrow", "snakemake", "cv2", "wfdb", "sklearn")))
import torch
def asked(*args, **kwargs): raise AssertionError("CUDA was asked")
guarded = [(torch.cuda, name) for name in ("is_available", "device_count", "init", "_lazy_init")]
guarded.append((torch._C, "_cuda_getDeviceCount"))
real = [getattr(*each) for each in guarded]
for each in guarded: setattr(*each, asked)
import ecgpipe.train.engine, ecgpipe.train.predict
for each, function in zip(guarded, real): setattr(*each, function)
from ecgpipe.cli import main
sys.exit(main(["train", {str(folder)!r}, "--threads", "1"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "weights.safetensors").exists()


def set_init_from(folder, weights: str) -> None:
    run = RunConfig.read(folder)
    run.model_copy(update={"init_from": weights}).write(folder)


def test_init_from_starts_from_the_given_weights(make_run):
    """A learning rate of almost 0 keeps them; a run without them ends elsewhere."""
    first = make_run(name="first", epochs=1)
    train_run(first, ONE)
    still = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "seed": 2}
    second, alone = make_run(name="second", **still), make_run(name="alone", **still)
    set_init_from(second, "../first/weights.safetensors")
    summary = train_run(second, ONE)
    train_run(alone, ONE)
    weights, kept, random = map(weights_of, (first, second, alone))
    trained = [name for name, array in weights.items() if array.dtype.kind == "f" and "running" not in name]
    assert all(np.allclose(weights[name], kept[name], atol=1e-6) for name in trained)
    assert not all(np.allclose(weights[name], random[name], atol=1e-6) for name in trained)
    assert summary["init_from"] == {"taken": len(weights), "of": len(weights)}


def test_init_from_leaves_a_head_for_other_classes_at_random(make_run):
    first = make_run(name="first", epochs=1)
    train_run(first, ONE)
    run = RunConfig.read(first)
    model = build_model(run.model_copy(update={"classes": ("a", "b", "c")}))
    before = model.fc.weight.clone()
    report = load_init_weights(model, first / "weights.safetensors")
    assert report["of"] - report["taken"] == 2  # weight and bias of the head
    assert torch.equal(model.fc.weight, before)
    assert np.array_equal(model.conv1[0].weight.detach(), weights_of(first)["conv1.0.weight"])


def test_changed_initial_weights_start_the_training_over(make_run):
    first, second = make_run(name="first", epochs=1), make_run(name="second", epochs=1)
    train_run(first, ONE)
    set_init_from(second, "../first/weights.safetensors")
    train_run(second, ONE)
    before = (second / "train.json").read_bytes()
    train_run(second, ONE)
    assert (second / "train.json").read_bytes() == before  # trained already
    for name in ("train.json", "weights.safetensors"):
        (first / name).unlink()
    train_run(make_run(name="first", epochs=1, seed=5), ONE)
    train_run(second, ONE)
    assert json.loads((second / "train.json").read_text())["identity"] != json.loads(before)["identity"]


def test_missing_initial_weights_and_those_of_another_model_are_refused(make_run):
    second = make_run(name="second", epochs=1)
    set_init_from(second, "../first/weights.safetensors")
    with pytest.raises(DataError, match=r"first/weights.safetensors: no such file.*train that run first"):
        train_run(second, ONE)
    train_run(make_run("test_convnext", name="first", epochs=1), ONE)
    with pytest.raises(DataError, match=r"only 0 of the model's \d+ tensors"):
        train_run(second, ONE)
