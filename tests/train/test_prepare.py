"""run_index.npz names for every record of the split its image and its targets, whatever the order they come in."""

import numpy as np
import pytest

from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError
from ecgpipe.train.prepare import prepare_run


def prepare(folder, ids, roles, targets, images, windows=()) -> RunIndex:
    prepare_run(
        folder / "run", dataset="d", protocol="paper", variant="resnet34", seed=0, classes=("a", "b", "c"),
        task="multilabel", record_ids=ids, roles=roles, targets=targets,
        images={folder / f"{number}.npy": given for number, given in enumerate(images)},
        windows={folder / f"w{number}.npy": given for number, given in enumerate(windows)},
        model=ModelConfig(image_size=64), train=TrainConfig(),
    )  # fmt: skip
    return RunIndex.read(folder / "run")


def test_items_against_dicts_and_loops(tmp_path):
    rng = np.random.default_rng(0)
    everyone = [str(number) for number in rng.permutation(400)]  # of one to three digits
    images = [everyone[:150], [], everyone[150:151], everyone[151:]]
    ids = [str(name) for name in rng.permutation(everyone)[:300]]
    roles = [str(role) for role in rng.choice(["train", "validation", "test"], 300)]
    targets = rng.integers(0, 2, (300, 3)).astype(np.uint8)
    items = prepare(tmp_path, ids, roles, targets, images)
    place = {name: (file, row) for file, given in enumerate(images) for row, name in enumerate(given)}
    by_id = dict(zip(ids, zip(roles, targets.tolist(), strict=True), strict=True))
    assert items.record_ids.tolist() == sorted(ids)
    for number, name in enumerate(sorted(ids)):
        assert (items.files[number], items.rows[number]) == place[name]
        assert (("train", "validation", "test")[items.roles[number]], items.targets[number].tolist()) == by_id[name]
    types = [array.dtype for array in (items.roles, items.files, items.rows, items.targets)]
    assert types == [np.int8, np.int16, np.int32, np.uint8]
    assert RunConfig.read(tmp_path / "run").images == ("../0.npy", "../1.npy", "../2.npy", "../3.npy")


@pytest.mark.parametrize("images", [[["b", "z"], ["d"]], [[]], []], ids=["others", "empty", "none"])
def test_records_without_an_image_are_an_error(tmp_path, images):
    with pytest.raises(DataError, match=r"2 records of the split d/paper have no image, a first; run the preproc"):
        prepare(tmp_path, ["a", "e"], ["train", "test"], np.ones((2, 3)), images)
    assert not (tmp_path / "run").exists()


def test_a_role_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="'tset' is none of the roles train, validation, test"):
        prepare(tmp_path, ["a", "b"], ["train", "tset"], np.ones((2, 3)), [["a", "b"]])


def test_training_records_alone_give_further_pages(tmp_path):
    windows = [["c", "a", "z", "d"], ["b", "a"]]  # of the second window c could not be drawn
    roles = ["train", "train", "validation", "train"]
    targets = np.eye(3, dtype=np.uint8)[[0, 1, 2, 0]]
    items = prepare(tmp_path, ["a", "c", "b", "d"], roles, targets, [["d", "c"], ["b", "a"]], windows)
    found = list(zip(items.record_ids.tolist(), items.files.tolist(), items.rows.tolist(), strict=True))
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
    assert items.roles.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert items.targets.argmax(axis=1).tolist() == [0, 2, 1, 0, 0, 1, 0, 0]
    assert items.records("train").tolist() == [0, 2, 3]
    assert RunConfig.read(tmp_path / "run").images == ("../0.npy", "../1.npy", "../w0.npy", "../w1.npy")
