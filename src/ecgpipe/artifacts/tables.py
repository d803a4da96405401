"""Parquet files in which damage shows: checksums of the pages by the format's own means, and one of the footer by ours.

The footer holds its CRC-32 under the key ``footer_crc32``, counted with zeros in its place, and under ``body_crc32``
that of all before it. Readers compare the pages that they read and the footer; ``ecgpipe check`` the body as well, of
which the headers of pages have no checksum.

A table format: a name, an Arrow schema, a reader and an atomic writer (Parquet).

records.parquet: a row per record (or image) of a data set, before any choice of labels.

``statements`` holds what the source says of the record, as JSON: {code: likelihood in percent}. For image folders
the one code is the class folder, at 100. ``path`` is relative to the data set's folder: for signals without suffix
(WFDB's record name), for images with. ``content`` is the SHA-256 of an image file, empty for signals.

problems: a row per record (or file) that a stage left out, and why. Shown in the report, never dropped.

splits/<protocol>/seed-<n>.parquet: the role of every record that takes part under a protocol.

The audit's tables, all below ``results/<dataset>/audit/``.

<shard>.parquet (SKETCHES): a row per record. ``digest`` is the SHA-256 of an image file, or of a signal's samples in mV
with its sampling rate; ``form`` JSON of what most records of a data set share (sampling rate, duration, gain, units and
order of leads; size, mode and format of images); ``anomalies`` JSON, a list of (kind, detail); ``sketch`` int8, a
vector to search with, and ``detail`` int8, what decides (both empty where the record cannot be read).
pairs.parquet: near-identical pairs of different content; of a group of identical records only the first is named.
anomalies.parquet: what is odd about a record.

audit/duplicates.parquet: which records of a data set are copies of each other.

``identical`` is the smallest record id with the same content, byte by byte (images: the file; signals: the samples);
``near`` the smallest id of those that are linked to the record by identical or near-identical content, in one or more
steps. A record without a copy names itself in both.

labels.parquet: multi-hot targets per record, with the class names and the task in the file's metadata.

labels.dropped.parquet: the records without a target, the reason, and the classes (JSON list) that they would have had.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgpipe.artifacts import find_rows
from ecgpipe.artifacts.files import atomic_path, file_crc32
from ecgpipe.errors import DataError, RecordError

logger = logging.getLogger(__name__)
KEY, BODY = b"footer_crc32", b"body_crc32"
ZEROS = b"00000000"
PIECE = 10_000  # values that become Python's strings at a time
UNSEALED = {KEY: ZEROS, BODY: ZEROS}
"""Metadata that ``seal`` fills in."""
PARQUET_ERRORS = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
"""What reading raises on a file that is damaged or of another kind."""


def write_table(table: pa.Table, path: Path | str) -> None:
    """Write a table atomically; its metadata are kept."""
    table = table.replace_schema_metadata((table.schema.metadata or {}) | UNSEALED)
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
        seal(partial)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a table; on damage one of BROKEN."""
    check_footer(path)
    return pq.read_table(path, columns=columns, page_checksum_verification=True)


def text_array(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) a column of text as an array as wide as its longest value, made in pieces; ValueError if a value is null."""
    if column.null_count:
        raise ValueError(f"{column.null_count} values are missing")
    text = np.empty(len(column), f"U{max(pc.max(pc.utf8_length(column)).as_py() or 0, 1)}")
    for start in range(0, len(text), PIECE):
        text[start : start + PIECE] = column[start : start + PIECE].to_pylist()
    return text


def seal(path: Path | str) -> None:
    """Put the checksums into a file that was written with UNSEALED in its metadata."""
    start, footer = _footer(path)
    at = _place(footer, BODY)
    footer[at : at + len(ZEROS)] = file_crc32(path, start).encode()
    at = _place(footer, KEY)
    footer[at : at + len(ZEROS)] = f"{zlib.crc32(footer):08x}".encode()
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(footer)


def check_footer(path: Path | str) -> None:
    """Compare the footer with its checksum, if it has one; ValueError if they differ."""
    _, footer = _footer(path)
    if (at := _place(footer, KEY)) is None:
        if BODY in footer:
            raise ValueError(f"it is damaged: its footer has no {KEY.decode()}")
        return
    found, footer[at : at + len(ZEROS)] = bytes(footer[at : at + len(ZEROS)]), ZEROS
    if found != f"{zlib.crc32(footer):08x}".encode():
        raise ValueError("it is damaged: its footer does not fit its checksum")


def check_body(path: Path | str) -> bool:
    """Whether the footer, which is to be checked before, has a checksum of all else; ValueError if that differs."""
    start, footer = _footer(path)
    if (at := _place(footer, BODY)) is None:
        return False
    if file_crc32(path, start).encode() != footer[at : at + len(ZEROS)]:
        raise ValueError("it is damaged: its content does not fit its checksum")
    return True


def _footer(path: Path | str) -> tuple[int, bytearray]:
    """Where it starts, and all of the file from there."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        end = file.read()
        length = int.from_bytes(end[:4], "little") + 8
        if end[4:] != b"PAR1" or length > size:
            raise ValueError("no Parquet file, or cut off")
        file.seek(size - length)
        footer = bytearray(file.read())
    return size - length, footer


def _place(footer: bytearray, key: bytes) -> int | None:
    """Where in the footer the value of a key is: in Thrift's compact form after the field's byte and its length's."""
    found = footer.rfind(key)
    return None if found < 0 else found + len(key) + 2


