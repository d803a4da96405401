"""Model-ready images of one shard of pages."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.page_transform import PageTransform, index_row
from ecgpipe.artifacts.pages import StoredPage, count_pages, read_pages
from ecgpipe.artifacts.tables import IMAGE_INDEX, ProblemList
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.preprocess.apply import Prepared, prepare_file
from ecgpipe.progress import progress
from ecgpipe.workers import ordered_map


class PackedImage(NamedTuple):
    """An image as shards keep it: at one bit a pixel, uint8 (size, size / 8); its share of ink; how it was turned."""

    bits: np.ndarray
    ink: float
    transform: PageTransform | None


def preprocess_shard(
    pages_file: Path | str,
    config: PreprocessConfig,
    images_file: Path | str,
    index_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
    workers: int = 1,
) -> int:
    """Preprocess every page of a shard; broken ones are listed instead.

    Args:
        pages_file: the shard's pages.
        config: which preprocessing.
        images_file, index_file, problems_file: what to write.
        title: of the progress bar.
        strict: stop at the first broken page.
        workers: processes; the files are the same whatever their number.

    Returns:
        How many images were made.

    Raises:
        DataError: in strict mode, for a broken page; or the pages file is broken.
    """
    problems = ProblemList("preprocess", strict)
    cv2.setNumThreads(1)  # a process is one core
    reduce = partial(_packed_image, config=config)

    def images() -> Iterator[tuple[str, PackedImage | RecordError]]:
        made = ordered_map(reduce, read_pages(pages_file), workers)
        for record_id, image in progress(made, title, count_pages(pages_file), "pages"):
            if isinstance(image, DataError):
                image = RecordError(record_id, str(pages_file), "unusable-page", str(image))
            yield record_id, image

    count = write_shard(images(), problems, config.size, images_file, index_file)
    problems.write(problems_file)
    return count


def write_shard(
    images: Iterable[tuple[str, PackedImage | RecordError]],
    problems: ProblemList,
    size: int,
    images_file: Path | str,
    index_file: Path | str,
) -> int:
    """Write the images of a shard and their index, note in ``problems`` what is none, and return how many there are."""
    arrays: list[np.ndarray] = []
    index: list[dict] = []
    for record_id, image in images:
        if isinstance(image, RecordError):
            problems.add(image)
            continue
        arrays.append(image.bits)
        index.append(index_row(record_id, image.ink, image.transform))
    write_images(arrays, size, images_file)
    IMAGE_INDEX.write(index, index_file)
    return len(arrays)


def packed(prepared: Prepared) -> PackedImage:
    """A page's image as shards keep it."""
    return PackedImage(pack(prepared.image), float(prepared.image.mean()), prepared.transform)


def _packed_image(page: StoredPage, config: PreprocessConfig) -> tuple[str, PackedImage | DataError]:
    """A page's id, and its image, or what is wrong with it."""
    try:
        return page.record_id, packed(prepare_file(page.image, page.record_id, config))
    except DataError as error:
        return page.record_id, error
