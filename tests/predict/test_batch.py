"""Many files on the command line: an error in one file does not stop the others; tables and options.

The model is a fast substitute; the built-in model itself runs in test_recordings.py and test_predict.py.
"""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.cli import main
from ecgpipe.config.box import BOX_FOLDER
from ecgpipe.predict import InputPage, Prediction
from ecgpipe.predict.prediction import ThresholdResult, describe_model
from ecgpipe.reader.output import ReadFolder
from ecgpipe.reader.record import RecordFolder
from tests.predict.conftest import run

READ = {"layout": "3x4", "speed_mm_per_s": 25.0, "gain_mm_per_mv": 10.0, "missing": ["V6"], "assumed": ["speed"]}
LAYOUT = "- name: two columns\n  columns: [[V1, V2, V3], [V4, V5, V6]]\n  strips: [0, 1]\n"


class Stub:
    """A substitute for the built-in model that always gives the same answer."""

    def __init__(self):
        self.saved, self.options, self.stop = read_saved(BOX_FOLDER), {}, None
        self.description = describe_model(self.saved, BOX_FOLDER)

    def reader(self, **options):
        self.options = options
        return self

    def read(self, path):
        for number in (1, 2):
            name = f"{path}, page {number}" if path.suffix == ".pdf" else str(path)
            yield InputPage(name, "image", np.zeros((8, 8, 3), np.uint8), np.zeros((0, 0), np.uint8))
            if path.suffix != ".pdf":
                return

    def predict(self, pages):
        (page,) = pages
        if self.stop is not None and self.stop in page.name:
            raise KeyboardInterrupt
        classes = self.saved.classes
        values = np.linspace(0.9, 0.1, len(classes))
        reached = {classes[1]: (ThresholdResult(0.9, 0.1, "v", True), ThresholdResult(0.95, 0.2, "v", True))}
        return [
            Prediction(
                page.name, "image", "multilabel", classes, values, values, classes[:1], reached, None, False, (), READ
            )
        ]

    def overlay(self, page, label, method):
        if "b.png" in page.name:
            raise MemoryError
        return page.page


@pytest.fixture
def stub(monkeypatch):
    predictor = Stub()
    monkeypatch.setattr("ecgpipe.predict.load_predictor", lambda *_, **__: predictor)
    return predictor


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (40, 30)).save(folder / name)
    return folder


def test_a_prediction_without_its_overlay_is_not_lost(stub, pages, tmp_path, capsys):
    status, out, err = run(capsys, pages, "--cam", tmp_path / "cam")
    assert status == 1 and out.count("Most probable") == 3
    assert f"{pages}/b.png: no overlay: unexpected MemoryError" in err
    assert "3 pages predicted, 1 overlay failed (listed above)" in err
    document = json.loads(run(capsys, pages, "--cam", tmp_path / "cam", "--json")[1])
    assert [one["overlay"] and one["overlay"][-12:] for one in document["predictions"]] == [
        "/cam/a-NORM.png"[-12:], None, "/cam/c-NORM.png"[-12:]
    ]  # fmt: skip
    assert len(document["errors"]) == 1 and len(list((tmp_path / "cam").glob("*.png"))) == 2


@pytest.mark.parametrize("option", ["--cam", "--csv"])
def test_folders_are_checked_before_the_model_is_loaded(option, pages, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("ecgpipe.predict.load_predictor", lambda *_, **__: pytest.fail("loaded"))
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, pages, option, tmp_path / "file" / "x")
    assert status == 1 and "cannot be written" in err
    status, _, err = run(capsys, pages / "a.png", "--csv", pages / "a.png")
    assert status == 1 and "give another file" in err
    monkeypatch.setattr("ecgpipe.reader.read.load_reader", lambda *_: pytest.fail("loaded"))
    assert main(["digitize", str(pages), "-o", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_an_interrupted_document_says_so(stub, pages, tmp_path, capsys):
    whole = json.loads(run(capsys, pages, "--json")[1])
    assert whole["complete"] is True and len(whole["predictions"]) == 3
    stub.stop = "b.png"
    status, out, _ = run(capsys, pages, "--json", "--csv", tmp_path / "t.csv")
    document = json.loads(out)
    assert status == 130 and document["complete"] is False
    assert [one["name"] for one in document["predictions"]] == [str(pages / "a.png")]
    assert (tmp_path / "t.csv").read_text().count("\n") == 2


def test_a_table_of_all_pages(stub, pages, tmp_path, capsys):
    (pages / "d.pdf").write_bytes(b"")
    (pages / "gone.png").symlink_to(tmp_path / "nowhere")
    table = tmp_path / "new" / "study.csv"
    assert run(capsys, pages, "--csv", table)[0] == 1
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["page"]) for row in rows] == [
        *((str(pages / f"{name}.png"), "1") for name in "abc"),
        *((str(pages / "d.pdf"), number) for number in "12"),
        (str(pages / "gone.png"), ""),
    ]
    first, last = rows[0], rows[-1]
    assert float(first["probability:NORM"]) == 0.9 and first["predicted"] == "NORM"
    assert first["reached:MI"] == "0.95" and first["reached:NORM"] == "" and first["unusual"] == ""
    assert "of 100 with this probability" in first["how_sure"]
    assert {key: first[key] for key in ("layout", "speed_mm_per_s", "gain_mm_per_mv", "assumed", "missing")} == {
        "layout": "3x4", "speed_mm_per_s": "25", "gain_mm_per_mv": "10", "assumed": "speed", "missing": "V6"
    }  # fmt: skip
    assert "no such file" in last["error"] and last["predicted"] == "" and first["error"] == ""


def test_layouts_of_a_file_are_used(stub, pages, made, tmp_path, capsys):
    (tmp_path / "layouts.yaml").write_text(LAYOUT)
    assert run(capsys, pages, "--layouts", tmp_path / "layouts.yaml")[0] == 0
    names = [layout.name for layout in stub.options["layouts"]]
    assert "two columns+1" in names and "3x4" in names
    status, _, err = run(capsys, made.model, pages, "--layouts", tmp_path / "layouts.yaml")
    assert status == 1 and "for signal models" in err


def test_a_folder_with_a_config_of_another_program_is_no_model(stub, pages, capsys):
    (pages / "config.json").write_text('{"format": "of a viewer"}')
    status, out, _ = run(capsys, pages)
    assert status == 0 and out.count("Most probable") == 3
    shutil.copy(BOX_FOLDER / "config.json", pages)  # a model without its weights
    status, _, err = run(capsys, pages, pages / "a.png")
    assert status == 1 and "weights.safetensors: no such file" in err


@pytest.mark.parametrize(("command", "folder"), [("read", ReadFolder), ("digitize", RecordFolder)])
def test_a_missing_file_does_not_stop_the_others(command, folder, pages, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("ecgpipe.reader.read.load_reader", lambda *_: None)
    monkeypatch.setattr(folder, "write", lambda self, picture, net: ("read", {"name": picture.name}))
    (pages / "gone.png").symlink_to(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    status = main([command, str(pages), str(tmp_path / "no.png"), str(empty), "-o", str(tmp_path / "out"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == 1 and document["complete"] is True
    assert [page["name"] for page in document["pages"]] == [str(pages / f"{name}.png") for name in "abc"]
    names = [error.partition(":")[0] for error in document["errors"]]
    assert names == [str(pages / "gone.png"), str(tmp_path / "no.png"), str(empty)]
