"""Model-ready images of one shard, from stored pages or directly from records and image files."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgpipe.artifacts.digitized import SAMPLING_RATE, DigitizedRecord
from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.page_transform import PageTransform, index_row
from ecgpipe.artifacts.pages import PageSource, StoredPage
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.artifacts.tables import IMAGE_INDEX, PROBLEMS, ProblemList
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.imaging.pages import RedrawnPages, RenderedPages
from ecgpipe.imaging.redraw import prepare_digitized, redrawn_image, rows_of_layout
from ecgpipe.preprocess.apply import Prepared, one_core, prepare, prepare_traces
from ecgpipe.progress import progress
from ecgpipe.render.degrade import DegradedPage
from ecgpipe.render.page import Page
from ecgpipe.render.shard import PageRenderer, Row
from ecgpipe.workers import ordered_map

UNUSABLE = "unusable-page"


class PackedImage(NamedTuple):
    """An image as stored: uint8 (size, size / 8) at one bit per pixel, its share of ink, and the page's transform."""

    bits: np.ndarray
    ink: float
    transform: PageTransform | None


def make_images(
    pages: PageSource,
    config: PreprocessConfig,
    images_file: Path | str,
    index_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
    names: Mapping[str, str] | None = None,
) -> int:
    """Write the images of a shard and their index; unusable records are listed in the problems table.

    Stored and rendered pages give identical images, with one exception: with the variant ``reader`` and without
    ``render.degrade``, the traces of rendered pages are drawn, not found by the reader. The problems table names the
    stage: ``render`` if a record has no page (stored pages: its table is beside the pages file), ``preprocess`` if the
    page has no usable image.

    Args:
        pages: ``StoredPages`` or ``RenderedPages`` of the shard; with ``from: digitized`` ``RedrawnPages``, or
            ``RenderedPages``, which are then digitized one by one.
        config: the preprocessing.
        images_file, index_file, problems_file: output files.
        title: of the progress bar.
        strict: stop at the first unusable record.
        workers: processes; their number does not change the files.
        names: stored pages: record id -> the file that the problems table names; None: the pages files.

    Returns:
        The number of images.

    Raises:
        DataError: in strict mode, for an unusable record; or a broken pages file.
        ValueError: stored pages with ``from: digitized``.
    """
    if config.digitized != isinstance(pages, RedrawnPages) and not isinstance(pages, RenderedPages):
        raise ValueError(f"from: {config.source} does not fit {type(pages).__name__}")
    rendering, preprocessing = ProblemList("render", strict), ProblemList("preprocess", strict)
    one_core(config)  # per process
    if isinstance(pages, RenderedPages):
        pages.renderer.prepare()
        results = ordered_map(partial(_image_of_record, renderer=pages.renderer, config=config), pages.rows, workers)
    elif isinstance(pages, RedrawnPages):
        redraw = partial(_image_of_recording, files=_names(pages), drawing=pages.drawing, config=config)
        results = ordered_map(redraw, pages.recordings(), workers)
    else:
        own, files = names or {}, _names(pages)
        named = ((page, own.get(page.record_id, files)) for page in pages)
        results = ordered_map(partial(_image_of_stored, config=config), named, workers)
    images, index = [], []
    for record_id, image in progress(results, title, len(pages)):
        if isinstance(image, RecordError):
            (preprocessing if image.problem == UNUSABLE else rendering).add(image)
            continue
        images.append(image.bits)
        index.append(index_row(record_id, image.ink, image.transform))
    write_images(images, config.size, images_file)
    IMAGE_INDEX.write(index, index_file)
    PROBLEMS.write(rendering.rows + preprocessing.rows, problems_file)
    return len(images)


def image_of_page(page: Page, config: PreprocessConfig) -> Prepared:
    """The image of a rendered page, whose traces are known.

    Raises:
        DataError: no ink on the page.
    """
    if config.variant == "reader":
        return prepare_traces(page.trace_mask * np.uint8(255), page.dpi, config)
    return prepare(page.image, config)


def _image_of_picture(page: Page | DegradedPage, config: PreprocessConfig) -> Prepared:
    """The image of a page as stored; the page is encoded only if its encoding is lossy."""
    if isinstance(page, Page) or page.quality is None:
        return prepare(page.image, config)
    return prepare(read_image(page.encode(), "page"), config)


def _image_of_record(
    row: Row, renderer: PageRenderer, config: PreprocessConfig
) -> tuple[str, PackedImage | RecordError]:
    render = renderer.config
    try:
        if config.digitized and (render is None or render.degrade.active):
            picture = read_image(renderer.stored(row).image, row[0])
            prepared = prepare_digitized(picture, render.clean if render else RenderConfig(), config)
        elif render is None:
            prepared = prepare(read_image(renderer.stored(row).image, row[0]), config)
        elif config.variant == "reader" and not render.degrade.active:
            rows = rows_of_layout(render) if config.digitized else None
            prepared = prepare_traces(renderer.trace_coverage(row), render.dpi, config, rows)
        else:  # also a page that no degradation applies to, since its stored picture does not tell
            prepared = _image_of_picture(renderer.page(row), config)
    except RecordError as error:
        return row[0], error
    except DataError as error:
        return row[0], RecordError(row[0], renderer.file(row), UNUSABLE, str(error))
    return row[0], _packed(prepared)


def _image_of_stored(named: tuple[StoredPage, str], config: PreprocessConfig) -> tuple[str, PackedImage | RecordError]:
    page, file = named
    try:
        return page.record_id, _packed(prepare(read_image(page.image, page.record_id), config))
    except DataError as error:
        return page.record_id, RecordError(page.record_id, file, UNUSABLE, str(error))


def _image_of_recording(
    record: DigitizedRecord, files: str, drawing: RenderConfig, config: PreprocessConfig
) -> tuple[str, PackedImage | RecordError]:
    try:
        return record.record_id, _packed(redrawn_image(record.signal, SAMPLING_RATE, drawing, config))
    except DataError as error:
        return record.record_id, RecordError(record.record_id, files, UNUSABLE, str(error))


def _packed(prepared: Prepared) -> PackedImage:
    return PackedImage(pack(prepared.image), float(prepared.image.mean()), prepared.transform)


def _names(pages: PageSource) -> str:
    """The pages files, for messages."""
    return ", ".join(str(file) for file in getattr(pages, "files", []))
