"""Split protocols: who trains, who stops training, who is reported.

paper    random, stratified by class, by record: 80/20; the validation part is also reported (section 3.1)
patient  random, stratified, all records of a patient on one side: train/validation/test
folds    the data set's own folds (PTB-XL: 1-8 train, 9 validation, 10 test)
unique   random, stratified, all copies of an item (and all records of a patient, if known) on one side

Cross-validation, ``<protocol>-cv<K>-<k>``: one partition into K parts; part k is the test part and the one before it
stops training (``paper``: part k does both). Over ``folds`` the data set's own folds rotate, so that ``folds-cv10-10``
is ``folds``.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.config.data import PROTOCOL_PATTERN, SplitConfig
from ecgpipe.errors import DataError
from ecgpipe.split.stratify import divide


def assign_roles(
    protocol: str,
    records: pd.DataFrame,
    targets: np.ndarray,
    classes: Sequence[str],
    config: SplitConfig,
    seed: int,
) -> np.ndarray:
    """The role of every record.

    Args:
        protocol: paper, patient, folds or unique, or a part of a cross-validation.
        records: (n) rows with record_id, patient_id, fold, and for ``unique`` duplicate, in the order of targets.
        targets: (n, classes) uint8.
        classes: class names, for messages.
        config: shares and folds.
        seed: of the random protocols.

    Returns:
        (n,) strings: train, validation or test.

    Raises:
        DataError: the records lack what the protocol needs, or a class is missing from a side.
    """
    base, parts, part = _named(protocol)
    if base == "folds":
        roles = _folds(records, config, parts, part)
    else:
        groups = _groups(base, records)
        names, weights = _parts(base, config, parts, part)
        shares = divide(targets, groups, records["record_id"].astype(str).tolist(), weights, seed)
        roles = np.array(names, dtype=object)[shares]
        check_groups(roles, groups, protocol)
        check_shares(roles, targets, groups, classes, protocol, config)
    _check_classes(roles, targets, classes, protocol)
    return roles.astype(str)


def _parts(base: str, config: SplitConfig, parts: int, part: int) -> tuple[list[str], list[int]]:
    """Names and weights of the parts that a protocol divides records into."""
    if parts:
        names = ["train"] * parts
        names[part - 1] = "validation" if base == "paper" else "test"
        if base != "paper":
            names[part - 2] = "validation"
        return names, [1] * parts
    if base == "paper":
        validation = round(10_000 * config.paper_validation)
        return ["train", "validation"], [10_000 - validation, validation]
    validation, test = round(100 * config.validation), round(100 * config.test)
    return ["train", "validation", "test"], [100 - validation - test, validation, test]


def _groups(base: str, records: pd.DataFrame) -> np.ndarray:
    """A number per record; records that share it stay together."""
    if base == "paper":
        return np.arange(len(records))
    if base == "patient":
        missing = int(records["patient_id"].isna().sum())
        if missing:
            raise DataError(
                f"the protocol 'patient' needs patient_id for every record; {missing} of {len(records)} have none: "
                "use paper or unique"
            )
        return pd.factorize(records["patient_id"])[0]
    return group_linked([records["duplicate"], records["patient_id"]])


def group_linked(columns: Sequence[pd.Series]) -> np.ndarray:
    """A number per row; rows that share a value in any column, directly or by way of others, share it; nulls do not."""
    size = len(columns[0])
    component = np.arange(size)
    for column in columns:
        values = pd.factorize(column)[0]
        there = values >= 0
        first = np.full(values.max(initial=-1) + 1, -1)
        rows = np.flatnonzero(there)
        first[values[rows][::-1]] = rows[::-1]
        edges = coo_array((np.ones(len(rows)), (component[rows], component[first[values[rows]]])), shape=(size, size))
        component = connected_components(edges, directed=False)[1][component]
    return component


def _folds(records: pd.DataFrame, config: SplitConfig, parts: int, part: int) -> np.ndarray:
    if records["fold"].isna().any():
        raise DataError("the protocol 'folds' needs a fold for every record; this data set has none")
    fold = records["fold"].to_numpy(dtype=int)
    test, validation = config.test_fold, config.validation_fold
    if parts:
        there = np.unique(fold)
        if len(there) != parts:
            raise DataError(
                f"folds-cv{parts} needs {parts} folds; this data set has {len(there)}: use folds-cv{len(there)}"
            )
        test, validation = there[part - 1], there[part - 2]
    roles = np.full(len(records), "train", dtype=object)
    roles[fold == validation] = "validation"
    roles[fold == test] = "test"
    return roles


def check_groups(roles: np.ndarray, groups: np.ndarray, protocol: str) -> None:
    """What a protocol promises, checked after the fact: no group (patient, copies) is on two sides.

    Raises:
        DataError: one is.
    """
    sides = pd.Series(roles).groupby(groups).nunique()
    if (sides > 1).any():
        raise DataError(
            f"protocol {protocol!r}: {int((sides > 1).sum())} patients or sets of copies ended up on two sides; "
            "this is a fault of the program: report it with the seed"
        )


def check_shares(
    roles: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    protocol: str,
    config: SplitConfig,
) -> None:
    """No side misses its share of a class by more than twice the largest group of the class (ungrouped: two records).

    A side of a cross-validation that is made of several parts may miss it twice as far.

    Raises:
        DataError: one does; names the class and the side.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    largest = np.array([np.bincount(numbers, weights=column).max() for column in targets.T])
    allowed = 2 * np.maximum(largest, 1) * (2 if _named(protocol)[1] else 1)
    for role, missed in _missed(roles, targets, protocol, config).items():
        for name, records, limit in zip(classes, missed, allowed, strict=True):
            if records > limit:
                raise DataError(
                    f"protocol {protocol!r}: {role} misses its share of class {name} by {records:.1f} records, more "
                    f"than {limit:g}; try another seed, or leave rare classes out (labels: min_records)"
                )


