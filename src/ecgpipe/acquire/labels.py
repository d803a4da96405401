"""Statements -> targets: the label policies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecgpipe.artifacts.labels import Labels
from ecgpipe.config.acquire import LabelsConfig
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class LabelCounts:
    """What a policy made of the records.

    Args:
        classes: records per class (a record counts for each of its classes).
        kept: records with a target.
        dropped: records without, by reason.
    """

    classes: dict[str, int]
    kept: int
    dropped: dict[str, int]

    def as_dict(self) -> dict:
        """For JSON."""
        return {"kept": self.kept, "classes": self.classes, "dropped": self.dropped}


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


def choose(found: Mapping[str, float], config: LabelsConfig) -> tuple[set[str], str]:
    """The classes a policy gives a record, or none and the reason."""
    if not found:
        return set(), "no diagnostic class"
    if config.policy == "multilabel":
        return set(found), ""
    if config.policy == "single":
        return (set(found), "") if len(found) == 1 else (set(), "several classes")
    best = max(found.values())
    tied = [name for name, likelihood in found.items() if likelihood == best]
    rank = {name: i for i, name in enumerate(config.tie_order)}
    return {min(tied, key=lambda name: (rank.get(name, len(rank)), name))}, ""


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
        DataError: a class has no record at all.
    """
    kept, targets, dropped = [], [], {}
    for record_id, codes in zip(record_ids, statements, strict=True):
        codes = json.loads(codes) if isinstance(codes, str) else codes
        chosen, reason = choose(likelihoods(codes, group_of, config), config)
        if not chosen:
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        kept.append(record_id)
        targets.append([name in chosen for name in classes])
    target_array = np.array(targets, dtype=np.uint8).reshape(len(kept), len(classes))
    totals = {name: int(count) for name, count in zip(classes, target_array.sum(axis=0), strict=True)}
    empty = [name for name, count in totals.items() if count == 0]
    if empty:
        raise DataError(
            f"no record of class {', '.join(empty)} under the label policy {config.policy!r} "
            f"({len(kept)} records kept); use more records, or another policy"
        )
    labels = Labels(np.array(kept, dtype=str), target_array, tuple(classes), config.policy)
    return labels, LabelCounts(totals, len(kept), dropped)


def labels_of_records(
    records: pd.DataFrame, group_of: Mapping[str, str], classes: Sequence[str], config: LabelsConfig
) -> tuple[Labels, LabelCounts]:
    """make_labels for a records table."""
    return make_labels(records["record_id"].tolist(), records["statements"].tolist(), group_of, classes, config)