@dataclass(frozen=True)
class TableFormat:
    """One kind of Parquet file.

    Args:
        name: what the file is called in messages.
        schema: columns every such file has; further columns are refused.
    """

    name: str
    schema: pa.Schema

    def empty(self) -> pd.DataFrame:
        """A table with no rows."""
        return self.schema.empty_table().to_pandas()

    def write(self, rows: pd.DataFrame | list[dict], path: Path | str) -> None:
        """Write the rows; a column that is missing, unknown or of another type is an error."""
        frame = pd.DataFrame(rows, columns=self.schema.names) if isinstance(rows, list) else rows
        unknown = set(frame.columns) ^ set(self.schema.names)
        if unknown:
            raise ValueError(f"{self.name}: columns {sorted(unknown)} are missing or unknown")
        table = pa.Table.from_pandas(frame[self.schema.names], schema=self.schema, preserve_index=False)
        write_table(table.replace_schema_metadata(None), path)

    def read(
        self, path: Path | str, columns: list[str] | None = None, record_ids: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Read a file of this format.

        Args:
            path: the file.
            columns: which; None: all of the format.
            record_ids: (n,) strings, only the rows of these records, in the file's order; None: all rows.

        Raises:
            DataError: the file is missing, is no Parquet file, is damaged, or lacks a column.
        """
        table = self._read(path, columns or self.schema.names)
        if record_ids is not None:
            table = table.filter(pc.is_in(table["record_id"], value_set=pa.array(record_ids, pa.string())))
        return table.to_pandas()

    def read_text(self, path: Path | str, columns: list[str]) -> list[np.ndarray]:
        """Columns of text as arrays of fixed width, (n,) each: a few bytes a row, where Python's strings take 50.

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
            raise DataError(f"{path}: not a readable {self.name} file ({error}); delete it and run again") from error


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

IMAGE_INDEX = TableFormat(
    "image index",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("ink", pa.float32()),
            ("turn", pa.list_(pa.float64())),
            ("bend", pa.list_(pa.float64())),
        ]
    ),
)
"""``turn`` and ``bend``: the image's ``Turn``, its matrix row by row; null where the page lay straight, or flat."""


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


class ProblemList:
    """Collects the problems of one stage; with ``strict`` the first one stops the run."""

    def __init__(self, stage: str, strict: bool) -> None:
        self.stage = stage
        self.strict = strict
        self.rows: list[dict] = []

    def add(self, error: RecordError) -> None:
        """Note a record that is left out.

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
        """Note several records."""
        for error in errors:
            self.add(error)

    def write(self, path: Path | str) -> None:
        """Write the problems table, also when it is empty."""
        PROBLEMS.write(self.rows, path)


SPLIT = TableFormat("split", pa.schema([("record_id", pa.string()), ("role", pa.string())]))


SKETCHES = TableFormat(
    "sketches",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("digest", pa.string()),
            ("form", pa.string()),
            ("anomalies", pa.string()),
            ("sketch", pa.binary()),
            ("detail", pa.binary()),
        ]
    ),
)
PAIRS = TableFormat("pairs", pa.schema([("first", pa.string()), ("second", pa.string()), ("similarity", pa.float32())]))
ANOMALIES = TableFormat(
    "anomalies", pa.schema([("record_id", pa.string()), ("kind", pa.string()), ("detail", pa.string())])
)


DUPLICATES = TableFormat(
    "duplicates", pa.schema([("record_id", pa.string()), ("identical", pa.string()), ("near", pa.string())])
)


def add_content_hashes(records: pd.DataFrame, duplicates: Path | str) -> pd.DataFrame:
    """Records whose ``content`` tells identical files by the audit, for data sets whose listing has no checksums."""
    table = DUPLICATES.read(duplicates, ["record_id", "identical"], records["record_id"].to_numpy())
    identical = table.set_index("record_id")["identical"]
    return records.assign(content=identical.reindex(records["record_id"]).to_numpy())


DROPPED = TableFormat(
    "dropped records", pa.schema([("record_id", pa.string()), ("reason", pa.string()), ("classes", pa.string())])
)


@dataclass(frozen=True)
class Labels:
    """Targets of a data set under one label policy.

    Args:
        record_ids: (n,) strings.
        targets: (n, classes) uint8 of 0 and 1; one-hot when the task is ``single``.
        classes: class names, in the order of the columns.
        policy: the label policy that made them.
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
            DataError: a record has none.
        """
        rows, found = find_rows(record_ids, self.record_ids)
        if not found.all():
            missing = record_ids[~found]
            raise DataError(f"{len(missing)} records have no label, {missing[0]} first; make labels and splits again")
        return self.targets[rows]

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        columns = {"record_id": pa.array(self.record_ids.astype(str), pa.string())}
        columns |= {name: pa.array(self.targets[:, i], pa.uint8()) for i, name in enumerate(self.classes)}
        metadata = {"classes": json.dumps(self.classes), "policy": self.policy}
        write_table(pa.table(columns).replace_schema_metadata(metadata), path)

    @classmethod
    def read(cls, path: Path | str) -> "Labels":
        """Read a labels file.

        Raises:
            DataError: missing or not a labels file.
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
            raise DataError(f"{path}: not a readable labels file ({error}); delete it and run again") from error
