"""Label policies on hand-made statements, and on PTB-XL's published counts."""

import numpy as np
import pytest

from ecgpipe.acquire.labels import make_labels
from ecgpipe.acquire.ptbxl import read_database
from ecgpipe.acquire.statements import grouping
from ecgpipe.config.labels import SUPERCLASSES, LabelsConfig
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


def classes_of(**settings) -> dict[str, set[str]]:
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    labels, counts = make_labels(list(STATEMENTS), list(STATEMENTS.values()), GROUP, classes, LabelsConfig(**settings))
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


def test_an_empty_class_is_named():
    with pytest.raises(DataError, match="no record of class MI under the label policy 'single'"):
        make_labels(["1"], [{"NORM": 100}], GROUP, ("NORM", "MI"), LabelsConfig(policy="single"))


def test_primary_takes_the_likeliest_and_breaks_ties_by_the_order():
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
    assert found["unknown likelihood"] == {"CD"}  # nobody said that it is unlikely
    with pytest.raises(DataError, match="HYP"):
        classes_of(policy="single", min_likelihood=50)
    with pytest.raises(DataError, match="CD"):
        classes_of(policy="multilabel", zero_likelihood="absent")


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
def test_counts_on_the_whole_metadata(shared_data, version, policy, expected):
    top = shared_data / "ptb-xl"
    database = read_database(top / version)
    ids = [str(ecg_id) for ecg_id in database.index]
    labels, counts = make_labels(
        ids, database["scp_codes"].tolist(), grouping(top, "superclass")[0], SUPERCLASSES, LabelsConfig(policy=policy)
    )
    assert counts.classes == expected
    rows = labels.targets.sum(axis=1)
    assert (rows == 1).all() if policy == "single" else (rows >= 1).all()
    assert np.unique(labels.record_ids).size == counts.kept
