"""``keep_pages: false`` on scanned pages, with a baseline: the same images, and no pages files."""

import pytest

from ecgpipe.artifacts.pages import StoredPages
from ecgpipe.artifacts.tables import IMAGE_INDEX, RECORDS
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.imaging.shard import make_images
from ecgpipe.render.shard import render_shard
from tests.workflow.conftest import Workflow, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.long]

SCANNED = {"level": "scan", "seed": 4}


def test_images_are_the_same_without_pages_files_and_all_stages_run(tmp_path):
    folder = copy_project(tmp_path / "project")
    direct = Workflow(folder, (folder / "tiny.yaml",), ("keep_pages=false",))
    direct.replace("tiny.yaml", "records: 60", "records: 39")
    direct.replace("tiny.yaml", "enabled: []", "enabled: [outside]")
    direct.append("tiny.yaml", f"render: {{degrade: {SCANNED}}}\n")
    direct.run("all")
    results = folder / "results/tiny"
    assert not (results / "simulated/pages").exists()
    html = (results / "report/index.html").read_text()
    assert html.count("data:image/webp") >= 6  # five example pages and a sheet of overlays
    assert (results / "simulated/paper/baseline-outside/seed-0/metrics.json").is_file()
    assert "preprocess simulated/00000" in (results / "logs/preprocess/simulated/00000.log").read_text()
    refused = direct.run("-n", "pages", check=False)
    assert refused.returncode and "keep_pages is false" in refused.stdout + refused.stderr

    assert not direct.plan()
    plan = Workflow(folder, direct.configs, ("keep_pages=false", "render={gain: 5}")).plan()
    assert plan["preprocess"] == 1
    assert {"split", "baseline_features", "prepare", "train", "predict", "evaluate", "explain", "report"} <= plan.keys()

    # the same images with a pages file, in two processes
    records, pages = RECORDS.read(results / "simulated/records.parquet"), tmp_path / "pages.parquet"
    files = [tmp_path / name for name in ("images.npy", "index.parquet", "problems.parquet")]
    config = RenderConfig(degrade=SCANNED)
    render_shard(records, results / "simulated/data", 100, config, pages, files[2], title="t", workers=2)
    make_images(StoredPages([pages]), PreprocessConfig(), *files, title="t", workers=2)
    images = results / "simulated/images"
    assert len(IMAGE_INDEX.read(files[1])) == 39
    assert files[0].read_bytes() == (images / "00000.npy").read_bytes()
    assert files[1].read_bytes() == (images / "00000.index.parquet").read_bytes()
