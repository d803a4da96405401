"""Render the pages of a shard of records, or collect the pages of an image dataset."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pandas as pd

from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source, read_image_file
from ecgpipe.artifacts.tables import ProblemList
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.progress import progress
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.kit import render_shard_with_kit
from ecgpipe.render.page import Page, render_page, render_trace_coverage, short_note
from ecgpipe.render.template import page_template
from ecgpipe.workers import ordered_map

logger = logging.getLogger(__name__)
Row = tuple[str, str]
"""A record's id, and its path below the source."""
Plotted = TypeVar("Plotted")


@dataclass(frozen=True)
class PageRenderer:
    """Renders the page of any record of a dataset, or reads it from an image dataset.

    Attributes:
        source: folder or zip archive that paths are relative to.
        sampling_rate: required sampling rate in Hz; None accepts any.
        config: appearance of the pages; None if the records are image files.
        derive_leads: as in ``read_record``.
        start: where in the recording the page begins, from 0 to 1; the part before this point is moved to the end.
        reading: further arguments of ``read_record``.
    """

    source: Path | str
    sampling_rate: float | None = None
    config: RenderConfig | None = None
    derive_leads: bool = False
    start: float = 0.0
    reading: Mapping[str, Any] = field(default_factory=dict)

    def read(self, row: Row) -> tuple[np.ndarray, float]:
        """Read a record's signal and its sampling rate (``read_record``)."""
        record_id, path = row
        source = open_source(self.source)
        return read_record(source, path, record_id, self.sampling_rate, self.derive_leads, **self.reading)

    def page(self, row: Row) -> Page | DegradedPage:
        """Render a record's page, degraded as configured.

        Raises:
            RecordError: unreadable record, or a signal that does not fit the layout.
        """
        page, degrade = self._plot(render_page, row), self._config.degrade
        return degrade_page(page, degrade, row[0]) if degrade.active else page

    def trace_coverage(self, row: Row) -> np.ndarray:
        """Render only a record's traces (``render_trace_coverage``); errors as ``page``."""
        return self._plot(render_trace_coverage, row)

    def stored(self, row: Row) -> StoredPage:
        """Return the page as stored: encoded with its boxes, or the image file; errors as ``page``."""
        record_id, path = row
        if self.config is not None:
            page = self.page(row)
            return StoredPage(record_id, page.encode(), json.dumps(page.boxes()))
        return StoredPage(record_id, read_image_file(open_source(self.source), path, record_id), "")

    def stored_or_error(self, row: Row) -> StoredPage | RecordError:
        """``stored``, with the error returned instead of raised."""
        try:
            return self.stored(row)
        except RecordError as error:
            return error

    def file(self, row: Row) -> str:
        """The name of a record's file in messages."""
        return open_source(self.source).full_name(row[1] if self.config is None else f"{row[1]}.hea")

    def prepare(self) -> None:
        """Prepare the page template before worker processes are forked."""
        if self.config is not None:
            page_template(self.config)

    @property
    def _config(self) -> RenderConfig:
        assert self.config is not None, "image files are not rendered"
        return self.config

    def _plot(self, plot: Callable[[np.ndarray, float, RenderConfig], Plotted], row: Row) -> Plotted:
        record_id, _ = row
        signal, rate = self.read(row)
        if self.start:
            signal = np.roll(signal, -round(self.start * signal.shape[1]), axis=1)
        if note := short_note(signal.shape[1], rate, self._config):
            _say(f"record {record_id}: {self.file(row)}: {note}")
        try:
            return plot(signal, rate, self._config)
        except ValueError as error:  # a valid signal that the layout cannot show, e.g. one far from 0 mV
            raise RecordError(record_id, self.file(row), "unfit-for-layout", str(error)) from error


@cache
def _say(text: str) -> None:
    """Log a note once per process, since pages that are not kept are drawn many times."""
    logger.warning(text)


def rows_of(records: pd.DataFrame) -> list[Row]:
    """Ids and paths of rows of records.parquet."""
    return list(zip(records["record_id"], records["path"], strict=True))


def render_shard(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig | None,
    pages_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
    derive_leads: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> int:
    """Write the pages file of a shard; unusable records are listed in the problems table.

    Args:
        records: the shard's rows of records.parquet.
        source, sampling_rate, config, derive_leads, reading: as in ``PageRenderer``.
        pages_file, problems_file: output files.
        title: of the progress bar.
        strict: stop at the first unusable record.
        workers: processes; their number does not change the files.

    Returns:
        The number of pages.

    Raises:
        DataError: in strict mode, for an unusable record; or ECG-Image-Kit fails or takes too long.
        ConfigError: ECG-Image-Kit or its interpreter is missing.
    """
    problems, rows = ProblemList("render", strict), rows_of(records)
    renderer = PageRenderer(source, sampling_rate, config, derive_leads, reading=reading or {})
    if config is not None and config.renderer == "ecg-image-kit":
        return render_shard_with_kit(rows, renderer.read, config, pages_file, problems_file, problems, title)

    def pages() -> Iterator[StoredPage]:
        for page in progress(ordered_map(renderer.stored_or_error, rows, workers), title, len(rows)):
            if isinstance(page, RecordError):
                problems.add(page)
            else:
                yield page

    cv2.setNumThreads(1)  # one core per process
    renderer.prepare()
    count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count
