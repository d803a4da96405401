"""Split protocols: shares, who may not be on two sides, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from ecgpipe.config.split import SplitConfig
from ecgpipe.errors import DataError
from ecgpipe.split.protocols import assign_roles, leaks

CLASSES = ("NORM", "MI", "STTC")


def make_records(n=600, seed=0, multilabel=False):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n)
    records = pd.DataFrame(
        {
            "record_id": [f"{i:05d}" for i in range(n)],
            "patient_id": patients.astype(str),
            "fold": patients % 10 + 1,
            "content": [f"file{i // 2}" for i in range(n)],
        }
    )
    if multilabel:
        targets = (rng.random((n, 3)) < [0.5, 0.3, 0.1]).astype(np.uint8)
        targets[targets.sum(axis=1) == 0, 0] = 1
    else:
        targets = np.eye(3, dtype=np.uint8)[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    return records, targets


def split(protocol, records, targets, seed=0, **settings):
    return assign_roles(protocol, records, targets, CLASSES, SplitConfig(**settings), seed)


def test_paper_is_stratified_to_the_record():
    records, targets = make_records()
    roles = split("paper", records, targets)
    assert set(roles) == {"train", "validation"}
    validation = targets[roles == "validation"].sum(axis=0)
    assert np.abs(validation - 0.2 * targets.sum(axis=0)).max() <= 1


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize(
    ("protocol", "group"), [("patient", "patient_id"), ("unique", "content"), ("folds", "patient_id")]
)
def test_groups_stay_on_one_side(protocol, group, multilabel):
    records, targets = make_records(multilabel=multilabel)
    roles = split(protocol, records, targets)
    assert records.groupby(group)["record_id"].agg(lambda ids: len(set(roles[ids.index]))).max() == 1
    assert leaks(roles, records[group]) == 0
    if protocol == "folds":
        return  # whose shares are the data set's
    shares = {role: (roles == role).mean() for role in ("train", "validation", "test")}
    assert shares["validation"] == pytest.approx(0.1, abs=0.025)
    assert shares["test"] == pytest.approx(0.1, abs=0.025)


def test_grouped_splits_keep_the_class_shares():
    records, targets = make_records(n=2000)
    roles = split("patient", records, targets)
    assert targets[roles == "test"].mean(axis=0) == pytest.approx(targets.mean(axis=0), abs=0.02)


@pytest.mark.parametrize(("validation", "test"), [(0.2, 0.3), (0.1, 0.15), (0.25, 0.5), (0.04, 0.1)])
def test_shares_are_those_of_the_configuration(validation, test):
    records, targets = make_records(n=3000)
    roles = split("patient", records, targets, validation=validation, test=test)
    assert (roles == "validation").mean() == pytest.approx(validation, abs=0.01)
    assert (roles == "test").mean() == pytest.approx(test, abs=0.01)


def test_paper_leaks_what_the_others_do_not():
    records, targets = make_records()
    assert leaks(split("paper", records, targets), records["patient_id"]) > 50


@pytest.mark.parametrize("protocol", ["paper", "patient", "unique"])
def test_the_seed_decides_not_the_order_of_rows(protocol):
    records, targets = make_records()
    roles = split(protocol, records, targets, seed=4)
    order = np.random.default_rng(1).permutation(len(records))
    again = split(protocol, records.iloc[order].reset_index(drop=True), targets[order], seed=4)
    assert (again == roles[order]).all()
    assert (split(protocol, records, targets, seed=5) != roles).any()


def test_folds_are_the_data_sets_own():
    records, targets = make_records()
    roles = split("folds", records, targets)
    assert (roles[records["fold"] == 9] == "validation").all()
    assert (roles[records["fold"] == 10] == "test").all()
    assert (roles[records["fold"] < 9] == "train").all()


def test_what_a_protocol_lacks_is_named():
    records, targets = make_records()
    with pytest.raises(DataError, match="patient_id"):
        split("patient", records.assign(patient_id=None), targets)
    with pytest.raises(DataError, match="fold"):
        split("folds", records.assign(fold=pd.array([None] * len(records), dtype="Int16")), targets)
    only_trained = np.where(targets[:, 2] == 1, 1, records["fold"])
    with pytest.raises(DataError, match="STTC is left for validation"):
        split("folds", records.assign(fold=only_trained), targets)
