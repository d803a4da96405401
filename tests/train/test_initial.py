"""Trainings that start from the weights of others."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.errors import DataError
from ecgpipe.models.factory import build_model
from ecgpipe.models.weights import load_init_weights
from ecgpipe.train.engine import train_run


def point_to(folder, weights: str) -> None:
    run = RunConfig.read(folder)
    run.model_copy(update={"init_from": weights}).write(folder)


def test_a_training_starts_from_the_named_weights(make_run):
    """A rate of almost nothing leaves them as they were; the one that starts at random stays elsewhere."""
    first = make_run(name="first", epochs=1)
    train_run(first)
    still = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "seed": 2}
    second, alone = make_run(name="second", **still), make_run(name="alone", **still)
    point_to(second, "../first/weights.safetensors")
    summary = train_run(second)
    train_run(alone)
    weights, kept, random = (load_file(run / "weights.safetensors") for run in (first, second, alone))
    learnt = [name for name, tensor in weights.items() if tensor.is_floating_point() and "running" not in name]
    assert all(torch.allclose(weights[name], kept[name], atol=1e-6) for name in learnt)
    assert not all(torch.allclose(weights[name], random[name], atol=1e-6) for name in learnt)
    assert summary["init_from"] == {"taken": len(weights), "of": len(weights)}


def test_a_head_for_other_classes_starts_at_random(make_run):
    first = make_run(name="first", epochs=1)
    train_run(first)
    weights = load_file(first / "weights.safetensors")
    run = RunConfig.read(first)
    model = build_model(run.model_copy(update={"classes": ("a", "b", "c")}))
    before = model.fc.weight.clone()
    taken = load_init_weights(model, first / "weights.safetensors")
    assert taken["of"] - taken["taken"] == 2  # the head's weight and bias
    assert torch.equal(model.fc.weight, before)
    assert torch.equal(model.conv1[0].weight, weights["conv1.0.weight"])


def test_weights_that_changed_train_anew(make_run):
    first, second = make_run(name="first", epochs=1), make_run(name="second", epochs=1)
    train_run(first)
    point_to(second, "../first/weights.safetensors")
    train_run(second)
    before = (second / "train.json").read_bytes()
    train_run(second)
    assert (second / "train.json").read_bytes() == before  # trained already
    for name in ("train.json", "weights.safetensors"):
        (first / name).unlink()
    train_run(make_run(name="first", epochs=1, seed=5))
    train_run(second)
    assert json.loads((second / "train.json").read_text())["identity"] != json.loads(before)["identity"]


def test_no_weights_and_those_of_another_model_are_told(make_run):
    second = make_run(name="second", epochs=1)
    point_to(second, "../first/weights.safetensors")
    with pytest.raises(DataError, match=r"first/weights.safetensors: no such file.*train that run first"):
        train_run(second)
    train_run(make_run("test_convnext", name="first", epochs=1))
    with pytest.raises(DataError, match=r"only 0 of the model's \d+ tensors.*another model's"):
        train_run(second)


def test_bf16_on_the_processor(make_run):
    """It computes in bf16, so that results differ a little, and says so."""
    plain, half = make_run(name="plain", epochs=1), make_run(name="half", epochs=1, cpu_precision="bf16")
    assert train_run(plain)["precision"] == "32-true"
    assert train_run(half)["precision"] == "bf16-mixed"
    kept, changed = (load_file(run / "weights.safetensors")["conv1.0.weight"] for run in (plain, half))
    assert not torch.equal(kept, changed)
    assert torch.allclose(kept, changed, atol=0.02)
