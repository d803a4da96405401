"""Split protocols: the role (train, validation or test) of every record.

paper    random, stratified by class, by record: 80/20; the validation set is also scored (section 3.1)
patient  random, stratified, all records of a patient in the same set: train/validation/test
folds    the dataset's own folds (PTB-XL: 1-8 train, 9 validation, 10 test)
unique   random, stratified, all duplicates of a record (and all records of a patient, if known) in the same set

Cross-validation, ``<protocol>-cv<K>-<k>``: one partition into K folds; fold k is the test set and fold k - 1 the
validation set (``paper``: part k is the validation set). With ``folds`` the dataset's own folds rotate, so that
``folds-cv10-10`` equals ``folds``.
"""

from collections.abc import Sequence
from math import gcd

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.artifacts import ROLES
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import PROTOCOL_PATTERN, SplitConfig, base_protocol
from ecgpipe.errors import DataError
from ecgpipe.split.stratify import divide

REMEDY = (
    "use more records, other fractions (section `split`), or leave rare classes out (min_records in `labels`, or in "
    "`own.NAME`)"
)


def split_table(
    protocol: str,
    records: pd.DataFrame,
    labels: Labels,
    indices: Sequence[pd.DataFrame],
    config: SplitConfig,
    seed: int,
    duplicates: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Split the records that have both a label and an image.

    Args:
        protocol: paper, patient, folds or unique, or a fold of a cross-validation.
        records: rows of records.parquet.
        labels: targets.
        indices: the image indices of all shards.
        config: fractions and folds.
        seed: for the random protocols.
        duplicates: rows of the audit's duplicates.parquet; required by ``unique``.

    Returns:
        Rows of the split format, and a summary: records per role and class, the largest deviation of a class from its
        share (records), and leaks (records outside training with their patient, file or near-identical copy in it).

    Raises:
        DataError: no record is left, or the protocol does not suit the records.
    """
    with_image = {record_id for index in indices for record_id in index["record_id"]}
    rows = [i for i, record_id in enumerate(labels.record_ids) if record_id in with_image]
    if not rows:
        raise DataError("no record has both a label and an image; see the problems tables")
    record_ids, targets = labels.record_ids[rows], labels.targets[rows]
    chosen = records.set_index("record_id", drop=False).loc[record_ids].reset_index(drop=True)
    copies = None
    if duplicates is not None:
        copies = duplicates.set_index("record_id").reindex(record_ids)
        missing = int(copies["near"].isna().sum())
        if missing:
            raise DataError(
                f"the audit's table of duplicates lacks {missing} of {len(record_ids)} records; run the audit again"
            )
        chosen["duplicate"] = copies[config.duplicates].to_numpy()
    elif base_protocol(protocol) == "unique":
        raise DataError("the protocol 'unique' requires the audit's table of duplicates")
    roles = assign_roles(protocol, chosen, targets, labels.classes, config, seed)
    # None where it is unknown: no patients in the dataset, or neither checksums of its files nor an audit
    leaked_files = None
    if (chosen["content"] != "").any():
        leaked_files = leaks(roles, chosen["content"])
    elif copies is not None:
        leaked_files = leaks(roles, copies["identical"])
    counts = {
        "settings": config.of(protocol),
        "deviation": deviation(roles, targets, protocol, config),
        "records": {role: int((roles == role).sum()) for role in ROLES},
        "classes": {
            role: dict(zip(labels.classes, targets[roles == role].sum(axis=0).tolist(), strict=True)) for role in ROLES
        },
        "leaks": {
            "patient": leaks(roles, chosen["patient_id"]) if chosen["patient_id"].notna().any() else None,
            "identical file": leaked_files,
            "near-identical": leaks(roles, copies["near"]) if copies is not None else None,
        },
    }
    return pd.DataFrame({"record_id": record_ids, "role": roles}), counts


def assign_roles(
    protocol: str,
    records: pd.DataFrame,
    targets: np.ndarray,
    classes: Sequence[str],
    config: SplitConfig,
    seed: int,
) -> np.ndarray:
    """Assign a role to every record.

    Args:
        protocol: paper, patient, folds or unique, or a fold of a cross-validation.
        records: n rows with record_id, patient_id, fold and, for ``unique``, duplicate, in the order of targets.
        targets: (n, classes) uint8.
        classes: class names, for messages.
        config: fractions and folds.
        seed: for the random protocols.

    Returns:
        (n,) strings: train, validation or test.

    Raises:
        DataError: the records lack what the protocol requires, or a class is missing from a set.
    """
    base, parts, part = _parse(protocol)
    if base == "folds":
        roles = _roles_of_folds(records, config, parts, part)
    else:
        groups = _groups(base, records)
        names, weights = _parts(base, config, parts, part)
        numbers = divide(targets, groups, records["record_id"].astype(str).tolist(), weights, seed)
        roles = np.array(names, dtype=object)[numbers]
        check_groups(roles, groups, protocol)
        check_shares(roles, targets, groups, classes, protocol, config)
    _check_classes(roles, targets, classes, protocol)
    return roles.astype(str)


def _parse(protocol: str) -> tuple[str, int, int]:
    """Base protocol, number of folds and fold; 0 and 0 without cross-validation."""
    match = PROTOCOL_PATTERN.fullmatch(protocol)
    if match is None:
        raise DataError(f"unknown split protocol {protocol!r}")
    return match[1], int(match[2] or 0), int(match[3] or 0)


def _parts(base: str, config: SplitConfig, parts: int, part: int) -> tuple[list[str], list[int]]:
    """Roles and weights of the parts that records are divided into."""
    if parts:
        names = ["train"] * parts
        names[part - 1] = "validation" if base == "paper" else "test"
        if base != "paper":
            names[part - 2] = "validation"
        return names, [1] * parts
    if base == "paper":
        validation = round(10_000 * config.paper_validation)
        return ["train", "validation"], [10_000 - validation, validation]
    validation, test = round(10_000 * config.validation), round(10_000 * config.test)
    unit = gcd(100, validation, test)  # whole percents keep the weights, and so the splits, of earlier versions
    weights = (10_000 - validation - test, validation, test)
    return ["train", "validation", "test"], [weight // unit for weight in weights]


def _groups(base: str, records: pd.DataFrame) -> np.ndarray:
    """(n,) group numbers; records of a group stay together."""
    if base == "paper":
        return np.arange(len(records))
    if base == "patient":
        missing = int(records["patient_id"].isna().sum())
        if missing:
            raise DataError(
                f"the protocol 'patient' requires patient_id for every record; {missing} of {len(records)} have none: "
                "use paper or unique"
            )
        return pd.factorize(records["patient_id"])[0]
    return group_linked([records["duplicate"], records["patient_id"]])


def group_linked(columns: Sequence[pd.Series]) -> np.ndarray:
    """(n,) group numbers: equal for rows that share a value of a column, directly or through others; nulls differ."""
    size = len(columns[0])
    component = np.arange(size)
    for column in columns:
        values = pd.factorize(column)[0]
        rows = np.flatnonzero(values >= 0)
        first = np.full(values.max(initial=-1) + 1, -1)
        first[values[rows][::-1]] = rows[::-1]
        edges = coo_array((np.ones(len(rows)), (component[rows], component[first[values[rows]]])), shape=(size, size))
        component = connected_components(edges, directed=False)[1][component]
    return component


def _roles_of_folds(records: pd.DataFrame, config: SplitConfig, parts: int, part: int) -> np.ndarray:
    if missing := int(records["fold"].isna().sum()):
        raise DataError(f"the protocol 'folds' requires a fold for every record; {missing} of {len(records)} have none")
    fold = records["fold"].to_numpy(dtype=int)
    folds = np.unique(fold)
    test, validation = config.test_fold, config.validation_fold
    if parts:
        if len(folds) != parts:
            raise DataError(
                f"folds-cv{parts} requires {parts} folds; this dataset has {len(folds)}: use folds-cv{len(folds)}"
            )
        test, validation = folds[part - 1], folds[part - 2]
    elif absent := {test, validation} - set(folds.tolist()):
        raise DataError(
            f"the protocol 'folds': no record has fold {min(absent)}; the folds are {', '.join(map(str, folds))}: set "
            f"split.validation_fold and split.test_fold, or use folds-cv{len(folds)}"
        )
    roles = np.full(len(records), "train", dtype=object)
    roles[fold == validation] = "validation"
    roles[fold == test] = "test"
    return roles


def check_groups(roles: np.ndarray, groups: np.ndarray, protocol: str) -> None:
    """Check that no group (patient, duplicates) is in two sets.

    Raises:
        DataError: a group is in two sets.
    """
    sets = pd.Series(roles).groupby(groups).nunique()
    if (sets > 1).any():
        raise DataError(
            f"protocol {protocol!r}: {int((sets > 1).sum())} patients or groups of duplicates are in two sets; "
            "this is a bug: report it with the seed"
        )


def check_shares(
    roles: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    protocol: str,
    config: SplitConfig,
) -> None:
    """Check that each set has its share of each class, within twice the class's largest group (ungrouped: two records).

    In cross-validation the limit is twice as high, since a set is made of several folds. Where records have several
    classes, it is multiplied by the mean number of classes per record, since moving a record moves all its classes.

    Raises:
        DataError: a set misses its share; the message names the class and the set.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    largest = np.array([np.bincount(numbers, weights=column).max() for column in targets.T])
    classes_per_record = max(1.0, float(targets.sum()) / max(len(targets), 1))
    limits = 2 * np.maximum(largest, 1) * (2 if _parse(protocol)[1] else 1) * classes_per_record
    for role, deviations in _deviations(roles, targets, protocol, config).items():
        for name, records, limit in zip(classes, deviations, limits, strict=True):
            if records > limit:
                raise DataError(
                    f"protocol {protocol!r}: {role} misses its share of class {name} by {records:.1f} records, more "
                    f"than {limit:.3g}; {REMEDY}"
                )


def _check_classes(roles: np.ndarray, targets: np.ndarray, classes: Sequence[str], protocol: str) -> None:
    """Check that every set has every class: otherwise it can be neither learned nor measured."""
    for role in ("train", "validation") if base_protocol(protocol) == "paper" else ROLES:
        counts = targets[roles == role].sum(axis=0)
        empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
        if empty:
            raise DataError(
                f"protocol {protocol!r}: no record of class {', '.join(empty)} is left for {role}; {REMEDY}"
            )


def leaks(roles: np.ndarray, groups: Sequence[str | None]) -> int:
    """Number of records outside training whose group (patient, content) is also in training."""
    table = pd.DataFrame({"role": roles, "group": list(groups)}).dropna()
    trained = set(table.loc[table["role"] == "train", "group"])
    return int(table.loc[table["role"] != "train", "group"].isin(trained).sum())


def deviation(roles: np.ndarray, targets: np.ndarray, protocol: str, config: SplitConfig) -> float | None:
    """Largest deviation of a class in a set from its share, records; None for ``folds``."""
    deviations = _deviations(roles, targets, protocol, config)
    return round(float(max(records.max() for records in deviations.values())), 3) if deviations else None


def _deviations(roles: np.ndarray, targets: np.ndarray, protocol: str, config: SplitConfig) -> dict[str, np.ndarray]:
    """Role -> deviation of each class from its share, records; empty for ``folds``, whose shares are given."""
    base, parts, part = _parse(protocol)
    if base == "folds":
        return {}
    names, weights = _parts(base, config, parts, part)
    weight_of = {role: sum(w for name, w in zip(names, weights, strict=True) if name == role) for role in names}
    totals = targets.sum(axis=0)
    return {
        role: np.abs(targets[roles == role].sum(axis=0) - weight / sum(weights) * totals)
        for role, weight in weight_of.items()
    }
