"""ECG-Image-Kit as the renderer: its recorded pages, what it is given, and every way in which running it can fail.

The kit is not part of the tests. A small program that answers as the kit did stands in for it (kit_stand_in.py).
"""

import json
import os
import shutil
import signal as signals
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.render.kit import read_kit_page, write_kit_record
from ecgpipe.render.shard import render_shard
from tests.conftest import PROJECT
from tests.render.kit_recording import RECORDING
from tests.render.kit_stand_in import stand_in

NAMES = ("00001", "00002", "00003")
KEPT_KEYS = {"lead_name", "lead_bounding_box", "text_bounding_box", "start_sample", "end_sample"}


def config(tool: Path, **keys) -> RenderConfig:
    return RenderConfig(renderer="ecg-image-kit", kit_path=str(tool), kit_python=sys.executable, **keys)


@pytest.fixture
def copy(tmp_path):
    simulate_dataset(tmp_path / "raw", records=3, seed=2)
    (tmp_path / "raw/SHA256SUMS.txt").unlink()  # the tests change records
    return tmp_path / "raw"


def run(copy, settings, **keys):
    records = pd.DataFrame({"record_id": NAMES, "path": [f"records100/00000/{name}_lr" for name in NAMES]})
    files = copy.parent / "pages.parquet", copy.parent / "problems.parquet"
    return render_shard(records, copy, None, settings, *files, title="t", **keys), *files


def problems_of(file) -> dict:
    return PROBLEMS.read(file).set_index("record_id")["problem"].to_dict()


def drawn(tool: Path) -> list[str]:
    """The records that the stand-in was asked to draw, with a fault that writes them to a file."""
    return [line.split()[0] for line in (tool / "drawn").read_text().splitlines()]


LISTED = "open('drawn', 'a').write(f'{name} {args.seed}/{numpy.random.random()}\\n')"


@pytest.mark.realdata
def test_the_kits_real_files_become_pages(shared_data):
    for path in sorted((shared_data / "kit-pages").glob("*.json")):
        page = read_kit_page(path, path.stem[:5])
        assert page.image == path.with_suffix(".png").read_bytes()
        boxes, kit = json.loads(page.boxes), json.loads(path.read_text())
        assert (boxes["width"], boxes["height"], len(boxes["leads"])) == (2200, 1700, 13)
        assert boxes["leads"][0]["lead_bounding_box"] == kit["leads"][0]["lead_bounding_box"]
        assert boxes["leads"][0].keys() == KEPT_KEYS


def test_recorded_pages_are_stored_as_the_kit_wrote_them(copy, tmp_path):
    count, pages, problems = run(copy, config(stand_in(tmp_path / "tool")))
    assert (count, problems_of(problems)) == (3, {})
    kit = json.loads((RECORDING / "default.json").read_text())
    for name, page in zip(NAMES, read_pages(pages), strict=True):
        boxes = json.loads(page.boxes)
        assert (page.record_id, page.image) == (name, (RECORDING / "page.png").read_bytes())
        assert boxes["leads"] == [
            {key: value for key, value in lead.items() if key != "plotted_pixels"} for lead in kit["leads"]
        ]
        assert boxes["ecg_image_kit"]["ecg_plot_color"] == kit["ecg_plot_color"]
        assert boxes["ecg_image_kit"]["augment"] is False
    assert not list(copy.parent.glob(".pages.parquet*"))


def test_pages_without_lead_names_name_the_strip(copy, tmp_path):
    kit = json.loads((RECORDING / "no-names.json").read_text())
    assert "lead_name" not in kit["leads"][-1]  # as the kit wrote it
    count, pages, _ = run(copy, config(stand_in(tmp_path / "tool"), lead_names=False))
    assert count == 3
    for page in read_pages(pages):
        leads = json.loads(page.boxes)["leads"]
        assert leads[-1]["lead_name"] == "II"
        assert all(lead.keys() == KEPT_KEYS and not lead["text_bounding_box"] for lead in leads)
        assert all(lead["lead_bounding_box"] for lead in leads)


def test_options_reach_the_kit_and_are_stored_with_the_pages(copy, tmp_path):
    settings = config(stand_in(tmp_path / "tool"), kit_options={"augment": True, "rotate": 5, "noise": 1})
    _, pages, _ = run(copy, settings)
    kit = [json.loads(page.boxes)["ecg_image_kit"] for page in read_pages(pages)]
    assert {(facts["augment"], facts["rotate"], facts["noise"]) for facts in kit} == {(True, 5, 1)}


