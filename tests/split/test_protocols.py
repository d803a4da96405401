"""Split protocols: shares, groups that stay together, and errors."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import PROTOCOL_PATTERN, SplitConfig, protocol_parts
from ecgpipe.errors import DataError
from ecgpipe.split.protocols import (
    assign_roles,
    check_groups,
    check_shares,
    deviation,
    group_linked,
    leaks,
    split_table,
)
from ecgpipe.split.stratify import divide

CLASSES = ("NORM", "MI", "STTC")


def make_records(n=600, seed=0, multilabel=False):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n)
    records = pd.DataFrame(
        {
            "record_id": [f"{i:05d}" for i in range(n)],
            "patient_id": patients.astype(str),
            "fold": patients % 10 + 1,
            "duplicate": [f"{i // 2 * 2:05d}" for i in range(n)],
        }
    )
    if multilabel:
        targets = (rng.random((n, 3)) < [0.5, 0.3, 0.1]).astype(np.uint8)
        targets[targets.sum(axis=1) == 0, 0] = 1
    else:
        targets = np.eye(3, dtype=np.uint8)[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    return records, targets


def split(protocol, records, targets, seed=0, **settings):
    if protocol.startswith("unique") and "patient_id" in records and not records["patient_id"].isna().any():
        records = records.assign(patient_id=None)  # otherwise duplicates and patients link nearly all records
    return assign_roles(protocol, records, targets, CLASSES, SplitConfig(**settings), seed)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize(
    ("protocol", "group"), [("patient", "patient_id"), ("unique", "duplicate"), ("folds", "patient_id")]
)
def test_groups_stay_in_one_set(protocol, group, multilabel):
    records, targets = make_records(multilabel=multilabel)
    roles = split(protocol, records, targets)
    assert records.groupby(group)["record_id"].agg(lambda ids: len(set(roles[ids.index]))).max() == 1
    assert leaks(roles, records[group]) == 0


@pytest.mark.parametrize("protocol", ["paper", "patient", "unique", "paper-cv4-2", "patient-cv5-3"])
@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("n", [300, 2000])
def test_class_shares_are_within_one_record(protocol, multilabel, n):
    records, targets = make_records(n=n, multilabel=multilabel)
    roles = split(protocol, records, targets)
    shares = {"paper": (0.8, 0.2, 0), "patient": (0.8, 0.1, 0.1), "unique": (0.8, 0.1, 0.1)}
    shares |= {"paper-cv4-2": (0.75, 0.25, 0), "patient-cv5-3": (0.6, 0.2, 0.2)}
    worst = 0
    for role, share in zip(("train", "validation", "test"), shares[protocol], strict=True):
        assert (roles == role).any() == (share > 0)
        found, wanted = targets[roles == role].sum(axis=0), share * targets.sum(axis=0)
        worst = max(worst, np.abs(found - wanted).max())
    assert worst <= 1
    assert deviation(roles, targets, protocol, SplitConfig()) == pytest.approx(worst, abs=1e-3)


@pytest.mark.parametrize(("validation", "test"), [(0.25, 0.5), (0.04, 0.1), (0.125, 0.075)])
def test_shares_follow_the_configuration(validation, test):
    """They need not be whole percents."""
    records, targets = make_records(n=2000)
    roles = split("patient", records, targets, validation=validation, test=test)
    for role, share in (("train", 1 - validation - test), ("validation", validation), ("test", test)):
        assert np.abs(targets[roles == role].sum(axis=0) - share * targets.sum(axis=0)).max() <= 2


def test_unique_keeps_known_patients_together():
    records, targets = make_records()
    patients = records["patient_id"].where(records.index % 3 > 0)
    roles = split("unique", records.assign(patient_id=patients), targets)
    assert leaks(roles, patients) == 0
    assert leaks(roles, records["duplicate"]) == 0


def test_groups_are_linked_through_other_rows():
    copy, patient = pd.Series(["a", "b", "b", "c", "d"]), pd.Series(["p", "p", None, None, "q"])
    groups = group_linked([copy, patient])
    assert groups[0] == groups[1] == groups[2]
    assert len({groups[0], groups[3], groups[4]}) == 3


@pytest.mark.parametrize("protocol", ["paper", "patient", "unique"])
def test_cross_validation_reports_every_record_once(protocol):
    records, targets = make_records(multilabel=True)
    reported = "validation" if protocol == "paper" else "test"
    parts = [split(f"{protocol}-cv5-{part}", records, targets, seed=2) for part in range(1, 6)]
    assert (sum((roles == reported).astype(int) for roles in parts) == 1).all()
    if protocol != "paper":
        # the validation set is the test set of the fold before it
        assert ((parts[1] == "validation") == (parts[0] == "test")).all()


def test_names_of_cross_validations():
    assert protocol_parts("patient") == ("patient",)
    assert protocol_parts("unique-cv3") == ("unique-cv3-1", "unique-cv3-2", "unique-cv3-3")
    assert all(PROTOCOL_PATTERN.fullmatch(part) for part in protocol_parts("folds-cv10"))
    for wrong in ("patients", "patient-cv2", "patient-cv21", "patient-cv05", "patient-cv5-1", "cv5"):
        with pytest.raises(ValueError, match="is not a protocol; allowed are paper, patient, folds, unique"):
            protocol_parts(wrong)


def test_cross_validation_rotates_folds():
    records, targets = make_records()
    assert (split("folds-cv10-10", records, targets) == split("folds", records, targets)).all()
    first = split("folds-cv10-1", records, targets)
    assert (first[records["fold"] == 1] == "test").all()
    assert (first[records["fold"] == 10] == "validation").all()
    with pytest.raises(DataError, match=f"1 of {len(records)} have none"):
        split("folds", records.assign(fold=records["fold"].astype("Int16").where(records.index != 3)), targets)
    with pytest.raises(DataError, match="no record has fold 9; the folds are 0, 1, 2, 3, 4: set split"):
        split("folds", records.assign(fold=records["fold"] % 5), targets)
    with pytest.raises(DataError, match="use folds-cv10"):
        split("folds-cv5-1", records, targets)


def test_a_split_is_the_same_on_every_machine():
    """Ids and labels are computed, so that a change in any library would be noticed."""
    records = pd.DataFrame({"record_id": [f"{i:04d}" for i in range(500)]})
    records["patient_id"] = (records.index // 3).astype(str)
    targets = np.eye(3, dtype=np.uint8)[[(i * i) % 7 % 3 for i in range(500)]]
    roles = split("patient", records, targets, seed=11)
    assert hashlib.sha256("".join(role[0] for role in roles).encode()).hexdigest()[:16] == "eebf48bc3f05a2e3"


def number(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)


@pytest.mark.parametrize(
    ("count", "most", "seeds", "weights", "expected"),
    [
        (2400, 1000, 3, (8, 1, 1), "2c6a574e1e126871"),
        (2400, 1000, 3, (1, 1, 1, 1, 1), "7544da878d5779d3"),
        (2400, 1000, 3, (5, 0, 3, 2), "20bd0463c9f332ca"),
        (80, 50, 40, (8, 1, 1), "521ce236aa9f38b9"),
        (80, 50, 40, (1, 1, 1, 1, 1), "ffae250aa4e3543a"),
        (80, 50, 40, (5, 0, 3, 2), "be7c1337ffdd2338"),
    ],
)
def test_hard_divisions_are_the_same_on_every_machine(count, most, seeds, weights, expected):
    """Groups of many sizes and rare classes that overlap: every step of the algorithm matters."""
    targets = np.array([[number(f"{i}:{j}") % (3 + 5 * j) == 0 for j in range(14)] for i in range(count)])
    groups = np.array([number(f"group {i}") % most for i in range(count)])
    keys = [f"{i:04d}" for i in range(count)]
    parts = np.concatenate([divide(targets, groups, keys, weights, seed) for seed in range(seeds)])
    assert hashlib.sha256(parts.astype(np.uint8).tobytes()).hexdigest()[:16] == expected


@pytest.mark.parametrize("seed", range(20))
def test_a_class_with_a_group_for_every_part_is_in_every_part(seed):
    """Also if its groups have other rare classes."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 40, 90)
    targets = (rng.random((90, 8)) < np.geomspace(0.4, 0.05, 8)).astype(np.uint8)
    parts = divide(targets, groups, [str(number) for number in range(90)], (6, 2, 2), seed)
    for label in range(8):
        having = np.unique(groups[targets[:, label] == 1])
        if len(having) >= 12:
            assert set(parts[targets[:, label] == 1]) == {0, 1, 2}
    assert all(len(set(parts[groups == group])) == 1 for group in np.unique(groups))


