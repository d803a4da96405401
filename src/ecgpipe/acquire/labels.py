"""Statements -> targets: groupings of statements into classes, and label policies."""

import difflib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.acquire.challenge_2024 import challenge_groups
from ecgpipe.acquire.own_table import class_names, read_table
from ecgpipe.acquire.ptbxl import STATEMENTS
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import CHALLENGE, CHALLENGE_CLASSES, SUPERCLASSES, LabelsConfig
from ecgpipe.errors import DataError, one_line


def read_grouping(source: Path | str, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A grouping of statements into classes.

    Args:
        source: folder or zip archive with scp_statements.csv.
        name: superclass, subclass, diagnostic, form, rhythm, all, challenge-2024, or the path of a CSV file.

    Returns:
        {statement code: class}, and the classes in order: superclasses and the Challenge's in their usual order, others
        by first occurrence.

    Raises:
        DataError: a file is missing or invalid, or names an unknown statement or superclass.
    """
    table = _read_statements(source)
    if name.endswith(".csv"):
        group_of = _read_grouping_file(name, set(table.index))
    elif name == CHALLENGE:
        group_of = challenge_groups(table)
    elif name in ("superclass", "subclass"):
        column = table.loc[table["diagnostic"] == 1, f"diagnostic_{name.removeprefix('super')}"]
        group_of = {code: str(group) for code, group in column.dropna().items()}
    else:
        group_of = {code: code for code in (table if name == "all" else table[table[name] == 1]).index}
    fixed = {"superclass": SUPERCLASSES, CHALLENGE: CHALLENGE_CLASSES}
    classes = fixed.get(name) or tuple(dict.fromkeys(group_of.values()))
    unknown = sorted(set(group_of.values()) - set(classes))
    if unknown:
        path = open_source(source).full_name(STATEMENTS)
        raise DataError(f"{path}: unknown superclass {', '.join(unknown)}; expected {', '.join(classes)}")
    return group_of, classes


def _read_statements(source: Path | str) -> pd.DataFrame:
    files = open_source(source)
    path = files.full_name(STATEMENTS)
    try:
        table = pd.read_csv(io.BytesIO(files.read(STATEMENTS)), index_col=0, encoding="utf-8")
        table.index = table.index.astype(str)
        return table[["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL?") from error
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"{path}: not a readable table of statements ({one_line(error)}); fetch it again") from error


def _read_grouping_file(path: str, known: set[str]) -> dict[str, str]:
    """A user's grouping: several statements may share a class, but a statement has only one."""
    where, table = read_table(path, ("statement", "class"), "labels.grouping")
    group_of: dict[str, str] = {}
    for line, cells in table:
        code, name = cells["statement"], cells["class"]
        if code not in known:
            close = difflib.get_close_matches(code, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise DataError(f"{where}, line {line}: {code!r} is not a statement of {STATEMENTS}{hint}")
        if not name:
            raise DataError(f"{where}, line {line}: no class; name one, or remove the line")
        (name,) = class_names([name], f"{where}, line {line}")
        if group_of.setdefault(code, name) != name:
            raise DataError(f"{where}, line {line}: {code} is in two classes, {group_of[code]} and {name}")
    return group_of


def label_classes(records: pd.DataFrame, classes: Sequence[str], key: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The same as ``read_grouping``, for records whose labels are the classes themselves.

    Args:
        records: a records table.
        classes: the classes in order; empty: all labels, sorted.
        key: section of the configuration, for messages.

    Raises:
        DataError: fewer than two classes, or one without records.
    """
    counts = Counter(label for text in records["statements"] for label in json.loads(text))
    classes = tuple(classes) or tuple(sorted(counts))
    absent = [name for name in classes if not counts[name]]
    if absent:
        present = ", ".join(sorted(counts)[:20]) or "none"
        raise DataError(f"{key}.classes: no record has the label {', '.join(absent)}; the labels are {present}")
    if len(classes) < 2:
        raise DataError(f"{key}: the records have {len(classes)} different labels; at least 2 are required")
    return {name: name for name in classes}, classes


@dataclass(frozen=True)
class LabelCounts:
    """Records with and without a target under a label policy.

    Args:
        classes: records per class; a record counts for each of its classes.
        kept: records with a target.
        dropped: records without a target, by reason.
        rare: classes below min_records, with their records.
        dropped_records: one row per record without a target, in the format of labels.dropped.parquet.
    """

    classes: dict[str, int]
    kept: int
    dropped: dict[str, int]
    rare: dict[str, int]
    dropped_records: list[dict] = field(repr=False)

    def as_dict(self) -> dict:
        """The counts for JSON."""
        return {"kept": self.kept, "classes": self.classes, "dropped": self.dropped, "rare": self.rare}

    def as_table(self) -> pd.DataFrame:
        """Rows of (what, name, records): each class, reason for dropping, rare class, and the kept records."""
        parts = {"class": self.classes, "dropped": self.dropped, "class left out": self.rare, "kept": {"": self.kept}}
        rows = [(what, name, count) for what, counts in parts.items() for name, count in counts.items()]
        return pd.DataFrame(rows, columns=["what", "name", "records"])


def class_likelihoods(
    codes: Mapping[str, float], group_of: Mapping[str, str], config: LabelsConfig
) -> dict[str, float]:
    """The highest likelihood of each class among a record's statements; those below the threshold do not count."""
    highest: dict[str, float] = {}
    for code, likelihood in codes.items():
        # 0 means that the reader gave no likelihood, not that the statement is unlikely
        unknown = likelihood == 0 and config.zero_likelihood == "unknown"
        if code in group_of and (unknown or (likelihood > 0 and likelihood >= config.min_likelihood)):
            name = group_of[code]
            highest[name] = max(highest.get(name, 0.0), likelihood)
    return highest


def choose_classes(found: Mapping[str, float], policy: str, order: Sequence[str]) -> set[str]:
    """The classes that a policy assigns to a record; empty under ``single`` if there are several.

    Args:
        found: class -> likelihood, at least one.
        policy: single, primary or multilabel.
        order: decides ties under primary; the first class wins.
    """
    if policy == "multilabel" or len(found) == 1:
        return set(found)
    if policy == "single":
        return set()
    best = max(found.values())
    return {next(name for name in order if found.get(name) == best)}


def tie_order(classes: Sequence[str], config: LabelsConfig) -> list[str]:
    """Order for ties: the configured classes, then the others in the grouping's order, NORM last.

    Raises:
        DataError: a configured class is not in the grouping.
    """
    first = list(config.tie_order or ())
    for name in first:
        if name not in classes:
            close = difflib.get_close_matches(name, classes, n=1)
            raise DataError(
                f"labels.tie_order: the grouping {config.grouping!r} has no class {name!r}; "
                + (f"did you mean {close[0]}?" if close else f"it has {', '.join(classes)}")
            )
    rest = [name for name in classes if name not in first]
    return first + sorted(rest, key=lambda name: name == "NORM")


def statement_targets(records: pd.DataFrame, record_ids: np.ndarray, least_records: int) -> np.ndarray:
    """The statements of the records, whatever their likelihood: additional targets in training.

    Args:
        records: rows of records.parquet with statements.
        record_ids: (n,) records, in the order of the result.
        least_records: statements of fewer of these records are left out.

    Returns:
        (n, statements) uint8 of 0 and 1, statements in alphabetical order.
    """
    texts = records.set_index("record_id").loc[record_ids, "statements"]
    statements = [set(json.loads(text)) for text in texts]
    counts = Counter(code for codes in statements for code in codes)
    kept = sorted(code for code, count in counts.items() if count >= least_records)
    return np.array([[code in codes for code in kept] for codes in statements], np.uint8).reshape(len(texts), len(kept))


def make_labels(
    records: pd.DataFrame,
    group_of: Mapping[str, str],
    classes: Sequence[str],
    config: LabelsConfig,
    key: str = "labels",
) -> tuple[Labels, LabelCounts]:
    """Targets of all records under a policy.

    Args:
        records: table with the columns record_id and statements ({code: likelihood in percent}, or its JSON).
        group_of: code -> class; other codes do not count.
        classes: the classes in the order of the targets' columns.
        config: the policy.
        key: section of the configuration, for messages.

    Raises:
        DataError: a superclass has no records, or fewer than two classes remain.
    """
    order, column = tie_order(classes, config), {name: i for i, name in enumerate(classes)}
    targets = np.zeros((len(records), len(classes)), np.uint8)
    dropped: list[dict] = []

    def drop(record_id: str, reason: str, names: Sequence[str]) -> None:
        dropped.append({"record_id": record_id, "reason": reason, "classes": json.dumps(names)})

    for row, (record_id, codes) in enumerate(zip(records["record_id"], records["statements"], strict=True)):
        codes = json.loads(codes) if isinstance(codes, str) else codes
        found = class_likelihoods(codes, group_of, config)
        chosen = choose_classes(found, config.policy, order) if found else set()
        if not chosen:
            drop(record_id, "several classes" if found else _why_no_class(codes, group_of), sorted(found))
        targets[row, [column[name] for name in chosen]] = 1
    totals = targets.sum(axis=0, dtype=int)
    common = totals >= config.min_records
    empty = [name for name, count in zip(classes, totals, strict=True) if count == 0]
    if empty and config.grouping == "superclass" and config.min_records == 1:
        raise DataError(
            f"no record of class {', '.join(empty)} under the label policy {config.policy!r} "
            f"({len(records) - len(dropped)} records kept); use more records, or another policy"
        )
    if common.sum() < 2:
        raise DataError(f"fewer than two classes have {key}.min_records = {config.min_records} records; lower it")
    names, ids = np.array(classes, dtype=str), np.array(records["record_id"], dtype=str)
    kept = targets[:, common].any(axis=1)
    for row in np.flatnonzero(targets.any(axis=1) & ~kept):
        drop(str(ids[row]), "only rare classes", names[targets[row] > 0].tolist())
    labels = Labels(ids[kept], targets[kept][:, common], tuple(names[common].tolist()), config.policy)
    return labels, LabelCounts(
        classes=dict(zip(labels.classes, labels.targets.sum(axis=0, dtype=int).tolist(), strict=True)),
        kept=len(labels.record_ids),
        dropped=dict(Counter(row["reason"] for row in dropped)),
        rare=dict(zip(names[~common].tolist(), totals[~common].tolist(), strict=True)),
        dropped_records=sorted(dropped, key=lambda row: row["record_id"]),
    )


def _why_no_class(codes: Mapping[str, float], group_of: Mapping[str, str]) -> str:
    likelihoods = [likelihood for code, likelihood in codes.items() if code in group_of]
    if not likelihoods:
        return "no statement of the grouping"
    return "below min_likelihood" if max(likelihoods) > 0 else "likelihood 0 only"


def check_splittable(counts: LabelCounts, key: str) -> None:
    """Check that every class has at least two records, so that a split can separate them.

    Raises:
        DataError: a class has a single record.
    """
    single = [name for name, count in counts.classes.items() if count < 2]
    if single:
        raise DataError(
            f"{key}: class {', '.join(single)} has fewer than 2 records, too few to split; add records, or leave "
            f"it out with {key}.min_records: 2"
        )
