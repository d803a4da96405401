"""Tables in Parquet files: ``TableFormat`` and the formats of records, problems, splits, labels, audits and images."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.files import atomic_path, verify
from ecgpipe.errors import DataError, RecordError, one_line

logger = logging.getLogger(__name__)

PARQUET_ERRORS = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
"""Raised when a file is damaged or is not the expected Parquet file."""
TEXT_CHUNK = 10_000  # values that are Python strings at the same time


def write_table(table: pa.Table, path: Path | str) -> None:
    """Write a table atomically, with its metadata."""
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a table.

    Raises:
        DataError: it differs from its checksum.
        PARQUET_ERRORS: it cannot be read.
    """
    verify(path)
    return pq.read_table(path, columns=columns)


def text_array(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) fixed-width array of a column of text, converted in chunks; ValueError for null values."""
    if column.null_count:
        raise ValueError(f"{column.null_count} values are missing")
    text = np.empty(len(column), f"U{max(pc.max(pc.utf8_length(column)).as_py() or 0, 1)}")
    for start in range(0, len(text), TEXT_CHUNK):
        text[start : start + TEXT_CHUNK] = column[start : start + TEXT_CHUNK].to_pylist()
    return text


@dataclass(frozen=True)
class TableFormat:
    """A kind of Parquet file.

    Args:
        name: name of the format in messages.
        schema: exactly the columns of every file of this kind.
    """

    name: str
    schema: pa.Schema

    def empty(self) -> pd.DataFrame:
        """A table without rows."""
        return self.schema.empty_table().to_pandas()

    def write(self, rows: pd.DataFrame | list[dict], path: Path | str) -> None:
        """Write rows; ValueError if a column is missing or unknown, an Arrow error if one has another type."""
        frame = pd.DataFrame(rows, columns=self.schema.names) if isinstance(rows, list) else rows
        wrong = set(frame.columns) ^ set(self.schema.names)
        if wrong:
            raise ValueError(f"{self.name}: columns {sorted(wrong)} are missing or unknown")
        table = pa.Table.from_pandas(frame[self.schema.names], schema=self.schema, preserve_index=False)
        write_table(table.replace_schema_metadata(None), path)

    def read(
        self, path: Path | str, columns: list[str] | None = None, record_ids: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Read a file of this format.

        Args:
            path: the file.
            columns: which columns; None: all of the format.
            record_ids: (n,) strings: read only the rows of these records, in the file's order; None: all rows.

        Raises:
            DataError: the file is missing, damaged, not a Parquet file, or lacks a column.
        """
        table = self._read(path, columns or self.schema.names)
        if record_ids is not None:
            table = table.filter(pc.is_in(table["record_id"], value_set=pa.array(record_ids, pa.string())))
        return table.to_pandas()

    def read_text(self, path: Path | str, columns: list[str]) -> list[np.ndarray]:
        """Columns of text as fixed-width arrays, (n,) each: a few bytes per row instead of 50 for a Python string.

        Raises:
            DataError: as ``read``.
        """
        table = self._read(path, columns)
        return [text_array(table[name]) for name in columns]

    def _read(self, path: Path | str, columns: list[str]) -> pa.Table:
        try:
            return read_table(path, columns)
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such {self.name} file; run the stage that makes it") from error
        except PARQUET_ERRORS as error:
            raise DataError(
                f"{path}: not a readable {self.name} file ({one_line(error)}); delete it and run again"
            ) from error


RECORDS = TableFormat(
    "records",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("patient_id", pa.string()),
            ("shard", pa.string()),
            ("path", pa.string()),
            ("fold", pa.int16()),
            ("age", pa.float32()),
            ("sex", pa.string()),
            ("statements", pa.string()),
            ("content", pa.string()),
        ]
    ),
)
"""records.parquet: one row per record or image, with or without a label.

``statements`` is JSON, {code: likelihood in percent}; for image folders the class folder at 100. ``path`` is relative
to the dataset's folder, for signals without suffix (WFDB's record name). ``content`` is the SHA-256 of an image file,
empty for signals.
"""


def read_shard(path: Path | str, shard: str) -> pd.DataFrame:
    """The records of one shard."""
    records = RECORDS.read(path)
    return records[records["shard"] == shard]


IMAGE_INDEX = TableFormat(
    "image index",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("ink", pa.float32()),
            ("homography", pa.list_(pa.float64())),
            ("bend", pa.list_(pa.float64())),
        ]
    ),
)
"""images/<shard>.index.parquet: row i describes row i of the image array. ``homography`` (row by row) and ``bend`` are
the image's ``PageTransform``; both are null if the image shows the whole page except its margins (``variant: paper``),
``bend`` also if the page is flat."""


def rows_of_images(indices: Iterable[Path | str]) -> dict[Path, np.ndarray]:
    """Image file -> the record of each of its rows, from the files' indices."""
    return {
        Path(str(index).replace(".index.parquet", ".npy")): IMAGE_INDEX.read_text(index, ["record_id"])[0]
        for index in indices
    }


SPLIT = TableFormat("split", pa.schema([("record_id", pa.string()), ("role", pa.string())]))
"""splits/<protocol>/seed-<n>.parquet: the role of every record that takes part in a protocol."""

