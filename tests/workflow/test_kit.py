"""ECG-Image-Kit in the workflow: a stand-in with pages that the kit drew."""

import sys

import pandas as pd
import pytest

from ecgpipe.artifacts.tables import IMAGE_INDEX
from tests.render.kit_stand_in import stand_in
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.realdata]


DRAWN = ("00001", "00002", "00008")  # the first ten records of which the kit's pages are available


def test_the_kits_pages_become_images_and_a_missing_kit_is_reported(tmp_path, shared_data):
    folder = copy_project(tmp_path / "project")
    kit = Workflow(folder, (folder / "tiny.yaml",))
    kit.replace("tiny.yaml", "records: 60", "records: 10")
    kit.append("tiny.yaml", f"render: {{renderer: ecg-image-kit, kit_path: kit, kit_python: {sys.executable}}}\n")
    failed = kit.run("images", check=False)
    assert failed.returncode and "render.kit_path kit: found no gen_ecg_images" in failed.stdout + failed.stderr
    stand_in(folder / "kit", shared_data / "kit-pages")
    kit.run("images")
    results = folder / "results/tiny/simulated"
    assert IMAGE_INDEX.read(results / "images/00000.index.parquet")["record_id"].tolist() == [*DRAWN]
    problems = pd.read_parquet(results / "pages/00000.problems.parquet")
    assert set(problems["problem"]) == {"missing-page"}
    assert len(problems) == 7
    assert not {*DRAWN} & set(problems["record_id"])
