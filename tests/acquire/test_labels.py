"""Label policies on hand-made statements, and on PTB-XL's published counts."""

import functools

import numpy as np
import pandas as pd
import pytest

from ecgpipe.acquire.labels import make_labels, read_grouping, tie_order
from ecgpipe.acquire.ptbxl import read_database
from ecgpipe.config.data import SUPERCLASSES, LabelsConfig
from ecgpipe.errors import DataError

GROUP = {"NORM": "NORM", "IMI": "MI", "AMI": "MI", "NDT": "STTC", "LBBB": "CD", "LVH": "HYP"}
STATEMENTS = {
    "normal": {"NORM": 100, "SR": 0},
    "two of one class": {"IMI": 50, "AMI": 80},
    "two classes": {"IMI": 35, "NDT": 100},
    "tie": {"NDT": 100, "LVH": 100},
    "unknown likelihood": {"LBBB": 0},
    "rhythm only": {"SR": 0, "AFIB": 0},
    "hypertrophy": {"LVH": 15},
    "repolarisation": {"NDT": 50},
}


def table_of(statements) -> pd.DataFrame:
    """A records table of {record id: {code: likelihood}}."""
    return pd.DataFrame({"record_id": [*map(str, statements.keys())], "statements": list(dict(statements).values())})


def classes_of(**settings) -> dict[str, set[str]]:
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    labels, counts = make_labels(table_of(STATEMENTS), GROUP, classes, LabelsConfig(**settings))
    assert counts.kept + sum(counts.dropped.values()) == len(STATEMENTS)
    found = {}
    for record_id, target in zip(labels.record_ids, labels.targets, strict=True):
        found[str(record_id)] = {name for name, there in zip(classes, target, strict=True) if there}
    return found


def test_single_keeps_records_of_exactly_one_class():
    assert classes_of(policy="single") == {
        "normal": {"NORM"},
        "two of one class": {"MI"},
        "unknown likelihood": {"CD"},
        "hypertrophy": {"HYP"},
        "repolarisation": {"STTC"},
    }


def test_an_empty_class_is_an_error():
    with pytest.raises(DataError, match="no record of class MI under the label policy 'single'"):
        make_labels(table_of({"1": {"NORM": 100}}), GROUP, ("NORM", "MI"), LabelsConfig(policy="single"))


def test_primary_takes_the_likeliest_class_and_breaks_ties_by_order():
    found = classes_of(policy="primary")
    assert found["two classes"] == {"STTC"}
    assert found["tie"] == {"STTC"}
    assert classes_of(policy="primary", tie_order=("HYP", "STTC", "MI", "CD", "NORM"))["tie"] == {"HYP"}
    assert "rhythm only" not in found


def test_multilabel_keeps_every_class():
    found = classes_of(policy="multilabel")
    assert found["two classes"] == {"MI", "STTC"}
    assert found["tie"] == {"STTC", "HYP"}


def test_threshold_and_unknown_likelihood():
    found = classes_of(policy="multilabel", min_likelihood=15)
    assert found["two classes"] == {"MI", "STTC"}
    assert found["unknown likelihood"] == {"CD"}  # unknown is not unlikely
    with pytest.raises(DataError, match="HYP"):
        classes_of(policy="single", min_likelihood=50)
    with pytest.raises(DataError, match="CD"):
        classes_of(policy="multilabel", zero_likelihood="absent")


TABLE = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NDT,,1.0,1.0,,STTC,STTC
NORM,,1.0,,,NORM,NORM
IMI,,1.0,,,MI,IMI
AMI,,1.0,,,MI,AMI
LBBB,,1.0,,,CD,CLBBB
LVH,,1.0,,,HYP,LVH
PVC,,,1.0,,,
SR,,,,1.0,,
AFIB,,,,1.0,,
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "scp_statements.csv").write_text(TABLE)
    return tmp_path


def labelled(table, **settings):
    config = LabelsConfig(**settings)
    group_of, classes = read_grouping(table, config.grouping)
    return make_labels(table_of(STATEMENTS), group_of, classes, config)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("superclass", SUPERCLASSES),
        ("subclass", ("STTC", "NORM", "IMI", "AMI", "CLBBB", "LVH")),
        ("diagnostic", ("NDT", "NORM", "IMI", "AMI", "LBBB", "LVH")),
        ("form", ("NDT", "PVC")),
        ("rhythm", ("SR", "AFIB")),
        ("all", ("NDT", "NORM", "IMI", "AMI", "LBBB", "LVH", "PVC", "SR", "AFIB")),
    ],
)
def test_groupings_follow_the_statements_table(table, name, classes):
    assert read_grouping(table, name)[1] == classes


