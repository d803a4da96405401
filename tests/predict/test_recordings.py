"""The built-in model: pages of any layout and records, in the library and on the command line."""

import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from ecgpipe.artifacts.files import read_json, read_sums
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.cli import main
from ecgpipe.config.box import BOX_FOLDER
from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.predict import NOTICE, Predictor, RecordingPredictor, load_predictor, recordings
from ecgpipe.predict.output import format_prediction
from ecgpipe.predict.pages import InputPage, ShownLead, ShownRecording
from ecgpipe.predict.recordings import marked_page
from ecgpipe.reader.record import write_record
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page
from tests.conftest import encoded
from tests.predict.conftest import DPI, run

NAME = "00003"


@pytest.fixture(scope="session")
def box():
    return RecordingPredictor(BOX_FOLDER, threads=1)


@pytest.fixture(scope="session")
def files(made, tmp_path_factory):
    """A record, and pages of it in several looks."""
    folder = tmp_path_factory.mktemp("box")
    record = made.source / made.paths[NAME]
    signal, rate = read_signal(record, NAME)
    looks = {"record": record.with_suffix(".hea")}
    for layout, level in (("kit", "none"), ("12x1", "none"), ("6x2", "none"), ("kit", "photo")):
        config = RenderConfig(layout=layout, dpi=DPI, degrade=DegradeConfig(level=level, seed=4))
        page = render_page(signal, rate, config)
        page = degrade_page(page, config.degrade, NAME) if level != "none" else page
        looks[f"{layout}-{level}"] = folder / f"{layout}-{level}.{'png' if level == 'none' else 'jpg'}"
        looks[f"{layout}-{level}"].write_bytes(page.encode())
    return looks


@pytest.fixture(scope="session")
def pages(box, files):
    return {look: next(iter(box.reader().read(file))) for look, file in files.items()}


def test_the_answer_hardly_depends_on_the_layout(box, pages):
    predictions = dict(zip(pages, box.predict(list(pages.values())), strict=True))
    of_record = predictions.pop("record").probabilities
    for look, prediction in predictions.items():
        assert np.abs(prediction.probabilities - of_record).max() < 0.25, look
    assert np.abs(predictions["12x1-none"].probabilities - of_record).max() < 0.05  # the same ten seconds


def test_it_says_what_was_read(box, pages):
    kit, record = (box.predict([pages[look]])[0] for look in ("kit-none", "record"))
    assert kit.read == {"layout": "3x4+1", "speed_mm_per_s": pytest.approx(25, rel=0.01), "gain_mm_per_mv": 10,
                        "missing": [], "assumed": []}  # fmt: skip
    assert record.read["layout"] == "record"
    assert kit.to_dict()["read"] == kit.read
    text = format_prediction(kit, box.description)
    assert "layout 3 rows of 4 leads and 1 rhythm strip; paper speed 25 mm/s; gain 10 mm/mV; leads all 12" in text


def test_it_says_whether_the_page_lay_at_an_angle(box, pages, files):
    assert not pages["kit-none"].rectified and not pages["record"].rectified
    picture = Image.open(files["kit-none"]).convert("RGB").rotate(90, expand=True)
    (turned,) = box.reader().read_content(encoded(picture, "PNG", compress_level=1), "turned.png")
    (prediction,) = box.predict([turned])
    assert prediction.to_dict()["rectified"] is True
    assert format_prediction(prediction, box.description).startswith("turned.png: page straightened\n")


def test_leads_may_be_missing(box, pages):
    page = pages["12x1-none"]
    signal = page.recording.signal.copy()
    signal[6:] = np.nan
    part = replace(page, recording=replace(page.recording, signal=signal, leads=page.recording.leads[:6]))
    few, whole = (each.probabilities for each in box.predict([part, page]))
    assert np.isfinite(few).all() and np.abs(few - whole).max() > 0.001


def test_the_overlay_marks_traces_of_the_photographed_page(box, pages):
    page = pages["kit-photo"]
    marked = box.overlay(page, "NORM")
    assert marked.shape == page.page.shape
    changed = (marked != page.page).any(axis=2)
    near = np.zeros(changed.shape, np.uint8)
    for lead in page.recording.leads:
        cv2.polylines(near, [np.rint(lead.line).astype(np.int32)], False, 1, 150)
    assert 0.001 < changed.mean() < 0.5
    assert not (changed & (near == 0)).any()
    with pytest.raises(ConfigError, match="not a class"):
        box.overlay(page, "FLUTTER")
    with pytest.raises(ConfigError, match="only integrated-gradients"):
        box.overlay(page, "NORM", "gradcam")


