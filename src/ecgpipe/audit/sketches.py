"""The sketches of a whole data set, most of them left in their files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.audit import SKETCHES

TEXT = ["record_id", "digest", "form", "anomalies"]


class Sketches:
    """Text columns are held; the bytes to search and to decide with, far more, are read where they are needed.

    Args:
        parts: sketches files of all shards, or their rows. Records are numbered in this order.

    Raises:
        DataError: a file is missing or broken.
    """

    def __init__(self, parts: Sequence[Path | str | pd.DataFrame]) -> None:
        self._parts = list(parts)
        texts = [self._read(part, TEXT) for part in self._parts]
        self.text = pd.concat(texts, ignore_index=True)
        self._ends = np.cumsum([len(text) for text in texts])

    @staticmethod
    def _read(part: Path | str | pd.DataFrame, columns: list[str]) -> pd.DataFrame:
        return part[columns] if isinstance(part, pd.DataFrame) else SKETCHES.read(part, columns)

    def size(self, column: str) -> int:
        """Bytes of a readable record's cell; 0 if no record is readable."""
        return next((int(n) for part in self._parts for n in self._read(part, [column])[column].map(len) if n), 0)

    def cells(self, column: str, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cells of some records that can be read, part by part.

        Args:
            column: ``sketch`` or ``detail``.
            rows: (n,) numbers of records.

        Yields:
            Positions in ``rows``, and their cells: (some,) and int8 (some, bytes).
        """
        for part, start, end in zip(self._parts, [0, *self._ends], self._ends, strict=False):
            inside = np.flatnonzero((rows >= start) & (rows < end))
            if len(inside):
                found = self._read(part, [column])[column].iloc[rows[inside] - start]
                yield inside, np.stack([np.frombuffer(cell, np.int8) for cell in found])

    def array(self, column: str, rows: np.ndarray) -> np.ndarray:
        """int8 (n, bytes): the cells of ``rows``, in their order, all at once."""
        every = np.empty((len(rows), self.size(column) if len(rows) else 0), np.int8)
        for inside, cells in self.cells(column, rows):
            every[inside] = cells
        return every