def test_a_grouping_file(table):
    own = table / "own.csv"
    own.write_text("statement,class\nIMI,infarction\nAMI,infarction\nNORM,normal\nSR,normal\n")
    labels, counts = labelled(table, grouping=str(own), policy="multilabel")
    assert labels.classes == ("infarction", "normal")
    assert counts.classes == {"infarction": 2, "normal": 2}
    assert counts.dropped == {"no statement of the grouping": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("statement,class\nIMI,a\nAMII,a\n", r"own\.csv, line 3: 'AMII' is not a statement.*did you mean AMI"),
        ("statement,class\nIMI,a\nIMI,b\n", "line 3: IMI is in two classes, a and b"),
        ("statement,class\n\nIMI,a\nNORM,\n", "line 4: no class; name one"),
        ("statement,class\nIMI,record_id\n", "line 2: 'record_id' is not allowed as a class name"),
        ("statement,class\nIMI,a,\nNORM,b,\n", "line 2: 3 cells, but the header has 2 columns"),
        ("statement;class\nIMI;a\n", "its cells are separated by ';'; separate them by commas"),
        ("code,class\nIMI,a\n", "has no column 'statement'; it has code, class"),
        ("statement,class\n", "has no rows"),
    ],
)
def test_an_error_in_a_grouping_file_names_its_line(table, text, expected):
    (table / "own.csv").write_text(text)
    with pytest.raises(DataError, match=expected):
        read_grouping(table, str(table / "own.csv"))
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file here; set labels\.grouping"):
        read_grouping(table, str(table / "nowhere.csv"))


def test_ties_in_any_grouping():
    classes = ("NORM", "IMI", "STTC")
    assert tie_order(classes, LabelsConfig(grouping="subclass")) == ["IMI", "STTC", "NORM"]
    assert tie_order(SUPERCLASSES, LabelsConfig()) == ["MI", "STTC", "CD", "HYP", "NORM"]
    assert tie_order(classes, LabelsConfig(grouping="subclass", tie_order=["STTC"])) == ["STTC", "IMI", "NORM"]
    with pytest.raises(DataError, match="has no class 'IMII'; did you mean IMI"):
        tie_order(classes, LabelsConfig(grouping="subclass", tie_order=["IMII"]))
    group_of = {"NORM": "NORM", "IMI": "IMI", "NDT": "STTC"}
    labels, _ = make_labels(
        table_of({"a": {"NORM": 100, "IMI": 100}, "b": {"NORM": 50, "NDT": 50}, "c": {"NORM": 80, "IMI": 50}}),
        group_of,
        classes,
        LabelsConfig(policy="primary", grouping="subclass"),
    )
    assert labels.targets.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_rare_classes_are_left_out_and_counted(table):
    labels, counts = labelled(table, grouping="subclass", policy="multilabel", min_records=2)
    assert counts.classes == {"STTC": 3, "IMI": 2, "LVH": 2}
    assert counts.rare == {"NORM": 1, "AMI": 1, "CLBBB": 1}
    assert counts.dropped == {"no statement of the grouping": 1, "only rare classes": 2}
    assert labels.targets.any(axis=1).all() and labels.targets.shape == (5, 3)
    with pytest.raises(DataError, match="fewer than two classes"):
        labelled(table, grouping="subclass", policy="multilabel", min_records=4)


def test_every_dropped_record_has_a_reason(table):
    _, counts = labelled(table, policy="single", min_records=1)
    assert {row["record_id"]: (row["reason"], row["classes"]) for row in counts.dropped_records} == {
        "two classes": ("several classes", '["MI", "STTC"]'),
        "tie": ("several classes", '["HYP", "STTC"]'),
        "rhythm only": ("no statement of the grouping", "[]"),
    }
    _, strict = labelled(table, grouping="diagnostic", policy="multilabel", min_likelihood=36, zero_likelihood="absent")
    reasons = {row["record_id"]: row["reason"] for row in strict.dropped_records}
    assert reasons == {
        "hypertrophy": "below min_likelihood",
        "unknown likelihood": "likelihood 0 only",
        "rhythm only": "no statement of the grouping",
    }


