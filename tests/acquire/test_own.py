"""User datasets: records from a table or class folders, and errors that name the file, line and key."""

import json
import os
import shutil
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import wfdb

from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.acquire.labels import check_splittable, label_classes, make_labels
from ecgpipe.acquire.own import list_own_records
from ecgpipe.acquire.shards import shard_count
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.cli import main
from ecgpipe.config.data import LabelsConfig
from ecgpipe.config.own import OwnConfig
from ecgpipe.errors import DataError
from tests.conftest import zipped

ROWS = """path,label,patient,fold,age,sex
a/one,AF,p1,1,61,m
a/two.hea,SR;LBBB,p1,2,,F
three,SR,p2,3,40.5,
four,,p3,1,33,female
"""


def write_record(folder: Path, name: str, rate: int = 250, leads=LEADS, seconds: float = 10) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    signal = np.random.default_rng(list(name.encode())).normal(0, 0.3, (round(rate * seconds), len(leads)))
    count = len(leads)
    wfdb.wrsamp(
        path.name, rate, ["mV"] * count, list(leads), p_signal=signal, fmt=["16"] * count, write_dir=str(path.parent)
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "clinic"
    for name in ("a/one", "a/two", "three", "four"):
        write_record(folder, name)
    (folder / "labels.csv").write_text(ROWS)
    return folder


@pytest.fixture
def clinic(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "clinic")


def config(folder: Path, **keys) -> OwnConfig:
    columns = {"patient": "patient", "fold": "fold", "age": "age", "sex": "sex"} | keys.pop("columns", {})
    return OwnConfig(**({"kind": "signals", "source": str(folder), "labels": "labels.csv", "columns": columns} | keys))


def test_table_columns_become_record_columns(clinic, tmp_path):
    records, problems = list_own_records("clinic", config(clinic))
    assert problems == []
    RECORDS.write(records, tmp_path / "records.parquet")
    rows = RECORDS.read(tmp_path / "records.parquet").set_index("record_id")
    assert list(rows.index) == ["a/one", "a/two", "four", "three"]
    assert {name: json.loads(text) for name, text in rows["statements"].items()} == {
        "a/one": {"AF": 100.0}, "a/two": {"SR": 100.0, "LBBB": 100.0}, "three": {"SR": 100.0}, "four": {}
    }  # fmt: skip
    assert rows["patient_id"].to_dict() == {"a/one": "p1", "a/two": "p1", "four": "p3", "three": "p2"}
    assert rows["fold"].tolist() == [1, 2, 1, 3]
    assert rows["sex"].dropna().to_dict() == {"a/one": "male", "a/two": "female", "four": "female"}
    assert rows["age"].dropna().to_dict() == {"a/one": 61, "four": 33, "three": 40.5}
    assert rows.loc["a/two", "path"] == "a/two"


def test_a_zip_archive_is_read_like_its_folder(clinic):
    archive = zipped(clinic, "clinic/")
    inside = list_own_records("clinic", config(archive))
    assert inside[0].equals(list_own_records("clinic", config(clinic))[0])
    shutil.rmtree(clinic)
    assert len(list_own_records("clinic", config(archive))[0]) == 4
    assert list(clinic.parent.iterdir()) == [archive]  # nothing was unpacked beside it


def test_one_column_per_class_with_ids_and_another_delimiter(clinic):
    (clinic / "labels.csv").write_text("﻿file;id;AF;SR\na/one;1;1;0\na/two;2;0;1\nthree;3;1;1\nfour;4;0;\n", "utf-8")
    columns = {"path": "file", "record": "id", "label": ["AF", "SR"], "patient": None, "fold": None}
    settings = OwnConfig(
        kind="signals", source=str(clinic), labels="labels.csv", columns=columns, delimiter=";", policy="multilabel"
    )
    records, _ = list_own_records("clinic", settings)
    assert records["record_id"].tolist() == ["1", "2", "3", "4"]
    group_of, classes = label_classes(records, (), "own.clinic")
    labels, counts = make_labels(records, group_of, classes, LabelsConfig(policy="multilabel"))
    assert labels.classes == ("AF", "SR")
    assert labels.targets.tolist() == [[1, 0], [0, 1], [1, 1]]
    assert counts.dropped == {"no statement of the grouping": 1}


@pytest.mark.parametrize("delimiter", [" ", "\t", "|"])
def test_any_delimiter(clinic, delimiter):
    (clinic / "labels.csv").write_text(ROWS.replace(",", delimiter))
    records, problems = list_own_records("clinic", config(clinic, delimiter=delimiter))
    assert records["record_id"].tolist() == ["a/one", "a/two", "four", "three"] and not problems
    (clinic / "labels.csv").write_text(ROWS.replace(",", delimiter) + f'x{delimiter}"SR')
    with pytest.raises(DataError, match="line 6: a quote is not closed"):
        list_own_records("clinic", config(clinic, delimiter=delimiter))


def test_a_shard_does_not_depend_on_labels_or_other_records(clinic):
    before = list_own_records("clinic", config(clinic, shards=3))[0].set_index("path")["shard"]
    (clinic / "labels.csv").write_text(ROWS.replace("AF", "XX").replace("three,SR", "three,AF"))
    write_record(clinic, "five")
    after, problems = list_own_records("clinic", config(clinic, shards=3))
    assert after.set_index("path")["shard"].equals(before)
    assert [(p.record, p.problem) for p in problems] == [("five", "no-metadata")]


def test_shards_hold_a_thousand_records_at_most():
    assert [shard_count(n) for n in (1, 1000, 1001, 4000, 4001)] == [1, 1, 2, 4, 8]


def test_one_changed_file_changes_only_the_hash_of_its_shard(clinic):
    def hashes():
        found = make_dataset("clinic", config(clinic, shards=3), "results", "resources")
        assert found.shards() == ["00", "01", "02"]
        return {shard: found.raw_files_hash(shard) for shard in found.shards()}, found.listing_hash()

    shard = list_own_records("clinic", config(clinic, shards=3))[0].set_index("path").loc["three", "shard"]
    before, listing = hashes()
    (clinic / "three.dat").write_bytes((clinic / "three.dat").read_bytes() + b"x")
    after, same = hashes()
    assert {name for name in before if before[name] != after[name]} == {shard}
    assert same == listing  # which records there are has not changed
    (clinic / "three.hea").unlink()
    assert hashes()[1] != listing


ERRORS = {
    "a missing column": (ROWS.replace("label", "diagnosis"), {}, "has no column 'label'; it has path, diagnosis"),
    "a misspelt column": (ROWS.replace("patient,", "pateint,"), {}, "did you mean pateint"),
    "another delimiter": (ROWS.replace(",", ";"), {}, r"separated by ';'; set own.clinic.delimiter: \";\""),
    "a tab": (ROWS.replace(",", "\t"), {}, r"set own.clinic.delimiter: \"\\t\""),
    "an id twice": (ROWS + "a/one,SR,p9,1,,\n", {}, "line 6, column path: 'a/one' already occurs in line 2"),
    "a path that escapes": (ROWS + "../x,SR,p9,1,,\n", {}, "line 6, column path: '../x' leaves the folder"),
    "a path on a drive": (ROWS + "C:/x,SR,p9,1,,\n", {}, "'C:/x' leaves the folder"),
    "an absolute path": (ROWS + "/etc/passwd,SR,p9,1,,\n", {}, "leaves the folder"),
    "no path": (ROWS + ",SR,p9,1,,\n", {}, "line 6, column path: no path"),
    "an invalid fold": (ROWS + "x,SR,p9,one,,\n", {}, "line 6, column fold: 'one' is not a whole number"),
    "a fold out of range": (ROWS + "x,SR,p9,1001,,\n", {}, "line 6, column fold: '1001' is not a whole number"),
    "a reserved class": (ROWS + "x,record_id,p9,1,,\n", {}, "line 6: 'record_id' is not allowed as a class name"),
    "an invalid age": (ROWS + "x,SR,p9,1,old,\n", {}, "line 6, column age: 'old' is not a number"),
    "an invalid sex": (ROWS + "x,SR,p9,1,,x\n", {}, "line 6, column sex: 'x'"),
    "a cell too many": (ROWS + "x,SR,LBBB,p9,1,,\n", {}, "line 6: 7 cells, but the header has 6 columns"),
    "paths of other files": ("path,label\nx/1,SR\n", {"columns": {}}, "none of its 1 records is in"),
    "an open quote": (ROWS + 'x,SR,p9,1,,"m\ny,SR,p9,1,,m\n', {}, "line 6: a quote is not closed"),
    "an open quote in the middle": (ROWS + 'x,SR,"p9,1,,m\ny,SR,p9,1,,m', {}, "line 6: a quote is not closed"),
    "no rows": ("path,label\n", {"columns": {}}, "has no rows"),
    "an empty file": ("", {"columns": {}}, "its first line is empty"),
    "an invalid class cell": (
        "path,AF\nthree,yes\n",
        {"columns": {"label": ["AF"]}},
        "'yes'; a column of a single class must be 0 or 1",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_the_table_names_file_line_and_remedy(clinic, name):
    text, keys, expected = ERRORS[name]
    (clinic / "labels.csv").write_text(text)
    settings = config(clinic)
    if "columns" in keys:
        settings = OwnConfig(kind="signals", source=str(clinic), labels="labels.csv", **keys)
    with pytest.raises(DataError) as error:
        list_own_records("clinic", settings)
    assert str(error.value).startswith(str(clinic / "labels.csv"))
    assert expected.replace("\\\\", "\\").replace('\\"', '"') in str(error.value)


def test_a_missing_or_unreadable_table(clinic):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file.*set own\.clinic\.labels"):
        list_own_records("clinic", config(clinic, labels="nowhere.csv"))
    (clinic / "labels.csv").write_bytes(b"path,label\n\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        list_own_records("clinic", config(clinic))


def test_missing_records_are_problems(clinic):
    (clinic / "labels.csv").write_text(ROWS + "ghost,SR,p9,1,,\n")
    records, problems = list_own_records("clinic", config(clinic))
    assert "ghost" not in set(records["record_id"])
    assert [(p.record, p.problem) for p in problems] == [("ghost", "missing-file")]
    assert "line 6" in problems[0].detail


def test_only_line_feeds_and_carriage_returns_end_a_row(clinic):
    head, first, *rest = ROWS.splitlines()
    for end in ("\n", "\r\n", "\r"):
        text = end.join([f"{head},note", f"{first},a\u2028b\x0bc\x85d", *(f'{row},"two{end}lines"' for row in rest)])
        (clinic / "labels.csv").write_bytes(text.encode())
        records, problems = list_own_records("clinic", config(clinic))
        assert (len(records), problems) == (4, [])


def test_a_file_name_that_is_not_utf_8_is_named(clinic, capsys):
    for suffix in (".hea", ".dat"):
        try:
            os.rename(clinic / f"three{suffix}", os.fsencode(clinic) + b"/tr\xe8s" + suffix.encode())
        except OSError:
            pytest.skip("this file system has only names in UTF-8")
    dataset = make_dataset("clinic", config(clinic), "results", "resources")
    with pytest.raises(DataError, match=r"clinic: the name of its file 'tr\\udce8s' is not valid UTF-8; rename"):
        dataset.listing_hash()
    assert main(["audit", str(clinic)]) == 1
    assert "is not valid UTF-8; rename" in capsys.readouterr().err


def test_record_names_may_contain_dots_and_colons_and_folds_0_and_1000_are_valid(clinic):
    for name in ("v1.5", "v1.6", "2024 12:30"):
        (clinic / f"{name}.hea").touch()
    (clinic / "labels.csv").write_text("path,label,fold\nv1.5,SR,0\nv1.6.hea,AF,1000\n2024 12:30,AF,1\n")
    columns = {"patient": None, "age": None, "sex": None}
    records, _ = list_own_records("clinic", config(clinic, columns=columns))
    assert records[["path", "fold"]].values.tolist() == [["2024 12:30", 1], ["v1.5", 0], ["v1.6", 1000]]


def test_images_with_a_table_outside_the_folder(tmp_path):
    (tmp_path / "scans").mkdir()
    for name in ("1.png", "2.JPG", "3.txt"):
        (tmp_path / "scans" / name).write_bytes(b"x")
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n2.JPG,sick\n1.png,well\n")
    settings = OwnConfig(kind="images", source=str(tmp_path / "scans"), labels=str(table))
    records, problems = list_own_records("scans", settings)
    assert records["path"].tolist() == ["1.png", "2.JPG"] and not problems
    assert make_dataset("scans", settings, "results", "resources").listing_inputs() == [str(table)]


def test_a_missing_table_is_named_with_its_key_and_not_required_by_snakemake(tmp_path):
    (tmp_path / "1.png").write_bytes(b"x")
    settings = OwnConfig(kind="images", source=str(tmp_path), labels="missing.csv")
    assert make_dataset("scans", settings, "results", "resources").listing_inputs() == []
    with pytest.raises(DataError, match=r"missing\.csv: no such file .*; set own\.scans\.labels"):
        list_own_records("scans", settings)


def test_an_empty_or_missing_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"contains no WFDB record.*own\.clinic\.source"):
        list_own_records("clinic", config(tmp_path / "empty"))
    with pytest.raises(DataError, match="no such folder or zip archive"):
        list_own_records("clinic", config(tmp_path / "nowhere"))


def test_images_in_class_folders(tmp_path):
    for name in ("sick/1.png", "sick/deeper/2.jpg", "well/1.png", "well/.hidden.png", "well/notes.txt"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(b"x")
    settings = OwnConfig(kind="images", source=str(tmp_path / "x"))
    records, _ = list_own_records("scans", settings)
    classes = {row.record_id: list(json.loads(row.statements)) for row in records.itertuples()}
    assert classes == {"sick/1": ["sick"], "sick/deeper/2": ["sick"], "well/1": ["well"]}
    assert label_classes(records, ("well", "sick"), "own.scans")[1] == ("well", "sick")
    (tmp_path / "x/well/1.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="same name, well/1"):
        list_own_records("scans", settings)
    (tmp_path / "x/well/1.jpg").rename(tmp_path / "x/lost.jpg")
    with pytest.raises(DataError, match=r"lost\.jpg: not in a class folder.*own\.scans\.labels"):
        list_own_records("scans", settings)


def test_invalid_classes(clinic):
    records, _ = list_own_records("clinic", config(clinic))
    with pytest.raises(
        DataError, match=r"own\.clinic\.classes: no record has the label VT; the labels are AF, LBBB, SR"
    ):
        label_classes(records, ("AF", "VT"), "own.clinic")
    with pytest.raises(DataError, match="1 different labels; at least 2"):
        label_classes(records[records["record_id"] == "a/one"], (), "own.clinic")
    group_of, classes = label_classes(records, ("AF", "SR"), "own.clinic")
    _, counts = make_labels(records, group_of, classes, LabelsConfig(), "own.clinic")
    with pytest.raises(DataError, match=r"class AF has fewer than 2 records.*own\.clinic\.min_records: 2"):
        check_splittable(counts, "own.clinic")


def test_a_larger_sample_contains_the_smaller_one(clinic):
    two = set(list_own_records("clinic", config(clinic, limit=2, seed=4))[0]["record_id"])
    three = set(list_own_records("clinic", config(clinic, limit=3, seed=4))[0]["record_id"])
    assert len(two) == 2
    assert two < three


def test_images_in_other_formats_are_problems(tmp_path):
    names = ("sick/1.jfif", "sick/2.HEIC", "well/1.jpe", "well/2.pdf", "well/notes.txt")
    for name in names:
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(b"x")
    expected = [
        (n, "unsupported-format", str(tmp_path / "x" / n)) for n in ("sick/2.HEIC", "well/2.pdf", "well/3.webp")
    ]
    settings = OwnConfig(kind="images", source=str(tmp_path / "x"))
    before = make_dataset("scans", settings, "results", "resources").listing_hash()
    (tmp_path / "x/well/3.webp").write_bytes(b"x")
    assert make_dataset("scans", settings, "results", "resources").listing_hash() != before
    records, problems = list_own_records("scans", settings)
    assert records["path"].tolist() == ["sick/1.jfif", "well/1.jpe"]
    assert [(p.record, p.problem, p.file) for p in problems] == expected
    assert problems[0].detail == "not a PNG, JPEG, BMP or TIFF file; convert it to PNG"
    table = tmp_path / "labels.csv"
    table.write_text("id,path,label\na,sick/1.jfif,sick\nb,sick/2.HEIC,sick\nc,well/1.jpe,well\n")
    settings = OwnConfig(kind="images", source=settings.source, labels=str(table), columns={"record": "id"})
    records, problems = list_own_records("scans", settings)
    assert records["record_id"].tolist() == ["a", "c"]
    assert [(p.record, p.problem, p.file) for p in problems] == [("b", *expected[0][1:]), *expected[1:]]
    table.write_text("id,path,label\nb,sick/2.HEIC,sick\n")
    with pytest.raises(DataError, match=r"none of its 1 images can be used; \S+2\.HEIC: not a PNG"):
        list_own_records("scans", settings)
    (tmp_path / "x/sick/1.jfif").unlink()
    (tmp_path / "x/well/1.jpe").unlink()
    with pytest.raises(DataError, match=r"none of its images can be used; sick/2\.HEIC: not a PNG.* convert"):
        list_own_records("scans", OwnConfig(kind="images", source=settings.source))


def test_a_class_folder_must_not_have_a_reserved_name(tmp_path):
    for name in ("record_id", "well"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"record_id/1\.png: 'record_id' is not allowed as a class name"):
        list_own_records("scans", OwnConfig(kind="images", source=str(tmp_path)))


def test_accents_in_another_unicode_form_are_the_same(tmp_path):
    """macOS may write é in file names as e with a combining accent; spreadsheets write one letter."""
    composed, decomposed = (normalize(form, "santé") for form in ("NFC", "NFD"))
    for name in (f"{decomposed}/1.png", f"{composed}/2.png", "malade/3.png"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(b"x")
    settings = OwnConfig(kind="images", source=str(tmp_path / "x"), classes=["malade", decomposed])
    records, _ = list_own_records("scans", settings)
    assert sorted(records["statements"].map(json.loads).map(list).sum()) == ["malade", composed, composed]
    assert label_classes(records, settings.classes, "own.scans")[1] == ("malade", composed)
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{composed}/1.png,{decomposed}\n{composed}/2.png,{composed}\nmalade/3.png,malade\n")
    records, problems = list_own_records("scans", settings.model_copy(update={"labels": str(table)}))
    assert set(records["path"]) == {f"{decomposed}/1.png", f"{composed}/2.png", "malade/3.png"} and not problems
    assert label_classes(records, settings.classes, "own.scans")[1] == ("malade", composed)
    table.write_text(table.read_text() + f"{decomposed}/1.png,{composed}\n")
    with pytest.raises(DataError, match=r"line 5, column path: .* already occurs in line 2"):
        list_own_records("scans", settings.model_copy(update={"labels": str(table)}))
