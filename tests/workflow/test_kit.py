"""ECG-Image-Kit in the workflow: a stand-in that answers as the kit did."""

import sys

import pandas as pd
import pytest

from ecgpipe.artifacts.tables import IMAGE_INDEX
from tests.render.kit_stand_in import stand_in
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]
KEPT = [f"{number:05d}" for number in range(1, 11) if number != 2]


def test_the_kits_pages_become_images_and_only_what_shows_draws_them_again(tmp_path):
    folder = copy_project(tmp_path / "project")
    kit = Workflow(folder, (folder / "tiny.yaml",))
    kit.replace("tiny.yaml", "records: 60", "records: 10")
    kit.append("tiny.yaml", f"render: {{renderer: ecg-image-kit, kit_path: kit, kit_python: {sys.executable}}}\n")
    failed = kit.run("images", check=False)
    assert failed.returncode and "render.kit_path kit: found no gen_ecg_images" in failed.stdout + failed.stderr
    assert not (folder / "resources").exists()  # before anything was downloaded or simulated
    stand_in(folder / "kit", "if name.startswith('00002'): raise ValueError('odd')")
    kit.run("images")
    results = folder / "results/tiny/simulated"
    assert IMAGE_INDEX.read(results / "images/00000.index.parquet")["record_id"].tolist() == KEPT
    problems = pd.read_parquet(results / "pages/00000.problems.parquet")
    assert problems[["record_id", "problem"]].to_numpy().tolist() == [["00002", "kit-failed"]]

    assert kit.plan("images") == {}
    (folder / "kit").rename(folder / "moved")
    kit.replace("tiny.yaml", "kit_path: kit", "kit_path: moved, kit_timeout: 900")
    (folder / "python").symlink_to(sys.executable)
    kit.replace("tiny.yaml", f"kit_python: {sys.executable}", "kit_python: ./python")
    assert kit.plan("images") == {}
    again = {"render": 1, "preprocess": 1, "images": 1}
    kit.replace("tiny.yaml", "kit_timeout: 900", "kit_timeout: 900, kit_options: {wrinkles: true}")
    assert kit.plan("images") == again
    kit.replace("tiny.yaml", ", kit_options: {wrinkles: true}", "")
    assert kit.plan("images") == {}
    (folder / "moved/ecg_plot.py").write_text("new = True\n")
    assert kit.plan("images") == again
