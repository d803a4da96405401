"""`ecgpipe check`: every output of the workflow is known, and damage is told with its remedy, as by readers."""

import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.check import CHECKED, UNCHECKED, check_folder, is_ours, verify
from ecgpipe.artifacts.files import file_crc32, write_json, write_text
from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.tables import DROPPED
from ecgpipe.cli import main
from ecgpipe.errors import DataError
from ecgpipe.models.weights import write_weights
from tests.conftest import PROJECT

RUN = "ptb-xl/folds/swin/seed-0"
ROWS = [{"record_id": "a", "reason": "b", "classes": "[]"}]


def outputs() -> list[str]:
    """Every output of every rule, and every path of docs/formats.md's table, with names for what they leave open."""
    rules = "\n".join(path.read_text() for path in (PROJECT / "rules").glob("*.smk"))
    names = {"RESULTS": "results", "RESOURCES": "resources"} | dict(re.findall(r'^([A-Z]+) = f"(.*)"$', rules, re.M))
    blocks = re.findall(r"^    (?:    )?output:\n((?: {8}.*\n)+)", rules, re.M)
    found = [text for block in blocks for text in re.findall(r'f"([^"]*)"', block)]
    assert len(found) > 40
    page = (PROJECT / "docs" / "formats.md").read_text().split("## Records")[0]
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    found += [name for cell in cells for name in re.findall(r"`([^` ]*[./][^` ]*)`", cell)]
    while any("{" in text and text.split("{")[1].split("}")[0] in names for text in found):
        found = [re.sub(r"(?<!\{)\{([A-Z]+)\}(?!\})", lambda m: names.get(m[1], "x"), text) for text in found]
    found = [text.replace("{{seed}}", "0").replace("<n>", "0") for text in found]
    found = [re.sub(r"\{+\w+\}+|<[\w-]+>", "x", text).replace("…", "x.log") for text in found]
    return [text for text in found if not text.startswith("resources")]


FOLDERS = ("report/tables", "simulated/data", "x/checkpoints", "x/model")


def test_every_output_is_known():
    paths = [Path("/", name) for name in outputs()]
    paths = [path / "README.md" if any(map(path.match, FOLDERS)) else path for path in paths]
    unknown = {str(path) for path in paths if path.suffix and not is_ours(path)}
    assert not unknown, "add them to CHECKED or UNCHECKED in artifacts/check.py"


def flip(path: Path, at: int = -20) -> None:
    """Change a bit, and keep the time of change."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def results(tmp_path) -> Path:
    """Files of each kind that differs from the readers' own tests (test_damage.py tries every format)."""
    top = tmp_path / "results"
    DROPPED.write(ROWS, top / "ptb-xl/labels.dropped.parquet")
    write_images([pack(np.eye(64))] * 3, 64, top / "ptb-xl/images/00000.npy")
    run = top / RUN
    write_text(run / "history.csv", "epoch,train_loss\n1,0.5\n")
    write_json(run / "train.json", {"epochs": 1, "history_crc32": file_crc32(run / "history.csv")})
    write_json(run / "metrics.json", {"task": "single"})
    write_weights({"w": torch.rand(40, 4)}, run / "weights.safetensors")
    write_text(run / "model/README.md", "# A card")
    for name in ("weights.safetensors", "metrics.json"):
        os.link(run / name, run / "model" / name)
    write_json(top / "ptb-xl/audit/leaks.json", [])
    write_text(top / "logs/train/a.log", "epoch 1")
    write_text(top / "notes.txt", "somebody's own")
    (top / ".snakemake").mkdir()
    write_text(top / ".snakemake/run.json", "{")
    write_text(run / ".run.json.abc.partial.json", "{")
    return top


def test_whole_results(results, capsys):
    assert main(["check", str(results)]) == 0
    assert capsys.readouterr().out == "8 files are whole, 3 carry no checksum\n"


