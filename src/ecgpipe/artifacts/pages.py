"""pages/<shard>.parquet: the encoded page of every record of a shard, with its lead boxes.

``image`` holds the bytes of a PNG or JPEG file (rendered pages) or of the original file (image data sets).
``boxes`` is the JSON of ``Page.boxes()``, empty for real images. Row groups are small, so that a reader holds a few
pages at a time.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.tables import PARQUET_ERRORS, UNSEALED, check_footer, seal
from ecgpipe.errors import DataError

SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("image", pa.binary()),
        ("boxes", pa.string()),
    ]
)
SEALED = SCHEMA.with_metadata(UNSEALED)
ROWS_PER_GROUP = 16


class StoredPage(NamedTuple):
    """A page as stored: id, encoded image, boxes as JSON text."""

    record_id: str
    image: bytes
    boxes: str


class PageSource(Protocol):
    """The pages of a data set or of some shards, wherever they come from: files, or drawn on demand."""

    def __len__(self) -> int:
        """How many pages there are, at most."""
        ...

    def __iter__(self) -> Iterator[StoredPage]:
        """All pages, a few in memory at a time."""
        ...

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        """The pages of some records; those that have none are absent."""
        ...


class StoredPages:
    """The pages of one or more pages files."""

    def __init__(self, files: Sequence[Path | str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return sum(count_pages(file) for file in self.files)

    def __iter__(self) -> Iterator[StoredPage]:
        for file in self.files:
            yield from read_pages(file)

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        return find_pages(self.files, record_ids)


def write_pages(pages: Iterable[StoredPage], path: Path | str) -> int:
    """Write the pages as they come, a few in memory at a time; returns how many."""
    count = 0
    with atomic_path(path) as partial:
        with _writer(partial) as writer:
            for group in _batched(pages):
                columns = [list(column) for column in zip(*group, strict=True)]
                writer.write_table(pa.table(columns, schema=SEALED))
                count += len(group)
        seal(partial)
    return count


def _writer(path: Path) -> pq.ParquetWriter:
    # PNG and JPEG do not compress further: no codec, so that reading is a copy.
    return pq.ParquetWriter(path, SEALED, compression="none", write_page_checksum=True)


def _batched(pages: Iterable[StoredPage]) -> Iterator[tuple[StoredPage, ...]]:
    iterator = iter(pages)
    while group := tuple(itertools.islice(iterator, ROWS_PER_GROUP)):
        yield group


@contextmanager
def _open(path: Path | str) -> Iterator[pq.ParquetFile]:
    """The file; what is wrong with it, also when it is read, is a DataError that names it."""
    try:
        check_footer(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except PARQUET_ERRORS as error:
        raise DataError(f"{path}: not a readable pages file ({error}); delete it and run again") from error


def count_pages(path: Path | str) -> int:
    """How many pages a file holds."""
    with _open(path) as file:
        return file.metadata.num_rows


def read_pages(path: Path | str) -> Iterator[StoredPage]:
    """All pages of a file, in order, a few in memory at a time."""
    for group in range(_count_groups(path)):
        with _open(path) as file:
            columns = file.read_row_group(group).columns
            rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        for row in rows:
            yield StoredPage(*row)


def _count_groups(path: Path | str) -> int:
    with _open(path) as file:
        return file.num_row_groups


def find_pages(paths: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, StoredPage]:
    """The pages of the given records, wherever they are among the files (those not found are absent)."""
    wanted = set(record_ids)
    found: dict[str, StoredPage] = {}
    for path in paths:
        with _open(path) as file:
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=["record_id"])["record_id"].to_pylist()
                if wanted.isdisjoint(ids):
                    continue
                rows = file.read_row_group(group).to_pylist()
                found |= {row["record_id"]: StoredPage(**row) for row in rows if row["record_id"] in wanted}
    return found
