"""Images of PTB-XL's records: labels, patients and folds by the number in their name."""

import json
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest

from ecgpipe.acquire.datasets import list_records, make_dataset
from ecgpipe.acquire.labels import make_labels, read_grouping
from ecgpipe.acquire.own import list_own_records
from ecgpipe.artifacts.tables import RECORDS, Labels
from ecgpipe.config.data import LabelsConfig, PtbXlConfig, SplitConfig
from ecgpipe.config.own import OwnConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.split.protocols import split_table

# rows of release 1.0.3; the last has no patient here
DATABASE = """ecg_id,patient_id,age,sex,scp_codes,strat_fold
1,15709.0,56.0,1,"{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}",3
2,13243.0,19.0,0,"{'NORM': 80.0, 'SBRAD': 0.0}",2
8,20372.0,48.0,1,"{'IMI': 35.0, 'ABQRS': 0.0, 'SR': 0.0}",10
12345,1.0,,0,"{'CLBBB': 100.0, 'SR': 0.0}",10
21000,,300.0,,"{'IMI': 100.0}",9
"""
STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior myocardial infarction,1.0,,,MI,IMI
CLBBB,complete left bundle branch block,1.0,,,CD,CLBBB
SR,sinus rhythm,,,1.0,,
"""
# GenECG has two folders, each with the folders of PTB-XL; others put both numbers of a kit's page in the name
NAMES = (
    "Dataset_A/00000/00001_hr_1R.png",
    "Dataset_B/00000/00001_hr_1R.png",
    "Dataset_A/12000/12345_hr_1R.png",
    "00002_lr.png",
    "00008_hr-0.png",
    "HR21000.jpg",
)


def write_images(folder: Path, names=NAMES) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def ptb_xl(tmp_path) -> Path:
    folder = tmp_path / "ptb-xl"
    folder.mkdir()
    (folder / "ptbxl_database.csv").write_text(DATABASE)
    (folder / "scp_statements.csv").write_text(STATEMENTS)
    return folder


def config(folder: Path, **keys) -> OwnConfig:
    return OwnConfig(**{"kind": "images", "source": str(folder), "labels": "ptb-xl"} | keys)


def test_images_have_the_labels_patients_and_folds_of_their_records(tmp_path, ptb_xl):
    dataset = make_dataset(
        "genecg", config(write_images(tmp_path / "genecg")), "results", "resources", PtbXlConfig(source=str(ptb_xl))
    )
    records, problems = list_records(dataset.layout, "genecg", dataset.source, dataset.settings)
    assert not problems
    RECORDS.write(records, tmp_path / "records.parquet")
    rows = RECORDS.read(tmp_path / "records.parquet").set_index("record_id")
    assert rows["patient_id"].to_dict() == {
        "Dataset_A/00000/00001_hr_1R.png": "15709",
        "Dataset_B/00000/00001_hr_1R.png": "15709",
        "Dataset_A/12000/12345_hr_1R.png": "1",
        "00002_lr.png": "13243",
        "00008_hr-0.png": "20372",
        "HR21000.jpg": "record 21000",
    }
    assert rows.loc[list(NAMES), "fold"].tolist() == [3, 3, 10, 2, 10, 9]
    assert rows.loc["00008_hr-0.png", ["age", "sex"]].tolist() == [48, "female"]
    assert json.loads(rows.loc["00002_lr.png", "statements"]) == {"NORM": 80.0, "SBRAD": 0.0}
    # the labels are made as PTB-XL's, by the section `labels`
    assert dataset.classes is None and dataset.labels is None
    labels, _ = make_labels(
        records, *read_grouping(dataset.statements_source, "superclass"), LabelsConfig(min_records=2)
    )
    made = dict(zip(labels.record_ids, labels.targets.tolist(), strict=True))
    assert labels.classes == ("NORM", "MI")
    assert made["Dataset_B/00000/00001_hr_1R.png"] == [1, 0] and made["HR21000.jpg"] == [0, 1]
    assert set(map(str, [ptb_xl / "ptbxl_database.csv", ptb_xl / "scp_statements.csv"])) == set(
        dataset.listing_inputs()
    )


def test_names_without_a_number_and_unknown_numbers_are_problems(tmp_path, ptb_xl):
    names = ("2042290760-0006.png", "123.png", "10000/00001_00002.png", "99999.png", "00001/page.png")
    folder = write_images(tmp_path / "pages", (*NAMES, *names))
    records, problems = list_own_records("pages", config(folder), ptb_xl=ptb_xl)
    assert set(records["path"]) == set(NAMES)
    found = {p.record: (p.problem, p.detail) for p in problems}
    assert {name: found[name][0] for name in names} == {
        "2042290760-0006.png": "no-id",
        "123.png": "no-id",
        "10000/00001_00002.png": "no-id",
        "99999.png": "unknown-id",
        "00001/page.png": "no-id",
    }
    assert "several record numbers, 1, 2 in" in found["10000/00001_00002.png"][1]
    assert "99999 is not an ecg_id in" in found["99999.png"][1]


def test_a_pattern_may_use_folders_and_short_numbers(tmp_path, ptb_xl):
    folder = write_images(tmp_path / "pages", ("ecg-8/page.png", "ecg-00002/page.png"))
    records, problems = list_own_records("pages", config(folder, id_pattern=r"ecg-(\d+)/"), ptb_xl=ptb_xl)
    assert records["fold"].tolist() == [2, 10] and not problems


def test_a_table_gives_the_numbers_of_images_and_folders(tmp_path, ptb_xl):
    folder = write_images(tmp_path / "kaggle", ("7/7-0001.png", "7/7-0009.png", "8/8-0001.png", "9/9-0001.png"))
    (folder / "ids.csv").write_text("image,id\n7,00008\n8/8-0001.png,2\n10,1\n")
    settings = config(folder, id_table="ids.csv")
    records, problems = list_own_records("kaggle", settings, ptb_xl=ptb_xl)
    assert records[["path", "fold"]].values.tolist() == [
        ["7/7-0001.png", 10],
        ["7/7-0009.png", 10],
        ["8/8-0001.png", 2],
    ]
    assert [(p.record, p.problem) for p in problems] == [("9/9-0001.png", "no-id"), ("10", "missing-file")]
    assert make_dataset("kaggle", settings, "r", "r", PtbXlConfig(source=str(ptb_xl))).tables == ("ids.csv",)
    (folder / "8/8-0002.webp").write_bytes(b"x")
    (folder / "ids.csv").write_text("image,id\n7,00008\n8/8-0002.webp,2\n")
    _, problems = list_own_records("kaggle", settings, ptb_xl=ptb_xl)
    assert [(p.record, p.problem) for p in problems if "webp" in p.record] == [("8/8-0002.webp", "unsupported-format")]
    (folder / "ids.csv").write_text("image,id\n7,00008\n7/,2\n")
    with pytest.raises(DataError, match=r"ids\.csv, line 3: 7 has two ids, 8 and 2"):
        list_own_records("kaggle", settings, ptb_xl=ptb_xl)
    (folder / "ids.csv").write_text("image,id\n7,eight\n")
    with pytest.raises(DataError, match=r"ids\.csv, line 2: image '7', id 'eight'"):
        list_own_records("kaggle", settings, ptb_xl=ptb_xl)
    (folder / "ids.csv").write_text("image;id\n7;8\n")
    with pytest.raises(DataError, match=r"set own\.kaggle\.delimiter"):
        list_own_records("kaggle", settings, ptb_xl=ptb_xl)


def test_a_table_may_write_accents_in_another_unicode_form(tmp_path, ptb_xl):
    names = [f"{normalize(form, 'é')}/{form}.png" for form in ("NFC", "NFD")]
    folder = write_images(tmp_path / "pages", names)
    for form in ("NFC", "NFD"):
        table = [f"{normalize(form, 'é')}/{name},{number}" for name, number in (("NFC.png", 2), ("NFD.png", 8))]
        (folder / "ids.csv").write_text("\n".join(["image,id", *table]))
        records, problems = list_own_records("pages", config(folder, id_table="ids.csv"), ptb_xl=ptb_xl)
        assert set(records["path"]) == set(names) and not problems


def test_images_of_other_records_stop_with_the_keys_to_set(tmp_path, ptb_xl):
    folder = write_images(tmp_path / "pages", ("a.png", "99999.png"))
    with pytest.raises(DataError, match=r"none of its 2 images.*a\.png.*own\.pages\.id_pattern"):
        list_own_records("pages", config(folder), ptb_xl=ptb_xl)


def test_test_records_of_ptb_xl_are_in_no_training_part(tmp_path):
    """Under `folds`, the recordings of the images' test set are also PTB-XL's test set, and never trained on."""
    database = pd.DataFrame({"ecg_id": range(1, 101)})
    database["patient_id"] = database["ecg_id"] // 2
    database["strat_fold"] = database["patient_id"] % 10 + 1
    database["scp_codes"] = [str({("NORM", "IMI")[number % 2]: 100.0}) for number in database["ecg_id"]]
    ptb_xl = tmp_path / "ptb-xl"
    ptb_xl.mkdir()
    database.assign(age=50, sex=0).to_csv(ptb_xl / "ptbxl_database.csv", index=False)
    names = [f"{part}/{number:05d}.png" for part in "ab" for number in database["ecg_id"]]
    records, _ = list_own_records("pages", config(write_images(tmp_path / "pages", names)), ptb_xl=ptb_xl)
    signals = pd.DataFrame({
        "record_id": [f"{number:05d}" for number in database["ecg_id"]], "content": "",
        "patient_id": database["patient_id"].astype(str), "fold": database["strat_fold"],
    })  # fmt: skip

    def recordings(table: pd.DataFrame) -> dict[str, set[str]]:
        ids = table["record_id"].to_numpy(str)
        numbers = table["record_id"].str.extract(r"(\d{5})")[0].astype(int)
        labels = Labels(ids, np.eye(2, dtype=np.uint8)[numbers % 2], ("NORM", "MI"), "single")
        split, _ = split_table("folds", table, labels, [table[["record_id"]]], SplitConfig(), 0)
        found = split.assign(number=split["record_id"].str.extract(r"(\d{5})")[0])
        return {str(role): set(rows["number"]) for role, rows in found.groupby("role")}

    images, drawn = recordings(records), recordings(signals)
    assert images["test"] == drawn["test"] and len(images["test"]) == 10
    assert not (images["test"] | images["validation"]) & (images["train"] | drawn["train"])
    patients = database.assign(number=signals["record_id"]).set_index("number")["patient_id"]
    assert not set(patients[list(images["test"])]) & set(patients[list(drawn["train"] | images["train"])])


def together(protocol: str, other: str) -> dict:
    runs = {"models": ["resnet10t"], "protocols": [other]}
    return {
        "datasets": ["ptb-xl", "genecg"],
        "own": {"genecg": {"kind": "images", "source": "genecg", "labels": "ptb-xl"}},
        "recipes": {"tuned": {"init_from": f"ptb-xl/{other}/resnet10t"}},
        "benchmark": {"ptb-xl": runs, "genecg": {"models": ["resnet10t+tuned"], "protocols": [protocol]}},
        "explain": {"variants": []},
    }


def test_a_training_may_start_from_ptb_xl_only_with_the_same_folds():
    assert validate_config(together("folds", "folds")).shares_records("ptb-xl", "genecg")
    for protocols in (("patient", "patient"), ("folds", "patient"), ("patient", "folds")):
        with pytest.raises(ConfigError, match=r"genecg shows the recordings of ptb-xl.*protocols: \[folds\]"):
            validate_config(together(*protocols))


REFUSED = {
    "a table's keys": ({"columns": {"path": "x"}}, "columns: no label table"),
    "classes": ({"classes": ["a", "b"]}, "classes: PTB-XL's labels are made by the section `labels`"),
    "no group": ({"id_pattern": r"\d+"}, "has 0 groups; it must have one"),
    "no pattern": ({"id_pattern": "("}, "is not a regular expression"),
    "both": ({"id_pattern": r"(\d)", "id_table": "x.csv"}, "`id_table` already gives the numbers"),
    "signals": ({"kind": "signals"}, "labels: ptb-xl is for images"),
    "images with headers": ({"labels": "header"}, "labels: header is for signals"),
    "a misspelt word": ({"labels": "ptbxl"}, "did you mean ptb-xl?"),
    "another one": ({"kind": "signals", "labels": "Headers"}, "did you mean header?"),
    "a code table": ({"code_table": "x.csv"}, "code_table: only with labels: header"),
    "a pattern without numbers": ({"labels": None, "id_pattern": r"(\d)"}, "id_pattern: only with labels: ptb-xl"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_keys_that_do_not_fit_are_errors(name):
    keys, expected = REFUSED[name]
    with pytest.raises(ValueError) as error:
        config(Path("x"), **keys)
    assert expected in str(error.value)


def test_protocols_without_patients_or_folds_are_refused():
    header = OwnConfig(kind="signals", source="x", labels="header")
    assert "requires" in header.unfit("patient") and "requires" in header.unfit("folds")
    assert header.unfit("unique") is None
    assert [config(Path("x")).unfit(protocol) for protocol in ("folds", "patient", "unique")] == [None] * 3
