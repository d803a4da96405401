"""`ecgpipe predict` gives the predictions of the workflow for every kind of file, with calibration and warnings."""

import io
import json
import re
import shutil
from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image
from torch import nn

from ecgpipe.cli.predict import CAM_METHODS
from ecgpipe.config.analysis import SaliencyMethod
from ecgpipe.config.pages import DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import ConfigError
from ecgpipe.predict import NOTICE, Prediction, Predictor
from ecgpipe.predict.output import format_prediction
from ecgpipe.predict.prediction import ThresholdResult
from ecgpipe.preprocess.apply import preprocess_file
from ecgpipe.render.shard import PageRenderer
from tests.conftest import encoded
from tests.predict.conftest import DPI, run


@pytest.fixture(scope="session")
def predictor(made):
    return Predictor(made.model)


def pages_of(predictor, path):
    return list(predictor.reader().read(path))


def test_a_record_is_predicted_as_in_the_workflow(made, predictor):
    """Image and probabilities are identical, from the signal on."""
    for row in (0, 5, 11):
        name = str(made.predictions.record_ids[row])
        (page,) = pages_of(predictor, (made.source / made.paths[name]).with_suffix(".hea"))
        assert page.kind == "record" and np.array_equal(page.image, made.images[name])
        (prediction,) = predictor.predict([page])
        assert np.allclose(prediction.uncalibrated, made.predictions.probabilities[row], atol=1e-6)
        fitted = predictor.saved.calibration
        assert np.allclose(prediction.probabilities, fitted.probabilities(made.predictions.logits[[row]], "single")[0])
        for label, rows in predictor.saved.thresholds.items():
            own = prediction.uncalibrated[prediction.classes.index(label)]
            assert [t.reached for t in prediction.thresholds[label]] == [own >= (r["threshold"] or 2) for r in rows]


def test_a_page_is_predicted_as_in_the_workflow(made, predictor, tmp_path):
    for name in list(made.pages)[:2]:
        file = tmp_path / f"{name}.png"
        file.write_bytes(made.pages[name])
        (page,) = pages_of(predictor, file)
        drawn, near = made.images[name], np.ones((5, 5), np.uint8)  # the traces are found, not known
        shifts = [(y, x) for y in range(-2, 3) for x in range(-8, 9)]  # the ends of the rows, to 3 mm
        found = max((np.roll(page.image, shift, (0, 1)) for shift in shifts), key=lambda image: (drawn & image).sum())
        assert (drawn & cv2.dilate(found, near)).sum() > 0.95 * drawn.sum()
        assert (found & cv2.dilate(drawn, near)).sum() > 0.95 * found.sum()
        assert not page.rectified and page.page.shape[1] > page.page.shape[0]


def test_a_photo_is_rectified_and_preprocessed_as_in_training(made, predictor, tmp_path):
    config = RenderConfig(dpi=DPI, degrade=DegradeConfig(level="photo", seed=2))
    page = PageRenderer(made.source, None, config).page(("00003", made.paths["00003"]))
    file = tmp_path / "photo.jpg"
    file.write_bytes(page.encode())
    (found,) = pages_of(predictor, file)
    assert np.array_equal(found.image, preprocess_file(page.encode(), "photo.jpg", PreprocessConfig()))
    assert found.rectified and found.page.shape != page.image.shape
    # the readable page lies as the image does: what is ink there is dark here
    page_of_image = np.asarray(Image.fromarray(found.page).convert("L").resize((640, 640), Image.Resampling.BOX))
    ink = found.image == 1
    assert page_of_image[ink].mean() < page_of_image[~ink].mean() - 40


@pytest.fixture(scope="session")
def files(made, tmp_path_factory):
    """The same page in every kind of file; two pages in TIFF and PDF."""
    folder = tmp_path_factory.mktemp("files")
    first, second = (Image.open(io.BytesIO(made.pages[name])).convert("RGB") for name in ("00001", "00002"))
    first.save(folder / "a.png")
    first.save(folder / "b.jpg", quality=95)
    first.save(folder / "c.bmp")
    first.save(folder / "d.webp", lossless=True)
    first.save(folder / "e.tif", save_all=True, append_images=[second])
    first.save(folder / "f.pdf", save_all=True, append_images=[second], resolution=DPI)
    return folder


