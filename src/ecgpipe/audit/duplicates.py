"""Duplicates within a dataset: identical by digest, near-identical by correlation of sketches and details."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import fft
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.artifacts.tables import SKETCHES
from ecgpipe.audit.candidates import similar_pairs
from ecgpipe.audit.sketch import DETAIL, GRID, INDEPENDENT, RATE, SECONDS

TEXT = ["record_id", "digest", "properties", "anomalies"]
BLOCK = 4096
FFT_PAIRS = 1024  # pairs that are transformed at a time
ROUNDING = 0.01  # far more than the error of the FFT
SHRINK = 8  # empty pages added to the mean: a mean of few records is mostly their own content
ENOUGH = 500  # records needed to estimate the directions in which spectra differ
DIRECTIONS = 128
SAMPLED = 20_000  # records used to estimate the directions, at most
SHAPES = {"images": (DETAIL[1], DETAIL[0]), "signals": (len(INDEPENDENT), RATE * SECONDS)}
CANDIDATE = {"images": 0.5, "signals": 0.7}
"""Lowest correlation of sketches at which a pair is compared in detail."""
DUPLICATE = {"images": 0.85, "signals": 0.96}
"""Lowest correlation of details of a near-identical pair (calibration: docs/audit.md)."""
SHIFT = {"images": (3, 3), "signals": (0, 50)}
"""Rows and columns by which details may be shifted relative to each other: 5 mm, or 1 s."""
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


class Sketches:
    """The sketches of a dataset: text columns in memory, the arrays read from their files on demand.

    Args:
        parts: sketches files of all shards, or their rows; they define the order of the records.

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
        """Bytes of a readable record's array; 0 if no record is readable."""
        return next((int(n) for part in self._parts for n in self._read(part, [column])[column].map(len) if n), 0)

    def by_part(self, column: str, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the arrays of some readable records part by part.

        Args:
            column: ``sketch`` or ``detail``.
            rows: (n,) positions of records.

        Yields:
            Positions in ``rows`` (m,), and their arrays, int8 (m, bytes).
        """
        for part, start, end in zip(self._parts, [0, *self._ends], self._ends, strict=False):
            inside = np.flatnonzero((rows >= start) & (rows < end))
            if len(inside):
                contents = self._read(part, [column])[column].iloc[rows[inside] - start]
                yield inside, np.stack([np.frombuffer(content, np.int8) for content in contents])

    def array(self, column: str, rows: np.ndarray) -> np.ndarray:
        """Read the arrays of some readable records at once, int8 (n, bytes)."""
        result = np.empty((len(rows), self.size(column) if len(rows) else 0), np.int8)
        for inside, arrays in self.by_part(column, rows):
            result[inside] = arrays
        return result


def find_duplicates(sketches: Sketches) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find identical and near-identical records, independently of their order.

    Args:
        sketches: sketches of all shards; all images or all signals.

    Returns:
        Rows of the duplicates format, sorted by record id, and of the pairs format, the most similar pair first: pairs
        that are near-identical but not identical, with only the first of several identical records.
    """
    table = sketches.text[["record_id", "digest"]].sort_values("record_id")
    rows, table = table.index.to_numpy(), table.reset_index(drop=True)
    ids = table["record_id"].to_numpy(dtype=object)
    readable = (table["digest"] != "").to_numpy()
    keys = np.where(readable, table["digest"], "unreadable " + table["record_id"])
    identical = pd.Series(ids).groupby(keys, sort=False).transform("first")
    first = np.flatnonzero((identical == ids).to_numpy() & readable)
    kind = kind_of(sketches)
    signals = kind == "signals" or not len(first)
    vectors = _whitened(sketches, rows[first]) if signals else None
    details = sketches.array("detail", rows[first]).reshape(-1, *SHAPES[kind])
    if vectors is None:
        details, vectors = subtract_template(details)
    pairs = []
    for close in similar_pairs(vectors, CANDIDATE[kind]):
        if signals:
            close = close[fast_similarities(details, close) >= DUPLICATE[kind] - ROUNDING]
        for a, b in close.tolist():
            value = similarity(details[a].astype(np.float32), details[b].astype(np.float32), SHIFT[kind])
            if value >= DUPLICATE[kind]:
                pairs.append((ids[first[a]], ids[first[b]], value))
    near = pd.DataFrame(pairs, columns=["first", "second", "similarity"])
    near = near.sort_values(["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True)
    return pd.DataFrame({"record_id": ids, "identical": identical, "near": _linked(ids, identical, near)}), near


def kind_of(sketches: Sketches) -> str:
    """Return ``images`` or ``signals``, by the size of the details."""
    return "images" if sketches.size("detail") == SHAPES["images"][0] * SHAPES["images"][1] else "signals"


def similarity(one: np.ndarray, other: np.ndarray, shift: tuple[int, int]) -> float:
    """Return the highest correlation, -1 to 1, of two maps float32 (rows, columns) over shifts up to ``shift``."""
    rows, columns = shift
    best = -1.0
    for large, small in ((one, other), (other, one)):
        inner = np.ascontiguousarray(small[rows : len(small) - rows, columns : small.shape[1] - columns])
        if inner.std() > 1e-6:
            best = max(best, float(cv2.matchTemplate(large, inner, cv2.TM_CCOEFF_NORMED).max()))
    return min(best, 1.0)


def _linked(ids: np.ndarray, identical: pd.Series, near: pd.DataFrame) -> np.ndarray:
    """The smallest id of each record's group of linked records."""
    number = pd.Series(np.arange(len(ids)), index=ids)
    rows = np.concatenate([number[identical].to_numpy(), number[near["first"]].to_numpy()])
    columns = np.concatenate([np.arange(len(ids)), number[near["second"]].to_numpy()])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(ids), len(ids)))
    component = connected_components(graph, directed=False)[1]
    return pd.Series(ids).groupby(component, sort=False).transform("first").to_numpy()


def _whitened(sketches: Sketches, rows: np.ndarray) -> np.ndarray:
    """Unit vectors, float32 (n, d); from ``ENOUGH`` records on, whitened along the main directions of a sample.

    Whitening reduces the weight of directions in which all spectra differ.
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
    for inside, arrays in sketches.by_part("sketch", rows):
        for start in range(0, len(arrays), BLOCK):
            some = _unit(arrays[start : start + BLOCK].astype(np.float32))
            vectors[inside[start : start + BLOCK]] = _unit((some - mean) @ weights)
    return vectors


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, in place."""
    vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9)[:, None]
    return vectors


