"""Parquet files in which damage shows: checksums of the pages by the format's own means, and one of the footer by ours.

The footer holds its CRC-32 under the key ``footer_crc32``, counted with zeros in its place, and under ``body_crc32``
that of all before it. Readers compare the pages that they read and the footer; ``ecgpipe check`` the body as well, of
which the headers of pages have no checksum.
"""

import os
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecgpipe.artifacts.atomic import atomic_path, file_crc32

KEY, BODY = b"footer_crc32", b"body_crc32"
ZEROS = b"00000000"
PIECE = 10_000  # values that become Python's strings at a time
UNSEALED = {KEY: ZEROS, BODY: ZEROS}
"""Metadata that ``seal`` fills in."""
BROKEN = (pa.ArrowException, OSError, KeyError, TypeError, ValueError)
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


def text_of(column: pa.ChunkedArray) -> np.ndarray:
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