def test_the_colours_of_a_lead_whose_beginning_is_hidden_are_at_their_time():
    line = np.stack([np.arange(100.0, 201), np.full(101, 50.0)], axis=1)
    lead = ShownLead("II", 0, 2, line, shown=(1, 2))
    recording = ShownRecording(np.zeros((12, 200)), 100, (lead,), {})
    blank = np.full((100, 300, 3), 255, np.uint8)
    heat = np.zeros((12, 200))
    heat[1, 120:130] = 1
    marked = marked_page(InputPage("page", "image", blank, blank[..., 0], recording=recording), heat)
    columns = np.flatnonzero((marked != blank).any(axis=(0, 2)))
    assert columns.mean() == pytest.approx(125, abs=2) and np.ptp(columns) < 40


def test_predict_without_a_model_uses_it(capsys, files, tmp_path):
    status, out, err = run(capsys, files["kit-none"], "--json", "--cam", tmp_path / "cam")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["notice"] == NOTICE
    assert document["model"]["classes"] == ["NORM", "MI", "STTC", "CD", "HYP"]
    (prediction,) = document["predictions"]
    assert prediction["read"]["missing"] == []
    assert cv2.imread(prediction["overlay"]).shape[2] == 3


def test_a_given_speed_and_gain_are_used(capsys, files):
    status, out, _ = run(capsys, files["kit-none"], "--json", "--speed", "50", "--gain", "20")
    (prediction,) = json.loads(out)["predictions"]
    assert status == 0 and not any("assumed: " in note for note in prediction["notes"])
    assert prediction["read"]["speed_mm_per_s"] == pytest.approx(50, rel=0.02)
    assert prediction["read"]["gain_mm_per_mv"] == 20


def test_a_first_folder_that_is_a_model_is_used(capsys, made, files):
    status, out, _ = run(capsys, made.model, files["kit-none"], "--json")
    assert status == 0
    assert json.loads(out)["model"]["classes"] == ["NORM", "MI"]


def test_a_missing_first_file_does_not_stop_the_others(capsys, files, tmp_path):
    status, out, err = run(capsys, tmp_path / "gone.jpg", files["kit-none"], "--json")
    document = json.loads(out)
    assert status == 1
    assert document["errors"] == [f"{tmp_path}/gone.jpg: no such file or record; check the name"]
    assert [one["name"] for one in document["predictions"]] == [str(files["kit-none"])]
    status, out, err = run(capsys, tmp_path / "gone.jpg")
    assert status == 1 and out == ""
    assert "gone.jpg: no such file or record; check the name" in err


def test_a_record_with_a_header_in_capitals_may_come_first(capsys, made, tmp_path):
    header = (made.source / made.paths[NAME]).with_suffix(".hea")
    shutil.copy(header, tmp_path / f"{header.stem}.HEA")
    shutil.copy(header.with_suffix(".dat"), tmp_path)
    status, out, _ = run(capsys, tmp_path / header.stem, "--json")
    assert status == 0
    assert [one["kind"] for one in json.loads(out)["predictions"]] == ["record"]


@pytest.mark.parametrize("command", ["predict", "serve"])
def test_only_models_of_images_reserve_a_gpu(made, files, monkeypatch, command):
    """The networks of the built-in model run on the CPU; a run would wait for the GPU."""
    counts = []

    @contextmanager
    def reserve(count, wait):
        counts.append(count)
        yield []

    monkeypatch.setattr("ecgpipe.gpus.reserve_gpus", reserve)
    monkeypatch.setattr(f"ecgpipe.cli.predict._{command}", lambda *arguments: None)
    page = [str(files["kit-none"])] if command == "predict" else []
    assert main([command, *page]) == main([command, str(made.model), *page]) == 0
    assert counts == [0, 1]


def test_quiet_hides_the_note_about_other_files(capsys, files, tmp_path):
    shutil.copy(files["kit-none"], tmp_path)
    (tmp_path / "notes.txt").write_text("left alone")
    assert "skipped 1 other file" in run(capsys, tmp_path, "--json")[2]
    assert run(capsys, tmp_path, "--json", "--quiet")[2] == ""