def fast_similarities(details: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """``similarity`` of many pairs of signals, by FFT, within 0.001.

    Args:
        details: int8 (n, leads, samples).
        pairs: positions (m, 2).

    Returns:
        float64 (m,); 0 for signals that are flat.
    """
    found = np.zeros(len(pairs))
    shift = SHIFT["signals"][1]
    for start in range(0, len(pairs), FFT_PAIRS):
        some, where = np.unique(pairs[start : start + FFT_PAIRS], return_inverse=True)
        maps = details[some].astype(np.float32)
        leads, samples = maps.shape[1:]
        width = samples - 2 * shift
        inner = maps[:, :, shift : shift + width]
        inner = inner - inner.mean(axis=(1, 2), keepdims=True)
        energy = np.maximum(np.einsum("nls,nls->n", inner, inner), 1e-6)
        columns = maps.sum(axis=1, dtype=np.float64), np.einsum("nls,nls->ns", maps, maps, dtype=np.float64)
        ends = (np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in columns)
        total, squares = (part[:, width:] - part[:, :-width] for part in ends)  # of each window
        spread = np.maximum(squares - total**2 / (leads * width), 1e-6)
        whole, cut = fft.rfft(maps, axis=2), np.conj(fft.rfft(inner, samples, axis=2))
        one, other = where.reshape(-1, 2).T
        for a, b in ((one, other), (other, one)):
            products = fft.irfft(np.einsum("nlf,nlf->nf", whole[a], cut[b]), samples, axis=1)[:, : 2 * shift + 1]
            best = (products / np.sqrt(spread[a] * energy[b][:, None])).max(axis=1)
            found[start : start + FFT_PAIRS] = np.maximum(found[start : start + FFT_PAIRS], best)
    return found


def subtract_template(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Align ink maps with their mean, and subtract what all pages share.

    Args:
        maps: int8 (n, rows, columns), in the order of the record ids.

    Returns:
        The differences, float16 of the same shape, blurred by one cell; and unit vectors (n, 72 x 48) to search with.
    """
    reference = maps.mean(axis=0, dtype=np.float64).astype(np.float32)
    aligned = np.empty(maps.shape, np.float16)
    for number, page in enumerate(maps):
        aligned[number] = _aligned(page.astype(np.float32), reference)
    template = (aligned.sum(axis=0, dtype=np.float64) / (len(aligned) + SHRINK)).astype(np.float32)
    vectors = np.empty((len(aligned), GRID[0] * GRID[1]), np.float32)
    for number, page in enumerate(aligned):
        difference = cv2.GaussianBlur(page.astype(np.float32) - template, (0, 0), 1.0)
        aligned[number] = difference
        vector = cv2.resize(difference, GRID, interpolation=cv2.INTER_AREA).ravel()
        vectors[number] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return aligned, vectors


def _aligned(page: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Align a page with the reference (affine ECC, Evangelidis and Psarakis 2008); unchanged if that fails."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(reference, page, warp, cv2.MOTION_AFFINE, STOP, None, 5)
    except cv2.error:  # no convergence
        return page
    if np.abs(warp - np.eye(2, 3)).max(axis=0)[:2].max() > 0.2:  # implausible alignment
        return page
    return cv2.warpAffine(page, warp, page.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
