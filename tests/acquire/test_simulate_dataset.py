"""A simulated folder: PTB-XL's layout, read by wfdb and pandas; determinism; the cohort's structure."""

import ast
import hashlib
import json
import math

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.acquire.simulate.cohort import CLASS_MIX, plan_cohort
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.acquire.simulate.findings import STATEMENTS
from ecgpipe.acquire.simulate.patient import LEADS
from ecgpipe.artifacts.truth import Truth
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.errors import ConfigError, DataError
from tests.conftest import contents

RECORDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    destination = tmp_path_factory.mktemp("simulated") / "ptb-xl"
    calls = []
    simulate_dataset(
        destination,
        records=RECORDS,
        seed=7,
        sampling_rates=(100, 500),
        progress=lambda done, of: calls.append((done, of)),
    )
    assert calls[-1] == (RECORDS, RECORDS) and calls == sorted(calls)
    return destination


def test_wfdb_reads_both_rates_and_verifies_its_checksums(folder):
    for ecg_id in (1, 60, RECORDS):
        for rate, suffix in ((100, "lr"), (500, "hr")):
            path = str(folder / f"records{rate}/00000/{ecg_id:05d}_{suffix}")
            record = wfdb.rdrecord(path, physical=False)
            assert record.fs == rate and record.sig_len == 10 * rate
            assert tuple(record.sig_name) == LEADS and record.fmt == ["16"] * 12
            assert record.adc_gain == [1000.0] * 12 and record.units == ["mV"] * 12
            assert record.checksum == record.calc_checksum()
            assert record.init_value == record.d_signal[0].tolist()
            assert 0.2 < np.abs(wfdb.rdrecord(path).p_signal).max() < 8


def test_a_header_has_the_published_format(folder):
    lines = (folder / "records100/00000/00001_lr.hea").read_text().splitlines()
    assert lines[0] == "00001_lr 12 100 1000" and len(lines) == 13
    assert lines[1].startswith("00001_lr.dat 16 1000.0(0)/mV 16 0 ") and lines[1].endswith(" 0 I")


def test_the_tables_are_consistent(folder):
    table = pd.read_csv(folder / "ptbxl_database.csv", index_col="ecg_id")
    statements = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    assert table.index.tolist() == list(range(1, RECORDS + 1))
    codes = table.scp_codes.map(ast.literal_eval)
    assert all(code in statements.index for record in codes for code in record)
    assert set(statements.diagnostic_class.dropna()) == set(SUPERCLASSES)
    truths = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    assert [stored["ecg_id"] for stored in truths] == table.index.tolist()
    for stored, record in zip(truths, codes, strict=True):
        classes = {statements.diagnostic_class[code] for code in record if statements.diagnostic[code] == 1}
        assert classes == set(stored["superclasses"])
        assert {finding["code"] for finding in stored["findings"]} <= set(record)
        assert len(Truth.from_dict(stored).beats["r_peak"]) >= 5
    for column in ("filename_lr", "filename_hr"):
        assert all((folder / f"{name}.dat").is_file() for name in table[column])
    assert (folder / "RECORDS").read_text().split() == [*table.filename_lr, *table.filename_hr]


def test_every_file_has_a_checksum(folder):
    lines = (folder / "SHA256SUMS.txt").read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    files = contents(folder)
    assert set(sums) == set(files) - {"SHA256SUMS.txt"}
    assert all(hashlib.sha256(files[name]).hexdigest() == digest for name, digest in sums.items())


def test_workers_and_rates_change_nothing_and_the_number_of_records_only_folds(folder, tmp_path):
    simulate_dataset(tmp_path / "two", records=RECORDS, seed=7, sampling_rates=(500, 100), workers=2)
    assert contents(tmp_path / "two") == contents(folder)
    simulate_dataset(tmp_path / "fewer", records=40, seed=7)
    whole, fewer = contents(folder), contents(tmp_path / "fewer")
    signals = [name for name in fewer if name.startswith("records")]
    assert len(signals) == 80 and all(fewer[name] == whole[name] for name in signals)
    of_whole, of_fewer = (
        pd.read_csv(path / "ptbxl_database.csv").drop(columns="strat_fold") for path in (folder, tmp_path / "fewer")
    )
    pd.testing.assert_frame_equal(of_whole.iloc[:40], of_fewer, check_dtype=False)
    simulate_dataset(tmp_path / "other", records=3, seed=8)
    assert contents(tmp_path / "other")["records100/00000/00001_lr.dat"] != whole["records100/00000/00001_lr.dat"]


def test_all_records_differ_also_of_one_patient(folder):
    signals = {path.read_bytes() for path in folder.rglob("*_lr.dat")}
    assert len(signals) == RECORDS


