"""Copies within a data set: identical by digest, near-identical by correlation of fingerprints."""

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgpipe.audit.form import place_on_form
from ecgpipe.audit.images import DETAIL
from ecgpipe.audit.signals import INDEPENDENT, RATE, SECONDS

BLOCK = 2048
SHRINK = 8  # a mean of few records is their own content more than their form
ENOUGH = 500  # records, to tell along which directions spectra differ anyway
DIRECTIONS = 128
SHAPES = {"images": (DETAIL[1], DETAIL[0]), "signals": (len(INDEPENDENT), RATE * SECONDS)}
CANDIDATE = {"images": 0.5, "signals": 0.7}
"""Correlation of sketches above which a pair is looked at closely."""
COPY = {"images": 0.85, "signals": 0.96}
"""Correlation of details from which on it is a copy (docs/audit.md says how both were found)."""
SHIFT = {"images": (3, 3), "signals": (0, 50)}
"""Rows and columns by which one detail may be shifted against the other: 5 mm, or 1 s."""


def find_twins(sketches: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Copies among the records of a data set; the same whatever the order of the rows.

    Args:
        sketches: rows of the sketches format, of all shards; all images or all signals.

    Returns:
        Rows of the twins format, by record id, and of the pairs format: pairs that are near-identical, but not
        identical, between the first records of each identical group, the most similar first.
    """
    sketches = sketches.sort_values("record_id", ignore_index=True)
    ids = sketches["record_id"].to_numpy(dtype=object)
    readable = (sketches["digest"] != "").to_numpy()
    keys = np.where(readable, sketches["digest"], "unreadable " + sketches["record_id"])
    identical = pd.Series(ids).groupby(keys, sort=False).transform("first")
    first = np.flatnonzero((identical == ids).to_numpy() & readable)
    kind = kind_of(sketches)
    details = np.stack([_map(sketches["detail"].iloc[i], SHAPES[kind]) for i in first]) if len(first) else np.empty(0)
    if kind == "images" and len(first):
        details, vectors = place_on_form(details, SHRINK)
    else:
        vectors = _whitened([sketches["sketch"].iloc[i] for i in first])
    pairs = []
    for a, b in _candidates(vectors, CANDIDATE[kind]):
        alike = similarity(details[a].astype(np.float32), details[b].astype(np.float32), SHIFT[kind])
        if alike >= COPY[kind]:
            pairs.append((ids[first[a]], ids[first[b]], alike))
    near = pd.DataFrame(pairs, columns=["first", "second", "similarity"])
    near = near.sort_values(["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True)
    return pd.DataFrame({"record_id": ids, "identical": identical, "twin": _linked(ids, identical, near)}), near


def kind_of(sketches: pd.DataFrame) -> str:
    """images or signals, by the size of the details."""
    sizes = set(sketches["detail"].map(len)) - {0}
    return "images" if SHAPES["images"][0] * SHAPES["images"][1] in sizes else "signals"


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


def _map(detail: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(detail, np.int8).reshape(shape)


def _whitened(cells: list[bytes]) -> np.ndarray:
    """(n, d) float32, rows of unit length; directions in which all spectra differ a lot count less."""
    if not cells:
        return np.zeros((0, 1), np.float32)
    vectors = _unit(np.stack([np.frombuffer(cell, np.int8) for cell in cells]).astype(np.float32))
    vectors -= vectors.sum(axis=0, dtype=np.float64).astype(np.float32) / (len(vectors) + SHRINK)
    if len(vectors) >= ENOUGH:
        variances, directions = np.linalg.eigh((vectors.T @ vectors / len(vectors)).astype(np.float64))
        variances, directions = variances[-DIRECTIONS:], directions[:, -DIRECTIONS:]
        vectors = vectors @ (directions / np.sqrt(variances + variances.mean())).astype(np.float32)
    return _unit(vectors)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _candidates(vectors: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Pairs (a < b) of rows whose inner product is at least so large; blocks keep the memory bounded."""
    found = []
    for start in range(0, len(vectors), BLOCK):
        for other in range(start, len(vectors), BLOCK):
            products = vectors[start : start + BLOCK] @ vectors[other : other + BLOCK].T
            rows, columns = np.nonzero(products >= least)
            pairs = zip((rows + start).tolist(), (columns + other).tolist(), strict=True)
            found += [(a, b) for a, b in pairs if a < b]
    return sorted(found)
