"""Reading signals: values as read by wfdb, and every problem is named."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgpipe.artifacts.files import write_sums
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.audit.sketch import sketch_records
from ecgpipe.errors import RecordError

NAMES = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def write_record(folder: Path, signal: np.ndarray, names=NAMES, fs=100, units="mV", gain=1000.0) -> Path:
    wfdb.wrsamp(
        "rec",
        fs=fs,
        units=[units] * signal.shape[1],
        sig_name=list(names),
        p_signal=signal,
        fmt=["16"] * signal.shape[1],
        adc_gain=[gain] * signal.shape[1],
        baseline=[0] * signal.shape[1],
        write_dir=str(folder),
    )
    return folder / "rec"


@pytest.fixture
def signal():
    return np.random.default_rng(0).normal(scale=0.5, size=(1000, 12)).round(3)


def problem_of(path: Path, rate: float | None = 100) -> RecordError:
    with pytest.raises(RecordError) as error:
        read_signal(path, "00042", rate)
    assert "00042" in str(error.value)
    return error.value


def test_values_and_order(tmp_path, signal):
    found, rate = read_signal(write_record(tmp_path, signal), "1", 100)
    assert rate == 100
    assert found == pytest.approx(signal.T, abs=1e-9)


def test_leads_in_another_order_and_case(tmp_path, signal):
    names = ["aVR", "V1", "V2", "V3", "V4", "V5", "V6", "I", "II", "III", "aVL", "aVF"]
    found, _ = read_signal(write_record(tmp_path, signal, names), "1", 100)
    upper = [name.upper() for name in names]
    for row, lead in zip(found, LEADS, strict=True):
        assert row == pytest.approx(signal[:, upper.index(lead)], abs=1e-9)


def test_microvolts_become_millivolts(tmp_path, signal):
    found, _ = read_signal(write_record(tmp_path, signal * 1000, units="uV", gain=1.0), "1", 100)
    assert found == pytest.approx(signal.T, abs=1e-3)


def test_missing_files(tmp_path, signal):
    assert problem_of(tmp_path / "rec").problem == "missing-header"
    path = write_record(tmp_path, signal)
    path.with_suffix(".dat").unlink()
    error = problem_of(path)
    assert error.problem == "missing-signal"
    assert error.file.endswith("rec.dat")


def test_truncated_and_too_long(tmp_path, signal):
    path = write_record(tmp_path, signal)
    content = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".dat").write_bytes(content[:-10])
    assert problem_of(path).problem == "truncated"
    path.with_suffix(".dat").write_bytes(content + b"\0\0")
    assert problem_of(path).problem == "header-mismatch"


def test_damaged_samples_do_not_match_the_checksum(tmp_path, signal):
    path = write_record(tmp_path, signal)
    content = bytearray(path.with_suffix(".dat").read_bytes())
    content[1234] ^= 0x40
    path.with_suffix(".dat").write_bytes(content)
    assert problem_of(path).problem == "checksum"


def test_nan_and_flat_leads_are_named(tmp_path, signal):
    broken = signal.copy()
    broken[10, 3] = np.nan
    assert "AVR" in problem_of(write_record(tmp_path, broken)).detail
    flat = signal.copy()
    flat[:, 11] = 0.2
    error = problem_of(write_record(tmp_path, flat))
    assert error.problem == "flat-lead"
    assert "V6" in error.detail


def test_wrong_sampling_rate_missing_lead_and_garbage(tmp_path, signal):
    path = write_record(tmp_path, signal)
    assert problem_of(path, 500).problem == "sampling-rate"
    header = path.with_suffix(".hea")  # the audit would resample from 0 Hz
    header.write_text(header.read_text().replace("rec 12 100 ", "rec 12 0.3 "))
    assert problem_of(path, None).problem == "unreadable-header"
    few = write_record(tmp_path, signal[:, :11], NAMES[:11])
    assert "V6" in problem_of(few).detail
    few.with_suffix(".hea").write_bytes(b"\x00\xff\x12 nonsense")
    assert problem_of(few).problem == "unreadable-header"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_header_that_cannot_be_read_is_a_problem_of_its_record(tmp_path, signal, monkeypatch, number):
    path = write_record(tmp_path, signal)
    write_sums(tmp_path, ["rec.hea", "rec.dat"])
    read_bytes = Path.read_bytes

    def refuse(file):
        if file.suffix == ".hea":
            raise OSError(number, os.strerror(number), str(file))
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    error = problem_of(path)
    assert (error.problem, error.file) == ("unreadable-header", f"{path}.hea")
    assert error.detail == f"cannot be read ({os.strerror(number)})"
    (row,) = sketch_records(pd.DataFrame({"record_id": ["1"], "path": ["rec"]}), tmp_path)
    assert json.loads(row["anomalies"]) == [["unreadable-header", error.detail]]


@pytest.mark.realdata
def test_published_records_equal_wfdb(ptbxl_copy):
    for path in sorted(ptbxl_copy.glob("records100/*/*.hea"))[:20]:
        expected = wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
        found, _ = read_signal(path.with_suffix(""), path.stem, 100)
        assert (found == expected).all()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rec.dat", "pipe", "'pipe' is not a plain file"),  # reading it would wait for ever
        ("rec.dat", ".", "'.' is not a plain file"),
        ("rec.dat", "a" * 300, "is not a plain file"),
        (" 16 ", " 16:99999999 ", "a skew of 99999999 samples"),  # gigabytes of padding
        ("rec 12 100 1000", "rec 4294967296 100 1000", "4294967296 signals"),
        ("rec 12 100 1000", "rec 12 100 99999999999", "99999999999 samples, but its signal files have 24000 bytes"),
        ("rec 12 100 1000", "rec 12 0 1000", "states 0"),
        ("rec 12 100 1000", "rec 13 100 1000", "states 13 signals but describes 12"),
        ("rec 12", "#" + "x" * (1 << 20) + "\nrec 12", "too long for a header"),
    ],
)
def test_headers_that_would_hang_or_exhaust_memory(tmp_path, signal, old, new, expected):
    path = write_record(tmp_path, signal)
    os.mkfifo(tmp_path / "pipe")
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace(old, new))
    found = problem_of(path)
    assert found.problem == "unreadable-header"
    assert expected in found.detail
