"""Copies of PTB-XL: records, problems and shards."""

import io
import json
import shutil
from collections import Counter

import pandas as pd
import pytest

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.ptbxl import list_ptbxl_records, read_database, record_path
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.config.data import PtbXlConfig, SimulatedConfig
from ecgpipe.errors import DataError


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "copy"
    simulate_dataset(folder, records=40, seed=1)
    return folder


@pytest.fixture
def copy(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "copy")


def set_cell(column, value):
    """Damage: another value in the third record's row."""

    def damage(text):
        table = pd.read_csv(io.StringIO(text), dtype=str)
        table.loc[2, column] = value
        return table.to_csv(index=False)

    return damage


def test_all_records_of_a_complete_copy(copy):
    records, problems = list_ptbxl_records(copy, 100, 1000)
    assert problems == []
    assert records["record_id"].tolist() == [f"{i:05d}" for i in range(1, 41)]
    raw = pd.read_csv(copy / "ptbxl_database.csv").set_index("ecg_id")
    assert records["fold"].tolist() == raw["strat_fold"].tolist()
    assert records["patient_id"].tolist() == [str(int(patient)) for patient in raw["patient_id"]]
    assert set(records["sex"]) == {"male", "female"}
    assert (records["path"] == raw["filename_lr"].to_numpy()).all()


def test_missing_files_are_problems(copy):
    (copy / "records100/00000/00003_lr.dat").unlink()
    (copy / "records100/00000/00004_lr.hea").unlink()
    (copy / "records100/00000/00099_lr.hea").write_text("")
    records, problems = list_ptbxl_records(copy, 100, 1000)
    assert len(records) == 38
    found = {(problem.record, problem.problem): problem.file for problem in problems}
    assert set(found) == {("00003", "missing-file"), ("00004", "missing-file"), ("00099", "no-metadata")}
    assert found["00003", "missing-file"].endswith("00003_lr.dat")


def test_record_paths():
    assert record_path(1, 100) == "records100/00000/00001_lr"
    assert record_path(21837, 500) == "records500/21000/21837_hr"


def test_a_limited_sample_grows_without_changing(copy):
    ten = set(list_ptbxl_records(copy, 100, 1000, limit=10, seed=5)[0]["record_id"])
    twenty = set(list_ptbxl_records(copy, 100, 1000, limit=20, seed=5)[0]["record_id"])
    other = set(list_ptbxl_records(copy, 100, 1000, limit=10, seed=6)[0]["record_id"])
    assert len(ten) == 10
    assert ten < twenty
    assert ten != other


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: "", "not a readable CSV"),
        (lambda text: text.replace("scp_codes", "codes"), "lacks the columns scp_codes"),
        (lambda text: text.replace("\n7,", "\n6,"), "or occurs twice"),
        (lambda text: text.replace("\n7,", "\nseven,"), "line 8: ecg_id 'seven' is not a whole number"),
        (lambda text: text.replace("\n7,", "\n7.5,"), "line 8: ecg_id '7.5'"),
        (set_cell("age", "old"), "line 4: age 'old' is not valid"),
        (set_cell("strat_fold", "3.5"), "line 4: strat_fold '3.5' is not valid"),
        (set_cell("strat_fold", "1001"), "line 4: strat_fold"),
        (lambda text: text.replace("\"{'", "\"__import__('os').abort() or {'", 1), "line 2"),
    ],
)
def test_an_unreadable_database_is_named(copy, damage, expected):
    path = copy / "ptbxl_database.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=expected) as error:
        list_ptbxl_records(copy, 100, 1000)
    assert "ptbxl_database.csv" in str(error.value)


def test_unusable_copies(tmp_path, copy):
    with pytest.raises(DataError, match="no such file"):
        read_database(tmp_path)
    with pytest.raises(DataError, match="records500"):
        list_ptbxl_records(copy, 500, 1000)
    (copy / "scp_statements.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"scp_statements\.csv"):
        read_grouping(copy, "superclass")


def dataset(copy, shard_size=1000):
    config = PtbXlConfig(source=copy and str(copy), shard_size=shard_size)
    return make_dataset("ptb-xl", config, "results", "resources")


def test_shards_follow_the_record_numbers(copy):
    assert dataset(copy).shards() == ["00000"]
    assert dataset(copy).read_options == {"sampling_rate": 100, "derive_leads": False}
    assert dataset(copy, 15).shards() == ["00000", "00015", "00030"]
    records, _ = list_ptbxl_records(copy, 100, 15)
    assert Counter(records["shard"]) == {"00000": 14, "00015": 15, "00030": 11}
    # before the download or simulation: those of all records
    assert dataset(None).shards() == [f"{i:05d}" for i in range(0, 22000, 1000)]
    simulated = make_dataset("simulated", SimulatedConfig(records=20, shard_size=10), "results", "resources")
    assert simulated.shards() == ["00000", "00010", "00020"]
    simulated = make_dataset("simulated", SimulatedConfig(records=19, shard_size=10), "results", "resources")
    assert simulated.shards() == ["00000", "00010"]
    assert simulated.generated_inputs() == ["results/simulated/data"]


def test_a_changed_file_changes_only_the_hash_of_its_shard(copy):
    def hashes():
        found = dataset(copy, 15)
        return {shard: found.raw_files_hash(shard) for shard in found.shards()}, found.listing_hash()

    before, listing = hashes()
    path = copy / "records100/00000/00020_lr.dat"
    path.write_bytes(path.read_bytes() + b"\0")
    after, same = hashes()
    assert {shard for shard in before if before[shard] != after[shard]} == {"00015"}
    assert same == listing
    path.unlink()
    assert hashes()[1] != listing


@pytest.mark.realdata
def test_real_metadata_and_records(ptbxl_copy):
    records, problems = list_ptbxl_records(ptbxl_copy, 500, 1000)
    assert len(records) == 120
    assert problems == []
    first = records.iloc[0]
    assert (first["record_id"], first["patient_id"], first["fold"], first["age"]) == ("00001", "15709", 3, 56)
    assert json.loads(first["statements"]) == {"NORM": 100.0, "LVOLT": 0.0, "SR": 0.0}
