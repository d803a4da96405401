"""The form that most pages of a data set share: pages are laid on it, and it is taken away from them.

The sketches of a whole data set, most of them left in their files.

Copies within a data set: identical by digest, near-identical by correlation of fingerprints.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.artifacts.tables import SKETCHES
from ecgpipe.audit.sketch import DETAIL, GRID, INDEPENDENT, RATE, SECONDS
from ecgpipe.progress import progress

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


def place_on_form(maps: np.ndarray, shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """Align ink maps with their mean, and subtract it.

    Args:
        maps: (n, rows, columns) int8, in the order of the record ids.
        shrink: so many empty pages count into the mean, so that two pages do not cancel each other.

    Returns:
        What differs, float16 of the same shape, blurred by one cell; and vectors of unit length (n, 72 x 48) to search
        with.
    """
    reference = maps.mean(axis=0, dtype=np.float64).astype(np.float32)
    placed = np.empty(maps.shape, np.float16)
    for number, page in enumerate(maps):
        placed[number] = _aligned(page.astype(np.float32), reference)
    form = (placed.sum(axis=0, dtype=np.float64) / (len(placed) + shrink)).astype(np.float32)
    vectors = np.empty((len(placed), GRID[0] * GRID[1]), np.float32)
    for number, page in enumerate(placed):
        differs = cv2.GaussianBlur(page.astype(np.float32) - form, (0, 0), 1.0)
        placed[number] = differs
        vector = cv2.resize(differs, GRID, interpolation=cv2.INTER_AREA).ravel()
        vectors[number] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return placed, vectors


def _aligned(page: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The page shifted, turned and scaled onto the reference (Evangelidis and Psarakis 2008), if that can be done."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(reference, page, warp, cv2.MOTION_AFFINE, STOP, None, 5)
    except cv2.error:  # nothing in common with the reference
        return page
    if np.abs(warp - np.eye(2, 3)).max(axis=0)[:2].max() > 0.2:  # no page is that crooked
        return page
    return cv2.warpAffine(page, warp, page.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


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


BLOCK = 4096
CLOSELY = 20_000  # pairs whose details are held at a time
SHRINK = 8  # a mean of few records is their own content more than their form
ENOUGH = 500  # records, to tell along which directions spectra differ anyway
DIRECTIONS = 128
SAMPLED = 20_000  # records that the directions are found from, at most
SHAPES = {"images": (DETAIL[1], DETAIL[0]), "signals": (len(INDEPENDENT), RATE * SECONDS)}
CANDIDATE = {"images": 0.5, "signals": 0.7}
"""Correlation of sketches above which a pair is looked at closely."""
COPY = {"images": 0.85, "signals": 0.96}
"""Correlation of details from which on it is a copy (docs/audit.md says how both were found)."""
SHIFT = {"images": (3, 3), "signals": (0, 50)}
"""Rows and columns by which one detail may be shifted against the other: 5 mm, or 1 s."""


def find_duplicates(sketches: Sketches) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Copies among the records of a data set; the same whatever the order of the rows.

    Args:
        sketches: of all shards; all images or all signals.

    Returns:
        Rows of the duplicates format, by record id, and of the pairs format: pairs that are near-identical, but not
        identical, between the first records of each identical group, the most similar first.
    """
    table = sketches.text[["record_id", "digest"]].sort_values("record_id")
    rows, table = table.index.to_numpy(), table.reset_index(drop=True)
    ids = table["record_id"].to_numpy(dtype=object)
    readable = (table["digest"] != "").to_numpy()
    keys = np.where(readable, table["digest"], "unreadable " + table["record_id"])
    identical = pd.Series(ids).groupby(keys, sort=False).transform("first")
    first = np.flatnonzero((identical == ids).to_numpy() & readable)
    kind = kind_of(sketches)
    if kind == "images" and len(first):
        placed, vectors = place_on_form(sketches.array("detail", rows[first]).reshape(-1, *SHAPES[kind]), SHRINK)
        details = placed.__getitem__
    else:
        vectors = _whitened(sketches, rows[first])

        def details(some: np.ndarray) -> np.ndarray:
            return sketches.array("detail", rows[first[some]]).reshape(-1, *SHAPES[kind])

    pairs = []
    candidates = _candidates(vectors, CANDIDATE[kind])
    while close := list(islice(candidates, CLOSELY)):
        some, where = np.unique(np.array(close), return_inverse=True)
        maps = details(some)
        for (a, b), (one, other) in zip(close, where.reshape(-1, 2).tolist(), strict=True):
            alike = similarity(maps[one].astype(np.float32), maps[other].astype(np.float32), SHIFT[kind])
            if alike >= COPY[kind]:
                pairs.append((ids[first[a]], ids[first[b]], alike))
    near = pd.DataFrame(pairs, columns=["first", "second", "similarity"])
    near = near.sort_values(["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True)
    return pd.DataFrame({"record_id": ids, "identical": identical, "near": _linked(ids, identical, near)}), near


def kind_of(sketches: Sketches) -> str:
    """images or signals, by the size of the details."""
    return "images" if sketches.size("detail") == SHAPES["images"][0] * SHAPES["images"][1] else "signals"


def similarity(one: np.ndarray, other: np.ndarray, shift: tuple[int, int]) -> float:
    """The highest correlation, -1 to 1, of two maps over shifts of up to so many rows and columns.

    Args:
        one, other: float32 (rows, columns).
    """
    rows, columns = shift
    best = -1.0
    for large, small in ((one, other), (other, one)):
        inner = np.ascontiguousarray(small[rows : len(small) - rows, columns : small.shape[1] - columns])
        if inner.std() > 1e-6:
            best = max(best, float(cv2.matchTemplate(large, inner, cv2.TM_CCOEFF_NORMED).max()))
    return min(best, 1.0)


def _linked(ids: np.ndarray, identical: pd.Series, near: pd.DataFrame) -> np.ndarray:
    """The smallest id among those that are linked to each by pairs."""
    number = pd.Series(np.arange(len(ids)), index=ids)
    rows = np.concatenate([number[identical].to_numpy(), number[near["first"]].to_numpy()])
    columns = np.concatenate([np.arange(len(ids)), number[near["second"]].to_numpy()])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(ids), len(ids)))
    component = connected_components(graph, directed=False)[1]
    return pd.Series(ids).groupby(component, sort=False).transform("first").to_numpy()


