"""Statements -> targets: the label policies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgpipe.artifacts.labels import Labels
from ecgpipe.config.labels import SUPERCLASSES, LabelsConfig
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class LabelCounts:
    """What a policy made of the records.

    Args:
        classes: records per class (a record counts for each of its classes).
        kept: records with a target.
        dropped: records without, by reason.
        rare: classes that were left out, with their records.
    """

    classes: dict[str, int]
    kept: int
    dropped: dict[str, int]
    rare: dict[str, int]

    def as_dict(self) -> dict:
        """For JSON."""
        return {"kept": self.kept, "classes": self.classes, "dropped": self.dropped, "rare": self.rare}

    def as_table(self) -> pd.DataFrame:
        """Rows of (what, name, records): each class, each reason for which records were dropped, each rare class."""
        parts = {"class": self.classes, "dropped": self.dropped, "class left out": self.rare, "kept": {"": self.kept}}
        rows = [(what, name, count) for what, counts in parts.items() for name, count in counts.items()]
        return pd.DataFrame(rows, columns=["what", "name", "records"])


def likelihoods(statements: Mapping[str, float], group_of: Mapping[str, str], config: LabelsConfig) -> dict[str, float]:
    """The highest likelihood of each class among a record's statements; statements below the threshold do not count."""
    found: dict[str, float] = {}
    for code, likelihood in statements.items():
        if code not in group_of:
            continue
        if likelihood == 0:
            if config.zero_likelihood == "absent":
                continue
            # unknown is not unlikely: the reader wrote the statement down
            passes, likelihood = True, 0.0
        else:
            passes = likelihood >= config.min_likelihood
        if passes:
            found[group_of[code]] = max(found.get(group_of[code], 0.0), likelihood)
    return found


def choose(
    found: Mapping[str, float], config: LabelsConfig, classes: Sequence[str] = SUPERCLASSES
) -> tuple[set[str], str]:
    """The classes a policy gives a record, or none and the reason; ``classes`` breaks ties that the config leaves."""
    if not found:
        return set(), "no statement that counts"
    if config.policy == "multilabel":
        return set(found), ""
    if config.policy == "single":
        return (set(found), "") if len(found) == 1 else (set(), "several classes")
    best = max(found.values())
    tied = [name for name, likelihood in found.items() if likelihood == best]
    order = dict.fromkeys((*config.tie_order, *classes))
    return {next(name for name in order if name in tied)}, ""


def make_labels(
    record_ids: Sequence[str],
    statements: Sequence[str | Mapping[str, float]],
    group_of: Mapping[str, str],
    classes: Sequence[str],
    config: LabelsConfig,
) -> tuple[Labels, LabelCounts]:
    """Targets of all records under a policy.

    Args:
        record_ids: (n,) ids.
        statements: (n,) {code: likelihood in percent}, or its JSON.
        group_of: code -> class; codes that are absent do not count.
        classes: the classes, in the order of the targets' columns.
        config: the policy.

    Raises:
        DataError: a superclass has no record at all, or fewer than two classes are left.
    """
    kept, targets, dropped = [], [], {}
    for record_id, codes in zip(record_ids, statements, strict=True):
        codes = json.loads(codes) if isinstance(codes, str) else codes
        chosen, reason = choose(likelihoods(codes, group_of, config), config, classes)
        if not chosen:
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        kept.append(record_id)
        targets.append([name in chosen for name in classes])
    ids, matrix = np.array(kept, dtype=str), np.array(targets, dtype=np.uint8).reshape(len(kept), len(classes))
    totals = matrix.sum(axis=0, dtype=int)
    common = totals >= config.min_records
    empty = [name for name, count in zip(classes, totals, strict=True) if count == 0]
    if empty and config.grouping == "superclass" and config.min_records == 1:
        raise DataError(
            f"no record of class {', '.join(empty)} under the label policy {config.policy!r} "
            f"({len(kept)} records kept); use more records, or another policy"
        )
    if common.sum() < 2:
        raise DataError(f"fewer than two classes have labels.min_records = {config.min_records} records; lower it")
    rare = {name: int(count) for name, count, there in zip(classes, totals, common, strict=True) if not there}
    if rare:
        matrix = matrix[:, common]
        left = matrix.any(axis=1)
        if not left.all():
            dropped["only rare classes"] = int((~left).sum())
        ids, matrix = ids[left], matrix[left]
        classes = [name for name, there in zip(classes, common, strict=True) if there]
    counts = {name: int(count) for name, count in zip(classes, matrix.sum(axis=0), strict=True)}
    return Labels(ids, matrix, tuple(classes), config.policy), LabelCounts(counts, len(ids), dropped, rare)


def labels_of_records(
    records: pd.DataFrame, group_of: Mapping[str, str], classes: Sequence[str], config: LabelsConfig
) -> tuple[Labels, LabelCounts]:
    """make_labels for a records table."""
    return make_labels(records["record_id"].tolist(), records["statements"].tolist(), group_of, classes, config)