def test_a_patient_keeps_sex_and_age(folder):
    table = pd.read_csv(folder / "ptbxl_database.csv")
    same = table.groupby("patient_id")[["age", "sex", "strat_fold"]].nunique()
    assert (same == 1).all().all()
    assert table.patient_id.nunique() < RECORDS


def test_the_cohort_has_the_structure_of_ptbxl():
    cohort = plan_cohort(20000, seed=1)
    records = np.bincount(cohort.patient)
    records = records[records > 0]
    assert 0.09 < np.mean(records > 1) < 0.14 and records.max() >= 5
    total = sum(CLASS_MIX.values())
    for superclass in SUPERCLASSES:
        wanted = sum(weight for names, weight in CLASS_MIX.items() if superclass in names) / total
        is_in = np.array([superclass in names for names in cohort.mix])[cohort.classes]
        assert abs(is_in.mean() - wanted) < 0.015
        in_fold = [is_in[cohort.fold == fold].sum() for fold in range(1, 11)]
        assert max(in_fold) - min(in_fold) <= 2
    sizes = np.bincount(cohort.fold)[1:]
    assert len(sizes) == 10 and sizes.max() - sizes.min() <= 5
    assert pd.Series(cohort.fold).groupby(cohort.patient).nunique().max() == 1
    without = np.mean([not cohort.mix[index] for index in cohort.classes])
    several = np.mean([len(cohort.mix[index]) > 1 for index in cohort.classes])
    assert 0.01 < without < 0.03 and 0.2 < several < 0.27


def test_a_longer_cohort_starts_with_the_shorter_one():
    short, long = plan_cohort(130, seed=3), plan_cohort(1000, seed=3)
    assert np.array_equal(short.patient, long.patient[:130]) and np.array_equal(short.classes, long.classes[:130])


@pytest.mark.realdata
def test_metadata_have_the_columns_of_ptbxl(folder, shared_data):
    real = pd.read_csv(shared_data / "ptb-xl" / "ptbxl_database.csv", nrows=2000)
    mine = pd.read_csv(folder / "ptbxl_database.csv")
    assert mine.columns.tolist() == real.columns.tolist()
    for column in real:
        if mine[column].notna().any() and real[column].notna().any():
            assert mine[column].dtype.kind == real[column].dtype.kind, column
    statements = pd.read_csv(shared_data / "ptb-xl" / "scp_statements.csv", index_col=0)
    own = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    assert own.columns.tolist() == statements.columns.tolist()
    flags = ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
    pd.testing.assert_frame_equal(own[flags], statements.loc[own.index, flags], check_dtype=False, check_names=False)
    assert set(own.index) == set(STATEMENTS)


def test_a_custom_class_mix_and_a_repeated_run(tmp_path):
    mix = {("NORM",): 1, ("HYP",): 1}
    simulate_dataset(tmp_path / "a", records=20, seed=1, class_mix=mix)
    simulate_dataset(tmp_path / "b", records=20, seed=1, class_mix=mix)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    truths = [json.loads(line) for line in (tmp_path / "a" / "truth.jsonl").read_text().splitlines()]
    assert {tuple(stored["superclasses"]) for stored in truths} == set(mix)


def test_an_interrupted_run_leaves_no_tables(tmp_path):
    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_dataset(tmp_path, records=5, seed=1, progress=stop)
    assert not (tmp_path / "ptbxl_database.csv").exists() and not (tmp_path / "SHA256SUMS.txt").exists()
    simulate_dataset(tmp_path, records=5, seed=1)
    assert not list(tmp_path.rglob("*.partial"))


def test_existing_data_are_not_overwritten(tmp_path):
    (tmp_path / "ptbxl_database.csv").write_text("ecg_id\n")
    with pytest.raises(DataError, match="already contains a dataset"):
        simulate_dataset(tmp_path, records=5, seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"records": 0}, {"sampling_rates": (250,)}, {"sampling_rates": ()}, {"workers": 0}, {"seed": -1},
        {"difficulty": 1.5}, {"difficulty": math.nan},
        {"class_mix": {("XYZ",): 1}}, {"class_mix": {("NORM",): 0}},
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(wrong, tmp_path):
    with pytest.raises(ConfigError):
        simulate_dataset(tmp_path / "new", **{"records": 5, "seed": 1} | wrong)
    assert not (tmp_path / "new").exists()


def test_the_lists_of_another_dataset_are_not_deleted(tmp_path):
    (tmp_path / "RECORDS").write_text("rec_1\n")
    with pytest.raises(DataError, match="contains RECORDS of something else"):
        simulate_dataset(tmp_path, records=5, seed=1)
    assert (tmp_path / "RECORDS").read_text() == "rec_1\n"
