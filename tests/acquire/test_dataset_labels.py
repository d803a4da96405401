"""Where the classes of a dataset come from, and what is counted."""

import json

import pandas as pd
import pytest

from ecgpipe.acquire.challenge_2024 import PLUS_ACRONYMS, PLUS_STATEMENTS
from ecgpipe.acquire.dataset_labels import label_dataset
from ecgpipe.config.data import CHALLENGE, LabelsConfig
from ecgpipe.errors import DataError

STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,,1.0,,,NORM,NORM
IMI,,1.0,,,MI,IMI
"""


def records(*codes):
    """A records table, one record for each set of statements."""
    ids = [f"{number:05d}" for number in range(1, len(codes) + 1)]
    return pd.DataFrame({"record_id": ids, "statements": [json.dumps(dict.fromkeys(each, 100.0)) for each in codes]})


@pytest.fixture
def ptb_xl(tmp_path):
    (tmp_path / "scp_statements.csv").write_text(STATEMENTS)
    for name, text in {
        PLUS_ACRONYMS: "StatementNumber,Acronym\n821,ACUTE\n",
        PLUS_STATEMENTS: "ecg_id,statements\n1,\"['ACUTE']\"\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("grouping", "plus", "classes"),
    [
        (CHALLENGE, ".", {"NORM": 1, "Acute MI": 1, "Old MI": 1}),
        (CHALLENGE, None, {"NORM": 1, "Old MI": 2}),
        ("diagnostic", "absent", {"NORM": 1, "IMI": 2}),  # not even opened
    ],
)
def test_ptb_xl_plus_is_for_the_classes_of_the_challenge_alone(ptb_xl, grouping, plus, classes):
    config = LabelsConfig(policy="multilabel", grouping=grouping)
    made = label_dataset(
        records(["IMI"], ["IMI"], ["NORM"]), config, ptb_xl, plus=None if plus is None else ptb_xl / plus
    )
    summary = made.as_dict()
    assert summary["classes"] == classes
    assert (summary["policy"], summary["grouping"]) == ("multilabel", grouping) and "codes" not in summary


def test_codes_of_headers_become_classes_and_are_counted(tmp_path):
    table = tmp_path / "codes.csv"
    table.write_text("code,classes\n1,b\n2,a\n3,c\n")
    own, config = records("1", "1", "2", "2", "39"), LabelsConfig(policy="multilabel")

    def made(**keys):
        return label_dataset(own, config, "nowhere", key="own.x", code_table=table, **keys)

    with pytest.raises(DataError, match=r"own\.x: class c has fewer than 2 records"):
        made(classes=())
    chosen = made(classes=("a", "b"))
    assert chosen.labels.classes == ("a", "b") and chosen.as_dict()["grouping"] == "its own"
    assert chosen.as_dict()["codes"]["unlisted"] == {"9": 1}
    rows = chosen.as_table().astype(str).apply(",".join, axis=1).tolist()
    assert rows[:2] == ["class,a,2", "class,b,2"] and "code not in the table,9,1" in rows


def test_labels_that_are_the_classes_need_no_table_of_statements():
    own = records(["x"], ["x"], ["y"], ["y"])
    made = label_dataset(own, LabelsConfig(), "nowhere", key="own.x", classes=())
    assert made.labels.classes == ("x", "y") and made.codes is None
