"""Preparing a run: its index, and the pre-flight checks before training."""

import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgpipe.artifacts.runs import CHECKPOINTS, RunConfig, RunIndex
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.train import engine
from ecgpipe.train.engine import train_run
from ecgpipe.train.hardware import TrainerOptions
from ecgpipe.train.prepare import prepare_run

ONE = TrainerOptions(threads=1, tensorboard=False)


def prepare(folder, ids, roles, targets, images, windows=()) -> RunIndex:
    prepare_run(
        folder / "run", dataset="d", protocol="paper", variant="resnet34", seed=0, classes=("a", "b", "c"),
        task="multilabel", record_ids=ids, roles=roles, targets=targets,
        images={folder / f"{number}.npy": given for number, given in enumerate(images)},
        windows={folder / f"w{number}.npy": given for number, given in enumerate(windows)},
        model=ModelConfig(image_size=64), train=TrainConfig(),
    )  # fmt: skip
    return RunIndex.read(folder / "run")


def test_index_against_dicts_and_loops(tmp_path):
    rng = np.random.default_rng(0)
    everyone = [str(number) for number in rng.permutation(400)]  # one to three digits
    images = [everyone[:150], [], everyone[150:151], everyone[151:]]
    ids = [str(name) for name in rng.permutation(everyone)[:300]]
    roles = [str(role) for role in rng.choice(["train", "validation", "test"], 300)]
    targets = rng.integers(0, 2, (300, 3)).astype(np.uint8)
    index = prepare(tmp_path, ids, roles, targets, images)
    place = {name: (file, row) for file, given in enumerate(images) for row, name in enumerate(given)}
    by_id = dict(zip(ids, zip(roles, targets.tolist(), strict=True), strict=True))
    assert index.record_ids.tolist() == sorted(ids)
    for number, name in enumerate(sorted(ids)):
        assert (index.files[number], index.rows[number]) == place[name]
        assert (("train", "validation", "test")[index.roles[number]], index.targets[number].tolist()) == by_id[name]
    types = [array.dtype for array in (index.roles, index.files, index.rows, index.targets)]
    assert types == [np.int8, np.int16, np.int32, np.uint8]
    assert RunConfig.read(tmp_path / "run").images == ("../0.npy", "../1.npy", "../2.npy", "../3.npy")


@pytest.mark.parametrize("images", [[["b", "z"], ["d"]], [[]], []], ids=["others", "empty", "none"])
def test_records_without_an_image_are_refused(tmp_path, images):
    with pytest.raises(
        DataError, match=r"2 records of the split d/paper have no image, the first is a; run the preproc"
    ):
        prepare(tmp_path, ["a", "e"], ["train", "test"], np.ones((2, 3)), images)
    assert not (tmp_path / "run").exists()


def test_an_unknown_role_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'tset' is not one of the roles train, validation, test"):
        prepare(tmp_path, ["a", "b"], ["train", "tset"], np.ones((2, 3)), [["a", "b"]])


def test_only_training_records_have_further_windows(tmp_path):
    windows = [["c", "a", "z", "d"], ["b", "a"]]  # the second window has no page of c
    roles = ["train", "train", "validation", "train"]
    targets = np.eye(3, dtype=np.uint8)[[0, 1, 2, 0]]
    index = prepare(tmp_path, ["a", "c", "b", "d"], roles, targets, [["d", "c"], ["b", "a"]], windows)
    found = list(zip(index.record_ids.tolist(), index.files.tolist(), index.rows.tolist(), strict=True))
    assert found == [
        ("a", 1, 1),
        ("b", 1, 0),
        ("c", 0, 1),
        ("d", 0, 0),
        ("a", 2, 1),
        ("c", 2, 0),
        ("d", 2, 3),
        ("a", 3, 1),
    ]
    assert index.roles.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert index.targets.argmax(axis=1).tolist() == [0, 2, 1, 0, 0, 1, 0, 0]
    assert index.records("train").tolist() == [0, 2, 3]
    assert RunConfig.read(tmp_path / "run").images == ("../0.npy", "../1.npy", "../w0.npy", "../w1.npy")


def change_index(folder, **changes):
    index = RunIndex.read(folder)
    fields = {name: getattr(index, name) for name in ("record_ids", "roles", "files", "rows", "targets")}
    RunIndex(**fields | changes).write(folder)


@pytest.fixture
def prepared(make_run, monkeypatch):
    """A run that must be refused before its model is built."""
    monkeypatch.setattr(engine, "build_model", None)
    return make_run()


def test_an_empty_class_is_refused(prepared):
    change_index(prepared, targets=np.tile(np.array([1, 0], np.uint8), (60, 1)))
    with pytest.raises(DataError, match="no training record of class horizontal"):
        train_run(prepared, ONE)


def test_a_single_class_is_refused(prepared):
    change_index(prepared, targets=np.ones((60, 1), np.uint8))
    run = RunConfig.read(prepared)
    run.model_copy(update={"classes": ("vertical",)}).write(prepared)
    with pytest.raises(DataError, match=r"only one class \(vertical\)"):
        train_run(prepared, ONE)


def test_targets_of_another_number_of_classes_are_refused(prepared):
    change_index(prepared, targets=np.eye(3, dtype=np.uint8)[np.arange(60) % 3])
    with pytest.raises(DataError, match=r"shape \(60, 3\), but the run has 2 classes"):
        train_run(prepared, ONE)


def test_targets_that_are_not_one_hot_are_refused(prepared):
    targets = RunIndex.read(prepared).targets
    targets[7] = [1, 1]
    change_index(prepared, targets=targets)
    with pytest.raises(DataError, match="1 records do not have exactly one class, the first is 00007"):
        train_run(prepared, ONE)
    change_index(prepared, targets=targets * 2)
    with pytest.raises(DataError, match="targets must be 0 or 1, found 2"):
        train_run(prepared, ONE)


def test_a_split_without_validation_records_is_refused(prepared):
    change_index(prepared, roles=np.zeros(60, np.int8))
    with pytest.raises(DataError, match="no validation records; check the split 'paper'"):
        train_run(prepared, ONE)


def test_a_disk_that_is_too_small_is_refused(make_run, monkeypatch):
    folder = make_run("resnet10t")
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50_000_000))
    with pytest.raises(DataError, match=r"requires 1.. MB for weights and checkpoints, but the disk has only 50 MB"):
        train_run(folder, ONE)


def train_with_file_size_limit(folder: Path, limit: int, message: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        train_run(folder, ONE)
    except EcgpipeError as error:
        message.write_text(str(error))


@pytest.mark.parametrize("megabytes", [10, 30])
def test_a_disk_that_fills_up_during_training_is_explained(make_run, processes, tmp_path, megabytes):
    """The system reports a limit on file sizes like a full disk: at the weights (20 MB), then at the checkpoint."""
    folder = make_run("resnet10t", epochs=2)
    args = (folder, megabytes * 1_000_000, tmp_path / "message")
    process = processes.Process(target=train_with_file_size_limit, args=args)
    process.start()
    process.join()
    assert "disk full" in (tmp_path / "message").read_text()
    assert "resumes from its last checkpoint" in (tmp_path / "message").read_text()
    assert not list((folder / CHECKPOINTS).glob("*.partial*"))
    assert train_run(folder, ONE)["epochs"] == 2


def test_preparing_a_run_again_deletes_its_checkpoint(make_run):
    """Its images may have changed under the same names."""
    folder = make_run()
    (folder / CHECKPOINTS).mkdir()
    (folder / CHECKPOINTS / "last.ckpt").write_bytes(b"of other images")
    make_run()
    assert not (folder / CHECKPOINTS).exists()
