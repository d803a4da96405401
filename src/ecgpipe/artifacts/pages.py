"""pages/<shard>.parquet: the encoded page of every record of a shard, with its lead boxes.

``image`` is a PNG or JPEG file (rendered pages) or the original file (image datasets). ``boxes`` is the JSON of
``Page.boxes()``, empty for image datasets. Row groups are small, so that a reader has only a few pages in memory. Since
pages are read in part, their reader compares Parquet's own page checksums instead of the file's.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.artifacts.tables import PARQUET_ERRORS
from ecgpipe.errors import DataError, one_line

SCHEMA = pa.schema([("record_id", pa.string()), ("image", pa.binary()), ("boxes", pa.string())])
ROWS_PER_GROUP = 16


class StoredPage(NamedTuple):
    """A page as stored: id, encoded image, boxes as JSON text."""

    record_id: str
    image: bytes
    boxes: str


class PageSource(Protocol):
    """The pages of a dataset or of some shards: stored, or rendered on demand."""

    def __len__(self) -> int:
        """Upper bound of the number of pages."""
        ...

    def __iter__(self) -> Iterator[StoredPage]:
        """All pages, a few in memory at a time."""
        ...

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        """The pages of some records; records without a page are absent."""
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
    """Write pages, a few in memory at a time; returns their number."""
    count, iterator = 0, iter(pages)
    # no compression: PNG and JPEG files do not get smaller
    with (
        atomic_path(path) as partial,
        pq.ParquetWriter(partial, SCHEMA, compression="none", write_page_checksum=True) as writer,
    ):
        while group := list(itertools.islice(iterator, ROWS_PER_GROUP)):
            columns = [list(column) for column in zip(*group, strict=True)]
            writer.write_table(pa.table(columns, schema=SCHEMA))
            count += len(group)
    return count


@contextmanager
def _open(path: Path | str) -> Iterator[pq.ParquetFile]:
    """The opened file; an error in the block is a DataError that names the file."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except PARQUET_ERRORS as error:
        raise DataError(f"{path}: not a readable pages file ({one_line(error)}); delete it and run again") from error


def count_pages(path: Path | str) -> int:
    """Number of pages in a file."""
    with _open(path) as file:
        return file.metadata.num_rows


def read_pages(path: Path | str) -> Iterator[StoredPage]:
    """All pages of a file, in order, a few in memory at a time."""
    with _open(path) as file:
        groups = file.num_row_groups
    for group in range(groups):
        with _open(path) as file:
            columns = file.read_row_group(group).columns
            rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        for row in rows:  # outside the block, which would report an error of the caller as one of the file
            yield StoredPage(*row)


def find_pages(paths: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, StoredPage]:
    """The pages of some records, from any of the files; records without a page are absent."""
    wanted = set(record_ids)
    pages: dict[str, StoredPage] = {}
    for path in paths:
        with _open(path) as file:
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=["record_id"])["record_id"].to_pylist()
                if wanted.isdisjoint(ids):
                    continue
                rows = file.read_row_group(group).to_pylist()
                pages |= {row["record_id"]: StoredPage(**row) for row in rows if row["record_id"] in wanted}
    return pages