def test_every_kind_of_file_and_every_page(made, predictor, files):
    header = (made.source / made.paths["00002"]).with_suffix(".hea")
    second = predictor.predict(pages_of(predictor, header))[0].uncalibrated
    counts, expected = {}, None
    for file in sorted(files.iterdir()):
        predictions = predictor.predict(pages_of(predictor, file))
        counts[file.suffix] = len(predictions)
        expected = predictions[0].uncalibrated if expected is None else expected  # of a.png
        assert np.allclose(predictions[0].uncalibrated, expected, atol=0.02), file
        if len(predictions) > 1:
            assert [one.name for one in predictions] == [f"{file}, page 1", f"{file}, page 2"]
            assert np.allclose(predictions[1].uncalibrated, second, atol=0.02)
    assert counts == {".png": 1, ".jpg": 1, ".bmp": 1, ".webp": 1, ".tif": 2, ".pdf": 2}


def test_predict_command(made, files, tmp_path, capsys):
    record = made.source / made.paths["00001"]
    status, out, err = run(capsys, made.model, files / "b.jpg", record, record.with_suffix(".dat"), "--cam", tmp_path)
    assert status == 0 and NOTICE in out and "Traceback" not in err
    assert "Probabilities are calibrated (temperature scaling on 6 validation records)" in out
    assert out.count("Most probable") == 2  # two pages, since one record was named twice
    overlays = sorted(tmp_path.glob("*.png"))
    assert len(overlays) == 2 and str(overlays[0]) in out
    drawn = np.asarray(Image.open(overlays[1]).convert("RGB")).astype(int)
    label = re.search(r"b\.jpg.*\n  Most probable: (NORM|MI)\b", out)[1]
    assert overlays[1].name == f"b-{label}.png"
    assert 0.01 < (np.ptp(drawn, axis=2) > 60).mean() < 0.99  # grey page, coloured map


@pytest.mark.parametrize(("task", "why"), [("single", "most probable"), ("multilabel", "predicted: 50% or more")])
def test_a_class_may_reach_its_threshold_without_being_the_most_probable(task, why):
    thresholds = {
        "MI": (ThresholdResult(0.9, 0.4, "validation", False),),
        "STTC": (ThresholdResult(0.9, 0.1, "v", True),),
    }
    numbers = np.array([0.6, 0.2]), np.array([0.6, 0.2])
    one = Prediction("x", "image", task, ("MI", "STTC"), *numbers, ("MI",), thresholds, None, False, ())
    description = {"trained_on": {"dataset": "ptb-xl"}, "calibration": None}
    summary, first, second, sure = format_prediction(one, description).splitlines()[1:]
    assert sure.startswith("  How sure: ")
    assert summary == "  Most probable: MI (myocardial infarction), 60%."
    assert first.endswith(f"  {why}") and second.endswith("  above the threshold of 90% specificity")
    assert "called" not in json.dumps(one.to_dict())


def test_json_of_a_folder(made, files, tmp_path, capsys):
    folder = tmp_path / "some"
    (folder / "below").mkdir(parents=True)
    shutil.copy(files / "e.tif", folder / "below")
    shutil.copy(files / "d.webp", folder)
    (folder / "notes.txt").write_text("left alone")
    status, out, _ = run(capsys, made.model, folder, "--json")
    document = json.loads(out)
    assert status == 0 and document["errors"] == []
    names = [str(folder / "below" / "e.tif, page 1"), str(folder / "below" / "e.tif, page 2"), str(folder / "d.webp")]
    assert [one["name"] for one in document["predictions"]] == names
    assert document["notice"] == NOTICE and document["model"]["calibration"]["records"] == 6
    one = document["predictions"][0]
    assert sum(entry["probability"] for entry in one["classes"].values()) == pytest.approx(1)
    assert sum(entry["uncalibrated"] for entry in one["classes"].values()) == pytest.approx(1)
    assert one["predicted"][0] == max(one["classes"], key=lambda name: one["classes"][name]["probability"])
    found = one["out_of_distribution"]
    assert found["score"] == max(found["features"], found["ink"]) and found["unusual"] == (found["score"] > 1)