def test_a_file_name_that_is_not_utf_8_is_printed_escaped(capsys, files, tmp_path):
    """Archives of old systems contain such names; Python reads their bytes as lone surrogates."""
    page = tmp_path / os.fsdecode(b"Gr\xf6\xdfe.png")
    shutil.copy(files["kit-none"], page)
    status, out, err = run(capsys, page, "--cam", tmp_path / "cam")
    assert (status, err) == (0, "")
    assert r"Gr\udcf6\udcdfe.png" in out
    assert len(list((tmp_path / "cam").iterdir())) == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["no-such/model", "{page}"], "no such model folder, file or record"),
    (["{model}"], "name the pages to predict after it"),
    (["{run}", "{page}"], "give .*model"),
    (["{page}", "--cam-class", "AFIB"], "not a class of this model"),
    (["{page}", "--cam-class", "MI"], "need --cam DIR"),
    (["{page}", "--plugin", "{page}"], "signal model, which has none"),
    (["{model}", "{page}", "--speed", "50"], "for signal models"),
    (["{page}", "--gain", "0"], "give 1 to 100 mm/mV"),
])  # fmt: skip
def test_mistakes_are_named(capsys, made, files, arguments, message):
    places = {"page": files["kit-none"], "model": made.model, "run": made.run}
    status, _, err = run(capsys, *(each.format(**places) for each in arguments))
    assert status != 0
    assert re.search(message, err)


def test_records_of_others_are_read_as_the_options_say(capsys, made, tmp_path):
    header = (made.source / made.paths[NAME]).with_suffix(".hea")
    shutil.copy(header.with_suffix(".dat"), tmp_path)
    own = tmp_path / header.name
    text = header.read_text()
    own.write_text(re.sub(r"(?m) V6$", " QRS7", text))
    assert own.read_text() != text
    status, _, err = run(capsys, own)
    assert status == 1
    assert "V6" in err
    status, out, _ = run(capsys, own, "--lead-name", "QRS7=V6", "--json")
    assert status == 0
    expected = json.loads(run(capsys, header, "--json")[1])["predictions"][0]["classes"]
    assert json.loads(out)["predictions"][0]["classes"] == expected


def test_a_digitized_record_with_gaps_is_refused_with_the_remedy(capsys, made, tmp_path):
    signal, rate = read_signal(made.source / made.paths[NAME], NAME)
    signal[3, :250] = np.nan
    write_record(tmp_path / "page", signal, rate)
    status, _, err = run(capsys, tmp_path / "page")
    assert status == 1
    assert "lead AVR has missing samples (NaN); if ecgpipe digitize wrote the record, give the picture" in err


def test_a_picture_without_an_ecg_is_refused(capsys, files, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    status, out, err = run(capsys, tmp_path / "noise.png", files["kit-none"])
    assert status == 1
    assert "noise.png" in err
    assert "kit-none.png" in out  # the other file is predicted


def test_a_page_that_cannot_be_predicted_does_not_stop_the_others(capsys, monkeypatch, files):
    whole, seen = recordings.page_output, []

    def first_fails(*arguments):
        seen.append(arguments)
        if len(seen) == 1:
            raise DataError("no lead is shown for 0.2 s or more")
        return whole(*arguments)

    monkeypatch.setattr(recordings, "page_output", first_fails)
    status, out, err = run(capsys, files["kit-none"], files["6x2-none"])
    assert status == 1
    assert "kit-none.png: no lead is shown" in err
    assert "6x2-none.png" in out


def test_damaged_weights_are_noticed(tmp_path):
    folder = shutil.copytree(BOX_FOLDER, tmp_path / "box")
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-100] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        RecordingPredictor(folder)


def test_either_kind_of_model_is_loaded(made):
    assert isinstance(load_predictor(made.model), Predictor)
    assert isinstance(load_predictor(), RecordingPredictor)


def test_the_shipped_files_are_small_and_whole(capsys):
    for name, checksum in read_sums(BOX_FOLDER / "SHA256SUMS.txt").items():
        content = (BOX_FOLDER / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert len(content) <= 8_000_000
    assert main(["models", "--card"]) == 0
    card = capsys.readouterr().out
    for look, scores in read_json(BOX_FOLDER / "metrics.json")["looks"].items():
        assert f"| {look} | {scores['records']} |" in card
    assert "CC BY 4.0" in card
    assert "not a diagnosis" in card
