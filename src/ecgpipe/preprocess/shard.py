"""Model-ready images of one shard of pages."""

from pathlib import Path

import numpy as np

from ecgpipe.artifacts.image_index import IMAGE_INDEX
from ecgpipe.artifacts.images import pack, write_images
from ecgpipe.artifacts.pages import count_pages, read_pages
from ecgpipe.artifacts.problems import ProblemList
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.errors import DataError, RecordError
from ecgpipe.preprocess.apply import preprocess_file
from ecgpipe.progress import progress


def preprocess_shard(
    pages_file: Path | str,
    config: PreprocessConfig,
    images_file: Path | str,
    index_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
) -> int:
    """Preprocess every page of a shard; broken ones are listed instead.

    Args:
        pages_file: the shard's pages.
        config: which preprocessing.
        images_file, index_file, problems_file: what to write.
        title: of the progress bar.
        strict: stop at the first broken page.

    Returns:
        How many images were made.

    Raises:
        DataError: in strict mode, for a broken page; or the pages file is broken.
    """
    problems = ProblemList("preprocess", strict)
    packed: list[np.ndarray] = []
    index: list[dict] = []
    for page in progress(read_pages(pages_file), title, count_pages(pages_file), "pages"):
        try:
            image = preprocess_file(page.image, page.record_id, config)
        except DataError as error:
            problems.add(RecordError(page.record_id, str(pages_file), "unusable-page", str(error)))
            continue
        packed.append(pack(image))
        index.append({"record_id": page.record_id, "ink": float(image.mean())})
    write_images(packed, config.size, images_file)
    IMAGE_INDEX.write(index, index_file)
    problems.write(problems_file)
    return len(packed)