SKETCHES = TableFormat(
    "sketches",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("digest", pa.string()),
            ("properties", pa.string()),
            ("anomalies", pa.string()),
            ("sketch", pa.binary()),
            ("detail", pa.binary()),
        ]
    ),
)
"""audit/<shard>.parquet: one row per record.

``digest`` is the SHA-256 of an image file, or of a signal's samples, rounded to nV, with its sampling rate;
``properties`` is JSON of properties that most records of a dataset share (sampling rate, duration, gain, units and
order of leads; size, mode and format of images); ``anomalies`` is a JSON list of (kind, detail). ``sketch`` is an
int8 vector for searching, ``detail`` an int8 vector for comparing; both are empty if the record cannot be read.
"""
PAIRS = TableFormat("pairs", pa.schema([("first", pa.string()), ("second", pa.string()), ("similarity", pa.float32())]))
"""audit/pairs.parquet: near-identical pairs of different content; of identical records, only the first."""
ANOMALIES = TableFormat(
    "anomalies", pa.schema([("record_id", pa.string()), ("kind", pa.string()), ("detail", pa.string())])
)
"""audit/anomalies.parquet: one row per anomaly of a record."""
DUPLICATES = TableFormat(
    "duplicates", pa.schema([("record_id", pa.string()), ("identical", pa.string()), ("near", pa.string())])
)
"""audit/duplicates.parquet: one row per record.

``identical`` is the smallest record id with the same content (images: the file; signals: the samples); ``near`` the
smallest id that is linked to the record by identical or near-identical content, in one or more steps. A record without
duplicates has its own id in both.
"""

GROUPED_BY = ["record_id", "patient_id", "content"]
"""Columns of records.parquet that tell which records the bootstrap resamples together."""


def read_grouped(
    table: Path | str, duplicates: Path | str | None, record_ids: np.ndarray | None = None
) -> pd.DataFrame:
    """The columns GROUPED_BY of records.parquet, of all or the given records.

    If a dataset is listed without checksums, ``duplicates`` is the audit's table, which gives ``content``: equal for
    identical files. It is None or empty otherwise.
    """
    records = RECORDS.read(table, GROUPED_BY, record_ids)
    if not duplicates:
        return records
    ids = records["record_id"].to_numpy()
    identical = DUPLICATES.read(duplicates, ["record_id", "identical"], ids).set_index("record_id")["identical"]
    return records.assign(content=identical.reindex(ids).to_numpy())


PROBLEMS = TableFormat(
    "problems",
    pa.schema(
        [
            ("stage", pa.string()),
            ("record_id", pa.string()),
            ("file", pa.string()),
            ("problem", pa.string()),
            ("detail", pa.string()),
        ]
    ),
)
"""*.problems.parquet: one row per record or file that a stage left out, and why. The report shows them."""


class ProblemList:
    """Collects the problems of one stage; with ``strict`` the first one stops the run."""

    def __init__(self, stage: str, strict: bool) -> None:
        self.stage = stage
        self.strict = strict
        self.rows: list[dict] = []

    def add(self, error: RecordError) -> None:
        """Add a record that is left out.

        Raises:
            DataError: in strict mode.
        """
        if self.strict:
            raise DataError(f"{error} (strict: true stops at the first broken record)") from error
        logger.warning("left out: %s", error)
        self.rows.append(
            {
                "stage": self.stage,
                "record_id": error.record,
                "file": error.file,
                "problem": error.problem,
                "detail": error.detail,
            }
        )

    def extend(self, errors: Iterable[RecordError]) -> None:
        """Add several records."""
        for error in errors:
            self.add(error)

    def write(self, path: Path | str) -> None:
        """Write the problems table, even if it is empty."""
        PROBLEMS.write(self.rows, path)


DROPPED = TableFormat(
    "dropped records", pa.schema([("record_id", pa.string()), ("reason", pa.string()), ("classes", pa.string())])
)
"""labels.dropped.parquet: records without a target, the reason, and the classes (JSON list) they would have had."""


@dataclass(frozen=True)
class Labels:
    """labels.parquet: targets of a dataset under one label policy.

    Args:
        record_ids: (n,) strings.
        targets: (n, classes) uint8 of 0 and 1; one-hot when the task is ``single``.
        classes: class names, in the order of the columns.
        policy: the label policy.
    """

    record_ids: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    policy: str

    @property
    def task(self) -> str:
        """``multilabel`` or ``single`` (exactly one class per record)."""
        return "multilabel" if self.policy == "multilabel" else "single"

    def of_records(self, record_ids: np.ndarray) -> np.ndarray:
        """(n, classes) uint8, the targets of some records in their order.

        Raises:
            DataError: a record has no target.
        """
        rows, found = find_rows(record_ids, self.record_ids)
        if not found.all():
            missing = record_ids[~found]
            raise DataError(f"{len(missing)} records have no label, {missing[0]} first; make labels and splits again")
        return self.targets[rows]

    def write(self, path: Path | str) -> None:
        """Write the file atomically; class names and policy are in its metadata."""
        columns = {"record_id": pa.array(self.record_ids.astype(str), pa.string())}
        columns |= {name: pa.array(self.targets[:, i], pa.uint8()) for i, name in enumerate(self.classes)}
        metadata = {"classes": json.dumps(self.classes), "policy": self.policy}
        write_table(pa.table(columns).replace_schema_metadata(metadata), path)

    @classmethod
    def read(cls, path: Path | str) -> "Labels":
        """Read a labels file.

        Raises:
            DataError: missing, damaged or not a labels file.
        """
        try:
            table = read_table(path)
            classes = tuple(json.loads(table.schema.metadata[b"classes"]))
            return cls(
                record_ids=text_array(table["record_id"]),
                targets=np.stack([table[name].to_numpy() for name in classes], axis=1),
                classes=classes,
                policy=table.schema.metadata[b"policy"].decode(),
            )
        except PARQUET_ERRORS as error:
            raise DataError(
                f"{path}: not a readable labels file ({one_line(error)}); delete it and run again"
            ) from error
