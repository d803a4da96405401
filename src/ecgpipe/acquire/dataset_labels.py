"""The labels of a dataset: the source of its classes, and the counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecgpipe.acquire.challenge_2024 import mark_acute
from ecgpipe.acquire.header_labels import CodeCounts, classes_of_codes, code_classes, read_code_table
from ecgpipe.acquire.labels import LabelCounts, check_splittable, label_classes, make_labels, read_grouping
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.data import CHALLENGE, LabelsConfig

OWN = "its own"
"""Used in place of a grouping for a dataset whose labels are its classes."""


@dataclass(frozen=True)
class DatasetLabels:
    """Labels and their counts.

    Attributes:
        labels: labels of the records that have one.
        grouping: grouping of statements into classes, or OWN.
        counts: records with and without labels.
        codes: records by code, if the labels are codes in headers.
    """

    labels: Labels
    grouping: str
    counts: LabelCounts
    codes: CodeCounts | None = None

    def as_dict(self) -> dict:
        """The content of labels.json (docs/formats.md)."""
        codes = {} if self.codes is None else {"codes": self.codes.as_dict()}
        return {"policy": self.labels.policy, "grouping": self.grouping, **self.counts.as_dict(), **codes}

    def as_table(self) -> pd.DataFrame:
        """The rows of labels.csv: what, name, records."""
        rows = self.counts.as_table()
        return rows if self.codes is None else pd.concat([rows, self.codes.as_table()])


def label_dataset(
    records: pd.DataFrame,
    config: LabelsConfig,
    source: Path | str,
    *,
    key: str = "labels",
    classes: Sequence[str] | None = None,
    code_table: Path | str | None = None,
    plus: Path | str | None = None,
) -> DatasetLabels:
    """Make the labels of a dataset's records.

    Args:
        records: a records table.
        config: policy, and grouping of statements.
        source: folder or zip archive with the table of statements; not read if the labels are the classes.
        key: section of the dataset in the configuration, for messages.
        classes: the classes in order, if the labels are the classes; empty: all that occur. None: the classes of the
            grouping.
        code_table: CSV table of the classes of codes in headers; empty: the package's. None: the labels are not codes.
        plus: PTB-XL+; only the grouping of the Challenge 2024 uses it.

    Raises:
        DataError: a table is missing or invalid, a class has too few records, or there are fewer than two classes.
    """
    codes = None
    if code_table is not None:
        table = read_code_table(code_table, f"{key}.code_table")
        records, codes = classes_of_codes(records, table)
        classes = classes or code_classes(records, table)
    if classes is not None:
        group_of, order = label_classes(records, classes, key)
        labels, counts = make_labels(records, group_of, order, config, key)
        check_splittable(counts, key)
        return DatasetLabels(labels, OWN, counts, codes)
    group_of, order = read_grouping(source, config.grouping)
    if plus and config.grouping == CHALLENGE:
        records = mark_acute(records, plus, group_of)
    labels, counts = make_labels(records, group_of, order, config)
    return DatasetLabels(labels, config.grouping, counts)