def test_the_kit_reads_the_numbers_of_the_record(copy, tmp_path):
    """Whatever the units, leads and header of a record, the kit gets 12 leads in mV, of one page."""
    path = copy / "records100/00000/00001_lr"
    signal, rate = read_signal(path, "1")
    (tmp_path / "plain").mkdir()
    write_kit_record(tmp_path / "plain", "a-b_1", np.hstack([signal, signal]), rate)
    record = wfdb.rdrecord(str(tmp_path / "plain" / "a-b_1"))
    assert record.sig_name == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert (set(record.units), record.fs, record.sig_len, record.comments) == ({"mV"}, 100, 1000, [])
    np.testing.assert_array_equal(record.p_signal, signal.T)  # to the last bit: pages are the same
    write_kit_record(tmp_path / "plain", "large", signal * 2e4, 99.5)
    large = wfdb.rdrecord(str(tmp_path / "plain" / "large"))
    np.testing.assert_allclose(large.p_signal, (signal * 2e4).T[:995], atol=1e-3)


def test_odd_records_are_drawn(copy, tmp_path):
    folder = copy / "records100/00000"
    signal, rate = read_signal(folder / "00001_lr", "1")
    extra = {"fmt": ["16"] * 15, "write_dir": str(folder), "comments": ["no colon"]}
    leads = ["x", "y", "z", *LEADS[::-1]]
    three = np.vstack([signal[:3], signal[::-1]]).T * 1000
    wfdb.wrsamp("00002_lr", rate, ["uV"] * 15, leads, p_signal=three, adc_gain=[2] * 15, baseline=[0] * 15, **extra)
    header = folder / "00003_lr.hea"
    header.write_text("# first line\n" + "".join(f"{line} \n" for line in header.read_text().splitlines()))
    tool = stand_in(
        tmp_path / "tool", "import shutil; [shutil.copy(data.with_suffix(s), '.') for s in ('.dat', '.hea')]"
    )
    count, _, problems = run(copy, config(tool))
    assert (count, problems_of(problems)) == (3, {})
    given = wfdb.rdrecord(str(tool / "00002_lr"))
    np.testing.assert_allclose(given.p_signal, signal.T, atol=5e-4)  # in mV, in the kit's order


def test_leads_are_derived(copy, tmp_path):
    folder = copy / "records100/00000"
    signal, rate = read_signal(folder / "00001_lr", "1")
    eight = [0, 1, *range(6, 12)]
    names = [LEADS[i] for i in eight]
    wfdb.wrsamp("00002_lr", rate, ["mV"] * 8, names, p_signal=signal[eight].T, fmt=["16"] * 8, write_dir=str(folder))
    settings = config(stand_in(tmp_path / "tool"))
    count, _, problems = run(copy, settings)
    assert (count, problems_of(problems)) == (2, {"00002": "missing-leads"})
    assert run(copy, settings, derive_leads=True)[0] == 3


def test_unusable_records_never_reach_the_kit(copy, tmp_path):
    folder = copy / "records100/00000"
    (folder / "00002_lr.dat").write_bytes(b"")
    signal, rate = read_signal(folder / "00003_lr", "3")
    short = signal[:, :999].T
    wfdb.wrsamp("00003_lr", rate, ["mV"] * 12, list(LEADS), p_signal=short, fmt=["16"] * 12, write_dir=str(folder))
    tool = stand_in(tmp_path / "tool", LISTED)
    count, _, problems = run(copy, config(tool))
    assert (count, problems_of(problems)) == (1, {"00002": "truncated", "00003": "unfit-for-layout"})
    assert "9.99 s; ECG-Image-Kit's page shows 10 s" in set(PROBLEMS.read(problems)["detail"])
    assert drawn(tool) == ["00001_lr"]


def test_a_record_on_which_the_kit_fails_is_named_and_others_are_drawn(copy, tmp_path):
    tool = stand_in(tmp_path / "tool", "if '00002' in name: raise ValueError('odd')")
    count, pages, problems = run(copy, config(tool))
    assert count == 2
    assert [page.record_id for page in read_pages(pages)] == ["00001", "00003"]
    (row,) = PROBLEMS.read(problems).to_dict("records")
    assert (row["record_id"], row["problem"]) == ("00002", "kit-failed")
    assert row["detail"] == "ECG-Image-Kit failed: ValueError: odd"
    with pytest.raises(DataError, match=r"record 00002: .*00002_lr: ECG-Image-Kit failed: ValueError: odd"):
        run(copy, config(tool), strict=True)


def test_no_page_at_all_is_an_error(copy, tmp_path):
    with pytest.raises(DataError, match=r"failed on every record, first: record 00001: .* ValueError: odd"):
        run(copy, config(stand_in(tmp_path / "tool", "raise ValueError('odd')")))
    assert not (tmp_path / "pages.parquet").exists()


def test_the_error_of_a_kit_that_does_not_start_is_quoted(copy, tmp_path):
    broken = stand_in(tmp_path / "tool", fault_at_start="sys.exit('no module named tensorflow')")
    with pytest.raises(DataError, match=r"(?s)its start: ECG-Image-Kit ended with status 1:\n.*named tensorflow"):
        run(copy, config(broken))


