"""Labels of WFDB headers: what is read from them, and the classes of their codes."""

import csv
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import wfdb

from benchmarks.header_labels import challenge_codes, superclasses
from ecgpipe.acquire.datasets import list_records, make_dataset
from ecgpipe.acquire.header_labels import CODE_TABLE, classes_of_codes, code_classes, read_code_table
from ecgpipe.acquire.own import list_own_records
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import DataError
from tests.acquire.test_own import write_record
from tests.conftest import PROJECT, zipped

REAL = PROJECT.parent / "shared/data/ptb-xl"
# as the Challenge writes them, and as people do
COMMENTS = {
    "E00001": b"#Age: 74\n#Sex: Male\n#Dx: 426783006\n#Rx: Unknown\n",
    "JS00001": b"# Age: 85\r\n# Sex: Female\r\n# Dx: 164889003,59118001, 164934002  \r\n",
    "latin": "# Größe: 1,80 m\n# age: NaN\n# sex: Unknown\n# DX : 270492004,270492004,\n".encode("latin-1"),
    "utf8": "# Größe\n#Age: 300\n#Sex: f\n#Dx: 54329005\n#Dx: 111975006\n".encode(),
    "unknown": b"#Age: Unknown\n#Sex: Male\n#Dx: Unknown\n",
    "without": b"#Age: 40\n#Reason for admission: none\n",
    "deep/er": b"#Dx: 426783006,999\n#Age: -1\n",
}


@pytest.fixture
def clinic(tmp_path) -> Path:
    folder = tmp_path / "clinic"
    for name, comments in COMMENTS.items():
        write_record(folder, name, rate=100, seconds=1)
        with open(folder / f"{name}.hea", "ab") as file:
            file.write(comments)
    return folder


def config(folder: Path, **keys) -> OwnConfig:
    return OwnConfig(**{"kind": "signals", "source": str(folder), "labels": "header"} | keys)


def test_codes_age_and_sex_come_from_the_headers(clinic, tmp_path):
    records, problems = list_own_records("clinic", config(clinic))
    RECORDS.write(records, tmp_path / "records.parquet")
    rows = RECORDS.read(tmp_path / "records.parquet").set_index("record_id")
    assert {name: list(json.loads(text)) for name, text in rows["statements"].items()} == {
        "E00001": ["426783006"],
        "JS00001": ["164889003", "59118001", "164934002"],
        "deep/er": ["426783006", "999"],
        "latin": ["270492004"],
        "utf8": ["54329005", "111975006"],
    }
    assert rows["age"].dropna().to_dict() == {"E00001": 74, "JS00001": 85, "utf8": 300}
    assert rows["sex"].dropna().to_dict() == {"E00001": "male", "JS00001": "female", "utf8": "female"}
    assert rows["patient_id"].isna().all() and rows["fold"].isna().all()
    assert [(p.record, p.problem) for p in problems] == [("unknown", "no-diagnosis"), ("without", "no-diagnosis")]
    assert "states no code" in problems[0].detail and "has no line # Dx" in problems[1].detail
    assert wfdb.rdheader(str(clinic / "JS00001")).comments[2].startswith("Dx: 164889003")  # the library agrees


def test_a_zip_archive_is_read_like_its_folder(clinic):
    inside, problems = list_own_records("clinic", config(zipped(clinic, "clinic/")))
    assert inside.equals(list_own_records("clinic", config(clinic))[0])
    assert len(problems) == 2


def test_a_header_that_cannot_be_read_is_a_problem_of_its_record(clinic):
    (clinic / "huge.hea").write_bytes(b"#Dx: 426783006\n" + b"# x\n" * 300_000)
    (clinic / "lost.hea").symlink_to("nowhere")
    problems = {p.record: p.detail for p in list_own_records("clinic", config(clinic))[1]}
    assert "too long for a header" in problems["huge"]
    assert "No such file" in problems["lost"]
    for path in clinic.rglob("*.hea"):
        path.unlink()
    (clinic / "x.hea").write_text("x 1 100 100\n")
    with pytest.raises(DataError, match=r"none of its 1 headers states a diagnosis.*own\.clinic\.labels"):
        list_own_records("clinic", config(clinic))


def test_only_a_changed_header_lists_the_records_again(clinic):
    def hashed():
        found = make_dataset("clinic", config(clinic), "results", "resources")
        listed = list_records("own", "clinic", found.source, found.settings)[0]
        assert len(listed) == 5
        return found.listing_hash(), found.raw_files_hash("00")

    before = hashed()
    (clinic / "utf8.dat").write_bytes((clinic / "utf8.dat").read_bytes() + b"x")
    listing, raw = hashed()
    assert listing == before[0] and raw != before[1]
    with open(clinic / "utf8.hea", "a") as file:
        file.write("# Rx: none\n")
    assert hashed()[0] != before[0]