def test_likelihood_0_keeps_rhythms(table):
    """In PTB-XL, rhythm and form statements have a likelihood of 0: unknown, not absent."""
    _, counts = labelled(table, grouping="rhythm", policy="multilabel")
    assert counts.classes == {"SR": 2, "AFIB": 1}
    with pytest.raises(DataError, match="fewer than two classes"):
        labelled(table, grouping="rhythm", policy="multilabel", zero_likelihood="absent")


@functools.cache
def published_records(folder) -> pd.DataFrame:
    return table_of(read_database(folder)["scp_codes"])


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("version", "policy", "expected"),
    [
        # the counts of the PTB-XL benchmark's superclasses (v1.0.3), and of the single-label records
        ("", "multilabel", {"NORM": 9514, "MI": 5469, "STTC": 5235, "CD": 4898, "HYP": 2649}),
        ("", "single", {"NORM": 9069, "MI": 2532, "STTC": 2400, "CD": 1708, "HYP": 535}),
        ("v1.0.1", "multilabel", {"NORM": 9528, "MI": 5486, "STTC": 5250, "CD": 4907, "HYP": 2655}),
    ],
)
def test_published_counts(shared_data, version, policy, expected):
    top = shared_data / "ptb-xl"
    records = published_records(top / version)
    group_of, classes = read_grouping(top, "superclass")
    labels, counts = make_labels(records, group_of, classes, LabelsConfig(policy=policy))
    assert counts.classes == expected
    rows = labels.targets.sum(axis=1)
    assert (rows == 1).all() if policy == "single" else (rows >= 1).all()
    assert np.unique(labels.record_ids).size == counts.kept


@pytest.mark.realdata
@pytest.mark.parametrize("version", ["", "v1.0.1"])
@pytest.mark.parametrize("name", ["superclass", "subclass", "diagnostic", "form", "rhythm", "all"])
def test_counts_of_every_grouping_equal_an_independent_count(shared_data, version, name):
    """An independent count: explode the codes, join the statements' table, drop duplicates."""
    top = shared_data / "ptb-xl"
    raw = pd.read_csv(top / version / "ptbxl_database.csv", index_col="ecg_id", usecols=["ecg_id", "scp_codes"])
    pairs = raw["scp_codes"].str.findall(r"'([^']+)':").explode().rename("code").reset_index()
    statements = pd.read_csv(top / "scp_statements.csv", index_col=0)
    joined = pairs.join(statements, on="code")
    columns = {"superclass": "diagnostic_class", "subclass": "diagnostic_subclass"}
    if name in columns:
        joined = joined[joined["diagnostic"] == 1].assign(group=lambda rows: rows[columns[name]])
    else:
        joined = (joined if name == "all" else joined[joined[name] == 1]).assign(group=lambda rows: rows["code"])
    expected = joined.drop_duplicates(["ecg_id", "group"]).groupby("group").size().to_dict()

    records = published_records(top / version)
    group_of, classes = read_grouping(top, name)
    config = LabelsConfig(policy="multilabel", grouping=name)
    _, counts = make_labels(records, group_of, classes, config)
    assert counts.classes == expected
    assert counts.kept == joined["ecg_id"].nunique()
    assert len(counts.dropped_records) == len(raw) - counts.kept
    single = config.model_copy(update={"policy": "single"})
    assert make_labels(records, group_of, classes, single)[1].kept == int(
        (joined.groupby("ecg_id")["group"].nunique() == 1).sum()
    )


@pytest.mark.realdata
def test_published_rhythm_counts(shared_data):
    """Wagner et al. 2020, doi:10.1038/s41597-020-0495-6, on release 1.0.1."""
    top = shared_data / "ptb-xl"
    records = published_records(top / "v1.0.1")
    group_of, classes = read_grouping(top, "rhythm")
    config = LabelsConfig(policy="multilabel", grouping="rhythm")
    counts = make_labels(records, group_of, classes, config)[1].classes
    assert (counts["SR"], counts["AFIB"], counts["STACH"], counts["SARRH"], counts["SBRAD"]) == (
        16782,
        1514,
        826,
        772,
        637,
    )
