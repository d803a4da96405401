"""The pages of a dataset: stored, rendered on demand, or redrawn on demand from digitized recordings."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe.artifacts.digitized import SAMPLING_RATE, DigitizedRecord, count_digitized, read_digitized
from ecgpipe.artifacts.pages import PageSource, StoredPage, StoredPages
from ecgpipe.artifacts.tables import RECORDS, read_shard
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.imaging.redraw import redrawn_page
from ecgpipe.render.shard import PageRenderer, Row, rows_of


class RenderedPages:
    """Pages rendered (or read, for an image dataset) on demand, byte-identical to the pages of a pages file.

    Records that cannot be rendered have no page.

    Args:
        records: rows of records.parquet.
        source, sampling_rate, derive_leads, start, reading: as in ``PageRenderer``.
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
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        self.rows = rows_of(records)
        config = None if render is None else RenderConfig(**render)
        self.renderer = PageRenderer(source, sampling_rate, config, derive_leads, start, reading or {})

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


class RedrawnPages:
    """Pages redrawn on demand from digitized recordings (``preprocess.from: digitized``).

    Args:
        files: digitized recordings (``artifacts.digitized``) of one or more shards.
        canonical: keys of ``RenderConfig``.
    """

    def __init__(self, files: Sequence[Path | str], canonical: dict[str, Any]) -> None:
        self.files, self.drawing = files, RenderConfig(**canonical)

    def __len__(self) -> int:
        return sum(count_digitized(file) for file in self.files)

    def __iter__(self) -> Iterator[StoredPage]:
        return map(self._page, self.recordings())

    def recordings(self) -> Iterator[DigitizedRecord]:
        """All recordings, with one file in memory at a time."""
        for file in self.files:
            yield from read_digitized(file)

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        """The pages of some records; those that were not digitized are absent."""
        wanted = set(record_ids)
        return {record.record_id: self._page(record) for record in self.recordings() if record.record_id in wanted}

    def _page(self, record: DigitizedRecord) -> StoredPage:
        page = redrawn_page(record.signal, SAMPLING_RATE, self.drawing)
        return StoredPage(record.record_id, page.encode(), json.dumps(page.boxes()))


def page_source(
    files: Sequence[Path | str], records_file: Path | str, drawing: dict[str, Any] | None, shard: str | None = None
) -> PageSource:
    """Return the pages of a dataset.

    Args:
        files: its pages files, if pages are kept; or its digitized recordings.
        records_file: its records.parquet, used if there are no files.
        drawing: the other arguments of RenderedPages, or of RedrawnPages (digitized recordings); None for pages files.
        shard: only this shard.
    """
    if drawing is not None and "canonical" in drawing:
        return RedrawnPages(files, **drawing)
    if drawing is None:
        return StoredPages(files)
    return _rendered(records_file, drawing, shard)


def raw_files(records_file: Path | str, drawing: dict[str, Any], shard: str | None) -> dict[str, str]:
    """Record id -> the raw file of its page, for messages; arguments as in ``page_source``."""
    pages = _rendered(records_file, drawing, shard)
    return {row[0]: pages.renderer.file(row) for row in pages.rows}


def _rendered(records_file: Path | str, drawing: dict[str, Any], shard: str | None) -> RenderedPages:
    return RenderedPages(RECORDS.read(records_file) if shard is None else read_shard(records_file, shard), **drawing)
