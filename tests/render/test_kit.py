"""ECG-Image-Kit as the renderer: reading its real files, and every way in which running it can fail.

The kit is not part of the tests. Where its running is tested, a small program stands in for it (kit_stand_in.py).
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.render.kit import SCRIPT, read_kit_page, run_kit, script_of
from ecgpipe.render.shard import render_shard
from tests.render.kit_stand_in import stand_in


def config(tool: Path, **keys) -> RenderConfig:
    return RenderConfig(renderer="ecg-image-kit", kit_path=str(tool), kit_python=sys.executable, **keys)


@pytest.fixture
def copy(tmp_path):
    simulate_dataset(tmp_path / "raw", records=3, seed=2)
    return tmp_path / "raw"


def run(copy, settings, strict=False):
    names = [f"{i:05d}" for i in (1, 2, 3)]
    records = pd.DataFrame({"record_id": names, "path": [f"records100/00000/{name}_lr" for name in names]})
    files = copy.parent / "pages.parquet", copy.parent / "problems.parquet"
    return render_shard(records, copy, 100, settings, *files, title="t", strict=strict), *files


@pytest.mark.realdata
def test_the_kits_real_files_become_pages(shared_data):
    for path in sorted((shared_data / "kit-pages").glob("*.json")):
        page = read_kit_page(path, path.stem[:5])
        assert page.image == path.with_suffix(".png").read_bytes()
        boxes, kit = json.loads(page.boxes), json.loads(path.read_text())
        assert (boxes["width"], boxes["height"], len(boxes["leads"])) == (2200, 1700, 13)
        assert boxes["leads"][0]["lead_bounding_box"] == kit["leads"][0]["lead_bounding_box"]
        assert boxes["leads"][0].keys() == KEPT_KEYS


KEPT_KEYS = {"lead_name", "lead_bounding_box", "text_bounding_box", "start_sample", "end_sample"}


@pytest.mark.realdata
def test_a_shard_is_one_run_and_missing_pages_are_listed(copy, shared_data, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    settings = config(stand_in(tmp_path / "tool", shared_data / "kit-pages"))
    count, pages, problems = run(copy, settings)  # the kit's pages are of 1 and 2 and not of 3
    assert count == 2
    assert [page.record_id for page in read_pages(pages)] == ["00001", "00002"]
    assert PROBLEMS.read(problems)[["record_id", "problem"]].to_numpy().tolist() == [["00003", "missing-page"]]
    assert list(scratch.iterdir()) == []
    with pytest.raises(DataError, match="00003"):
        run(copy, settings, strict=True)
    assert list(scratch.iterdir()) == []


@pytest.mark.realdata
def test_pages_without_lead_names_have_no_text_boxes(copy, shared_data, tmp_path):
    settings = config(stand_in(tmp_path / "tool", shared_data / "kit-pages"), lead_names=False)
    count, pages, _ = run(copy, settings)
    assert count == 2
    leads = [lead for page in read_pages(pages) for lead in json.loads(page.boxes)["leads"]]
    assert {lead.keys() == KEPT_KEYS and not lead["text_bounding_box"] for lead in leads} == {True}
    assert all(lead["lead_bounding_box"] for lead in leads)


def test_a_missing_or_wrong_path_is_an_error(tmp_path):
    with pytest.raises(ValidationError, match="kit_path"):
        RenderConfig(renderer="ecg-image-kit")
    with pytest.raises(ValidationError, match="degrade"):
        RenderConfig(renderer="ecg-image-kit", kit_path="x", degrade={"level": "scan"})
    with pytest.raises(ConfigError, match=r"kit_path.*nowhere.*gen_ecg_images_from_data_batch"):
        run_kit(tmp_path, tmp_path, config(tmp_path / "nowhere"))
    inner = tmp_path / "checkout" / "codes" / "ecg-image-generator"
    stand_in(inner, tmp_path)
    assert script_of(str(inner.parents[1])) == (inner / SCRIPT).resolve()
    missing = RenderConfig(renderer="ecg-image-kit", kit_path=str(inner), kit_python="no-such-python")
    with pytest.raises(ConfigError, match=r"kit_python no-such-python"):
        run_kit(tmp_path, tmp_path, missing)


def test_the_error_of_a_failing_tool_is_quoted(copy, tmp_path):
    broken = stand_in(tmp_path / "tool", tmp_path, "sys.exit('no module named tensorflow')")
    with pytest.raises(DataError, match=r"status 1:\nno module named tensorflow"):
        run(copy, config(broken))
    assert not (tmp_path / "pages.parquet").exists()


def test_a_tool_that_takes_too_long_is_stopped(copy, tmp_path, monkeypatch):
    monkeypatch.setattr("ecgpipe.render.kit.TIMEOUT", 0.5)
    slow = stand_in(tmp_path / "tool", tmp_path, "time.sleep(60)")
    with pytest.raises(DataError, match=r"stopped after 0\.5 s; use smaller shards"):
        run(copy, config(slow))


def test_broken_records_never_reach_the_tool(copy, tmp_path):
    (copy / "records100/00000/00002_lr.dat").write_bytes(b"")
    count, _, problems = run(copy, config(stand_in(tmp_path / "tool", tmp_path)))
    assert count == 0
    listed = PROBLEMS.read(problems).set_index("record_id")["problem"].to_dict()
    assert listed.pop("00002") not in ("missing-page", "")
    assert listed == {"00001": "missing-page", "00003": "missing-page"}


@pytest.mark.parametrize("text", ["{", "[]", '{"leads": []}', '{"leads": 3}'])
def test_a_broken_description_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "1-0.json").write_text(text)
    (tmp_path / "1-0.png").write_bytes(b"")
    with pytest.raises(RecordError, match=r"1-0\.json.*not a page description"):
        read_kit_page(tmp_path / "1-0.json", "1")
    shutil.rmtree(tmp_path)
