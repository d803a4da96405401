"""Digitized pages in the workflow, and what other weights of the page reader run again."""

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.files import read_checksum
from ecgpipe.artifacts.tables import IMAGE_INDEX, PROBLEMS
from ecgpipe.config.pages import READER_WEIGHTS, RenderConfig
from ecgpipe.render.page import render_page
from tests.conftest import PROJECT
from tests.preprocess.pages import beats
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]

SETTINGS = """
datasets: [scans, simulated]
simulated: {records: 10}
own: {scans: {kind: images, source: scans, shards: 1}}
"""
DIGITIZED = ("preprocess={from: digitized, size: 320}", "datasets=[scans]")


@pytest.fixture
def scans(tmp_path) -> Workflow:
    """Two pages and a white one, and ten simulated records."""
    folder = copy_project(tmp_path / "project")
    for number, (name, layout) in enumerate({"normal": "6x2", "infarction": "kit"}.items()):
        (folder / "scans" / name).mkdir(parents=True)
        page = render_page(beats(number), 500, RenderConfig(layout=layout, dpi=100)).image
        cv2.imwrite(str(folder / f"scans/{name}/{number}.png"), page[..., ::-1])
    cv2.imwrite(str(folder / "scans/normal/white.png"), np.full((600, 800), 255, np.uint8))
    (folder / "scans.yaml").write_text(SETTINGS)
    return Workflow(folder, (folder / "tiny.yaml", folder / "scans.yaml"))


def change_weights(workflow: Workflow) -> None:
    path = workflow.folder / READER_WEIGHTS.relative_to(PROJECT)
    path.write_bytes(path.read_bytes() + b" ")


def test_pages_are_digitized_once_and_again_with_other_weights(scans):
    digitized = Workflow(scans.folder, scans.configs, DIGITIZED)
    digitized.run("images", "results/tiny/scans/baselines/00.npz")
    folder = scans.folder / "results/tiny/scans"
    assert len(IMAGE_INDEX.read(folder / "images/00.index.parquet")) == 2
    assert not len(PROBLEMS.read(folder / "images/00.problems.parquet"))
    assert read_checksum(folder / "digitized/00.npz")
    problems = PROBLEMS.read(folder / "digitized/00.problems.parquet")
    assert problems[["stage", "problem"]].values.tolist() == [["digitize", "unusable-page"]]
    assert problems["file"][0].endswith("scans/normal/white.png")
    planned = digitized.plan("results/tiny/report/index.html")
    assert not {"digitize", "preprocess"} & planned.keys()
    coverage = Workflow(scans.folder, scans.configs, ("preprocess={from: digitized, coverage: 0.3}", DIGITIZED[1]))
    assert coverage.plan("images") == {"preprocess": 1, "images": 1}
    reference = digitized.plan("results/tiny/scans/paper/baseline-digitized/seed-0/predictions.parquet")
    assert reference["baseline_digitized"] == reference["baseline_reference"] == 1 and "digitize" not in reference
    change_weights(scans)
    assert digitized.plan("images") == {"digitize": 1, "preprocess": 1, "images": 1}


def test_other_weights_run_only_images_that_the_reader_made(scans):
    scans.run("images")
    assert scans.plan("images") == {}
    change_weights(scans)
    assert scans.plan("images") == {"preprocess": 1, "images": 1}  # not those of simulated records