@pytest.mark.parametrize("protocol", ["paper", "patient"])
def test_many_overlapping_classes_are_within_one_record(protocol):
    """Like PTB-XL's statements: forty labels, most of them rare, several per record."""
    rng = np.random.default_rng(3)
    records, _ = make_records(n=3000)
    targets = (rng.random((3000, 40)) < np.geomspace(0.3, 0.01, 40)).astype(np.uint8)
    targets[targets.sum(axis=1) == 0, 0] = 1
    roles = assign_roles(protocol, records, targets, [str(i) for i in range(40)], SplitConfig(), 0)
    assert deviation(roles, targets, protocol, SplitConfig()) <= 1


@pytest.mark.parametrize("seed", range(4))
def test_a_small_set_of_records_with_many_classes_is_split(seed):
    """34 records of 10 overlapping classes, the rarest with four records."""
    generator = np.random.default_rng(seed)
    counts = [9, 18, 6, 5, 21, 4, 4, 4, 5, 9]
    targets = np.zeros((34, 10), np.uint8)
    for label, count in enumerate(counts):
        targets[generator.choice(34, count, replace=False), label] = 1
    ids = [f"{number:02d}" for number in range(34)]
    records = pd.DataFrame({"record_id": ids, "patient_id": None, "fold": None, "duplicate": ids})
    roles = assign_roles("unique", records, targets, [f"c{number}" for number in range(10)], SplitConfig(), seed)
    assert all(targets[roles == role].any(axis=0).all() for role in ("train", "validation", "test"))


