"""The pages of a dataset, stored or rendered on demand."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe.artifacts.pages import PageSource, StoredPage, StoredPages
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.render.shard import PageRenderer, Row, rows_of


class RenderedPages:
    """Pages rendered (or read, for an image dataset) on demand, byte-identical to the pages of a pages file.

    Records that cannot be rendered have no page.

    Args:
        records: rows of records.parquet.
        source, sampling_rate, derive_leads, start: as in ``PageRenderer``.
        render: keys of ``RenderConfig``; None for an image dataset.
    """

    def __init__(
        self,
        records: pd.DataFrame,
        source: Path | str,
        sampling_rate: float | None,
        render: dict[str, Any] | None,
        derive_leads: bool = False,
        start: float = 0.0,
    ) -> None:
        self.rows = rows_of(records)
        config = None if render is None else RenderConfig(**render)
        self.renderer = PageRenderer(source, sampling_rate, config, derive_leads, start)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[StoredPage]:
        return self._pages(self.rows)

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        """The pages of some records; those without a page are absent."""
        wanted = set(record_ids)
        return {page.record_id: page for page in self._pages(row for row in self.rows if row[0] in wanted)}

    def _pages(self, rows: Iterable[Row]) -> Iterator[StoredPage]:
        for page in map(self.renderer.stored_or_error, rows):
            if not isinstance(page, RecordError):
                yield page


def page_source(
    files: Sequence[Path | str], records_file: Path | str, drawing: dict[str, Any] | None, shard: str | None = None
) -> PageSource:
    """Return the pages of a dataset.

    Args:
        files: its pages files, if pages are kept.
        records_file: its records.parquet, used if pages are not kept.
        drawing: the other arguments of RenderedPages; None if pages are kept.
        shard: only this shard.
    """
    if drawing is None:
        return StoredPages(files)
    return _rendered(records_file, drawing, shard)


def raw_files(records_file: Path | str, drawing: dict[str, Any], shard: str | None = None) -> dict[str, str]:
    """Record id -> the raw file that its page is made from, for messages; arguments as in ``page_source``."""
    pages = _rendered(records_file, drawing, shard)
    return {row[0]: pages.renderer.file(row) for row in pages.rows}


def _rendered(records_file: Path | str, drawing: dict[str, Any], shard: str | None) -> RenderedPages:
    records = RECORDS.read(records_file)
    return RenderedPages(records if shard is None else records[records["shard"] == shard], **drawing)
