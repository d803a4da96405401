"""Thumbnails of one shard: of pages, of model-ready images, and of what lies outside the traces."""

from pathlib import Path

import cv2
import numpy as np

from ecgpipe.artifacts.baselines import BaselineFeatures
from ecgpipe.artifacts.images import open_images, unpack
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.config.analysis import BaselinesConfig
from ecgpipe.control.area import mask_page, outside_pixels
from ecgpipe.errors import DataError
from ecgpipe.progress import progress


def shard_features(
    pages: PageSource,
    images_file: Path | str,
    index_file: Path | str,
    area: dict,
    config: BaselinesConfig,
    title: str,
) -> BaselineFeatures:
    """What the controls see of a shard, a page in memory at a time.

    Args:
        pages: of the shard.
        images_file, index_file: of the shard.
        area: content of area.json.
        config: sizes.
        title: of the progress bar.

    Raises:
        DataError: a file is broken, or images and pages do not fit together.
    """
    images = open_images(images_file)
    rows = {record_id: row for row, record_id in enumerate(IMAGE_INDEX.read(index_file)["record_id"])}
    if len(rows) != len(images):
        raise DataError(f"{index_file}: names {len(rows)} images, {images_file} holds {len(images)}; make both again")
    kept = outside_pixels(area, *config.outside)
    width, height = config.thumbnail
    count = len(images)
    result = BaselineFeatures(
        record_ids=np.array(list(rows), dtype=str),
        pages=np.zeros((count, height, width), np.uint8),
        images=np.zeros((count, height, width), np.uint8),
        outside=np.zeros((count, int(kept.sum())), np.uint8),
        form=np.zeros((count, 2), np.float32),
    )
    seen = 0
    for page in progress(pages, title, len(pages), "pages"):
        row = rows.get(page.record_id)
        if row is None:
            continue
        grey = cv2.imdecode(np.frombuffer(page.image, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise DataError(f"{index_file}: the page of record {page.record_id} cannot be read; make the pages again")
        result.pages[row] = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        result.images[row] = cv2.resize(255 * unpack(images[row]), (width, height), interpolation=cv2.INTER_AREA)
        result.outside[row] = cv2.resize(mask_page(grey, area), config.outside, interpolation=cv2.INTER_AREA)[kept]
        result.form[row] = grey.shape[1], grey.shape[0]
        seen += 1
    if seen != count:
        raise DataError(f"{index_file}: {count - seen} images have no page; make the pages and the images again")
    return result
