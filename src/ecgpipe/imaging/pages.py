"""Pages for those who look at them: from their files, or drawn again where none are kept."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe.artifacts.pages import PageSource, StoredPage, StoredPages
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.render.shard import stored_file, stored_page


class RenderedPages:
    """The pages of records, drawn (or read, of a data set of images) whenever they are asked for.

    They are the same, byte by byte, as a pages file would hold. Records that cannot be drawn have no page.

    Args:
        records: rows of records.parquet.
        source: folder or zip archive that the records' paths start from.
        sampling_rate: Hz that every header must state; None accepts any.
        render: how pages look, as plain values; None for a data set of images.
        derive_leads: as ``read_record``.
    """

    def __init__(
        self,
        records: pd.DataFrame,
        source: Path | str,
        sampling_rate: float | None,
        render: dict[str, Any] | None,
        derive_leads: bool = False,
    ) -> None:
        self.rows = list(zip(records["record_id"], records["path"], strict=True))
        if render is None:
            self._page = partial(stored_file, source=source)
        else:
            self._page = partial(
                stored_page,
                source=source,
                sampling_rate=sampling_rate,
                config=RenderConfig(**render),
                derive_leads=derive_leads,
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[StoredPage]:
        return self._pages(self.rows)

    def find(self, record_ids: Iterable[str]) -> dict[str, StoredPage]:
        wanted = set(record_ids)
        return {page.record_id: page for page in self._pages(row for row in self.rows if row[0] in wanted)}

    def _pages(self, rows: Iterable[tuple[str, str]]) -> Iterator[StoredPage]:
        for row in rows:
            if not isinstance(page := self._page(row), RecordError):
                yield page


def page_source(
    files: Sequence[Path | str], records_file: Path | str, drawing: dict[str, Any] | None, shard: str | None = None
) -> PageSource:
    """The pages of a data set.

    Args:
        files: its pages files, where they are kept.
        records_file: its records.parquet, used where they are not.
        drawing: how to draw them then: the other arguments of DrawnPages; None: they are kept.
        shard: of this shard only (a file in ``files`` is one shard's anyway).
    """
    if drawing is None:
        return StoredPages(files)
    records = RECORDS.read(records_file)
    return RenderedPages(records if shard is None else records[records["shard"] == shard], **drawing)
