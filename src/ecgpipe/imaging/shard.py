"""Model-ready images of one shard straight from its records or image files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import ProblemList
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.preprocess.apply import Prepared, prepare, prepare_file, prepare_palette
from ecgpipe.preprocess.shard import PackedImage, packed, write_shard
from ecgpipe.preprocess.trace import scaled_traces
from ecgpipe.progress import progress
from ecgpipe.render.degrade import DegradedPage
from ecgpipe.render.page import Page, render_trace_coverage
from ecgpipe.render.shard import drawn, record_page, stored_file
from ecgpipe.render.template import page_template
from ecgpipe.workers import ordered_map

Row = tuple[str, str]
Made = tuple[str, str, PackedImage | RecordError]  # the stage that had it last, the record, its image or what is wrong


def direct_shard(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: float | None,
    render: RenderConfig | None,
    config: PreprocessConfig,
    images_file: Path | str,
    index_file: Path | str,
    render_problems_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
    derive_leads: bool = False,
    start: float = 0.0,
) -> int:
    """Draw and preprocess every record of a shard; broken ones are listed instead.

    The images are those that ``render_shard`` (or ``collect_shard``) and ``preprocess_shard`` make, bit by bit, and the
    two problems tables name the same records; but with ``config.from_traces`` only the traces of records are drawn, and
    nothing is looked for.

    Args:
        records: the shard's rows of records.parquet.
        source: folder or zip archive that the records' paths start from.
        sampling_rate: Hz that every header must state; None accepts any.
        render: how pages look; None for a data set of images.
        config: which preprocessing.
        images_file, index_file, render_problems_file, problems_file: what to write.
        title: of the progress bar.
        strict: stop at the first broken record.
        workers: processes; the files are the same whatever their number.
        derive_leads: as ``read_record``.
        start: where in each recording the page begins, as a share of it; what was before follows its end.

    Returns:
        How many images were made.

    Raises:
        DataError: in strict mode, for a broken record.
    """
    make: Callable[[Row], Made]
    if render is None:
        make = partial(_image_of_file, source=source, config=config)
    else:
        page = partial(drawn, render_trace_coverage) if config.from_traces else record_page
        draw = partial(
            page, source=source, sampling_rate=sampling_rate, config=render, derive_leads=derive_leads, start=start
        )
        make = partial(_image_of_record, draw=draw, source=source, config=config)
        page_template(render)  # prepared before the processes part
    drawing, reducing = ProblemList("render", strict), ProblemList("preprocess", strict)
    rows = list(zip(records["record_id"], records["path"], strict=True))
    cv2.setNumThreads(1)  # a process is one core

    def images():
        for stage, record_id, image in progress(ordered_map(make, rows, workers), title, len(rows)):
            if stage == drawing.stage and isinstance(image, RecordError):
                drawing.add(image)
            else:
                yield record_id, image

    count = write_shard(images(), reducing, config.size, images_file, index_file)
    drawing.write(render_problems_file)
    reducing.write(problems_file)
    return count


def image_of_page(page: Page | DegradedPage, config: PreprocessConfig) -> Prepared:
    """What ``prepare_file(page.encode())`` makes, without the file where that loses nothing.

    Raises:
        DataError: no ink is found.
    """
    if isinstance(page, Page):
        return prepare_palette(page.indices, page.palette, config)
    if page.quality is None:
        return prepare(page.image, config)
    return prepare_file(page.encode(), "page", config)


def _image_of_record(
    row: Row,
    draw: Callable[[Row], Page | DegradedPage | RecordError],
    source: Path | str,
    config: PreprocessConfig,
) -> Made:
    record_id, path = row
    page = draw(row)
    if isinstance(page, RecordError):
        return "render", record_id, page
    if isinstance(page, np.ndarray):
        return "preprocess", record_id, packed(Prepared(scaled_traces(page, config), None))
    try:
        return "preprocess", record_id, packed(image_of_page(page, config))
    except DataError as error:
        return "preprocess", record_id, _unusable(record_id, f"{path}.hea", source, error)


def _image_of_file(row: Row, source: Path | str, config: PreprocessConfig) -> Made:
    record_id, path = row
    page = stored_file(row, source)
    if isinstance(page, RecordError):
        return "render", record_id, page
    try:
        return "preprocess", record_id, packed(prepare_file(page.image, record_id, config))
    except DataError as error:
        return "preprocess", record_id, _unusable(record_id, path, source, error)


def _unusable(record_id: str, name: str, source: Path | str, error: DataError) -> RecordError:
    return RecordError(record_id, open_source(source).where(name), "unusable-page", str(error))
