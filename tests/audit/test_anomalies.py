"""Each anomaly of a signal is named, and a normal signal has none."""

import numpy as np
import pytest
import wfdb

from ecgpipe.artifacts.signals import LEADS
from ecgpipe.audit.anomalies import limb_residuals, longest_run, signal_anomalies, unusual_properties
from ecgpipe.audit.sketch import list_folder, sketch_records
from ecgpipe.cli import main
from ecgpipe.errors import DataError


def normal_signal(seed: int = 0) -> np.ndarray:
    """(12, 5000) mV; the limb leads satisfy Einthoven's and Goldberger's relations."""
    x = np.random.default_rng(seed).normal(0, 0.2, (12, 5000))
    x[2] = x[1] - x[0]
    x[3], x[4], x[5] = -(x[0] + x[1]) / 2, (x[0] - x[2]) / 2, (x[1] + x[2]) / 2
    return x


def spoil(kind: str) -> np.ndarray:
    x = normal_signal()
    if kind == "flat-segment":
        x[7, 1000:1600] = x[7, 1000]
    elif kind == "clipped":
        x[8, 2000:2030] = 1.9
    elif kind == "held-edge":  # a record that ends, or begins, before its samples do
        x[8, -30:] = 1.9
    elif kind == "amplitude":
        x[9, 100] = 25
    elif kind == "same-lead":
        x[10] = x[11]
    elif kind == "limb-leads":
        x[[0, 1]] = x[[1, 0]]
    return x


def test_normal_signal_has_no_anomaly():
    assert signal_anomalies(normal_signal(), 500) == []


@pytest.mark.parametrize("kind", ["flat-segment", "clipped", "held-edge", "amplitude", "same-lead", "limb-leads"])
def test_each_anomaly_is_named(kind):
    assert {found for found, _ in signal_anomalies(spoil(kind), 500)} == {kind}


def test_a_value_held_at_an_end_is_not_clipping_and_does_not_hide_it():
    x = spoil("held-edge")
    assert [kind for kind, _ in signal_anomalies(x[:, ::-1], 500)] == ["held-edge"]
    x[8, 2000:2030] = 1.9
    assert sorted(kind for kind, _ in signal_anomalies(x, 500)) == ["clipped", "held-edge"]


def test_residual_by_hand():
    x = np.zeros((12, 4))
    x[0], x[1] = [1, -1, 1, -1], [1, -1, 1, -1]  # then III must be 0
    x[2] = [1, -1, 1, -1]
    assert limb_residuals(x)["II = I + III"] == pytest.approx(1 / np.sqrt(2))


def test_longest_run():
    assert longest_run(np.array([True, False, True, True, True, False])) == 3
    assert longest_run(np.zeros(3, bool)) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records with one fault each among 12 normal ones."""
    top = tmp_path_factory.mktemp("wfdb")

    def write(name, x, rate=500, leads=LEADS, units="mV"):
        options = {"write_dir": str(top), "fmt": ["16"] * 12, "adc_gain": [1000.0] * 12, "baseline": [0] * 12}
        wfdb.wrsamp(name, rate, [units] * 12, list(leads), p_signal=x.T, **options)

    for number in range(12):
        write(f"normal{number:02d}", normal_signal(number))
    write("again", normal_signal(3))
    write("slow", normal_signal(20)[:, :2500], rate=250)
    write("order", normal_signal(21), leads=LEADS[::-1])
    write("short", normal_signal(22))
    (top / "short.dat").write_bytes((top / "short.dat").read_bytes()[:-100])
    return top


def test_a_folder_of_records(folder):
    import pandas as pd

    records = list_folder(folder)
    sketches = pd.DataFrame(sketch_records(records, folder)).set_index("record_id", drop=False)
    assert "truncated" in sketches.loc["short", "anomalies"]
    assert sketches.loc["short", "digest"] == ""
    assert "lead-order" in sketches.loc["order", "anomalies"]
    assert sketches.loc["again", "digest"] == sketches.loc["normal03", "digest"]
    unusual = {(record_id, kind) for record_id, kind, _ in unusual_properties(sketches)}
    assert {("slow", "unusual sampling rate"), ("order", "unusual leads")} <= unusual
    assert not any(record_id.startswith("normal") for record_id, _ in unusual)


def test_command_prints_and_writes(folder, tmp_path, capsys):
    import json

    assert main(["audit", str(folder), "--json", "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["unreadable"]) == (16, 1)
    assert found["duplicates"] == [["again", "normal03"]]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "duplicates.parquet", "pairs.parquet", "anomalies.parquet", "audit.json"
    }  # fmt: skip
    assert main(["audit", str(folder)]) == 0
    assert "truncated: 1" in capsys.readouterr().out


def test_a_folder_without_data_is_an_error(tmp_path, capsys):
    with pytest.raises(DataError, match="no images or WFDB records"):
        list_folder(tmp_path)
    assert main(["audit", str(tmp_path / "absent")]) == 1
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.realdata
def test_some_real_images(cardiac_copy, tmp_path, capsys):
    """A tenth of the files: two pages of one patient, and copies of 12 files."""
    import json

    for path in cardiac_copy.rglob("*.jpg"):
        number = int(path.stem.split("(")[1].rstrip(")"))
        if (path.stem.startswith("HB") and 85 <= number < 105) or (path.stem.startswith("MI(") and number < 60):
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            (tmp_path / path.parent.name / path.name).symlink_to(path)
    assert main(["audit", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["distinct"], found["conflicts"]) == (79, 50, [])
    assert [(p["first"][-10:], p["second"][-10:]) for p in found["pairs"]] == [("HB(93).jpg", "HB(94).jpg")]


@pytest.mark.long
@pytest.mark.realdata
def test_all_real_images(cardiac_copy, capsys):
    import json

    assert main(["audit", str(cardiac_copy), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["distinct"], found["conflicts"]) == (928, 491, [])
    assert sorted(found["classes"].values()) == [172, 233, 239, 284]
    assert sorted(found["distinct_by_class"].values()) == [30, 86, 142, 233]
    assert [(p["first"][-10:], p["second"][-10:]) for p in found["pairs"]] == [("HB(93).jpg", "HB(94).jpg")]


@pytest.mark.realdata
def test_real_records(ptbxl_copy, capsys):
    import json

    assert main(["audit", str(ptbxl_copy), "--sampling-rate", "500", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == found["distinct_groups"] == 120
    assert found["unreadable"] == 0
