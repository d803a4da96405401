"""`snakemake box` makes a model that `ecgpipe predict` can use."""

import json

import pytest

from ecgpipe.artifacts.digitized import read_digitized
from ecgpipe.cli import main
from ecgpipe.models.recording_folder import load_recording_model
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]

SETTINGS = """
results: results/box
datasets: [simulated]
keep_pages: false
simulated: {records: 150, seed: 3, mix: balanced}
labels: {policy: multilabel}
evaluate: {resamples: 100}
baselines: {enabled: [signal]}
box:
  dataset: simulated
  members: 1
  width: 4
  epochs: 2
  batch_size: 16
  precision: fp32
  calibration_every: 2
  looks: {kit/none: 1, 12x1/none: 2}
"""


@pytest.fixture
def small(tmp_path) -> Workflow:
    folder = copy_project(tmp_path / "project")
    (folder / "box.yaml").write_text(SETTINGS)
    return Workflow(folder, (folder / "box.yaml",))


def test_the_box_is_made_and_predicts(small, capsys):
    small.run("box")
    folder = small.folder / "results/box/box"
    net, saved = load_recording_model(folder / "model")
    assert len(net.members) == 1
    assert saved.calibration.fitted_on == "validation"
    metrics = json.loads((folder / "model/metrics.json").read_text())
    looks = metrics["looks"]
    assert list(looks) == ["recording", "kit/none", "12x1/none"]
    assert looks["recording"]["records"] == looks["kit/none"]["records"] > looks["12x1/none"]["records"]
    pages = read_digitized(folder / "pages/12x1-none.npz")
    assert pages[0].details["layout"] == "12x1"
    record = next((small.folder / "results/box/simulated").rglob("*.hea"))
    assert main(["predict", str(folder / "model"), str(record), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["classes"] == list(saved.classes)

    assert small.plan("box") == {}
    other = Workflow(small.folder, small.configs, ("box={epochs: 3}",))
    assert other.plan("box") == {"box_train": 1, "box": 1}  # the digitized pages stay

    again = Workflow(small.folder, small.configs, (f"box={{networks_from: {folder / 'model/weights.safetensors'}}}",))
    assert again.plan("box") == {"box": 1}
    again.run("box")
    assert json.loads((folder / "model/metrics.json").read_text())["looks"] == metrics["looks"]