def test_a_finished_split_is_checked():
    records, targets = make_records()
    roles = split("patient", records, targets)
    groups = pd.factorize(records["patient_id"])[0]
    check_groups(roles, groups, "patient")
    check_shares(roles, targets, groups, CLASSES, "patient", SplitConfig())
    wrong = roles.copy()
    several = np.flatnonzero(np.bincount(groups)[groups] > 1)[0]
    wrong[several] = "test" if roles[several] != "test" else "train"
    with pytest.raises(DataError, match="'patient': 1 patients or groups of duplicates are in two sets"):
        check_groups(wrong, groups, "patient")
    with pytest.raises(DataError, match="train misses its share of class MI"):
        check_shares(np.where(targets[:, 1] == 1, "test", roles), targets, groups, CLASSES, "patient", SplitConfig())


@pytest.mark.parametrize(
    ("protocol", "size", "allowed"),
    [("paper", 1, 2), ("paper", 3, 6), ("paper-cv5-1", 1, 4), ("paper-cv5-1", 3, 12)],
)
def test_limits_of_deviations(protocol, size, allowed):
    """A class of 120 records, of which 24 belong in validation, in groups of the given size."""
    targets, groups = np.ones((120, 1), np.uint8), np.arange(120) // size
    for extra in (allowed, -allowed, allowed + 1, -allowed - 1):
        roles = np.array(["validation"] * (24 + extra) + ["train"] * (96 - extra))
        assert deviation(roles, targets, protocol, SplitConfig()) == abs(extra)
        if abs(extra) > allowed:
            with pytest.raises(DataError, match=f"misses its share of class A by {abs(extra)}.0 records"):
                check_shares(roles, targets, groups, ["A"], protocol, SplitConfig())
        else:
            check_shares(roles, targets, groups, ["A"], protocol, SplitConfig())


