"""Parquet files in which damage shows: checksums of the pages by the format's own means, and one of the footer by ours.

The footer holds its CRC-32 under the key ``footer_crc32``, counted with zeros in its place.
"""

import os
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgpipe.artifacts.atomic import atomic_path

KEY = b"footer_crc32"
ZEROS = b"00000000"
PIECE = 10_000  # values that become Python's strings at a time
BROKEN = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
"""What reading raises on a file that is damaged or of another kind."""


def write_table(table: pa.Table, path: Path | str) -> None:
    """Write a table atomically; its metadata are kept."""
    table = table.replace_schema_metadata((table.schema.metadata or {}) | {KEY: ZEROS})
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
        seal(partial)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a table; on damage one of BROKEN."""
    check_footer(path)
    return pq.read_table(path, columns=columns, page_checksum_verification=True)


def text_of(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) a column of text as an array as wide as its longest value, made in pieces; ValueError if a value is null."""
    if column.null_count:
        raise ValueError(f"{column.null_count} values are missing")
    text = np.empty(len(column), f"U{max(pc.max(pc.utf8_length(column)).as_py() or 0, 1)}")
    for start in range(0, len(text), PIECE):
        text[start : start + PIECE] = column[start : start + PIECE].to_pylist()
    return text


def seal(path: Path | str) -> None:
    """Put the footer's checksum into a file that was written with ``KEY: ZEROS`` in its metadata."""
    start, footer, at = _footer(path)
    with open(path, "r+b") as file:
        file.seek(start + at)
        file.write(f"{zlib.crc32(footer):08x}".encode())


def check_footer(path: Path | str) -> None:
    """Compare the footer with its checksum, if it has one; ValueError if they differ."""
    _, footer, at = _footer(path)
    if at is None:
        return
    found, footer[at : at + len(ZEROS)] = bytes(footer[at : at + len(ZEROS)]), ZEROS
    if found != f"{zlib.crc32(footer):08x}".encode():
        raise ValueError("it is damaged: its footer does not fit its checksum")


def _footer(path: Path | str) -> tuple[int, bytearray, int | None]:
    """Where it starts, all of the file from there, and where in that the checksum is."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        end = file.read()
        length = int.from_bytes(end[:4], "little") + 8
        if end[4:] != b"PAR1" or length > size:
            raise ValueError("no Parquet file, or cut off")
        file.seek(size - length)
        footer = bytearray(file.read())
    key = footer.rfind(KEY)
    # in Thrift's compact form a value follows its key after the field's byte and the byte of its length
    return size - length, footer, None if key < 0 else key + len(KEY) + 2