def _check_classes(roles: np.ndarray, targets: np.ndarray, classes: Sequence[str], protocol: str) -> None:
    """Every class must be on every side, else nothing can be learned or measured about it."""
    expected = ("train", "validation") if protocol.startswith("paper") else ("train", "validation", "test")
    for role in expected:
        counts = targets[roles == role].sum(axis=0)
        empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
        if empty:
            raise DataError(
                f"protocol {protocol!r}: no record of class {', '.join(empty)} is left for {role}; "
                "use more records, other shares (section `split`), or leave rare classes out (labels: min_records)"
            )


def leaks(roles: np.ndarray, groups: Sequence[str | None]) -> int:
    """Records outside training whose group (patient, content) also trains."""
    table = pd.DataFrame({"role": roles, "group": list(groups)}).dropna()
    trained = set(table.loc[table["role"] == "train", "group"])
    return int(table.loc[table["role"] != "train", "group"].isin(trained).sum())


def deviation(roles: np.ndarray, targets: np.ndarray, protocol: str, config: SplitConfig) -> float | None:
    """By how many records the worst class of the worst side misses its share; None where shares are given (folds)."""
    missed = _missed(roles, targets, protocol, config)
    return round(float(max(records.max() for records in missed.values())), 3) if missed else None


def _missed(roles: np.ndarray, targets: np.ndarray, protocol: str, config: SplitConfig) -> dict[str, np.ndarray]:
    """Role -> by how many records each class misses its share there; nothing where the shares are given (folds)."""
    base, parts, part = _named(protocol)
    if base == "folds":
        return {}
    names, weights = _parts(base, config, parts, part)
    weight_of = {role: sum(w for name, w in zip(names, weights, strict=True) if name == role) for role in names}
    totals = targets.sum(axis=0)
    return {
        role: np.abs(targets[roles == role].sum(axis=0) - weight / sum(weights) * totals)
        for role, weight in weight_of.items()
    }


def _named(protocol: str) -> tuple[str, int, int]:
    """Base protocol, number of parts and part (0: no cross-validation)."""
    match = PROTOCOL_PATTERN.fullmatch(protocol)
    if match is None:
        raise DataError(f"unknown split protocol {protocol!r}")
    return match[1], int(match[2] or 0), int(match[3] or 0)