@pytest.mark.parametrize(
    "name, remedy",
    [
        ("ptb-xl/labels.dropped.parquet", "delete it and run again"),
        ("ptb-xl/images/00000.npy", "delete it and run again"),
        (f"{RUN}/history.csv", "delete it and run again"),
        (f"{RUN}/train.json", "delete it and run again"),
    ],
)
def test_damage_is_a_line_with_the_remedy(results, name, remedy, capsys):
    flip(results / name, 8 if name.endswith("parquet") else -20)
    assert main(["check", str(results)]) == 1
    told = capsys.readouterr()
    assert re.fullmatch(rf"{re.escape(str(results / name))}: .*{remedy}", told.out.strip())
    assert "1 file is damaged" in told.err
    assert main(["check", str(results), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row["delete"] for row in found["damaged"]] == [str(results / name)]


def test_weights_are_named_with_the_model_that_shares_them(results):
    flip(results / RUN / "weights.safetensors")
    model, run = check_folder(results).damaged
    assert run.message.endswith("delete it and train the run again") and run.delete == run.file
    assert model.message.endswith(f"delete the folder {results / RUN}/model and save the model again")
    assert model.delete == results / RUN / "model"
    shutil.rmtree(results / RUN / "model")
    assert len(check_folder(results).damaged) == 1


def test_a_part_of_the_results_may_be_named(results, monkeypatch):
    monkeypatch.chdir(results / "ptb-xl/images")
    assert check_folder(Path(".")).whole == 1


def test_simulated_records_are_compared_with_their_list(tmp_path):
    data = tmp_path / "simulated/data"
    assert main(["simulate", str(data), "--records", "3", "--seed", "1"]) == 0
    found = check_folder(tmp_path)
    assert (found.whole, found.without, found.damaged) == (len(list(data.rglob("*.*"))), 1, [])
    flip(data / "records100/00000/00002_lr.dat", 900)
    (damage,) = check_folder(tmp_path).damaged
    assert damage.message.endswith(f"delete the folder {data} and run again") and "00002_lr.dat" in damage.message
    assert damage.delete == data


@pytest.mark.parametrize("made", [False, True])
def test_nothing_of_ours_is_no_answer(tmp_path, made, capsys):
    folder = tmp_path / "other"
    if made:
        folder.mkdir()
        (folder / "package.json").write_text("{ // not ours")
    assert main(["check", str(folder)]) == 2
    assert re.fullmatch(r"ecgpipe: \S+other: no .*give the folder of results\n", capsys.readouterr().err)


def test_what_may_not_be_read_is_not_called_damaged(results, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ecgpipe.artifacts.check.verify", refuse)
    damage = check_folder(results / "ptb-xl/images").damaged
    assert [one.delete for one in damage] == [None] and "see to the rights" in damage[0].message


def test_a_file_that_goes_while_it_is_checked_is_left_out(results, monkeypatch):
    def gone(path):
        path.unlink()
        raise DataError(f"{path}: cannot be read; delete it and run again")

    monkeypatch.setattr("ecgpipe.artifacts.check.verify", gone)
    assert check_folder(results / "ptb-xl/images").damaged == []


def test_large_files_are_read_in_parts(tmp_path):
    """Whatever their size, memory holds a chunk of them."""
    files = [tmp_path / "images/0.npy", tmp_path / "weights.safetensors", tmp_path / "pages/0.parquet"]
    write_images([pack(np.zeros((640, 640)))] * 200, 640, files[0])
    write_weights({"w": torch.rand(1000, 2500)}, files[1])
    write_pages((StoredPage(str(i), bytes([i]) * 100_000, "{}") for i in range(100)), files[2])
    for file in files:
        assert file.stat().st_size > 9_900_000
        tracemalloc.start()
        assert verify(file)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5_000_000, file


def test_no_pattern_is_idle():
    """Each stands for an output, so that a list of formats that were is not kept."""
    paths = [Path("/", name) for name in outputs()]
    extra = {
        "model/weights.safetensors", "model/metrics.json", "model/ood.safetensors", "report/tables/*", "checkpoints/*",
        "tensorboard/*", "curves.png", "*.log", "*.tsv",
    }  # fmt: skip
    assert not [p for p in (*CHECKED, *UNCHECKED) if p not in extra and not any(path.match(p) for path in paths)]


def test_it_needs_no_pytorch(results):
    code = (
        "import sys; from ecgpipe.cli import main; status = main(['check', sys.argv[1]]); "
        "sys.exit('torch is imported' if 'torch' in sys.modules else status)"
    )
    subprocess.run([sys.executable, "-c", code, str(results)], check=True)
