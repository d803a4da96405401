"""A run that is interrupted at any moment and resumed gives the same result as an undisturbed one."""

import fcntl
import json
import os
import signal
import stat
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.runs import CHECKPOINTS, STATE_FILE, RunConfig
from ecgpipe.cli import main
from ecgpipe.errors import DataError
from ecgpipe.train import engine
from ecgpipe.train.callbacks import LAST, _requeue, continue_checkpoint, find_checkpoint
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from tests.train.conftest import prepare_bars

EVERY_STEP = TrainerOptions(threads=1, save_minutes=0, tensorboard=False)
RICH = {
    "ema_decay": 0.9,
    "mixup": 0.4,
    "sampling": "balanced",
    "noise": 0.02,
    "rotate": 3,
    "erase": 0.1,
    "label_smoothing": 0.1,
    "accumulate": 2,
    "layer_decay": 0.9,
}
DROPOUT = {"drop_rate": 0.2}


def assert_same_result(first: Path, second: Path) -> None:
    weights, others = (load_file(folder / "weights.safetensors") for folder in (first, second))
    assert weights.keys() == others.keys()
    for name in weights:
        assert np.array_equal(weights[name], others[name]), name
    columns = [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_accuracy",
        "validation_auc_macro",
        "learning_rate",
    ]
    tables = [pd.read_csv(folder / "history.csv")[columns] for folder in (first, second)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def kill_at_the_final_copy(folder: Path) -> None:
    """Between the end of training and the last copy of the weights."""
    engine.shutil.copyfile = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    train_run(folder, EVERY_STEP)


def test_one_seed_gives_identical_runs_and_another_seed_does_not(make_run):
    runs = [
        make_run("test_resnet", name, seed, options=DROPOUT, **RICH) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    for folder in runs:
        train_run(folder, EVERY_STEP)
    assert_same_result(runs[0], runs[1])
    assert not np.array_equal(*(load_file(folder / "weights.safetensors")["fc.weight"] for folder in runs[::2]))


@pytest.mark.long
@pytest.mark.parametrize("recipe", [{}, RICH], ids=["paper", "rich"])
def test_killed_at_random_moments_and_resumed(make_run, processes, recipe):
    """SIGKILL within epochs, in validation, while saving: wherever the clock happens to find it."""
    undisturbed, killed = (make_run("test_resnet", name, epochs=4, options=DROPOUT, **recipe) for name in "ab")
    train_run(undisturbed, TrainerOptions(threads=1, tensorboard=False))
    last, kills, steps = killed / CHECKPOINTS / LAST, 0, set()
    for seed in range(4):
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = processes.Process(target=train_run, args=(killed, EVERY_STEP))
        process.start()
        while process.is_alive() and not (last.exists() and last.stat().st_mtime_ns != before):
            time.sleep(0.005)  # until it got a little further
        process.join(np.random.default_rng(seed).uniform(0, 0.5))
        if process.is_alive():
            process.kill()
            kills += 1
            steps.add(last.stat().st_mtime_ns)
        process.join()
    assert kills >= 2
    assert len(steps) == kills
    train_run(killed, EVERY_STEP)
    assert_same_result(undisturbed, killed)


def test_killed_between_early_stopping_and_the_copy_of_the_weights(make_run, processes):
    settings = {"epochs": 30, "warmup_epochs": 0, "learning_rate": 1e-12, "patience": 2}
    undisturbed, killed = (make_run("test_resnet", name, **settings) for name in "ab")
    epochs = train_run(undisturbed, EVERY_STEP)["epochs"]
    process = processes.Process(target=kill_at_the_final_copy, args=(killed,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (killed / "weights.safetensors").exists()
    (killed / "history.csv").unlink()  # as Snakemake does after a failed job
    summary = train_run(killed, EVERY_STEP)
    assert summary["resumed"] and summary["stopped_early"]
    assert summary["epochs"] == epochs < 30
    assert_same_result(undisturbed, killed)


def test_a_finished_run_is_not_trained_again(make_run, monkeypatch):
    folder = make_run("test_resnet", epochs=1, warmup_epochs=0)
    summary = train_run(folder, EVERY_STEP)
    monkeypatch.setattr(engine, "_train", None)
    assert train_run(folder, EVERY_STEP) == read_json(folder / "train.json") == summary


def test_two_processes_do_not_train_the_same_run(make_run):
    folder = make_run("test_resnet", epochs=1, warmup_epochs=0)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process is training this run"):
            train_run(folder, EVERY_STEP)
    finally:
        os.close(opened)
    train_run(folder, EVERY_STEP)


def test_a_checkpoint_takes_no_room_in_the_temporary_folder(make_run, monkeypatch, tmp_path):
    folder = make_run("test_resnet", epochs=1, warmup_epochs=0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    assert train_run(folder, EVERY_STEP)["epochs"] == 1


def train_by_command(folder: Path, log: Path, environment: dict[str, str]) -> None:
    """``ecgpipe train`` in a job's environment; its messages go to a file."""
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
    sys.exit(main(["train", str(folder), "--threads", "1", "--save-minutes", "0"]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A run that nothing stopped."""
    folder = prepare_bars(tmp_path_factory.mktemp("undisturbed"), "test_resnet", epochs=12, options=DROPOUT)
    train_run(folder, TrainerOptions(threads=1, tensorboard=False))
    return folder


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_saves_the_state_and_ends_with_its_status(make_run, processes, undisturbed, tmp_path, number, status):
    """As Slurm sends them; a fake scontrol writes its arguments to a file."""
    stopped, log = make_run("test_resnet", epochs=12, options=DROPOUT), tmp_path / "log.txt"
    command = tmp_path / "bin" / "scontrol"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": f"{command.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "77"}
    process = processes.Process(target=train_by_command, args=(stopped, log, environment))
    process.start()
    while process.is_alive() and not (stopped / CHECKPOINTS / LAST).exists():
        time.sleep(0.005)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == status, log.read_text()
    assert f"stopped by {signal.Signals(number).name}" in log.read_text()
    arguments = tmp_path / "arguments"
    assert (arguments.read_text() == "requeue 77\n") if number == signal.SIGUSR1 else not arguments.exists()
    assert not (stopped / "weights.safetensors").exists()
    assert train_run(stopped, EVERY_STEP)["resumed"]
    assert_same_result(undisturbed, stopped)


def test_a_task_of_an_array_has_its_own_name_and_a_missing_scontrol_is_no_error(monkeypatch, tmp_path, caplog):
    for name, value in {"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "PATH": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    _requeue("77")
    assert "job 70_3 could not be requeued" in caplog.text


def interrupt(folder: Path, monkeypatch) -> None:
    """Interrupt a run in its second epoch."""
    step = engine.Classifier.training_step

    def power_cut(self, batch, number):
        if self.current_epoch == 1:
            raise RuntimeError("power cut")
        return step(self, batch, number)

    monkeypatch.setattr(engine.Classifier, "training_step", power_cut)
    with pytest.raises(RuntimeError, match="power cut"):
        train_run(folder, EVERY_STEP)
    monkeypatch.undo()
    assert (folder / CHECKPOINTS / LAST).exists()


@pytest.mark.parametrize(
    ("change", "different"),
    [
        ({"variant": "test_convnext"}, "variant, settings"),
        ({"train": {"learning_rate": 1e-3}}, "settings"),
        ("torch", "torch"),
        ("code", "code"),
    ],
)
def test_a_checkpoint_of_another_training_is_not_resumed(make_run, monkeypatch, caplog, change, different):
    folder = make_run("test_resnet", epochs=2)
    interrupt(folder, monkeypatch)
    if isinstance(change, str):
        note = folder / CHECKPOINTS / "identity.json"
        note.write_text(json.dumps(json.loads(note.read_text()) | {change: "of long ago"}))
    else:
        run = RunConfig.read(folder)
        train = run.train.model_copy(update=change.get("train", {}))
        run.model_copy(update={"variant": change.get("variant", run.variant), "train": train}).write(folder)
    assert find_checkpoint(folder / CHECKPOINTS, {}, first=False) is None  # only the first process removes it
    with caplog.at_level("WARNING"):
        assert not train_run(folder, EVERY_STEP)["resumed"]
    assert f"belongs to another run (different: {different})" in caplog.text


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_checkpoint_that_holds_code_is_refused(make_run, monkeypatch, tmp_path):
    folder = make_run("test_resnet", epochs=2)
    interrupt(folder, monkeypatch)
    last = folder / CHECKPOINTS / LAST
    torch.save(torch.load(last, weights_only=True) | {"loops": Bomb(tmp_path / "exploded")}, last)
    with pytest.raises(DataError, match=r"last\.ckpt: .*delete the folder"):
        train_run(folder, EVERY_STEP)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1000],
        lambda data: b"",
        lambda data: b"\0" * len(data),
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    ],
    ids=["cut", "empty", "zeros", "a flipped bit"],
)
def test_a_corrupt_checkpoint_is_named(make_run, monkeypatch, damage):
    folder = make_run("test_resnet", epochs=2)
    interrupt(folder, monkeypatch)
    last = folder / CHECKPOINTS / LAST
    last.write_bytes(damage(last.read_bytes()))
    with pytest.raises(DataError, match=r"last\.ckpt: not a readable checkpoint.*delete the folder"):
        train_run(folder, EVERY_STEP)


def test_a_checkpoint_whose_best_weights_are_missing_is_named(make_run, monkeypatch):
    folder = make_run("test_resnet", epochs=2)
    interrupt(folder, monkeypatch)
    (folder / CHECKPOINTS / "weights.safetensors").unlink()
    with pytest.raises(DataError, match=r"weights\.safetensors: missing, although a checkpoint exists"):
        train_run(folder, EVERY_STEP)


def continuing(make_run, recipe: dict) -> tuple[Path, Path]:
    """A trained run of two epochs, and one that continues it to five."""
    first, second = make_run("test_resnet", "first", epochs=2, **recipe), make_run("test_resnet", "second", **recipe)
    run = RunConfig.read(second)
    train = run.train.model_copy(update={"epochs": 5, "continue_from": "first", "keep_state": False})
    run.model_copy(update={"train": train, "continue_from": "../first"}).write(second)
    train_run(first, EVERY_STEP)
    return first, second


def test_a_continued_training_equals_a_long_one(make_run):
    recipe = {"schedule": "constant", "ema_decay": 0.9, "epoch_images": 24, "keep_state": True, "options": DROPOUT}
    _, second = continuing(make_run, recipe)
    whole = make_run("test_resnet", "whole", epochs=5, **recipe)
    for folder in (second, whole):
        train_run(folder, EVERY_STEP)
    assert_same_result(second, whole)
    history = pd.read_csv(second / "history.csv")
    assert history["images"].tolist() == [24] * 5 and (history["processor_seconds"] > 0).all()
    assert read_json(second / "train.json")["peak_memory_mb"] > 100
    assert not (second / STATE_FILE).exists()


def test_only_the_first_of_several_processes_copies_the_state(make_run):
    first, second = continuing(make_run, {"schedule": "constant", "keep_state": True})
    checkpoints = second / CHECKPOINTS
    assert continue_checkpoint(checkpoints, first, copy=False) == first / STATE_FILE
    assert not checkpoints.exists()
    assert continue_checkpoint(checkpoints, first, copy=True) == checkpoints / LAST
    assert (checkpoints / LAST).read_bytes() == (first / STATE_FILE).read_bytes()


def test_a_training_without_state_or_with_a_damaged_one_is_not_continued(make_run):
    first, second = continuing(make_run, {"schedule": "constant", "keep_state": True})
    state = first / STATE_FILE
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(DataError, match=STATE_FILE):
        train_run(second, EVERY_STEP)
    state.unlink()
    with pytest.raises(DataError, match="set keep_state in that run's recipe"):
        train_run(second, EVERY_STEP)
