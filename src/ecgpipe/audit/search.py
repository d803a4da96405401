"""The search for pairs that may be copies: all pairs, block by block, with bounded memory.

Two steps, each of which drops what cannot be a copy: the inner product of unit vectors (a matrix product a block),
and, for signals, the correlation of the traces over lags (a spectrum a record, a product a pair). What is left is
compared closely (audit.twins).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

BLOCK = 4096
PAIRS = 2048  # whose spectra are multiplied at a time: 16 MB
LAG_SECONDS = 1.0


def candidates(vectors: np.ndarray, least: float) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Pairs a < b of rows whose inner product is at least so large.

    Args:
        vectors: (n, d) float32, rows of unit length.

    Yields:
        Per pair of blocks: where each block starts, and the pairs' rows within them.
    """
    for start in range(0, len(vectors), BLOCK):
        for other in range(start, len(vectors), BLOCK):
            products = vectors[start : start + BLOCK] @ vectors[other : other + BLOCK].T
            hits = np.flatnonzero(products >= least)
            rows, columns = np.divmod(hits, products.shape[1])
            if other == start:
                rows, columns = rows[rows < columns], columns[rows < columns]
            if len(rows):
                yield start, other, rows, columns


class LaggedCorrelation:
    """How alike two signals are at the best lag of up to LAG_SECONDS, for many pairs at a time.

    A circular correlation of the traces at half their rate: a bound from experience, not from above, so that what
    follows asks for less than it does of copies (docs/audit.md).

    Args:
        details: each (leads, samples) int8.
        rate: Hz of the details.
    """

    def __init__(self, details: Sequence[np.ndarray], rate: float) -> None:
        self.details = details
        self.lags = round(LAG_SECONDS * rate / 2)
        self.blocks: dict[int, np.ndarray] = {}

    def __call__(self, start: int, other: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(pairs,) float32, -1 to 1, for pairs as ``candidates`` yields them."""
        # of the blocks seen before, only the row block is met again
        self.blocks = {begin: spectra for begin, spectra in self.blocks.items() if begin == start}
        one, two = self._spectra(start), self._spectra(other)
        best = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), PAIRS):
            part = slice(first, first + PAIRS)
            cross = np.einsum("plf,plf->pf", one[rows[part]], two[columns[part]].conj())
            by_lag = np.fft.irfft(cross, axis=1)
            best[part] = np.maximum(by_lag[:, : self.lags + 1].max(axis=1), by_lag[:, -self.lags :].max(axis=1))
        return best

    def _spectra(self, start: int) -> np.ndarray:
        """(records, leads, frequencies) complex64 of a block, scaled to a length of 1 each."""
        if start not in self.blocks:
            block = np.stack(self.details[start : start + BLOCK])
            halved = block.reshape(*block.shape[:2], -1, 2).mean(axis=3, dtype=np.float32)
            size = np.maximum(np.sqrt((halved**2).sum(axis=(1, 2))), 1e-9)
            self.blocks[start] = np.fft.rfft(halved / size[:, None, None], axis=2).astype(np.complex64)
        return self.blocks[start]


def keep_all(start: int, other: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """No second step."""
    return np.ones(len(rows), np.float32)


def search(
    vectors: np.ndarray,
    least: float,
    second: Callable[[int, int, np.ndarray, np.ndarray], np.ndarray],
    least_second: float,
) -> list[tuple[int, int]]:
    """Pairs (a < b) that pass both steps, in order.

    Args:
        vectors: (n, d) float32, rows of unit length.
        least: inner product from which on a pair passes the first step.
        second: similarity of pairs (``LaggedCorrelation``, ``keep_all``).
        least_second: similarity from which on it passes the second.
    """
    found = []
    for start, other, rows, columns in candidates(vectors, least):
        passed = second(start, other, rows, columns) >= least_second
        found += zip((rows[passed] + start).tolist(), (columns[passed] + other).tolist(), strict=True)
    return sorted(found)
