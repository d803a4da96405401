"""A saved model: written from a run at any stage, usable elsewhere, or refused with a reason."""

import json
import re

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.data import resolve_data_config

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.cli.main import main
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models import load_model
from ecgpipe.models.card import card_text, save_model
from ecgpipe.train.engine import train_run
from ecgpipe.train.prepare import prepare_run

CLASSES = ("NORM", "MI")
METRICS = {
    "role": "test",
    "records": 2,
    "groups": 2,
    "confidence": 0.95,
    "support": {"NORM": 1, "MI": 1},
    "scores": {
        "accuracy": {"value": 0.5, "low": 0.0, "high": 1.0},
        "auc_macro": {"value": None, "low": None, "high": None},
    },
    "per_class": {name: {"auc": {"value": 1.0, "low": None, "high": None}} for name in CLASSES},
    "thresholds": {
        name: [{"asked_specificity": 0.9, "threshold": 0.25, "chosen_on": "validation"}] for name in CLASSES
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run: four training, two validation and two test images."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    ids = [f"{number}" for number in range(8)]
    write_images([pack(rng.integers(0, 2, (64, 64))) for _ in ids], 64, folder / "images.npy")
    prepare_run(
        folder / "run",
        dataset="pictures",
        protocol="patient",
        variant="resnet34",
        seed=1,
        classes=CLASSES,
        task="single",
        record_ids=ids,
        roles=["train"] * 4 + ["validation"] * 2 + ["test"] * 2,
        targets=np.eye(2, dtype=np.uint8)[np.arange(8) % 2],
        images={folder / "images.npy": ids},
        model=ModelConfig(image_size=64, options={"architecture": "resnet10t"}),
        train=TrainConfig(epochs=1, warmup_epochs=0, batch_size=4),
        policy="single",
        preprocess=PreprocessConfig(coverage=0.3),
    )
    train_run(folder / "run")
    return folder / "run"


@pytest.fixture
def saved(run, tmp_path):
    return save_model(run, tmp_path / "saved")


def test_the_loaded_model_is_the_trained_one(run, saved):
    model, config = load_model(saved)
    assert not model.training
    assert config.classes == CLASSES and config.preprocessing.coverage == 0.3
    assert torch.equal(model.fc.weight, load_file(run / "weights.safetensors")["fc.weight"])
    assert model(torch.rand(1, 1, 64, 64)).shape == (1, 2)


def test_config_describes_the_training(saved):
    config = json.loads((saved / "config.json").read_text())
    assert config["training"]["records"] == {"train": 4, "validation": 2, "test": 2}
    assert config["training"]["classes"]["train"] == {"NORM": 2, "MI": 2}
    assert config["training"]["recipe"]["batch_size"] == 4
    assert config["training"]["label_policy"] == "single"
    assert config["preprocessing"] == PreprocessConfig(coverage=0.3).model_dump(mode="json")
    assert config["thresholds"] is None and not (saved / "metrics.json").exists()
    assert "Not evaluated yet" in (saved / "README.md").read_text()


def test_timm_alone_builds_the_model(saved):
    config = json.loads((saved / "config.json").read_text())
    architecture = config["architecture"]
    assert architecture["library"] == "timm"
    model = timm.create_model(architecture["name"], **architecture["arguments"]).eval()
    model.load_state_dict(load_file(saved / "weights.safetensors"))
    x = torch.rand(2, *config["input"]["shape"][1:])
    assert torch.equal(model(x), load_model(saved)[0](x))
    call = re.search(r"timm\.create_model\(.*\)", (saved / "README.md").read_text())[0]
    assert sorted(eval(call).state_dict()) == sorted(model.state_dict())


def test_the_card_of_a_user_defined_model_names_its_file(saved):
    """Neither timm alone nor ecgpipe without the file can build it."""
    own = SavedModel.read(saved)
    own = own.model_copy(update={"model": own.model.model_copy(update={"plugin": "nets/my_net.py"})})
    card = card_text(own, None)
    assert 'load_model("FOLDER", plugin="nets/my_net.py")' in card and "import my_net  #" in card
    assert "timm alone" not in card and card.count("--plugin nets/my_net.py`") == 2
    # `model.plugin` holds for all models, also for those of ecgpipe
    ours = own.model_copy(update={"architecture": own.architecture | {"library": "ecgpipe.models"}})
    card = card_text(ours, None)
    assert 'plugin="nets/my_net.py"' in card and "import ecgpipe.models  #" in card and "import my_net" not in card


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("init_from", "simulated/patient/vit", "Start: the weights of the run simulated/patient/vit."),
        ("continue_from", "short", "Start: the end of the run with the recipe short."),
        ("init_from", None, "Start: random weights."),
    ],
)
def test_the_card_says_what_the_training_started_from(saved, key, value, expected):
    config = SavedModel.read(saved)
    training = config.training | {"recipe": config.training["recipe"] | {key: value}}
    assert expected in card_text(config.model_copy(update={"training": training}), None)


