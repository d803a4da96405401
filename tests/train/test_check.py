"""What cannot work is told before training begins, and a full disk when it happens."""

import resource
from pathlib import Path

import numpy as np
import pytest

from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.train import engine
from ecgpipe.train import prepare as check
from ecgpipe.train.engine import CHECKPOINTS, train_run
from ecgpipe.train.hardware import TrainerOptions

ONE = TrainerOptions(threads=1, tensorboard=False)


def spoil(folder, **changes):
    items = RunIndex.read(folder)
    fields = {name: getattr(items, name) for name in ("record_ids", "roles", "files", "rows", "targets")}
    RunIndex(**fields | changes).write(folder)


@pytest.fixture
def untrained(make_run, monkeypatch):
    """A run that must be refused before a model is even built."""
    monkeypatch.setattr(engine, "build_model", None)
    return make_run()


def test_an_empty_class(untrained):
    spoil(untrained, targets=np.tile(np.array([1, 0], np.uint8), (60, 1)))
    with pytest.raises(DataError, match="no training record of class horizontal"):
        train_run(untrained, ONE)


def test_one_class(untrained):
    spoil(untrained, targets=np.ones((60, 1), np.uint8))
    run = RunConfig.read(untrained)
    run.model_copy(update={"classes": ("vertical",)}).write(untrained)
    with pytest.raises(DataError, match=r"a single class \(vertical\)"):
        train_run(untrained, ONE)


def test_more_labels_than_outputs(untrained):
    spoil(untrained, targets=np.eye(3, dtype=np.uint8)[np.arange(60) % 3])
    with pytest.raises(DataError, match=r"shape \(60, 3\), but there are 2 classes"):
        train_run(untrained, ONE)


def test_targets_that_are_not_hot(untrained):
    targets = RunIndex.read(untrained).targets
    targets[7] = [1, 1]
    spoil(untrained, targets=targets)
    with pytest.raises(DataError, match="1 records do not have exactly one class, 00007 first"):
        train_run(untrained, ONE)
    spoil(untrained, targets=targets * 2)
    with pytest.raises(DataError, match="targets must be 0 or 1, found 2"):
        train_run(untrained, ONE)


def test_no_validation_records(untrained):
    spoil(untrained, roles=np.zeros(60, np.int8))
    with pytest.raises(DataError, match="no record to use for validation"):
        train_run(untrained, ONE)


def test_a_disk_that_is_too_small(make_run, monkeypatch):
    folder = make_run()
    usage = check.shutil.disk_usage(folder)
    monkeypatch.setattr(check.shutil, "disk_usage", lambda _: usage._replace(free=50_000_000))
    with pytest.raises(DataError, match=r"needs 1.. MB for its weights and checkpoints, but the disk has 50 MB"):
        train_run(folder, ONE)


def train_within(folder: Path, limit: int, told: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        train_run(folder, ONE)
    except EcgpipeError as error:
        told.write_text(str(error))


@pytest.mark.parametrize("megabytes", [10, 30])
def test_a_disk_that_fills_up_while_training(make_run, processes, tmp_path, megabytes):
    """A limit on file sizes, which the system reports like a full disk: the weights (20 MB), then the checkpoint."""
    folder = make_run(epochs=2)
    process = processes.Process(target=train_within, args=(folder, megabytes * 1_000_000, tmp_path / "told"))
    process.start()
    process.join()
    assert "no more can be written there" in (tmp_path / "told").read_text()
    assert "goes on from its last saved state" in (tmp_path / "told").read_text()
    assert not list((folder / CHECKPOINTS).glob("*.partial*"))
    assert train_run(folder, ONE)["epochs"] == 2


def test_a_model_that_returns_no_number_is_named_with_its_records(make_run, monkeypatch):
    """Finite while it is trained, not after: the validation finds it."""
    folder = make_run()
    inputs = engine.Classifier.inputs

    def broken(self, batch):
        images = inputs(self, batch)
        return images if self.training else images * float("nan")

    monkeypatch.setattr(engine.Classifier, "inputs", broken)
    with pytest.raises(EcgpipeError, match=r"validation loss is nan after epoch 1.*without a finite output: \d{5}"):
        train_run(folder, ONE)
