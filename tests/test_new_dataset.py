"""What `ecgpipe new-dataset` writes reads as a data set."""

import pytest
import yaml

from ecgpipe.acquire.own import list_own_records
from ecgpipe.cli import main
from ecgpipe.config.schema import validate_config


@pytest.mark.parametrize(("kind", "patients"), [("signals", True), ("images", False)])
def test_its_files_read_as_a_data_set(kind, patients, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ecgpipe.cli.new_dataset.RECORDS", 4)
    assert main(["new-dataset", "clinic", "--kind", kind]) == 0
    config = validate_config(yaml.safe_load((tmp_path / "clinic/clinic.yaml").read_text()))
    records, problems = list_own_records("clinic", config.own["clinic"])
    assert len(records) == 4
    assert not problems
    assert records["patient_id"].notna().all() == patients
    trial = yaml.safe_load((tmp_path / "clinic/trial.yaml").read_text())
    validate_config(yaml.safe_load((tmp_path / "clinic/clinic.yaml").read_text()) | trial)
    assert main(["new-dataset", "clinic"]) == 1  # what is there stays
    assert "is left as it is" in capsys.readouterr().err


def test_names_with_another_meaning_are_refused(tmp_path, capsys):
    assert main(["new-dataset", str(tmp_path / "simulated")]) == 1
    assert "another meaning" in capsys.readouterr().err
