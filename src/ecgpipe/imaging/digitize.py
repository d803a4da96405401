"""Digitize the pages of one shard, and list those that cannot be digitized."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import cv2

from ecgpipe.artifacts.digitized import DigitizedRecord, write_digitized
from ecgpipe.artifacts.pages import PageSource, StoredPage
from ecgpipe.artifacts.tables import PROBLEMS, ProblemList
from ecgpipe.errors import DataError, RecordError
from ecgpipe.imaging.pages import RenderedPages
from ecgpipe.imaging.redraw import digitize_file
from ecgpipe.imaging.shard import UNUSABLE
from ecgpipe.progress import progress
from ecgpipe.workers import ordered_map


def digitize_pages(
    pages: PageSource,
    weights: str | None,
    digitized_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
    names: Mapping[str, str] | None = None,
) -> int:
    """Write the recordings of a shard's pages; pages that cannot be digitized are listed in the problems table.

    The table names the stage: ``render`` if a record has no page (stored pages: its table is beside the pages file),
    ``digitize`` if the page cannot be digitized.

    Args:
        pages: ``StoredPages`` or ``RenderedPages`` of the shard.
        weights: file of the page reader's weights; None: those in the package.
        digitized_file, problems_file: output files.
        title: of the progress bar.
        strict: stop at the first page that cannot be digitized.
        workers: processes, each on one core; their number does not change the files.
        names: record id -> the file that the problems table names; None: the record's page.

    Returns:
        The number of recordings.

    Raises:
        DataError: in strict mode, for an unusable page; or a broken pages file.
    """
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rendering, digitizing = ProblemList("render", strict), ProblemList("digitize", strict)
    digitize = partial(_digitized, weights=weights, names=names or {})
    recordings = []
    for record in progress(ordered_map(digitize, _all_pages(pages), workers), title, len(pages), "pages"):
        if isinstance(record, DigitizedRecord):
            recordings.append(record)
        else:
            (digitizing if record.problem == UNUSABLE else rendering).add(record)
    write_digitized(recordings, digitized_file)
    PROBLEMS.write(rendering.rows + digitizing.rows, problems_file)
    return len(recordings)


def _all_pages(pages: PageSource) -> Iterator[StoredPage | RecordError]:
    if isinstance(pages, RenderedPages):
        pages.renderer.prepare()
        return map(pages.renderer.stored_or_error, pages.rows)
    return iter(pages)


def _digitized(
    page: StoredPage | RecordError, weights: str | None, names: Mapping[str, str]
) -> DigitizedRecord | RecordError:
    if isinstance(page, RecordError):
        return page
    try:
        return digitize_file(page.image, page.record_id, weights)
    except DataError as error:
        file = names.get(page.record_id, page.record_id)
        return RecordError(page.record_id, file, UNUSABLE, str(error))
