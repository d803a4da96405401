"""Checksums: readers and `ecgpipe check` report every changed byte, and job outputs get a checksum."""

import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from ecgpipe.artifacts.baselines import SIGNALS_SHAPE, BaselineFeatures, BaselineSignals
from ecgpipe.artifacts.check import check_folder
from ecgpipe.artifacts.files import (
    CHECKSUM_FOLDER,
    MADE_BY_A_RULE,
    SUMS,
    checksum_file,
    file_sha256,
    read_json,
    read_sums,
    verify,
    write_checksums,
    write_json,
    write_sums,
    write_text,
)  # fmt: skip
from ecgpipe.artifacts.images import open_images, pack, write_images
from ecgpipe.artifacts.pages import StoredPage, read_pages, write_pages
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.artifacts.saliency import Saliency
from ecgpipe.artifacts.tables import DROPPED, Labels
from ecgpipe.artifacts.truth import read_truth
from ecgpipe.cli import main
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError
from ecgpipe.logs import job_log
from ecgpipe.models.weights import read_weights, write_weights

IDS, TARGETS = np.array(["a", "b", "c"]), np.eye(3, dtype=np.uint8)

RNG = np.random.default_rng(0)
RUN = RunConfig(
    dataset="d", protocol="paper", variant="swin", seed=0, classes=("x", "y"), task="single", images=("i.npy",),
    model=ModelConfig(), train=TrainConfig(),
)  # fmt: skip
MAPS = (IDS, np.arange(3), np.zeros(3), np.ones(3), RNG.random((3, 3)), ("gradcam",), RNG.random((1, 3, 4, 4)))
FEATURES = (IDS, *(RNG.integers(0, 9, (3, 4, 4)).astype(np.uint8) for _ in range(2)), TARGETS, np.ones((3, 2), "f4"))
ROWS = [{"record_id": "a", "reason": "b", "classes": "[]"}]

FORMATS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "labels.parquet": (Labels(IDS, TARGETS, ("x", "y", "z"), "single").write, Labels.read),
    "predictions.parquet": (
        Predictions(IDS, np.full(3, "test"), RNG.random((3, 3)), TARGETS, ("x", "y", "z"), "single").write,
        Predictions.read,
    ),
    "labels.dropped.parquet": (lambda path: DROPPED.write(ROWS, path), DROPPED.read),
    "images/00000.npy": (
        lambda path: write_images([pack(RNG.random((16, 16)) < 0.5) for _ in IDS], 16, path),
        open_images,
    ),
    "run_index.npz": (
        lambda path: RunIndex(IDS, np.zeros(3), np.zeros(3), np.arange(3), TARGETS).write(path.parent),
        lambda path: RunIndex.read(path.parent),
    ),
    "saliency.npz": (Saliency(*MAPS).write, Saliency.read),
    "00000.signals.npz": (
        BaselineSignals(IDS, RNG.random((3, *SIGNALS_SHAPE))).write,
        lambda path: BaselineSignals.read([path]),
    ),
    "00000.npz": (BaselineFeatures(*FEATURES).write, lambda path: BaselineFeatures.read([path], "pages")),
    "metrics.json": (lambda path: write_json(path, {"a": 1.5, "b": {1: [None, "é"]}}), read_json),
    "run.json": (lambda path: RUN.write(path.parent), lambda path: RunConfig.read(path.parent)),
    "weights.safetensors": (
        lambda path: write_weights({"w": torch.rand(4, 4), "n": torch.ones(3, dtype=torch.int64)}, path),
        read_weights,
    ),
    "pages.parquet": (
        lambda path: write_pages([StoredPage(name, RNG.bytes(50), "{}") for name in "abc"], path),
        lambda path: list(read_pages(path)),
    ),
}