@pytest.mark.parametrize("how", ["ecgpipe", "timm"])
def test_timm_normalises_as_training_does(saved, how):
    """Training feeds 0 and 1; timm's own configuration of this model has ImageNet's mean and deviation."""
    architecture = json.loads((saved / "config.json").read_text())["architecture"]
    own = how == "ecgpipe"
    model = load_model(saved)[0] if own else timm.create_model(architecture["name"], **architecture["arguments"])
    config = resolve_data_config(model=model)
    assert tuple(config["input_size"]) == (1, 64, 64) and config["crop_pct"] == 1
    assert tuple(config["mean"]) == (0,) and tuple(config["std"]) == (1,)


def save_scored(run, metrics, folder):
    """Save the run as a model while it has these scores."""
    (run / "metrics.json").write_text(json.dumps(metrics))
    try:
        return save_model(run, folder)
    finally:
        (run / "metrics.json").unlink()


def test_scores_and_thresholds_are_added_after_the_evaluation(run, tmp_path):
    folder = save_scored(run, METRICS, tmp_path / "scored")
    card = (folder / "README.md").read_text()
    assert "| accuracy | 0.500 | 0.000 to 1.000 |" in card and "| auc macro | not defined |  |" in card
    assert "| MI | 0.25 | 0.9 | validation |" in card and "95% confidence intervals" in card
    narrow = card_text(SavedModel.read(folder), METRICS | {"confidence": 0.975})
    assert "97.5% confidence intervals" in narrow
    assert json.loads((folder / "metrics.json").read_text()) == METRICS
    assert load_model(folder)[1].thresholds["NORM"][0]["threshold"] == 0.25
    save_model(run, folder)  # without metrics.json, the scores of earlier weights are deleted
    assert not (folder / "metrics.json").exists()


def test_calibration_is_added_after_the_evaluation(run, tmp_path):
    fitted = {"method": "temperature", "scale": [0.5, 0.5], "offset": [0, 0], "fitted_on": "validation", "records": 2}
    metrics = METRICS | {"recalibration": fitted | {"left_out": [], "ece": {"before": 0.2, "after": 0.1}}}
    folder = save_scored(run, metrics, tmp_path / "scored")
    calibration = load_model(folder)[1].calibration
    assert np.allclose(calibration.probabilities([[2.0, 0.0]], "single"), [[np.e / (np.e + 1), 1 / (np.e + 1)]])
    assert "divide the logits by 2" in (folder / "README.md").read_text()


def test_out_of_distribution_statistics_require_the_images(run, saved, tmp_path):
    limits = load_model(saved)[1].ood
    assert (limits.training_images, limits.validation_images) == (4, 2) and (saved / "ood.safetensors").is_file()
    assert "distance from 4 training images exceeds that of 99% of 2" in (saved / "README.md").read_text()
    images = run.parent / "images.npy"
    images.rename(tmp_path / "elsewhere.npy")
    try:
        save_model(run, saved)  # without the images, the statistics of earlier weights are deleted
    finally:
        (tmp_path / "elsewhere.npy").rename(images)
    assert load_model(saved)[1].ood is None and not (saved / "ood.safetensors").exists()


