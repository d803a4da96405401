"""File formats: what is written can be read, and errors name the file."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.images import open_images, pack, unpack, write_images
from ecgpipe.artifacts.pages import StoredPage, count_pages, find_pages, read_pages, write_pages
from ecgpipe.artifacts.predictions import ExternalLogits, Predictions
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.tables import PROBLEMS, RECORDS, SPLIT, Labels, ProblemList
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError, RecordError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_packed_images_round_trip(tmp_path, rng):
    images = (rng.random((5, 64, 64)) < 0.1).astype(np.uint8)
    write_images([pack(image) for image in images], 64, tmp_path / "a.npy")
    assert (unpack(open_images(tmp_path / "a.npy")) == images).all()
    assert (tmp_path / "a.npy").stat().st_size == 128 + 5 * 64 * 8


def test_images_are_mapped_into_memory_and_checked(tmp_path):
    path = tmp_path / "a.npy"
    write_images([pack(np.eye(16))], 16, path)
    assert isinstance(open_images(path), np.memmap)
    with pytest.raises(ValueError, match="the width 10 of a packed image"):
        pack(np.zeros((16, 10)))
    wrong = (np.zeros((2, 16, 2), np.int8), np.zeros((16, 2), np.uint8), np.zeros((2, 16, 3), np.uint8))
    for array in wrong:
        np.save(path, array)
        with pytest.raises(DataError, match="expected uint8"):
            open_images(path)
    np.save(path, np.array([[[None]]]), allow_pickle=True)
    with pytest.raises(DataError, match="not a readable image file"):
        open_images(path)


def test_a_shard_without_images_is_a_valid_file(tmp_path):
    write_images([], 64, tmp_path / "a.npy")
    assert open_images(tmp_path / "a.npy").shape == (0, 64, 8)


@pytest.mark.parametrize("content", [b"", b"not numpy", None])
def test_damaged_image_files_are_named(tmp_path, content, rng):
    path = tmp_path / "a.npy"
    if content is None:  # cut short
        write_images([pack(rng.random((64, 64)) < 0.5)] * 9, 64, path)
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy"):
        open_images(path)


def test_pages_are_read_in_order_and_found_by_id(tmp_path):
    pages = [StoredPage(f"{i:05d}", bytes([i]) * 10, "{}") for i in range(40)]
    assert write_pages(iter(pages), tmp_path / "p.parquet") == 40
    assert count_pages(tmp_path / "p.parquet") == 40
    assert list(read_pages(tmp_path / "p.parquet")) == pages
    found = find_pages([tmp_path / "p.parquet"], ["00003", "00039", "absent"])
    assert found == {"00003": pages[3], "00039": pages[39]}


def test_a_file_without_pages(tmp_path):
    assert write_pages(iter([]), tmp_path / "p.parquet") == 0
    assert list(read_pages(tmp_path / "p.parquet")) == []


def test_an_error_while_writing_pages_leaves_no_file(tmp_path):
    def pages():
        yield StoredPage("1", b"", "")
        raise DataError("broken")

    with pytest.raises(DataError):
        write_pages(pages(), tmp_path / "p.parquet")
    assert not list(tmp_path.iterdir())


def test_tables_reject_wrong_columns(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        RECORDS.write(pd.DataFrame({"record_id": ["1"], "colour": ["blue"]}), tmp_path / "r.parquet")
    (tmp_path / "r.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"r\.parquet"):
        RECORDS.read(tmp_path / "r.parquet")
    with pytest.raises(DataError, match="no such records file"):
        RECORDS.read(tmp_path / "absent.parquet")


def test_problems_are_listed_or_stop_the_run(tmp_path):
    error = RecordError("00007", "x.dat", "truncated", "12 bytes, expected 24 by the header")
    problems = ProblemList("render", strict=False)
    problems.add(error)
    problems.write(tmp_path / "p.parquet")
    row = PROBLEMS.read(tmp_path / "p.parquet").iloc[0]
    assert (row["record_id"], row["problem"], row["file"]) == ("00007", "truncated", "x.dat")
    with pytest.raises(DataError, match=r"00007.*x\.dat.*strict"):
        ProblemList("render", strict=True).add(error)


def test_labels_and_predictions_round_trip(tmp_path, rng):
    ids = np.array(["b", "a"])
    labels = Labels(ids, np.array([[1, 0], [0, 1]], np.uint8), ("NORM", "MI"), "primary")
    labels.write(tmp_path / "l.parquet")
    back = Labels.read(tmp_path / "l.parquet")
    assert (back.targets == labels.targets).all()
    assert (back.classes, back.policy, back.task) == (("NORM", "MI"), "primary", "single")

    logits = rng.normal(size=(2, 2)).astype(np.float32)
    Predictions(ids, np.array(["test", "validation"]), logits, labels.targets, ("NORM", "MI"), "single").write(
        tmp_path / "p.parquet"
    )
    read = Predictions.read(tmp_path / "p.parquet")
    assert (read.logits == logits).all()
    assert read.of_role("test").record_ids.tolist() == ["b"]
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    assert read.probabilities == pytest.approx(expected)


def test_find_rows():
    rows, found = find_rows(np.array(["b", "0", "z", "a"]), np.array(["c", "a", "b", "a"]))
    assert rows[[0, 3]].tolist() == [2, 3] and found.tolist() == [True, False, False, True]
    rows, found = find_rows(np.array(["a", "b"]), np.array([], dtype=str))
    assert rows.tolist() == [0, 0] and rows.dtype == int and found.tolist() == [False, False] and found.dtype == bool


def test_targets_of_some_records_in_their_order(rng):
    ids = rng.permutation(50).astype(str)
    labels = Labels(
        ids, np.stack([ids.astype(int), ids.astype(int) % 7], axis=1).astype(np.uint8), ("a", "b"), "single"
    )
    wanted = rng.permutation(50)[:20]
    assert labels.of_records(wanted.astype(str)).tolist() == [[number, number % 7] for number in wanted]
    with pytest.raises(DataError, match="2 records have no label, 77 first; make labels"):
        labels.of_records(np.array(["3", "77", "50", "4"]))


def test_reading_part_of_a_table(tmp_path):
    ids = [f"{'é' * (number % 4)}{number}" for number in range(25_000)]
    SPLIT.write(pd.DataFrame({"record_id": ids, "role": "train"}), tmp_path / "split.parquet")
    (found,) = SPLIT.read_text(tmp_path / "split.parquet", ["record_id"])
    assert found.dtype == np.array(ids).dtype and found.tolist() == ids
    some = SPLIT.read(tmp_path / "split.parquet", record_ids=np.array([ids[20_001], "none such", ids[3]]))
    assert some.to_dict("list") == {"record_id": [ids[3], ids[20_001]], "role": ["train", "train"]}
    assert SPLIT.read(tmp_path / "split.parquet", ["role"]).columns.tolist() == ["role"]
    with pytest.raises(DataError, match="no such split file"):
        SPLIT.read_text(tmp_path / "none.parquet", ["record_id"])


def test_a_run_round_trips(tmp_path):
    run = RunConfig(
        dataset="ptb-xl",
        protocol="folds",
        variant="swin",
        seed=3,
        classes=("NORM", "MI"),
        task="single",
        images=("../a.npy",),
        model=ModelConfig(image_size=224),
        train=TrainConfig(epochs=40),
    )
    run.write(tmp_path)
    assert RunConfig.read(tmp_path) == run
    items = RunIndex(np.array(["1", "2"]), np.array([0, 1]), np.zeros(2), np.arange(2), np.eye(2))
    items.write(tmp_path)
    back = RunIndex.read(tmp_path)
    assert back.indices("validation").tolist() == [1]
    kinds = [array.dtype for array in (back.roles, back.files, back.rows, back.targets)]
    assert kinds == [np.int8, np.int16, np.int32, np.uint8]
    (tmp_path / "run.json").write_text('{"dataset": "x"}')
    with pytest.raises(DataError, match=r"run\.json"):
        RunConfig.read(tmp_path)
    (tmp_path / "run_index.npz").write_bytes(b"PK half")
    with pytest.raises(DataError, match=r"run_index\.npz"):
        RunIndex.read(tmp_path)


@pytest.mark.parametrize("kind", [ExternalLogits, Labels, Predictions])
def test_an_error_of_the_library_stays_on_one_line(tmp_path, monkeypatch, kind):
    def fail(path):
        raise ValueError("changed bytes:\nin the message")

    for module in ("predictions", "tables"):
        monkeypatch.setattr(f"ecgpipe.artifacts.{module}.read_table", fail)
    with pytest.raises(DataError) as error:
        kind.read(tmp_path / "x.parquet")
    assert "(changed bytes: in the message); delete it and run again" in str(error.value)