def labelled(*codes: str, table=None) -> list[str]:
    records = pd.DataFrame({"statements": [json.dumps(dict.fromkeys(codes, 100.0))]})
    return sorted(json.loads(classes_of_codes(records, table or read_code_table())[0]["statements"][0]))


def test_sinus_rhythm_is_normal_only_alone():
    assert labelled("426783006") == ["NORM"]
    assert labelled("426783006", "59118001") == ["CD"]
    assert labelled("426783006", "284470004") == []  # premature beats: neither normal nor of a superclass
    assert labelled("426783006", "999") == []  # nor is a code normal that nobody knows
    assert labelled("426177001") == labelled("164889003") == []  # rhythms
    assert labelled("164873001", "164934002", "164865005", "27885002") == ["CD", "HYP", "MI", "STTC"]


def test_codes_are_counted_and_unknown_ones_reported(clinic, caplog):
    records, _ = list_own_records("clinic", config(clinic))
    table = read_code_table()
    found, counts = classes_of_codes(records, table)
    assert counts.unlisted == {"999": 1}
    assert "999 (1 records)" in caplog.text
    assert counts.without_class == {"164889003 AF atrial fibrillation": 1}
    assert counts.classes["426783006 NSR sinus rhythm"] == 2
    rows = counts.as_table()
    assert rows[rows["name"] == "999"].values.tolist() == [["code not in the table", "999", 1]]
    assert rows["records"].sum() == sum(len(json.loads(text)) for text in records["statements"])
    assert code_classes(found, table) == ("NORM", "MI", "STTC", "CD")  # those that occur, in the usual order


def test_a_table_of_ones_own_codes(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_text("code,classes,name\nAF;x,rhythm; other,quoted\n", "utf-8")
    assert labelled("AF;x", table=read_code_table(path)) == ["other", "rhythm"]
    path.write_text("code,classes\nA,rhythm\nA,other\n")
    with pytest.raises(DataError, match=r"codes\.csv, line 3: code A occurs twice"):
        read_code_table(path)
    path.write_text("code,classes\n,rhythm\n")
    with pytest.raises(DataError, match="line 2: no code"):
        read_code_table(path)
    path.write_text("code,classes\nA,record_id\n")
    with pytest.raises(DataError, match="'record_id' is not allowed"):
        read_code_table(path)
    path.write_text("code;classes\nA;B\n")
    with pytest.raises(DataError, match="separate them by commas"):
        read_code_table(path)
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file here; set own\.x\.code_table"):
        read_code_table("nowhere.csv", "own.x.code_table")


def test_the_packages_table_has_superclasses_and_names_alone():
    with open(CODE_TABLE, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["code"] for row in rows}) == 137
    assert all(row["code"].isdigit() and row["abbreviation"] and row["name"] and row["source"] for row in rows)
    assert {name for row in rows for name in row["classes"].split(";") if name} == set(SUPERCLASSES) - {"NORM"}
    assert [(row["code"], row["alone"]) for row in rows if row["alone"]] == [("426783006", "NORM")]


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="requires the metadata of PTB-XL beside the checkout")
def test_the_packages_table_agrees_with_ptb_xl():
    """The Challenge's counts of codes in PTB-XL follow from the statements, and the classes mostly agree."""
    codes = challenge_codes(REAL / "v1.0.1")
    counts = Counter(code for found in codes for code in found)
    # dx_mapping_scored.csv and dx_mapping_unscored.csv, column PTB_XL
    published = {"426783006": 18092, "164934002": 2345, "164865005": 5261, "164873001": 2359, "428750005": 381,
                 "164861001": 2175, "164951009": 3389, "54329005": 354, "39732003": 5146}  # fmt: skip
    assert {code: counts[code] for code in published} == published
    made, true = superclasses(REAL / "v1.0.1", codes)
    for name, least in {"NORM": 1, "MI": 1, "CD": 1, "HYP": 0.92, "STTC": 0.9}.items():
        both = sum(name in one and name in other for one, other in zip(made, true, strict=True))
        assert both >= least * sum(name in one for one in made), name  # precision
        # NORM is lost where a rhythm or an axis stands beside sinus rhythm
        assert both >= (0.67 if name == "NORM" else 1) * sum(name in one for one in true), name