def _whitened(sketches: Sketches, rows: np.ndarray) -> np.ndarray:
    """(n, d) float32, rows of unit length; directions in which all spectra differ a lot count less.

    With many records mean and directions are those of a part of them, and only the directions are kept of the others.
    """
    if not len(rows):
        return np.zeros((0, 1), np.float32)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLED, len(rows))).astype(int))
    sample = _unit(sketches.array("sketch", rows[chosen]).astype(np.float32))
    mean = sample.sum(axis=0, dtype=np.float64).astype(np.float32) / (len(sample) + SHRINK)
    if len(rows) < ENOUGH:
        return _unit(sample - mean)
    sample -= mean
    variances, directions = np.linalg.eigh((sample.T @ sample / len(sample)).astype(np.float64))
    del sample
    variances, directions = variances[-DIRECTIONS:], directions[:, -DIRECTIONS:]
    weights = (directions / np.sqrt(variances + variances.mean())).astype(np.float32)
    vectors = np.empty((len(rows), weights.shape[1]), np.float32)
    for inside, cells in sketches.cells("sketch", rows):
        for start in range(0, len(cells), BLOCK):
            some = _unit(cells[start : start + BLOCK].astype(np.float32))
            vectors[inside[start : start + BLOCK]] = _unit((some - mean) @ weights)
    return vectors


def _unit(vectors: np.ndarray) -> np.ndarray:
    """The rows at unit length, in place."""
    vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9)[:, None]
    return vectors


def _candidates(vectors: np.ndarray, least: float) -> Iterator[tuple[int, int]]:
    """Pairs a < b of rows of unit length whose inner product is at least so large, block by block in bounded memory."""
    starts = range(0, len(vectors), BLOCK)
    blocks = [(start, other) for start in starts for other in range(start, len(vectors), BLOCK)]
    for start, other in progress(blocks, "audit: pairs", len(blocks), "blocks"):
        products = vectors[start : start + BLOCK] @ vectors[other : other + BLOCK].T
        rows, columns = np.divmod(np.flatnonzero(products >= least), products.shape[1])
        for a, b in zip((rows + start).tolist(), (columns + other).tolist(), strict=True):
            if a < b:
                yield a, b
