"""Training: it learns, repeats itself, survives interruption, and refuses what cannot work."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models.factory import load_trained
from ecgpipe.train.engine import CHECKPOINTS, train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.predict import predict_run
from ecgpipe.train.recipe import FocalLoss

ONE = TrainerOptions(threads=1)


def weights_of(folder):
    return load_file(folder / "weights.safetensors")


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name]), name


def test_a_model_learns_to_tell_bars_apart(make_run):
    folder = make_run(epochs=6, seed=3)
    summary = train_run(folder, ONE)
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert summary["best_validation_loss"] == pytest.approx(history["validation_loss"].min())
    items, logits = predict_run(folder, threads=1)
    assert set(items.roles) == {1, 2}
    assert (logits.argmax(1) == items.targets.argmax(1)).mean() > 0.9
    assert not (folder / CHECKPOINTS).exists()
    assert json.loads((folder / "train.json").read_text())["training_records"] == 41


def test_a_run_prepared_again_starts_anew(make_run):
    """Its images may have changed under the same names."""
    folder = make_run()
    (folder / CHECKPOINTS).mkdir()
    (folder / CHECKPOINTS / "last.ckpt").write_bytes(b"of other images")
    make_run()
    assert not (folder / CHECKPOINTS).exists()


def test_training_stops_when_validation_no_longer_improves(make_run):
    summary = train_run(make_run(epochs=30, warmup_epochs=0, learning_rate=1e-12, patience=2), ONE)
    assert summary["stopped_early"]
    assert summary["epochs"] < 30


def test_a_loss_that_is_no_number_names_the_records(make_run, monkeypatch):
    folder = make_run()
    monkeypatch.setattr(FocalLoss, "forward", lambda self, logits, targets: logits.sum() * torch.nan)
    with pytest.raises(EcgpipeError, match=r"epoch 1, batch 1.*learning_rate.*records: \d{5}, \d{5}"):
        train_run(folder, ONE)


def test_multilabel_runs_train_too(make_run):
    folder = make_run(task="multilabel")
    train_run(folder, ONE)
    assert predict_run(folder, threads=1)[1].shape == (19, 2)


def test_weights_of_another_model_and_broken_ones_are_named(make_run):
    folder = make_run()
    train_run(folder, ONE)
    run = RunConfig.read(folder)
    run.model_copy(update={"variant": "resnet34"}).write(folder)
    with pytest.raises(DataError, match=r"weights\.safetensors.*not of the model"):
        load_trained(folder)
    run.write(folder)
    (folder / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(DataError, match="not a readable weights file"):
        load_trained(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(DataError, match="train the run first"):
        load_trained(folder)


def test_training_needs_no_tables_and_no_snakemake(make_run):
    folder = make_run(epochs=1, warmup_epochs=0)
    blocked = ("pandas", "pyarrow", "snakemake", "cv2", "wfdb")
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from ecgpipe.cli import main\n"
        f"sys.exit(main(['train', {str(folder)!r}, '--threads', '1']))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (folder / "weights.safetensors").exists()