@pytest.mark.parametrize("duplicates", ["near", "identical"])
def test_the_summary_counts_leaks(duplicates):
    n = 400
    records, targets = make_records(n=n)
    records = records.assign(patient_id=None, content="", duplicate=None).drop(columns="duplicate")
    labels = Labels(records["record_id"].to_numpy(dtype=str), targets, CLASSES, "single")
    copies = pd.DataFrame(
        {
            "record_id": records["record_id"],
            "identical": [f"{i // 2 * 2:05d}" for i in range(n)],
            "near": [f"{i // 4 * 4:05d}" for i in range(n)],
        }
    )
    config = SplitConfig(duplicates=duplicates)
    images = [records[["record_id"]].iloc[: n // 2], records[["record_id"]].iloc[n // 2 : -4]]  # of two shards
    made, counts = split_table("unique", records, labels, images, config, 0, copies)
    assert made["record_id"].tolist() == records["record_id"].tolist()[:-4]
    assert sum(counts["records"].values()) == n - 4
    assert counts["leaks"]["patient"] is None
    assert counts["leaks"]["identical file"] == 0
    assert (counts["leaks"]["near-identical"] == 0) == (duplicates == "near")
    unknown = split_table("paper", records, labels, [records[["record_id"]]], config, 0)[1]["leaks"]
    assert unknown == {"patient": None, "identical file": None, "near-identical": None}
    with pytest.raises(DataError, match="lacks 1 of 400 records"):
        split_table("unique", records, labels, [records[["record_id"]]], config, 0, copies.iloc[1:])
    with pytest.raises(DataError, match="no record has both a label and an image"):
        split_table("unique", records, labels, [records[["record_id"]].iloc[:0]], config, 0, copies)
    with pytest.raises(DataError, match="requires the audit's table"):
        split_table("unique", records, labels, [records[["record_id"]]], config, 0)


def test_leaks_of_identical_files_are_counted_by_checksum_or_by_the_audit():
    records, targets = make_records(n=300)
    labels = Labels(records["record_id"].to_numpy(dtype=str), targets, CLASSES, "single")
    copies = records[["record_id"]].assign(identical=records["duplicate"], near=records["duplicate"])
    table, counts = split_table("paper", records.assign(content=""), labels, [records], SplitConfig(), 3, copies)
    assert table.columns.tolist() == ["record_id", "role"]
    by_audit = leaks(table["role"].to_numpy(), records["duplicate"])
    assert counts["leaks"]["identical file"] == counts["leaks"]["near-identical"] == by_audit > 0
    content = pd.Series(records.index // 5).astype(str)  # other groups than those of the audit
    _, counts = split_table("paper", records.assign(content=content), labels, [records], SplitConfig(), 3, copies)
    assert counts["leaks"]["identical file"] == leaks(table["role"].to_numpy(), content) != by_audit
    other, _ = split_table("paper", records.assign(content=""), labels, [records], SplitConfig(), 4)
    assert (other["role"] != table["role"]).any()


def test_rare_classes_are_in_every_set():
    records, _ = make_records(n=200)
    targets = np.eye(3, dtype=np.uint8)[[0] * 150 + [1] * 47 + [2] * 3]
    roles = split("patient", records.assign(patient_id=records["record_id"]), targets)
    assert set(roles[-3:]) == {"train", "validation", "test"}


def test_paper_leaks_patients():
    records, targets = make_records()
    assert leaks(split("paper", records, targets), records["patient_id"]) > 50


@pytest.mark.parametrize("protocol", ["paper", "patient", "unique"])
def test_splits_depend_on_the_seed_and_not_on_the_order_of_rows(protocol):
    records, targets = make_records()
    roles = split(protocol, records, targets, seed=4)
    order = np.random.default_rng(1).permutation(len(records))
    again = split(protocol, records.iloc[order].reset_index(drop=True), targets[order], seed=4)
    assert (again == roles[order]).all()
    assert (split(protocol, records, targets, seed=5) != roles).any()


def test_folds_of_the_data_set_are_used():
    records, targets = make_records()
    assert deviation(split("folds", records, targets), targets, "folds", SplitConfig()) is None
    roles = split("folds", records, targets)
    assert (roles[records["fold"] == 9] == "validation").all()
    assert (roles[records["fold"] == 10] == "test").all()
    assert (roles[records["fold"] < 9] == "train").all()


def test_errors_name_what_is_missing():
    records, targets = make_records()
    with pytest.raises(DataError, match="requires patient_id for every record; 1 of 600 have none"):
        split("patient", records.assign(patient_id=records["patient_id"].where(records.index != 3)), targets)
    with pytest.raises(DataError, match="unknown split protocol 'patients'"):
        split("patients", records, targets)
    only_trained = np.where(targets[:, 2] == 1, 1, records["fold"])
    with pytest.raises(DataError, match="STTC is left for validation"):
        split("folds", records.assign(fold=only_trained), targets)