def damaged(good: bytes) -> list[bytes]:
    """150 copies with a flipped bit, and 150 that are cut short."""
    places = range(0, len(good), max(len(good) // 150, 1))
    flipped = [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in places]
    return flipped + [good[:at] for at in places]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pages.parquet"])
def test_readers_report_every_changed_byte(tmp_path, name):
    path, (write, read) = tmp_path / name, FORMATS[name]
    path.parent.mkdir(exist_ok=True)
    write(path)
    write_checksums([path])
    read(path)
    assert verify(path)
    for number, content in enumerate(damaged(path.read_bytes())[::10]):  # a checksum shows any change
        path.write_bytes(content)
        os.utime(path, ns=(number, number))
        with pytest.raises(DataError, match=rf"{re.escape(name)}: damaged.*delete it and run again"):
            read(path)


@pytest.mark.parametrize("name", FORMATS)
def test_without_a_checksum_a_damaged_file_is_an_error_or_is_read(tmp_path, name):
    """But nothing else: no other error, and no endless loop."""
    path, (write, read) = tmp_path / name, FORMATS[name]
    path.parent.mkdir(exist_ok=True)
    write(path)
    assert not verify(path)
    refused = 0
    for number, content in enumerate(damaged(path.read_bytes())):
        path.write_bytes(content)
        os.utime(path, ns=(number, number))
        try:
            read(path)
        except (DataError, SafetensorError) as error:
            refused += 1
            assert isinstance(error, SafetensorError) or name in str(error)
    assert refused > 100


def test_pages_are_compared_with_the_checksums_of_their_format(tmp_path):
    """Pages are read in part; a changed byte in an image is found."""
    path, pages = tmp_path / "pages.parquet", [StoredPage(str(i), RNG.bytes(5000), "{}") for i in range(20)]
    write_pages(pages, path)
    good = path.read_bytes()
    at = good.index(pages[17].image) + 1234
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    with pytest.raises(DataError, match=r"pages\.parquet: not a readable pages file"):
        list(read_pages(path))


def test_a_json_file_changed_by_hand_is_read_without_its_checksum(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"epochs": 100})
    write_checksums([path])
    path.write_text('{"epochs": 50}')
    with pytest.raises(DataError, match="if you changed it: delete") as error:
        read_json(path)
    Path(str(error.value).rpartition("delete ")[2].rstrip(")")).unlink()
    assert read_json(path) == {"epochs": 50}


def test_a_file_that_is_replaced_loses_its_checksum(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, 1)
    write_checksums([path])
    write_json(path, 2)
    assert not checksum_file(path).exists()
    assert read_json(path) == 2


def test_sha256sum_understands_checksums(tmp_path):
    for name in ("a.json", "b c.json"):
        write_json(tmp_path / name, name)
    write_checksums(list(tmp_path.iterdir()))
    files = sorted((tmp_path / CHECKSUM_FOLDER).iterdir())
    command = ["sha256sum", "-c", *(f"{CHECKSUM_FOLDER}/{file.name}" for file in files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "a.json: OK\nb c.json: OK\n"


def test_a_job_writes_the_checksums_of_its_outputs(tmp_path):
    made, absent, folder = (str(tmp_path / name) for name in ("made.json", "absent.json", "folder"))
    job = SimpleNamespace(log=[str(tmp_path / "job.log")], output=[made, absent, folder])
    with job_log(job):
        write_json(made, {})
        write_text(Path(folder, "a.txt"), "a")
    assert checksum_file(made).read_text() == f"{file_sha256(made)}  made.json\n"
    assert os.listdir(tmp_path / CHECKSUM_FOLDER) == ["made.json.sha256"]
    with pytest.raises(SystemExit), job_log(job):
        write_json(made, {"half": 1})
        raise DataError("broken")
    assert not checksum_file(made).exists()


@pytest.mark.parametrize(("number", "action"), [(13, "read or written"), (28, "written")])
def test_a_job_ends_with_one_line_if_a_file_cannot_be_opened(tmp_path, capsys, number, action):
    job = SimpleNamespace(log=[str(tmp_path / "job.log")], output=[])
    with pytest.raises(SystemExit), job_log(job):
        raise OSError(number, "why", "a.hea")
    assert capsys.readouterr().err.startswith(f"error: a.hea: cannot be {action} (why); ")


def flip(path: Path, at: int = -20) -> None:
    """Change a bit, and keep the modification time."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def results(tmp_path) -> Path:
    """Results of a small run, with the checksums that its jobs would have written."""
    top = tmp_path / "results"
    run = top / "ptb-xl/folds/swin/seed-0"
    DROPPED.write(ROWS, top / "ptb-xl/labels.dropped.parquet")
    write_images([pack(np.eye(64))] * 3, 64, top / "ptb-xl/images/00000.npy")
    write_json(run / "metrics.json", {"task": "single"})
    write_checksums(list(top.rglob("*")))
    write_text(run / "model/README.md", "# A card")
    write_text(run / "model/weights.safetensors", "{}" + " " * 50)
    write_sums(run / "model", ["weights.safetensors"])
    write_text(top / "logs/train/a.log", "epoch 1")
    write_text(top / ".snakemake/run.json", "{")
    write_text(run / ".run.json.abc.partial.json", "{")
    return top


def test_check_counts_files(results, capsys):
    assert main(["check", str(results)]) == 0
    assert re.match(r"files damaged or missing: 0; intact: 4; without a checksum: 3", capsys.readouterr().out)


@pytest.mark.parametrize("name", ["ptb-xl/labels.dropped.parquet", "ptb-xl/images/00000.npy"])
def test_check_names_a_damaged_file_with_the_remedy(results, name, capsys):
    flip(results / name)
    assert main(["check", str(results)]) == 1
    shown = capsys.readouterr()
    assert re.fullmatch(rf"{re.escape(str(results / name))}: damaged.*delete it and run again.*", shown.out.strip())
    assert "files damaged or missing: 1;" in shown.err
    assert main(["check", str(results), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["delete"] for row in found["damaged"]] == [str(results / name)]


def test_check_names_a_missing_file_with_the_remedy(results, capsys):
    lost = results / "ptb-xl/images/00000.npy"
    lost.unlink()
    assert main(["check", str(results)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{lost}: missing; run again, or request it: snakemake {lost} ")
    assert "files damaged or missing: 1; intact: 3;" in shown.err
    checksum_file(lost).unlink()  # as the message says, if it is not needed
    assert main(["check", str(results)]) == 0


def test_a_saved_model_is_checked_as_a_whole(results):
    model = results / "ptb-xl/folds/swin/seed-0/model"
    moved = results.parent / "moved"
    shutil.copytree(model, moved)
    flip(moved / "weights.safetensors")
    (damage,) = check_folder(moved).damaged
    assert damage.message.endswith(f"delete the folder {moved} and run again") and damage.delete == moved
    with pytest.raises(DataError, match="delete the folder"):
        verify(moved / "weights.safetensors")
    (moved / "weights.safetensors").unlink()
    (damage,) = check_folder(moved).damaged
    assert "lists weights.safetensors, which does not exist; delete the folder" in damage.message
    assert not check_folder(model).damaged


def test_check_of_a_part_of_the_results(results, monkeypatch):
    monkeypatch.chdir(results / "ptb-xl/images")
    assert check_folder(Path(".")).whole == 1


def test_simulated_records_are_compared_with_their_list(tmp_path):
    data = tmp_path / "simulated/data"
    assert main(["simulate", str(data), "--records", "3", "--seed", "1"]) == 0
    found = check_folder(tmp_path)
    assert (found.whole, found.without, found.damaged) == (len(list(data.rglob("*.*"))), 1, [])
    flip(data / "records100/00000/00002_lr.dat", 900)
    (data / MADE_BY_A_RULE).touch()
    (damage,) = check_folder(tmp_path).damaged
    assert damage.message.endswith(f"delete the folder {data} and run again") and "00002_lr.dat" in damage.message
    assert damage.delete == data
    assert len(check_folder(data / "records100").damaged) == 1  # the list is in a folder above
    write_text(data / SUMS, "nonsense")
    assert [damage.file for damage in check_folder(tmp_path).damaged] == [data / SUMS]


def test_check_never_advises_to_delete_a_folder_that_the_workflow_did_not_make(tmp_path, capsys):
    for name in ("LICENSE.txt", "a.dat"):
        (tmp_path / name).write_bytes(bytes(50))
    write_sums(tmp_path, ["LICENSE.txt", "a.dat"])
    (tmp_path / "LICENSE.txt").unlink()  # a partial copy
    flip(tmp_path / "a.dat")
    remedy = f"fetch the file again, or delete its line in {SUMS}"
    missing = f"{tmp_path / SUMS}: lists LICENSE.txt, which does not exist; {remedy}"
    damaged = f"{tmp_path / 'a.dat'}: damaged, it differs from {SUMS}; {remedy}"
    assert main(["check", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["damaged"]
    assert [(row["message"], row["delete"]) for row in found] == [(missing, None), (damaged, None)]
    for content in (b"nonsense", b"\xff"):
        (tmp_path / SUMS).write_bytes(content)
        (damage,) = check_folder(tmp_path).damaged
        assert damage.message.endswith("; fetch the list again, or delete it") and damage.delete is None


@pytest.mark.parametrize("made", [False, True])
def test_check_of_another_folder_is_an_error(tmp_path, made, capsys):
    folder = tmp_path / "other"
    if made:
        folder.mkdir()
        (folder / "package.json").write_text("{ // not ours")
    assert main(["check", str(folder)]) == 2
    assert re.fullmatch(r"ecgpipe: \S+other: no .*give the folder of results\n", capsys.readouterr().err)


def test_a_file_without_read_permission_is_not_called_damaged(results, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ecgpipe.artifacts.check.file_sha256", refuse)
    damage = check_folder(results / "ptb-xl/images").damaged
    assert [one.delete for one in damage] == [None] and "check the permissions" in damage[0].message


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_is_replaced_while_it_is_checked_is_not_damaged(results, monkeypatch, gone):
    def replace(path):
        path.unlink() if gone else write_text(path, "new")
        return file_sha256(path)

    monkeypatch.setattr("ecgpipe.artifacts.check.file_sha256", replace)
    found = check_folder(results / "ptb-xl/images")
    assert (found.whole, found.without, found.damaged) == (0, 0 if gone else 1, [])


def test_check_follows_links_to_folders_once(results):
    (results / "linked").symlink_to(results / "ptb-xl/images")
    (results / "ptb-xl/images/loop").symlink_to(results)
    assert check_folder(results).whole == 4
    (results / "outside").symlink_to(results.parent / "other")
    write_json(results.parent / "other/x.json", 1)
    write_checksums([results.parent / "other/x.json"])
    assert check_folder(results).whole == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [("nonsense", "line 2: not a list"), (f"{'0' * 64}  ../x", "leaves the folder"), (f"{'0' * 64}  /x", "leaves the")],
)
def test_lists_of_checksums(tmp_path, line, message):
    path, good = tmp_path / SUMS, f"{'1' * 64}  ./a/b.dat\n"
    path.write_text(good)
    assert read_sums(path) == {"a/b.dat": "1" * 64}
    path.write_text(good + line)
    with pytest.raises(DataError, match=message):
        read_sums(path)
    assert not verify(tmp_path / "absent")


def test_large_files_are_read_in_chunks(tmp_path):
    file = tmp_path / "0.npy"
    write_images([pack(np.zeros((640, 640)))] * 200, 640, file)
    write_checksums([file])
    assert file.stat().st_size > 9_900_000
    tracemalloc.start()
    assert verify(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_check_needs_no_pytorch(results):
    code = (
        "import sys; from ecgpipe.cli import main; status = main(['check', sys.argv[1]]); "
        "sys.exit('torch is imported' if {'torch', 'pandas'} & set(sys.modules) else status)"
    )
    subprocess.run([sys.executable, "-c", code, str(results)], check=True)


def test_changed_digits_of_the_truth_are_noticed(tmp_path):
    (tmp_path / "truth.jsonl").write_text("{}\n")
    write_sums(tmp_path, ["truth.jsonl"])
    (tmp_path / "truth.jsonl").write_text('{"ecg_id": 1}\n')
    with pytest.raises(DataError, match=r"truth.jsonl: differs from the folder's SHA256SUMS.txt"):
        read_truth(tmp_path / "truth.jsonl", ["00001"])
