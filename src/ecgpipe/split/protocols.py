"""Split protocols: who trains, who stops training, who is reported.

paper    random, stratified by class, by record: 80/20; the validation part is also reported (section 3.1)
patient  random, stratified, all records of a patient on one side: train/validation/test
folds    the data set's own folds (PTB-XL: 1-8 train, 9 validation, 10 test)
unique   random, stratified, byte-identical images on one side: train/validation/test
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from ecgpipe.config.split import SplitConfig
from ecgpipe.errors import DataError


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
        protocol: paper, patient, folds or unique.
        records: (n) rows with record_id, patient_id, fold, content, in the order of targets.
        targets: (n, classes) uint8.
        classes: class names, for messages.
        config: shares and folds.
        seed: of the random protocols.

    Returns:
        (n,) strings: train, validation or test.

    Raises:
        DataError: the records lack what the protocol needs, or a class is missing from a side.
    """
    # The order of the rows must not matter: identical on any machine, whatever order the shards came in.
    order = np.argsort(records["record_id"].to_numpy(dtype=str), kind="stable")
    ordered, strata = records.iloc[order], _strata(targets[order])
    if protocol == "paper":
        shuffled = _random(strata, config.paper_validation, seed)
    elif protocol == "patient":
        shuffled = _grouped(strata, _groups(ordered, "patient_id", protocol), config, seed)
    elif protocol == "unique":
        shuffled = _grouped(strata, _contents(ordered), config, seed)
    elif protocol == "folds":
        shuffled = _folds(ordered, config)
    else:
        raise DataError(f"unknown split protocol {protocol!r}")
    roles = np.empty(len(records), dtype=object)
    roles[order] = shuffled
    _check_classes(roles, targets, classes, protocol)
    return roles.astype(str)


def _strata(targets: np.ndarray) -> np.ndarray:
    """One number per combination of classes; combinations too rare to divide join the one of their rarest class."""
    prevalence = targets.sum(axis=0)
    rarest = np.array([min(np.flatnonzero(row), key=lambda i: prevalence[i]) for row in targets])
    _, combination, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    combination = combination.ravel()
    frequent = counts[combination] >= 10
    return np.where(frequent, combination + targets.shape[1], rarest)


def _random(strata: np.ndarray, share: float, seed: int) -> np.ndarray:
    counts = np.bincount(strata)
    if counts[counts > 0].min() < 2:
        raise DataError("a class has a single record, which cannot be both trained on and reported; use more records")
    rows = np.arange(len(strata))
    _, validation = train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
    roles = np.full(len(strata), "train", dtype=object)
    roles[validation] = "validation"
    return roles


def _groups(records: pd.DataFrame, column: str, protocol: str) -> np.ndarray:
    if records[column].isna().any():
        raise DataError(f"the protocol {protocol!r} needs {column} for every record; this data set has none")
    return pd.factorize(records[column])[0]


def _contents(records: pd.DataFrame) -> np.ndarray:
    """A number per distinct file content; signals, which have no content column, are each their own."""
    content = records["content"].where(records["content"] != "", records["record_id"])
    return pd.factorize(content)[0]


def _grouped(strata: np.ndarray, groups: np.ndarray, config: SplitConfig, seed: int) -> np.ndarray:
    """Stratified shares with whole groups: of the fewest equal folds that make up both shares (in whole percent), the
    first go to test, the next to validation."""
    shares = round(100 * config.test), round(100 * config.validation)
    folds = 100 // math.gcd(100, *shares)
    if len(np.unique(groups)) < folds:
        raise DataError(f"{len(np.unique(groups))} groups cannot be divided into {folds} parts; use more records")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    fold = np.empty(len(strata), dtype=int)
    for number, (_, members) in enumerate(splitter.split(strata, strata, groups)):
        fold[members] = number
    tests, validations = (share * folds // 100 for share in shares)
    roles = np.full(len(strata), "train", dtype=object)
    roles[fold < tests] = "test"
    roles[(fold >= tests) & (fold < tests + validations)] = "validation"
    return roles


def _folds(records: pd.DataFrame, config: SplitConfig) -> np.ndarray:
    if records["fold"].isna().any():
        raise DataError("the protocol 'folds' needs a fold for every record; this data set has none")
    fold = records["fold"].to_numpy(dtype=int)
    roles = np.full(len(records), "train", dtype=object)
    roles[fold == config.validation_fold] = "validation"
    roles[fold == config.test_fold] = "test"
    return roles


def _check_classes(roles: np.ndarray, targets: np.ndarray, classes: Sequence[str], protocol: str) -> None:
    """Every class must be on every side, else nothing can be learned or measured about it."""
    expected = ("train", "validation") if protocol == "paper" else ("train", "validation", "test")
    for role in expected:
        counts = targets[roles == role].sum(axis=0)
        empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
        if empty:
            raise DataError(
                f"protocol {protocol!r}: no record of class {', '.join(empty)} is left for {role}; "
                "use more records, or other shares (section `split`)"
            )


def leaks(roles: np.ndarray, groups: Sequence[str | None]) -> int:
    """Records outside training whose group (patient, content) also trains."""
    table = pd.DataFrame({"role": roles, "group": list(groups)}).dropna()
    trained = set(table.loc[table["role"] == "train", "group"])
    return int(table.loc[table["role"] != "train", "group"].isin(trained).sum())
