"""images/<shard>.index.parquet: which record each row of a shard's image array is, its ink, and how it was turned."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat
from ecgpipe.artifacts.turn import Turn

IMAGE_INDEX = TableFormat(
    "image index",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("ink", pa.float32()),
            ("turn", pa.list_(pa.float64())),
            ("bend", pa.list_(pa.float64())),
        ]
    ),
)
"""``turn`` and ``bend``: the image's ``Turn``, its matrix row by row; null where the page lay straight, or flat."""


def index_row(record_id: str, ink: float, turn: Turn | None) -> dict:
    """The row of an image."""
    return {
        "record_id": record_id,
        "ink": ink,
        "turn": None if turn is None else turn.matrix.ravel().tolist(),
        "bend": None if turn is None or turn.bend is None else turn.bend.tolist(),
    }


def read_turns(files: Iterable[Path | str], record_ids: Iterable[str]) -> dict[str, Turn]:
    """Record -> how its page was turned, of those records whose page was.

    Args:
        files: index files of a data set.
        record_ids: which records.
    """
    wanted, turns = set(record_ids), {}
    for file in files:
        table = IMAGE_INDEX.read(file)
        for row in table[table["record_id"].isin(wanted) & table["turn"].notna()].itertuples():
            bend = None if row.bend is None else np.array(row.bend, float)
            turns[row.record_id] = Turn(np.array(row.turn, float).reshape(3, 3), bend)
    return turns
