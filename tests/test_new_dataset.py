"""`ecgpipe new-dataset` writes a valid dataset and a configuration that is worth running."""

import csv
import importlib.util
import shlex
from pathlib import Path

import pytest
import yaml

from ecgpipe.acquire.own import list_own_records
from ecgpipe.cli import main
from ecgpipe.config.base import merge
from ecgpipe.config.data import protocol_parts
from ecgpipe.config.schema import validate_config


@pytest.fixture(params=["signals", "images"])
def made(request, tmp_path, monkeypatch):
    """The kind, and the content of both files of the configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecgpipe.cli.new.EXAMPLE_RECORDS", 4)
    assert main(["new-dataset", "clinic", "--kind", request.param]) == 0
    return request.param, *(yaml.safe_load(Path(f"clinic/{name}.yaml").read_text()) for name in ("clinic", "trial"))


def test_the_new_dataset_is_valid(made, tmp_path, capsys):
    kind, values, _ = made
    records, problems = list_own_records("clinic", validate_config(values).own["clinic"])
    assert len(records) == 4
    assert not problems
    assert records["patient_id"].notna().all() == (kind == "signals")
    before = (tmp_path / "clinic/clinic.yaml").read_bytes()
    assert main(["new-dataset", "clinic"]) == 1  # nothing is overwritten
    assert "clinic: " in capsys.readouterr().err
    assert (tmp_path / "clinic/clinic.yaml").read_bytes() == before


def test_the_name_of_the_folder_may_have_odd_characters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecgpipe.cli.new.EXAMPLE_RECORDS", 2)
    folder = 'my "scans": #2'
    assert main(["new-dataset", folder, "--name", "scans"]) == 0
    values = yaml.safe_load((tmp_path / folder / "scans.yaml").read_text())
    assert values["own"]["scans"]["source"] == f"{folder}/records"
    for text in (capsys.readouterr().out, (tmp_path / folder / "README.md").read_text()):
        (line,) = (line for line in text.splitlines() if "snakemake --cores 2" in line)
        assert shlex.split(line)[-2:] == [f"{folder}/scans.yaml", f"{folder}/trial.yaml"]
    assert main(["new-model", "my #1", "--name", "net"]) == 0
    values = yaml.safe_load((tmp_path / "my #1/net.yaml").read_text())
    assert values["variants"]["net"]["plugin"] == "my #1/net.py"


def test_the_recipe_is_for_small_datasets(made):
    kind, values, _ = made
    config = validate_config(values)
    runs = config.benchmark.of("clinic")
    (model,) = runs.models
    recipe, settings = config.train_of(model), config.model_of(model)
    assert 224 <= settings.image_size <= 320 and max(settings.options["channels"]) < 512
    assert recipe.focal_gamma == 0 and recipe.focal_alpha == "none" and recipe.learning_rate > 1e-4
    assert recipe.epochs <= 20
    assert len(protocol_parts(runs.protocols[0])) == 5  # every record is tested
    if kind == "signals":
        assert recipe.init_from == "simulated/patient/resnet18"
        assert config.train_of("resnet34+pretrained").init_from == "simulated/patient/resnet34"
        assert runs.protocols == ("patient-cv5",) and "signal" in config.baselines.enabled
        assert not config.benchmark.of("simulated").baselines


def test_the_trial_is_one_small_training_of_the_same_model(made):
    _, values, trial = made
    full, config = validate_config(values), validate_config(merge(values, trial))
    runs = config.benchmark.of("clinic")
    assert runs.models == full.benchmark.of("clinic").models and len(runs.splits) == 1
    assert config.train_of(runs.models[0]).epochs == 2 and config.model_of(runs.models[0]).image_size == 64
    assert config.train_of(runs.models[0]).init_from == full.train_of(runs.models[0]).init_from


def test_the_configuration_states_its_time(made):
    assert "minutes per 1,000" in Path("clinic/clinic.yaml").read_text()


def test_the_labels_name_every_record(tmp_path, monkeypatch):
    monkeypatch.setattr("ecgpipe.cli.new.EXAMPLE_RECORDS", 4)
    assert main(["new-dataset", str(tmp_path / "clinic")]) == 0
    with open(tmp_path / "clinic/records/labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all((tmp_path / f"clinic/records/{row['path']}.hea").is_file() for row in rows) and len(rows) == 4


def test_reserved_names_are_refused(tmp_path, capsys):
    assert main(["new-dataset", str(tmp_path / "simulated")]) == 1
    assert "'simulated'" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_new_model_needs_no_timm(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "timm" else find(name, *rest))
    assert main(["new-model", str(tmp_path / "my_net")]) == 0
    assert main(["new-model", str(tmp_path / "swin")]) == 1
