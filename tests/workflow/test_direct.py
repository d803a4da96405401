"""``keep_pages: false`` on scanned pages, with controls: everything but the pages files, and the same images."""

import re

import pytest

from ecgpipe.artifacts.image_index import IMAGE_INDEX
from tests.workflow.conftest import Workflow, copy_project

pytestmark = pytest.mark.workflow

SCANNED = "render: {degrade: {level: scan, seed: 4}}\n"
IMAGES = "results/tiny/simulated/images"


def test_direct_images_of_scans_are_those_of_kept_pages_and_all_stages_run(tmp_path):
    folder = copy_project(tmp_path / "project")
    direct = Workflow(folder, (folder / "tiny.yaml",), ("keep_pages=false",))
    direct.replace("tiny.yaml", "enabled: []", "enabled: [outside]")
    direct.append("tiny.yaml", SCANNED)
    direct.run("all")
    assert not direct.plan()
    pages = folder / "results/tiny/simulated/pages"
    assert [file.name for file in sorted(pages.iterdir())] == [
        "00000.problems.parquet",
        "00040.problems.parquet",
    ]
    html = (folder / "results/tiny/report/index.html").read_text()
    assert html.count("data:image/webp") >= 6  # five example pages and a sheet of overlays
    assert (folder / "results/tiny/simulated/paper/control-outside/seed-0/metrics.json").is_file()
    refused = direct.run("-n", "pages", check=False)
    assert refused.returncode and "keep_pages is false" in refused.stdout + refused.stderr

    # what a change sets off
    downstream = {"split", "prepare", "train", "predict", "evaluate", "explain", "report"}
    rendering = Workflow(folder, direct.configs, (*direct.overrides, "render={gain: 5}"))
    plan = rendering.plan()
    assert plan["direct"] == 2 and downstream <= plan.keys()
    report = Workflow(folder, direct.configs, (*direct.overrides, "report={examples: 2}"))
    assert report.plan() == {"report": 1, "all": 1}

    # the same with kept pages, in several processes
    kept = Workflow(folder, direct.configs, ("keep_pages=true", "results=results/kept"))
    kept.run("images", "--set-threads", "render=2", "preprocess=2")
    ids = []
    for shard in ("00000", "00040"):
        for file in (f"{shard}.npy", f"{shard}.index.parquet"):
            there = folder / IMAGES.replace("tiny", "kept") / file
            assert there.read_bytes() == (folder / IMAGES / file).read_bytes(), file
        ids += IMAGE_INDEX.read(folder / IMAGES / f"{shard}.index.parquet")["record_id"].tolist()
    assert len(ids) >= 55
    log = (folder / "results/kept/logs/render/simulated/00000.log").read_text()
    assert re.search(r"render simulated/00000: \d+ records in", log)