def test_a_kit_that_ends_names_the_record_and_is_quoted_once(copy, tmp_path, capsys):
    tool = stand_in(tmp_path / "tool", "if '00002' in name: sys.stderr.write('no memory\\n'); os._exit(7)")
    with pytest.raises(DataError, match="record 00002: ECG-Image-Kit ended with status 7:\nno memory"):
        run(copy, config(tool))
    assert "no memory" not in capsys.readouterr().err


def test_a_page_that_takes_too_long_stops_the_job_and_costs_no_other_page(copy, tmp_path, capsys):
    stuck = "'00002' in name and not os.path.exists('quick') and sys.stderr.write('stuck\\n') and time.sleep(60)"
    tool = stand_in(tmp_path / "tool", f"{LISTED}; {stuck}")
    with pytest.raises(DataError, match=r"record 00002: ECG-Image-Kit was stopped after 3 s; raise render.kit_timeout"):
        run(copy, config(tool, kit_timeout=3))
    assert capsys.readouterr().err.count("stuck") == 1
    (tool / "quick").touch()
    assert run(copy, config(tool, kit_timeout=30))[0] == 3
    assert drawn(tool) == ["00001_lr", "00002_lr", "00002_lr", "00003_lr"]
    assert not list(tmp_path.glob(".pages.parquet*"))


def test_pages_of_other_settings_or_signals_are_not_kept(copy, tmp_path):
    tool = stand_in(tmp_path / "tool", f"{LISTED}; '00003' in name and os._exit(7)")
    for keys in ({}, {}, {"dpi": 100}):
        with pytest.raises(DataError, match="00003"):
            run(copy, config(tool, **keys))
    assert drawn(tool) == ["00001_lr", "00002_lr", "00003_lr", "00003_lr", "00001_lr", "00002_lr", "00003_lr"]
    for suffix in ("hea", "dat"):  # the same name and header line, another signal
        shutil.copy(copy / f"records100/00000/00003_lr.{suffix}", copy / f"records100/00000/00001_lr.{suffix}")
    header = copy / "records100/00000/00001_lr.hea"
    header.write_text(header.read_text().replace("00003_lr", "00001_lr"))
    with pytest.raises(DataError, match="00003"):
        run(copy, config(tool))
    assert drawn(tool)[7:] == ["00001_lr", "00003_lr"]


def test_the_random_choices_of_a_page_depend_on_its_record_alone(copy, tmp_path):
    def seeds(tool: str, **keys) -> dict[str, str]:
        folder = stand_in(tmp_path / tool, LISTED)
        run(copy, config(folder, **keys))
        return dict(line.split() for line in (folder / "drawn").read_text().splitlines())

    first = seeds("a")
    assert len(set(first.values())) == 3
    (copy / "records100/00000/00001_lr.dat").unlink()
    assert seeds("b") == {name: seed for name, seed in first.items() if name != "00001_lr"}
    assert not set(seeds("c", kit_options={"seed": 1}).values()) & set(first.values())


JOB = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import pandas as pd
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.shard import render_shard
tool, raw, pages, problems = sys.argv[1:]
records = pd.DataFrame({"record_id": ["1"], "path": ["records100/00000/00001_lr"]})
config = RenderConfig(renderer="ecg-image-kit", kit_path=tool, kit_python=sys.executable)
render_shard(records, raw, 100, config, pages, problems, title="t")
"""


@pytest.mark.parametrize("signal", [signals.SIGKILL, signals.SIGTERM, signals.SIGINT])
def test_the_kit_ends_with_a_job_that_is_killed(copy, tmp_path, signal):
    tool = stand_in(tmp_path / "tool", "open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    command = [sys.executable, "-c", JOB, str(tool), str(copy), str(tmp_path / "p"), str(tmp_path / "q")]
    job = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    kit = tool / "pid"
    wait_until(lambda: kit.exists() and kit.read_text(), 60)
    job.send_signal(signal)
    job.wait(30)
    wait_until(lambda: not Path("/proc", kit.read_text()).exists(), 20)


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_missing_kit_or_interpreter_is_an_error(copy, tmp_path):
    with pytest.raises(ConfigError, match=r"render\.kit_path .*nowhere: found no gen_ecg_images_from_data_batch\.py"):
        run(copy, config(tmp_path / "nowhere"))
    settings = RenderConfig(renderer="ecg-image-kit", kit_path=str(stand_in(tmp_path / "tool")), kit_python="no-such")
    with pytest.raises(ConfigError, match=r"render\.kit_python no-such: no such program; `make kit-env`"):
        run(copy, settings)


@pytest.mark.parametrize("text", ["{", "[]", '{"leads": []}', '{"leads": 3}'])
def test_a_broken_description_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "1-0.json").write_text(text)
    (tmp_path / "1-0.png").write_bytes(b"")
    with pytest.raises(RecordError, match=r"1-0\.json.*not a page description"):
        read_kit_page(tmp_path / "1-0.json", "1")
