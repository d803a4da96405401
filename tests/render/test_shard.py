"""A shard of records becomes a shard of pages; broken records are listed."""

import json

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.pages import read_pages
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.tables import PROBLEMS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.render.page import render_page
from ecgpipe.render.shard import render_shard


@pytest.fixture
def copy(tmp_path):
    simulate_dataset(tmp_path / "raw", records=8, seed=2)
    (tmp_path / "raw/SHA256SUMS.txt").unlink()  # the tests change records
    return tmp_path / "raw"


def run(copy, strict=False):
    records, _ = list_ptbxl_records(copy, 100, 1000)
    files = copy.parent / "p.parquet", copy.parent / "problems.parquet"
    return render_shard(records, copy, 100, RenderConfig(), *files, title="t", strict=strict), *files


def test_each_page_is_that_of_its_record(copy):
    count, pages, _ = run(copy)
    assert count == 8
    for page in read_pages(pages):
        signal, rate = read_signal(copy / f"records100/00000/{page.record_id}_lr", page.record_id)
        expected = render_page(signal, rate, RenderConfig())
        assert page.image == expected.encode()
        assert json.loads(page.boxes) == expected.boxes()


def test_broken_records_are_listed_or_stop_the_run(copy, caplog):
    data = copy / "records100/00000/00003_lr.dat"
    data.write_bytes(data.read_bytes()[:-2])
    count, pages, problems = run(copy)
    assert count == 7
    assert "00003" not in {page.record_id for page in read_pages(pages)}
    short = copy / "records100/00000/00005_lr"
    signal = wfdb.rdrecord(str(short)).p_signal[:500]
    names = [*LEADS]
    formats = {"fmt": ["16"] * 12, "units": ["mV"] * 12, "sig_name": names, "write_dir": str(short.parent)}
    wfdb.wrsamp(short.name, fs=100, p_signal=signal, **formats)
    assert run(copy)[0] == 7  # drawn as far as it goes
    assert "record 00005" in caplog.text and "has 5 s, the page 10 s: blank after its end; without V1" in caplog.text
    wfdb.wrsamp(short.name, fs=100, p_signal=signal * 1000, **formats)
    assert run(copy)[0] == 6
    table = PROBLEMS.read(problems)
    assert table[["stage", "record_id", "problem"]].to_numpy().tolist() == [
        ["render", "00003", "truncated"],
        ["render", "00005", "implausible-amplitude"],
    ]
    pages.unlink()
    with pytest.raises(DataError, match=r"00003.*strict"):
        run(copy, strict=True)
    assert not pages.exists()


@pytest.mark.parametrize("level", ["none", "harsh"])
def test_the_files_are_the_same_whatever_the_number_of_processes(tmp_path, level):
    config = RenderConfig(dpi=50, degrade={"level": level})
    signal = np.random.default_rng(0).normal(size=(1000, 12)).cumsum(axis=0) / 20
    for name in ("a", "b"):
        wfdb.wrsamp(name, 100, ["mV"] * 12, list(LEADS), signal, fmt=["16"] * 12, write_dir=str(tmp_path))
        signal = signal[::-1]
    (tmp_path / "b.dat").write_bytes((tmp_path / "b.dat").read_bytes()[:100])
    rows = [(f"{number:03d}", "ab"[number % 5 == 4]) for number in range(20)]
    records = pd.DataFrame(rows, columns=["record_id", "path"])
    contents = []
    for workers in (1, 3):
        files = [tmp_path / f"{workers}.parquet", tmp_path / f"{workers}.problems.parquet"]
        assert render_shard(records, tmp_path, 100, config, *files, title="t", workers=workers) == 16
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]
