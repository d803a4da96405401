"""Groupings of PTB-XL's statements into classes, by scp_statements.csv or by a file of one's own.

Statements -> targets: the label policies, and what they leave out.
"""

import difflib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.acquire.ptbxl import STATEMENTS
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import SUPERCLASSES, LabelsConfig
from ecgpipe.errors import DataError


def read_grouping(source: Path | str, name: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which statements count, and as which class.

    Args:
        source: folder or zip archive with scp_statements.csv.
        name: superclass, subclass, diagnostic, form, rhythm, all, or the path of a CSV file.

    Returns:
        {statement code: class}, and the classes in order: superclasses in the usual one, others as they first occur.

    Raises:
        DataError: a file is missing or is no such table, or names unknown statements.
    """
    table = _read_statements(source)
    if name.endswith(".csv"):
        group_of = _own_grouping(Path(name), set(table.index))
    elif name in ("superclass", "subclass"):
        diagnostic = table[table["diagnostic"] == 1]
        column = diagnostic["diagnostic_class" if name == "superclass" else "diagnostic_subclass"]
        group_of = {code: str(group) for code, group in column.dropna().items()}
    else:
        chosen = table if name == "all" else table[table[name] == 1]
        group_of = {code: code for code in chosen.index}
    classes = SUPERCLASSES if name == "superclass" else tuple(dict.fromkeys(group_of.values()))
    strange = sorted(set(group_of.values()) - set(classes))
    if strange:
        raise DataError(
            f"{open_source(source).where(STATEMENTS)}: {', '.join(strange)}: no superclass of {', '.join(classes)}"
        )
    return group_of, classes


def _read_statements(source: Path | str) -> pd.DataFrame:
    files = open_source(source)
    path = files.where(STATEMENTS)
    try:
        table = pd.read_csv(io.BytesIO(files.read(STATEMENTS)), index_col=0, encoding="utf-8")
        table.index = table.index.astype(str)
        return table[["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; is {source} a copy of PTB-XL?") from error
    except (ValueError, OSError, KeyError) as error:
        raise DataError(f"{path}: not a readable table of statements ({error}); fetch it again") from error


def _own_grouping(path: Path, known: set[str]) -> dict[str, str]:
    """A grouping file: a statement may belong to one class only, a class hold any number of statements."""
    try:
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; set labels.grouping to a CSV file, or to superclass") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable CSV table ({error})") from error
    if not {"statement", "class"} <= set(table.columns):
        raise DataError(f"{path}: needs the columns statement and class; it has {', '.join(table.columns)}")
    group_of: dict[str, str] = {}
    for line, (code, name) in enumerate(
        zip(table["statement"].str.strip(), table["class"].str.strip(), strict=True), 2
    ):
        if code not in known:
            close = difflib.get_close_matches(code, sorted(known), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise DataError(f"{path}, line {line}: {code!r} is no statement of {STATEMENTS}{hint}")
        if not name or not name.isprintable():
            raise DataError(f"{path}, line {line}: class {name!r} is empty or holds characters that do not print")
        if group_of.setdefault(code, name) != name:
            raise DataError(f"{path}, line {line}: {code} is in two classes, {group_of[code]} and {name}")
    if not group_of:
        raise DataError(f"{path}: names no statement")
    return group_of


@dataclass(frozen=True)
class LabelCounts:
    """What a policy made of the records.

    Args:
        classes: records per class (a record counts for each of its classes).
        kept: records with a target.
        dropped: records without, by reason.
        rare: classes that were left out, with their records.
        dropped_records: a row per record without a target, in the form of labels.dropped.parquet.
    """

    classes: dict[str, int]
    kept: int
    dropped: dict[str, int]
    rare: dict[str, int]
    dropped_records: list[dict] = field(repr=False)

    def as_dict(self) -> dict:
        """For JSON: the counts."""
        return {"kept": self.kept, "classes": self.classes, "dropped": self.dropped, "rare": self.rare}

    def as_table(self) -> pd.DataFrame:
        """Rows of (what, name, records): each class, each reason for which records were dropped, each rare class."""
        parts = {"class": self.classes, "dropped": self.dropped, "class left out": self.rare, "kept": {"": self.kept}}
        rows = [(what, name, count) for what, counts in parts.items() for name, count in counts.items()]
        return pd.DataFrame(rows, columns=["what", "name", "records"])


def class_likelihoods(
    statements: Mapping[str, float], group_of: Mapping[str, str], config: LabelsConfig
) -> dict[str, float]:
    """The highest likelihood of each class among a record's statements; statements below the threshold do not count."""
    found: dict[str, float] = {}
    for code, likelihood in statements.items():
        if code not in group_of:
            continue
        # unknown is not unlikely: the reader wrote the statement down
        unknown = likelihood == 0 and config.zero_likelihood == "unknown"
        if unknown or (likelihood > 0 and likelihood >= config.min_likelihood):
            found[group_of[code]] = max(found.get(group_of[code], 0.0), likelihood)
    return found


def choose_classes(found: Mapping[str, float], policy: str, order: Sequence[str]) -> set[str]:
    """The classes that a policy gives a record with some class; none: it has several where one is wanted.

    Args:
        found: class -> likelihood.
        policy: single, primary or multilabel.
        order: primary: which class wins among equals, first wins.
    """
    if policy == "multilabel" or len(found) == 1:
        return set(found)
    if policy == "single":
        return set()
    best = max(found.values())
    return {next(name for name in order if found.get(name) == best)}


def tie_order(classes: Sequence[str], config: LabelsConfig) -> list[str]:
    """Who wins among equals: the configured classes, then the others in the grouping's order, the normal class last.

    Raises:
        DataError: the configuration names a class that the grouping does not have.
    """
    named = config.tie_order or ()
    for name in named:
        if name not in classes:
            close = difflib.get_close_matches(name, classes, n=1)
            raise DataError(
                f"labels.tie_order: the grouping {config.grouping!r} has no class {name!r}; "
                + (f"did you mean {close[0]}?" if close else f"it has {', '.join(classes)}")
            )
    rest = [name for name in classes if name not in named]
    return [*named, *(name for name in rest if name != "NORM"), *(name for name in rest if name == "NORM")]


def make_labels(
    record_ids: Sequence[str],
    statements: Sequence[str | Mapping[str, float]],
    group_of: Mapping[str, str],
    classes: Sequence[str],
    config: LabelsConfig,
    key: str = "labels",
) -> tuple[Labels, LabelCounts]:
    """Targets of all records under a policy.

    Args:
        record_ids: (n,) ids.
        statements: (n,) {code: likelihood in percent}, or its JSON.
        group_of: code -> class; codes that are absent do not count.
        classes: the classes, in the order of the targets' columns.
        config: the policy.
        key: the section that it stands in, for messages.

    Raises:
        DataError: a superclass has no record at all, or fewer than two classes are left.
    """
    order, column = tie_order(classes, config), {name: i for i, name in enumerate(classes)}
    targets = np.zeros((len(record_ids), len(classes)), np.uint8)
    dropped: list[dict] = []
    for row, (record_id, codes) in enumerate(zip(record_ids, statements, strict=True)):
        codes = json.loads(codes) if isinstance(codes, str) else codes
        found = class_likelihoods(codes, group_of, config)
        chosen = choose_classes(found, config.policy, order) if found else set()
        if not chosen:
            reason = "several classes" if found else _why_none(codes, group_of)
            dropped.append({"record_id": record_id, "reason": reason, "classes": json.dumps(sorted(found))})
        for name in chosen:
            targets[row, column[name]] = 1
    totals = targets.sum(axis=0, dtype=int)
    common = totals >= config.min_records
    empty = [name for name, count in zip(classes, totals, strict=True) if count == 0]
    if empty and config.grouping == "superclass" and config.min_records == 1:
        raise DataError(
            f"no record of class {', '.join(empty)} under the label policy {config.policy!r} "
            f"({len(record_ids) - len(dropped)} records kept); use more records, or another policy"
        )
    if common.sum() < 2:
        raise DataError(f"fewer than two classes have {key}.min_records = {config.min_records} records; lower it")
    names, ids = np.array(classes, dtype=str), np.array(record_ids, dtype=str)
    only_rare = targets.any(axis=1) & ~targets[:, common].any(axis=1)
    dropped += [
        {
            "record_id": str(ids[row]),
            "reason": "only rare classes",
            "classes": json.dumps(names[targets[row] > 0].tolist()),
        }
        for row in np.flatnonzero(only_rare)
    ]
    kept = targets[:, common].any(axis=1)
    labels = Labels(ids[kept], targets[kept][:, common], tuple(names[common].tolist()), config.policy)
    return labels, LabelCounts(
        classes=dict(zip(labels.classes, labels.targets.sum(axis=0, dtype=int).tolist(), strict=True)),
        kept=len(labels.record_ids),
        dropped=dict(Counter(row["reason"] for row in dropped)),
        rare=dict(zip(names[~common].tolist(), totals[~common].tolist(), strict=True)),
        dropped_records=sorted(dropped, key=lambda row: row["record_id"]),
    )


def _why_none(codes: Mapping[str, float], group_of: Mapping[str, str]) -> str:
    """Why no statement of a record counts."""
    there = [likelihood for code, likelihood in codes.items() if code in group_of]
    if not there:
        return "no statement of the grouping"
    return "below min_likelihood" if max(there) > 0 else "likelihood 0 only"


def labels_of_records(
    records: pd.DataFrame,
    group_of: Mapping[str, str],
    classes: Sequence[str],
    config: LabelsConfig,
    key: str = "labels",
) -> tuple[Labels, LabelCounts]:
    """make_labels for a records table."""
    return make_labels(records["record_id"].tolist(), records["statements"].tolist(), group_of, classes, config, key)


def label_classes(records: pd.DataFrame, classes: Sequence[str], key: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Statements that are classes themselves, in the form of ``grouping``.

    Args:
        records: a records table.
        classes: those that count, in order; none: all that there are, sorted.
        key: where they are configured, for messages.

    Raises:
        DataError: there are fewer than two, or a class has no record or a single one.
    """
    counts = Counter(label for text in records["statements"] for label in json.loads(text))
    classes = tuple(classes) or tuple(sorted(counts))
    absent = [name for name in classes if not counts[name]]
    if absent:
        there = ", ".join(sorted(counts)[:20]) or "none"
        raise DataError(f"{key}.classes: no record has the label {', '.join(absent)}; there are {there}")
    if len(classes) < 2:
        raise DataError(f"{key}: its records have {len(classes)} label{'s'[len(classes) == 1 :]}; two are needed")
    return {name: name for name in classes}, classes


def check_splittable(counts: LabelCounts, key: str) -> None:
    """No split has a class of one record on two sides.

    Raises:
        DataError: there is such a class.
    """
    single = [name for name, count in counts.classes.items() if count < 2]
    if single:
        raise DataError(
            f"{key}: class {', '.join(single)} has fewer than 2 records, which no split can put on two sides; add "
            f"records, or leave it out with {key}.min_records: 2"
        )
