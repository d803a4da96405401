"""The result of a run does not depend on the devices it runs on."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from lightning.pytorch import seed_everything
from safetensors.numpy import load_file

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.models.factory import build_model
from ecgpipe.train import engine
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import EnergyMeter, TrainerOptions, hardware_info

ONE = TrainerOptions(threads=1)


@pytest.mark.long
def test_two_processes_equal_one_at_the_same_global_batch(make_run, tmp_path):
    """DDP with gloo on the CPU, and a model without batch normalization, whose statistics are per process there.

    The GPU names are fake: PyTorch finds none, but they are assigned to the training anyway.
    """
    settings = {"epochs": 2, "learning_rate": 1e-4, "batch_size": 8}
    one, two = (make_run("test_convnext", name, **settings) for name in "ab")
    expected = train_run(one, ONE)
    command = [sys.executable, "-m", "ecgpipe", "train", str(two), "--threads", "1"]
    gpus = {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b,GPU-c", "ECGPIPE_GPU_LOCKS": str(tmp_path / "locks")}
    command += ["--devices", "2", "--images-on-device", "yes"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | gpus)
    assert done.returncode == 0, done.stderr
    assert "GPUs of this process: GPU-a, GPU-b\n" in done.stderr
    found = json.loads((two / "train.json").read_text())
    assert found["processes"] == 2
    assert found["best_epoch"] == expected["best_epoch"]
    assert found["best_validation_loss"] == pytest.approx(expected["best_validation_loss"], rel=1e-4)
    run = RunConfig.read(one)
    seed_everything(run.seed, verbose=False)
    start = {name: tensor.numpy() for name, tensor in build_model(run).state_dict().items()}
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, two))
    moved = np.sqrt(sum(((first[name] - start[name]) ** 2).sum() for name in start))
    apart = np.sqrt(sum(((first[name] - second[name]) ** 2).sum() for name in start))
    assert moved > 0.01
    assert apart < 0.01 * moved


def test_images_on_the_device_give_the_same_weights(make_run):
    runs = [make_run("test_resnet", name) for name in "ab"]
    summaries = [
        train_run(folder, TrainerOptions(threads=1, on_device=there))
        for folder, there in zip(runs, ("no", "yes"), strict=True)
    ]
    assert [summary["images_on_device"] for summary in summaries] == [False, True]
    first, second = (load_file(folder / "weights.safetensors") for folder in runs)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_images_on_the_device_are_not_a_buffer_that_ddp_broadcasts(make_run, monkeypatch):
    buffers = {}

    def fit(self, classifier, **_):
        buffers.update(classifier.named_buffers())
        raise InterruptedError

    monkeypatch.setattr(engine.Trainer, "fit", fit)
    with pytest.raises(InterruptedError):
        train_run(make_run(), TrainerOptions(threads=1, on_device="yes"))
    assert "loss.alpha" in buffers
    assert all(name == "loss.alpha" or name.startswith("model.") for name in buffers)


def test_summary_reports_the_hardware(make_run):
    summary = train_run(make_run("test_resnet", epochs=1, warmup_epochs=0), ONE)
    assert summary["hardware"]["cores"] >= 1
    assert summary["hardware"]["processor"]
    assert summary["git"] is None or len(summary["git"]["commit"]) == 40
    assert set(summary["joules_this_time"]) == {"processors", "gpus"}
    assert summary["train"]["learning_rate"] == 2e-3
    assert hardware_info()["gpus"] == [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]


def test_energy_is_the_difference_of_counters_that_may_wrap(tmp_path, monkeypatch):
    """Files like those of Linux, because this machine may have none."""
    for number, (start, end) in enumerate([(1_000_000, 3_500_000), (9_000_000, 1_000_000)]):
        zone = tmp_path / f"intel-rapl:{number}"
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{start}\n")
        (zone / "max_energy_range_uj").write_text("10000000\n")
        (zone / "end").write_text(f"{end}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # part of the first zone
    monkeypatch.setattr("ecgpipe.train.hardware.RAPL", tmp_path)
    energy = EnergyMeter()
    for zone in tmp_path.glob("intel-rapl:?"):
        (zone / "energy_uj").write_text((zone / "end").read_text())
    assert energy.joules()["processors"] == pytest.approx(2.5 + 2.0)


def test_tensorboard_logs_contain_the_history(make_run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = make_run("test_resnet")
    train_run(folder, TrainerOptions(threads=1, tensorboard=True))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    losses = [event.value for event in events.Scalars("validation_loss")]
    history = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    assert losses == pytest.approx(history["validation_loss"].tolist(), rel=1e-5)
