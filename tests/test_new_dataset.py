"""`ecgpipe new-dataset` writes a valid dataset and configuration."""

import pytest
import yaml

from ecgpipe.acquire.own import list_own_records
from ecgpipe.cli import main
from ecgpipe.config.schema import validate_config


@pytest.mark.parametrize(("kind", "patients"), [("signals", True), ("images", False)])
def test_the_new_dataset_is_valid(kind, patients, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecgpipe.cli.new.EXAMPLE_RECORDS", 4)
    assert main(["new-dataset", "clinic", "--kind", kind]) == 0
    config = validate_config(yaml.safe_load((tmp_path / "clinic/clinic.yaml").read_text()))
    records, problems = list_own_records("clinic", config.own["clinic"])
    assert len(records) == 4
    assert not problems
    assert records["patient_id"].notna().all() == patients
    trial = yaml.safe_load((tmp_path / "clinic/trial.yaml").read_text())
    validate_config(yaml.safe_load((tmp_path / "clinic/clinic.yaml").read_text()) | trial)
    before = (tmp_path / "clinic/clinic.yaml").read_bytes()
    assert main(["new-dataset", "clinic"]) == 1  # nothing is overwritten
    assert "clinic: " in capsys.readouterr().err
    assert (tmp_path / "clinic/clinic.yaml").read_bytes() == before


def test_reserved_names_are_refused(tmp_path, capsys):
    assert main(["new-dataset", str(tmp_path / "simulated")]) == 1
    assert "'simulated'" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
