"""Pages of one shard of records."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pandas as pd

from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import ProblemList
from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.progress import progress
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.kit import render_shard_with_kit
from ecgpipe.render.page import Page, render_page
from ecgpipe.render.template import page_template
from ecgpipe.workers import ordered_map

Drawn = TypeVar("Drawn")


def render_shard(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig,
    pages_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
    derive_leads: bool = False,
) -> int:
    """Draw every record of a shard; broken ones are listed instead.

    Args:
        records: the shard's rows of records.parquet.
        source: folder or zip archive that the records' paths start from.
        sampling_rate: Hz that every header must state; None: each record is drawn at its own.
        config: how pages look.
        pages_file, problems_file: what to write.
        title: of the progress bar.
        strict: stop at the first broken record.
        workers: processes; the files are the same whatever their number.
        derive_leads: as ``read_record``.

    Returns:
        How many pages were drawn.

    Raises:
        DataError: in strict mode, for a broken record.
    """
    if config.renderer == "ecg-image-kit":
        if derive_leads:
            raise ConfigError("derive_leads: ECG-Image-Kit draws the leads that a record has; use our own renderer")
        return render_shard_with_kit(records, source, sampling_rate, config, pages_file, problems_file, strict=strict)
    problems = ProblemList("render", strict)

    def pages() -> Iterator[StoredPage]:
        rows = list(zip(records["record_id"], records["path"], strict=True))
        draw = partial(
            stored_page, source=source, sampling_rate=sampling_rate, config=config, derive_leads=derive_leads
        )
        for page in progress(ordered_map(draw, rows, workers), title, len(rows)):
            if isinstance(page, RecordError):
                problems.add(page)
            else:
                yield page

    cv2.setNumThreads(1)  # a process is one core
    page_template(config)  # prepared before the processes part
    count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count


def record_page(
    row: tuple[str, str],
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig,
    derive_leads: bool = False,
    start: float = 0.0,
) -> Page | DegradedPage | RecordError:
    """The page of one record (its id and path below ``source``), degraded as ``config`` says, or what is wrong."""
    page = drawn(render_page, row, source, sampling_rate, config, derive_leads, start)
    if isinstance(page, RecordError) or not config.degrade.active:
        return page
    return degrade_page(page, config.degrade, row[0])


def drawn(
    draw: Callable[[np.ndarray, float, RenderConfig], Drawn],
    row: tuple[str, str],
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig,
    derive_leads: bool = False,
    start: float = 0.0,
) -> Drawn | RecordError:
    """What ``draw`` makes of the signal of one record, its sampling rate and ``config``, or what is wrong with it.

    The signal begins at ``start``, a share of the recording; what was before follows its end.
    """
    record_id, path = row
    files = open_source(source)
    try:
        signal, rate = read_record(files, path, record_id, sampling_rate, derive_leads)
    except RecordError as error:
        return error
    if start:
        signal = np.roll(signal, -round(start * signal.shape[1]), axis=1)
    try:
        return draw(signal, rate, config)
    except ValueError as error:  # a sound signal that the layout has no use for, such as a short one
        return RecordError(record_id, files.where(f"{path}.hea"), "unfit-for-layout", str(error))


def stored_page(
    row: tuple[str, str],
    source: Path | str,
    sampling_rate: float | None,
    config: RenderConfig,
    derive_leads: bool = False,
) -> StoredPage | RecordError:
    """The same as it is stored."""
    page = record_page(row, source, sampling_rate, config, derive_leads)
    return page if isinstance(page, RecordError) else StoredPage(row[0], page.encode(), json.dumps(page.boxes()))


def stored_file(row: tuple[str, str], source: Path | str) -> StoredPage | RecordError:
    """A file of an image data set as it is stored: its bytes, and no boxes."""
    record_id, path = row
    files = open_source(source)
    try:
        return StoredPage(record_id, files.read(path), "")
    except (OSError, DataError) as error:
        return RecordError(record_id, files.where(path), "missing-file", f"cannot be read ({error})")


def collect_shard(
    records: pd.DataFrame,
    source: Path | str,
    pages_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool,
) -> int:
    """The pages of a shard of an image data set: its files as they are.

    The arguments are those of render_shard.
    """
    problems = ProblemList("render", strict)

    def pages() -> Iterator[StoredPage]:
        rows = list(zip(records["record_id"], records["path"], strict=True))
        for row in progress(rows, title, unit="images"):
            page = stored_file(row, source)
            if isinstance(page, RecordError):
                problems.add(page)
            else:
                yield page

    count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count