def test_a_picture_without_an_ecg_is_refused(made, tmp_path, capsys):
    picture = np.full((600, 800, 3), 250, np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(60):  # a scribble
        x, y = rng.integers(40, 560, 2)
        picture[y : y + 4, x : x + 100] = 10
    Image.fromarray(picture).save(tmp_path / "scribble.png")
    status, out, err = run(capsys, made.model, tmp_path / "scribble.png")
    assert status == 1 and not out and "scribble.png: no ECG was found" in err


def test_unusual_images_are_marked(made, predictor):
    (page,) = pages_of(predictor, (made.source / made.paths["00001"]).with_suffix(".hea"))
    noise = (np.random.default_rng(0).random(page.image.shape) > 0.7).astype(np.uint8)
    usual, unusual = predictor.predict([page, replace(page, image=noise)])
    assert not usual.ood.unusual and unusual.ood.unusual
    text = format_prediction(unusual, predictor.description)
    assert "Unusual: this image differs from the training images" in text


def test_a_page_on_its_side_is_predicted_like_the_upright_one(made, predictor):
    """tests/reader/test_page.py turns it to every side."""
    upright = Image.open(io.BytesIO(made.pages["00001"])).convert("RGB")
    probabilities = []
    for picture in (upright, upright.rotate(90, expand=True)):
        (page,) = predictor.reader().read_content(encoded(picture, "PNG", compress_level=1), "page.png")
        probabilities.append(predictor.predict([page])[0].uncalibrated)
    assert np.allclose(*probabilities, atol=0.05)


def changed_model(made, folder, **changes):
    """A copy of the model with a changed config.json."""
    shutil.copytree(made.model, folder)
    content = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items() if value != "gone"}))
    return folder


def test_a_model_without_the_optional_parts(made, files, tmp_path, capsys):
    model = changed_model(made, tmp_path / "old", calibration="gone", ood="gone", drawing="gone")
    status, out, _ = run(capsys, model, files / "a.png")
    assert status == 0 and "has no calibration" in out and "No out-of-distribution score available" in out
    status, _, err = run(capsys, model, made.source / made.paths["00001"])
    assert status == 1 and "--layout kit" in err
    status, out, _ = run(capsys, model, made.source / made.paths["00001"], "--layout", "kit", "--json")
    assert status == 0 and json.loads(out)["predictions"][0]["out_of_distribution"] is None


def test_multilabel_predicts_any_number_of_classes(made, tmp_path):
    changes = {"scale": [1.0, 1.0], "offset": [9.0, 9.0], "method": "platt", "fitted_on": "validation", "records": 6}
    predictor = Predictor(changed_model(made, tmp_path / "many", task="multilabel", calibration=changes))
    (prediction,) = predictor.predict(pages_of(predictor, (made.source / made.paths["00001"]).with_suffix(".hea")))
    assert (
        prediction.predicted == ("NORM", "MI")
        and (prediction.probabilities > 0.9).all()
        and (prediction.uncalibrated < 0.9).any()
    )


class WithoutMaps(nn.Module):
    """A user-defined model that names no layer with feature maps."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return self.inner(images)


def test_a_model_without_feature_maps_has_overlays(made):
    predictor = Predictor(made.model)
    (page,) = pages_of(predictor, (made.source / made.paths["00001"]).with_suffix(".hea"))
    predictor.model = WithoutMaps(predictor.model).eval()
    with pytest.raises(ConfigError, match="which Grad-CAM requires"):
        predictor.overlay(page, "MI", "gradcam")
    assert np.array_equal(predictor.overlay(page, "MI"), predictor.overlay(page, "MI", "integrated-gradients"))


def test_cam_methods_are_those_of_the_configuration():
    """The command has its own list, so that --help does not import pydantic."""
    assert get_args(SaliencyMethod) == CAM_METHODS