def test_a_folder_without_the_optional_parts_is_read(saved):
    path = saved / "config.json"
    old = json.loads(path.read_text())
    path.write_text(json.dumps({key: old[key] for key in old if key not in ("drawing", "calibration", "ood")}))
    model, config = load_model(saved)
    assert config.calibration is None and config.ood is None and config.drawing is None
    assert model(torch.rand(1, 1, 64, 64)).shape == (1, 2)


def test_the_card_has_a_yaml_head(run, saved, tmp_path):
    yaml = pytest.importorskip("yaml")
    folder = save_scored(run, METRICS, tmp_path / "scored")
    for place in (saved, folder):
        head = yaml.safe_load((place / "README.md").read_text().split("---\n")[1])
        assert head["pipeline_tag"] == "image-classification"
    result = head["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.5}] and result["dataset"]["name"] == "pictures"


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format_version": 3}, "format version 3, but this ecgpipe reads 1;"),
        ({"format": "other"}, "not a saved model of ecgpipe"),
        ({"classes": 3}, "config.json: classes: "),
        ({"preprocessing": {"coverage": 7}}, r"config.json: preprocessing.coverage: .*less than or equal to 1"),
    ],
)
def test_an_invalid_config_is_refused(saved, entries, message):
    change(saved, **entries)
    with pytest.raises(DataError, match=message):
        load_model(saved)


def test_an_unknown_architecture_is_refused(saved):
    settings = json.loads((saved / "config.json").read_text())["model"]
    change(saved, variant="my_model", model=settings | {"options": {"architecture": "resnet_of_the_future"}})
    with pytest.raises(ConfigError, match="resnet_of_the_future"):
        load_model(saved)
    change(saved, variant="resnet_of_the_future", model=settings | {"options": {}})
    with pytest.raises(ConfigError, match="resnet_of_the_future"):
        load_model(saved)


def test_weights_that_do_not_fit_are_refused(saved):
    change(saved, classes=["NORM", "MI", "CD"])
    with pytest.raises(DataError, match=r"weights\.safetensors: these weights are not of the model in config\.json"):
        load_model(saved)
    (saved / "weights.safetensors").unlink()  # a hard link to the run's file
    (saved / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"weights\.safetensors: damaged"):
        load_model(saved)
    (saved / "SHA256SUMS.txt").unlink()
    with pytest.raises(DataError, match="not a readable weights file"):
        load_model(saved)


def test_a_run_instead_of_its_model_is_refused(run):
    with pytest.raises(DataError, match="give the folder of a saved model"):
        load_model(run)
    save_model(run)
    with pytest.raises(DataError, match=f"give {run / 'model'}"):
        load_model(run)


def test_an_untrained_run_is_refused(run, tmp_path):
    (tmp_path / "run.json").write_bytes((run / "run.json").read_bytes())
    (tmp_path / "run_index.npz").write_bytes((run / "run_index.npz").read_bytes())
    with pytest.raises(DataError, match="not trained yet"):
        save_model(tmp_path)


def test_round_trip(saved, tmp_path):
    SavedModel.read(saved).write(tmp_path)
    assert (tmp_path / "config.json").read_text() == (saved / "config.json").read_text()


def test_commands(run, tmp_path, capsys):
    assert main(["card", str(run), "-o", str(tmp_path / "m")]) == 0
    assert capsys.readouterr().out.strip().endswith(str(tmp_path / "m"))
    assert main(["export", str(tmp_path / "m"), "-o", str(tmp_path / "m.onnx")]) == 0
    assert "MB, logits within" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "none"), "-o", str(tmp_path / "m.onnx")]) == 1
    assert "config.json: cannot be read" in capsys.readouterr().err


def test_a_folder_of_other_files_is_not_used(run, tmp_path):
    (tmp_path / "README.md").write_text("my notes")
    for folder in (tmp_path, run):
        with pytest.raises(DataError, match="contains other files than a saved model"):
            save_model(run, folder)
    assert (tmp_path / "README.md").read_text() == "my notes"
