"""A file that cannot be predicted gets one line with the remedy; the others are predicted; the exit status is 1."""

import json
import re
import shutil

import numpy as np
import pytest

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.predict import InputPage, PageReader, Predictor
from ecgpipe.predict.prediction import predictions_of
from tests.predict.conftest import run
from tests.predict.corpus import LEADS, images, records, write_record


@pytest.fixture(scope="module")
def corpus(made, tmp_path_factory):
    """A folder of unusable files with one valid page."""
    folder = tmp_path_factory.mktemp("corpus")
    expected = {}
    for name, (content, word) in images(made.pages["00001"]).items():
        (folder / name).write_bytes(content)
        expected[name] = word
    expected |= records(folder)
    (folder / "good.png").write_bytes(made.pages["00001"])
    return folder, expected


def test_unusable_files_get_one_line_each_and_the_rest_is_predicted(made, corpus, capsys):
    folder, expected = corpus
    status, out, err = run(capsys, made.model, folder, "--json")
    document = json.loads(out)
    assert status == 1 and "Traceback" not in err
    assert [one["name"] for one in document["predictions"]] == [str(folder / "good.png")]
    lines = err.splitlines()
    assert lines[-1] == f"ecgpipe: 1 page predicted, {len(expected)} files or pages failed (listed above)"
    assert lines[:-1] == [f"ecgpipe: {error}" for error in document["errors"]] and len(lines) == len(expected) + 1
    for name, word in expected.items():
        own = [line for line in lines if re.search(rf"[/ ]{re.escape(name.removesuffix('.hea'))}\b", line)]
        assert len(own) == 1 and word in own[0], (name, own)


def test_a_record_without_permission_does_not_stop_the_others(made, monkeypatch, capsys):
    seen = []

    def first_is_refused(*arguments, **options):
        seen.append(arguments)
        if len(seen) == 1:
            raise PermissionError(13, "Permission denied", "00001_lr.hea")
        return read_signal(*arguments, **options)

    monkeypatch.setattr("ecgpipe.predict.pages.read_signal", first_is_refused)
    status, out, err = run(capsys, made.model, *(made.source / made.paths[name] for name in ("00001", "00002")))
    assert status == 1 and "00002_lr.hea" in out
    assert "00001_lr.hea: cannot be read (Permission denied); check its permissions" in err


@pytest.mark.parametrize("where", ["reading", "predicting"])
def test_an_unexpected_error_does_not_lose_the_other_pages(made, where, monkeypatch, tmp_path, capsys):
    for name in ("00001", "00002", "00003"):
        (tmp_path / f"{name}.png").write_bytes(made.pages[name])
    target, name = (PageReader, "_picture") if where == "reading" else (Predictor, "predict")
    whole, seen = getattr(target, name), []

    def second_fails(self, argument):
        seen.append(argument)
        if len(seen) == 2:
            raise KeyError("a key")
        return whole(self, argument)

    monkeypatch.setattr(target, name, second_fails)
    status, out, err = run(capsys, made.model, tmp_path, "--json")
    document = json.loads(out)
    assert status == 1 and "Traceback" not in err
    assert [one["name"] for one in document["predictions"]] == [str(tmp_path / f"{n}.png") for n in ("00001", "00003")]
    (error,) = document["errors"]
    assert error.startswith(f"{tmp_path / '00002.png'}: unexpected KeyError: 'a key'")


def test_an_output_that_is_not_finite_is_an_error_of_its_page(made):
    """JSON has no NaN, so that the document of all pages could not be printed."""
    blank = np.zeros((8, 8), np.uint8)
    pages = [InputPage(name, "image", blank, blank) for name in ("a.png", "b.png")]
    with pytest.raises(DataError, match=r"b\.png: the model's output is not finite"):
        predictions_of(pages, np.array([[0.0, 1.0], [np.nan, 1.0]]), SavedModel.read(made.model), None)


def test_a_record_of_eight_leads_with_derive_leads(made, corpus, capsys):
    status, out, _ = run(capsys, made.model, corpus[0] / "eight", "--derive-leads")
    assert status == 0 and "eight.hea" in out


def test_a_long_record_gets_a_note(made, tmp_path, capsys):
    status, out, _ = run(capsys, made.model, write_record(tmp_path, "long", LEADS, seconds=30))
    assert status == 0 and "note: the page shows the first 10 s of 30 s" in out


def test_a_link_to_nothing_does_not_stop_the_other_files_of_its_folder(made, tmp_path, capsys):
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes(made.pages["00001"])
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere")
    status, out, _ = run(capsys, made.model, tmp_path, "--json")
    document = json.loads(out)
    assert status == 1 and document["errors"] == [f"{tmp_path}/b.png: no such file or record; check the name"]
    assert [one["name"] for one in document["predictions"]] == [str(tmp_path / name) for name in ("a.png", "c.png")]


def test_empty_folders_and_missing_files(made, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing here")
    status, out, err = run(capsys, made.model, tmp_path / "empty", tmp_path / "nowhere")
    assert status == 1 and out == ""
    assert "empty: no images, PDF files or WFDB headers in this folder; give another folder" in err
    assert "nowhere: no such file or record; check the name" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version 99, but this ecgpipe reads 1;"),
        ({"preprocessing": None}, "has no key preprocessing"),
        ({"classes": ["A", "B", "C"]}, "these weights are not of the model"),
    ],
)
def test_unusable_models(made, tmp_path, capsys, change, message):
    model = tmp_path / "model"
    shutil.copytree(made.model, model)
    (model / "config.json").write_text(json.dumps(json.loads((model / "config.json").read_text()) | change))
    status, out, err = run(capsys, model, made.source / made.paths["00001"])
    assert status == 1 and out == "" and message in err and "Traceback" not in err


def test_folders_without_a_model(made, tmp_path, capsys):
    status, _, err = run(capsys, tmp_path, made.source / made.paths["00001"])
    assert status == 1 and "no images, PDF files or WFDB headers in this folder" in err
    status, _, err = run(capsys, made.run, made.source / made.paths["00001"])
    assert status == 1 and f"give {made.model}" in err


def test_unknown_class_of_the_overlay(made, capsys, tmp_path):
    record = made.source / made.paths["00001"]
    status, _, err = run(capsys, made.model, record, "--cam", tmp_path, "--cam-class", "mi")
    assert status == 1 and "--cam-class 'mi' is not a class of this model: NORM, MI" in err


def test_random_damage_raises_only_data_errors(made):
    reader = Predictor(made.model).reader()
    reader.config = PreprocessConfig(size=64, variant="paper")  # small: the test is about reading
    rng, seen = np.random.default_rng(0), {True: 0, False: 0}
    sound = {name: content for name, (content, _) in images(made.pages["00001"]).items() if name.endswith(".pdf")}
    sound |= {"good.png": made.pages["00001"]}
    for name, content in sound.items():
        for _ in range(4):
            data = bytearray(content)
            for at in rng.integers(0, min(len(data), 400), 3):
                data[at] = rng.integers(0, 256)
            for page in reader.read_content(bytes(data), name):
                seen[isinstance(page, Exception)] += 1
    assert seen[True] > 10
