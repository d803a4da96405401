"""Copies within a data set: identical by digest, near-identical by correlation of fingerprints."""

from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.audit.form import place_on_form
from ecgpipe.audit.images import DETAIL
from ecgpipe.audit.signals import INDEPENDENT, RATE, SECONDS
from ecgpipe.audit.sketches import Sketches
from ecgpipe.progress import progress

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


def find_twins(sketches: Sketches) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Copies among the records of a data set; the same whatever the order of the rows.

    Args:
        sketches: of all shards; all images or all signals.

    Returns:
        Rows of the twins format, by record id, and of the pairs format: pairs that are near-identical, but not
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
    return pd.DataFrame({"record_id": ids, "identical": identical, "twin": _linked(ids, identical, near)}), near


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
