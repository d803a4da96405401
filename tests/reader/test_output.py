"""The files of `ecgpipe read` and `digitize`: inputs, and results of other pictures, are kept. No picture is read."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ecgpipe.cli.main import main

BLANK = np.full((30, 40, 3), 255, np.uint8)


@pytest.fixture(autouse=True)
def without_network(monkeypatch):
    """Pages that were read without a network."""
    leads = SimpleNamespace(layout="3x4", leads=())
    page = SimpleNamespace(upright=lambda picture: picture, leads=leads, summary=dict, mask=BLANK[..., 0], notes=())
    recording = SimpleNamespace(
        signal=np.zeros((12, 100)), sampling_rate=500, gain=10, notes=(), page=page, summary=dict
    )
    monkeypatch.setattr("ecgpipe.reader.read.load_reader", lambda *_: None)
    monkeypatch.setattr("ecgpipe.reader.output.understand_page", lambda *_: page)
    monkeypatch.setattr("ecgpipe.reader.output.lead_overlay", lambda upright, page: upright)
    monkeypatch.setattr("ecgpipe.reader.output.describe", lambda page: "3x4")
    monkeypatch.setattr("ecgpipe.reader.record.digitize", lambda *_: recording)
    monkeypatch.setattr("ecgpipe.reader.record.line_overlay", lambda upright, recording: upright)


def picture(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(BLANK).save(file)
    return file


@pytest.mark.parametrize("command", ["read", "digitize"])
def test_results_of_another_picture_are_kept(command, tmp_path, monkeypatch):
    out = tmp_path / "shared"
    for folder, name in (("c1", "scan.png"), ("c2", "scan.jpg"), ("c3", "scan.png"), ("c1", "scan.png")):
        picture(tmp_path / folder / name)
        monkeypatch.chdir(tmp_path / folder)
        assert main([command, name, "-o", str(out)]) == 0
    sources = {file.stem: json.loads(file.read_text())["source"] for file in out.glob("*.json")}
    assert sources == {
        "scan": f"{tmp_path}/c1/scan.png", "scan-2": f"{tmp_path}/c2/scan.jpg", "scan-3": f"{tmp_path}/c3/scan.png"
    }  # fmt: skip
    if command == "digitize":
        assert {file.stem for file in out.glob("*.hea")} == set(sources)


def test_a_record_without_its_json_is_kept(tmp_path):
    out = tmp_path / "out"
    assert main(["digitize", str(picture(tmp_path / "scan.png")), "-o", str(out)]) == 0
    (out / "scan.json").unlink()
    (out / "scan-overlay.png").unlink()
    before = (out / "scan.hea").read_bytes()
    assert main(["digitize", str(picture(tmp_path / "scan.jpg")), "-o", str(out)]) == 0
    assert (out / "scan.hea").read_bytes() == before and (out / "scan-2.hea").exists()


def test_an_input_is_not_replaced_and_results_are_not_read(tmp_path):
    inputs = [picture(tmp_path / "x.png"), picture(tmp_path / "x-page.png")]
    before = [file.read_bytes() for file in inputs]
    for _ in range(2):
        assert main(["read", str(tmp_path), "-o", str(tmp_path), "--mask"]) == 0
        assert [file.read_bytes() for file in inputs] == before
        assert {file.name for file in tmp_path.glob("*.json")} == {"x-2.json", "x-page.json"}
        assert len(list(tmp_path.glob("*.png"))) == 2 + 2 * 3


def test_names_in_other_scripts_and_long_names(tmp_path):
    for name in ("心电图", "血压图", "a" * 240):
        picture(tmp_path / f"{name}.png")
    assert main(["digitize", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    stems = {file.stem for file in (tmp_path / "out").glob("*.hea")}
    assert len(stems) == 3 and not any(set(stem) <= {"_", "-", "2"} for stem in stems)
