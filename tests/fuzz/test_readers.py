"""Readers return a value or raise an ecgpipe error that names the file or key, for any content, and execute nothing."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import wfdb
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ecgpipe.acquire.labels import make_labels, read_grouping
from ecgpipe.acquire.own import list_own_records
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.files import read_sums
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.config.data import LabelsConfig
from ecgpipe.config.own import OwnConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.render.layout import kit_layout, layout_named
from tests.conftest import PROJECT
from tests.fuzz.damage import WORDS, any_file


@contextmanager
def only(kinds, count, *names, folder: Path):
    """Count outcomes; fail on any other error, an error that names nothing, or a new file."""
    before = set(folder.iterdir())
    try:
        yield
    except kinds as error:
        message = str(error)
        assert any(name in message for name in names), message
        assert len(message) < 5000
        count[type(error).__name__] += 1
    else:
        count["read"] += 1
    assert not (set(folder.iterdir()) - before)
    assert not Path("owned").exists()


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> Path:
    """A valid record of 100 samples."""
    folder = tmp_path_factory.mktemp("record")
    signal = np.random.default_rng(0).integers(-500, 500, (100, 12)).astype(np.int16)
    wfdb.wrsamp(
        "00001_lr", 100, ["mV"] * 12, list(LEADS), d_signal=signal, fmt=["16"] * 12, adc_gain=[1000.0] * 12,
        baseline=[0] * 12, comments=["age: 50"], write_dir=str(folder),
    )  # fmt: skip
    return folder / "00001_lr"


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory) -> Path:
    """A small copy in PTB-XL's layout, with a user's grouping file in it."""
    folder = tmp_path_factory.mktemp("copy")
    simulate_dataset(folder, records=12, seed=1)
    (folder / "own.csv").write_text("statement,class\nNORM,good\nIMI,bad\nASMI,bad\n")
    return folder


@given(data=st.data())
def test_wfdb_headers(record, met, data):
    header = record.with_name("00001_lr.hea")
    good = header.read_bytes()
    try:
        header.write_bytes(data.draw(any_file(good)))
        with only(RecordError, met, "record x: ", folder=record.parent):
            signal, rate = read_signal(record, "x")
            assert signal.shape[0] == 12 and np.isfinite(signal).all() and 0 < rate < 1e6
    finally:
        header.write_bytes(good)


TABLES = {
    "ptbxl_database.csv": lambda folder: list_ptbxl_records(folder, 100, 1000),
    "scp_statements.csv": lambda folder: make_labels(
        list_ptbxl_records(folder, 100, 1000)[0], *read_grouping(folder, "subclass"), LabelsConfig()
    ),
    "own.csv": lambda folder: read_grouping(folder, str(folder / "own.csv")),
}


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
def test_ptbxls_tables(ptbxl, met, name, data):
    table = ptbxl / name
    good = table.read_bytes()
    # short, so that most changes matter
    short = b"".join(good.splitlines(keepends=True)[:6])
    try:
        table.write_bytes(data.draw(any_file(short)))
        with only(DataError, met, name, "label", str(ptbxl), folder=ptbxl):
            TABLES[name](ptbxl)
    finally:
        table.write_bytes(good)


GOOD_TABLE = "path,label,who,fold,age,sex\n" + "".join(
    f"r{i},{'ab'[i % 2]},p{i},{i},{40 + i},{'mf'[i % 2]}\n" for i in range(6)
)
COLUMNS = {"patient": "who", "fold": "fold", "age": "age", "sex": "sex"}


@given(table=any_file(GOOD_TABLE.encode()))
def test_user_defined_label_tables(tmp_path_factory, met, table):
    folder = tmp_path_factory.mktemp("own")
    for i in range(6):
        (folder / f"r{i}.hea").touch()
    (folder / "labels.csv").write_bytes(table)
    config = OwnConfig(kind="signals", source=str(folder), labels="labels.csv", columns=COLUMNS)
    with only(DataError, met, "labels.csv", "own.mine", folder=folder):
        list_own_records("mine", config)
    shutil.rmtree(folder)


LAYOUT = kit_layout().model_dump(mode="json")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@given(data=st.data())
def test_layout_files(tmp_path_factory, met, suffix, data):
    folder = tmp_path_factory.mktemp("layout")
    path = folder / f"own.{suffix}"
    small = LAYOUT | {"slots": LAYOUT["slots"][:2], "separators": [], "bars": LAYOUT["bars"][:1]}
    good = json.dumps(small, indent=1) if suffix == "json" else yaml.safe_dump(small)
    path.write_bytes(data.draw(any_file(good.encode())))
    with only(ConfigError, met, str(path), folder=folder):
        layout_named(str(path))
    shutil.rmtree(folder)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
FILES = ("config.yaml", "config/demo.yaml", "config/subset.yaml")


def places(node: object, path: tuple = ()) -> list[tuple]:
    """Paths of the values in a nested mapping."""
    return [path] + ([at for key in node for at in places(node[key], (*path, key))] if isinstance(node, dict) else [])


@pytest.mark.parametrize("file", FILES)
@given(data=st.data())
def test_configurations_with_any_value_at_any_key(met, tmp_path, file, data):
    values = yaml.safe_load((PROJECT / file).read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(places(values)[1:]))
        node = values
        for key in above:
            node = node[key]
        if data.draw(st.booleans()):
            node[last] = data.draw(VALUES)
        else:
            node[data.draw(st.sampled_from(WORDS) | st.text(max_size=8))] = data.draw(VALUES)
    with only(ConfigError, met, "the configuration is not valid:\n  ", folder=tmp_path):
        validate_config(values)


@given(text=any_file((PROJECT / "config" / "demo.yaml").read_bytes(), most=10))
def test_configuration_files(met, tmp_path, text):
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        met["no YAML"] += 1
        return
    if not isinstance(values, dict):
        met["no mapping"] += 1
        return
    with only(ConfigError, met, "the configuration is not valid:\n  ", folder=tmp_path):
        validate_config(values)


@given(text=any_file(f"{'0' * 64}  a/b.dat\n{'1' * 64} *c.hea\n".encode()))
def test_lists_of_checksums(met, tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("sums")
    path = folder / "SHA256SUMS.txt"
    path.write_bytes(text)
    with only(DataError, met, str(path), folder=folder):
        for name in read_sums(path):
            assert (folder / name).resolve().is_relative_to(folder.resolve())
    shutil.rmtree(folder)
