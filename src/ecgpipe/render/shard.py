"""Pages of one shard of records."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.pages import StoredPage, write_pages
from ecgpipe.artifacts.problems import ProblemList
from ecgpipe.artifacts.signals import read_signal
from ecgpipe.config.render import RenderConfig
from ecgpipe.errors import RecordError
from ecgpipe.progress import progress
from ecgpipe.render.draw import render_page


def render_shard(
    records: pd.DataFrame,
    source: Path | str,
    sampling_rate: int,
    config: RenderConfig,
    pages_file: Path | str,
    problems_file: Path | str,
    *,
    title: str,
    strict: bool = False,
) -> int:
    """Draw every record of a shard; broken ones are listed instead.

    Args:
        records: the shard's rows of records.parquet.
        source: folder that the records' paths start from.
        sampling_rate: Hz that every header must state.
        config: how pages look.
        pages_file, problems_file: what to write.
        title: of the progress bar.
        strict: stop at the first broken record.

    Returns:
        How many pages were drawn.

    Raises:
        DataError: in strict mode, for a broken record.
    """
    problems = ProblemList("render", strict)

    def pages() -> Iterator[StoredPage]:
        rows = list(zip(records["record_id"], records["path"], strict=True))
        for record_id, path in progress(rows, title):
            try:
                signal, rate = read_signal(Path(source) / path, record_id, sampling_rate)
            except RecordError as error:
                problems.add(error)
                continue
            try:
                page = render_page(signal, rate, config)
            except ValueError as error:  # a sound signal that the layout has no use for, such as a short one
                file = str(Path(source) / path) + ".hea"
                problems.add(RecordError(record_id, file, "unfit-for-layout", str(error)))
                continue
            yield StoredPage(record_id, page.encode(), json.dumps(page.boxes()))

    count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count


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
        for record_id, path in progress(rows, title, unit="images"):
            file = Path(source) / path
            try:
                image = file.read_bytes()
            except OSError as error:
                problems.add(RecordError(record_id, str(file), "missing-file", f"cannot be read ({error})"))
                continue
            yield StoredPage(record_id, image, "")

    count = write_pages(pages(), pages_file)
    problems.write(problems_file)
    return count
