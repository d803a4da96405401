"""ECG-Image-Kit itself, where there is one (`make kit-test`): it still does what is recorded of it."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.shard import render_shard
from tests.render.kit_recording import RECORDING, RUNS, record_kit

KIT, PYTHON = os.environ.get("ECGPIPE_KIT"), os.environ.get("ECGPIPE_KIT_PYTHON")
pytestmark = pytest.mark.skipif(not (KIT and PYTHON), reason="no ECG-Image-Kit: see `make kit-test`")
WAYS = {
    "plain": {},
    "without names": {"lead_names": False},
    "augmented": {
        "kit_options": {"augment": True, "rotate": 5, "wrinkles": True, "random_bw": 0.5, "print_header": True}
    },
    "columns": {"pulse": False, "kit_options": {"num_columns": 2, "full_mode": "V1", "add_qr_code": True}},
}


def test_the_recording_is_what_the_kit_does(tmp_path):
    record_kit(KIT, PYTHON, tmp_path / "run")
    assert (tmp_path / "run/options.json").read_text() == (RECORDING / "options.json").read_text()
    for run in RUNS:
        fresh, stored = (json.loads((folder / f"{run}.json").read_text()) for folder in (tmp_path / "run", RECORDING))
        assert {key: fresh[key] for key in fresh if key != "leads"} == {k: stored[k] for k in stored if k != "leads"}
        for lead, known in zip(fresh["leads"], stored["leads"], strict=True):
            assert lead.keys() == known.keys()
            np.testing.assert_allclose(lead["plotted_pixels"], known["plotted_pixels"], atol=0.02)
            names = ("lead_name", "start_sample", "end_sample", "lead_bounding_box")
            assert [lead.get(name) for name in names] == [known.get(name) for name in names]
    fresh, stored = (
        read_image((folder / "page.png").read_bytes(), "page").astype(int) for folder in (tmp_path / "run", RECORDING)
    )
    assert fresh.shape == stored.shape and np.abs(fresh - stored).mean() < 2


@pytest.mark.parametrize("way", WAYS)
def test_pages_do_not_depend_on_the_other_records(tmp_path, way):
    simulate_dataset(tmp_path / "raw", records=3, seed=2)
    config = RenderConfig(renderer="ecg-image-kit", kit_path=KIT, kit_python=PYTHON, dpi=60, **WAYS[way])
    names = ["00001", "00002", "00003"]
    records = pd.DataFrame({"record_id": names, "path": [f"records100/00000/{name}_lr" for name in names]})

    def pages(table):
        files = tmp_path / "p.parquet", tmp_path / "q.parquet"
        assert render_shard(table, tmp_path / "raw", 100, config, *files, title="t") == len(table)
        return {page.record_id: page for page in read_pages(files[0])}

    together, alone = pages(records), pages(records[2:])
    assert alone["00003"] == together["00003"]
    boxes = json.loads(alone["00003"].boxes)
    assert len({lead["lead_name"] for lead in boxes["leads"]}) == 12
    assert boxes["leads"][-1]["lead_name"] == config.kit_options.full_mode
