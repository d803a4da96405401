"""Where paper ends and the table begins, on a page whose lines already run along the axes."""

from itertools import pairwise

import cv2
import numpy as np

SEARCH = 0.3  # of a side, how deep the paper's edge is looked for
STEP = 0.16  # of brightness, in natural logarithms, by which a dark table differs from paper
ALONG = 0.6  # least share of a side along which it does
SLACK = 10  # pixels that an edge may bend or slope to a side
REACH = 5  # pixels on each side of an edge that are compared
CHUNKS = 10  # of a side, in which the edge of a grid or of tinted paper is looked for
WINDOW = 20  # pixels, 5 mm of a page of 1100 pixels: what is wider than any line
MARGIN = 7  # pixels
TINT = 0.05  # of brightness, by which gridded or tinted paper is darker than a white table


def page_box(darkest: np.ndarray, brightest: np.ndarray, valid: np.ndarray) -> tuple[float, float, float, float]:
    """Find the paper.

    Args:
        darkest, brightest: uint8 (H, W), smallest and largest channel of the upright page.
        valid: uint8 (H, W), 0 where there is no picture.

    Returns:
        Left, top, right, bottom edge in pixels; an edge that does not show is the picture's.
    """
    clean = cv2.morphologyEx(brightest, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))  # without ink and grid
    paper = np.log(np.maximum(cv2.blur(clean, (3, 3)), 4).astype(np.float32))
    lines_too = np.log(np.maximum(darkest, 4).astype(np.float32))
    # left, top, right and bottom edge come to lie at the left
    views = [[np.rot90(array, turns) for array in (paper, lines_too, valid > 250)] for turns in range(4)]
    dark_table = [_table_edge(view, there) for view, _, there in views]
    white_table = [
        _tint_edge(dark, there) if edge is None else edge
        for edge, (_, dark, there) in zip(dark_table, views, strict=True)
    ]
    height, width = valid.shape
    box = _box(white_table, width, height)
    if None in white_table or not _blank_beyond(box, darkest, valid):
        box = _box(dark_table, width, height)
    return box


def _box(edges: list[float | None], width: int, height: int) -> tuple[float, float, float, float]:
    """The edges, each measured from its own side of the picture, as left, top, right, bottom."""
    left, top, right, bottom = (-0.5 if edge is None else edge for edge in edges)
    return left, top, width - 1 - right, height - 1 - bottom


def _blank_beyond(box: tuple[float, float, float, float], darkest: np.ndarray, valid: np.ndarray) -> bool:
    """Whether nothing is written beyond the box: a header beside a grid is no table."""
    beyond = cv2.erode(valid, np.ones((7, 7), np.uint8), borderValue=0)
    left, top, right, bottom = (round(edge) for edge in box)
    beyond[max(0, top - MARGIN) : bottom + MARGIN, max(0, left - MARGIN) : right + MARGIN] = 0
    outside = darkest[beyond > 0]
    return len(outside) == 0 or float((outside < 0.65 * np.median(outside)).mean()) < 0.0005


def _table_edge(paper: np.ndarray, there: np.ndarray) -> float | None:
    """The left edge of paper on a darker table, or None if none shows.

    Args:
        paper: logarithm of brightness without ink, (H, W).
        there: False where there is no picture.
    """
    height, width = paper.shape
    depth = int(SEARCH * width) + 2 * REACH
    there = there[:, :depth]
    part = np.where(there, paper[:, :depth], -1).astype(np.float32)
    sums = np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1)
    mean = (sums[:, REACH:] - sums[:, :-REACH]) / REACH  # mean[:, x] over x .. x + REACH - 1
    outside = np.maximum.accumulate(mean, axis=1)  # paper is brighter than all that lies beyond its edge
    rise = mean[:, REACH:] - outside[:, :-REACH]  # at x + REACH - 0.5
    inside = there[:, : rise.shape[1]]
    rise = np.where(inside, rise, 0)
    count = inside.sum(axis=0)
    strong = np.clip(cv2.dilate(rise, np.ones((1, 2 * SLACK + 1), np.uint8)), 0, 1.5 * STEP).sum(axis=0)
    score = np.where(count > 0.3 * height, strong / np.maximum(count, 1), 0)
    best = int(np.argmax(score))
    if score[best] < STEP * ALONG:
        return None
    near = slice(max(0, best - SLACK), best + SLACK + 1)
    local = rise[:, near]
    rows = np.flatnonzero(local.max(axis=1) > STEP)
    if len(rows) < 0.3 * height:
        return None
    return float(np.median(local.argmax(axis=1)[rows])) + near.start + REACH - 0.5


def _tint_edge(dark: np.ndarray, there: np.ndarray) -> float | None:
    """The left edge of paper that is tinted or gridded all over, on a white table, or None if none shows.

    A grid darkens the paper for as far as one looks, a frame or text does not: so three windows inside are compared
    with all that is outside, in parts of the side.

    Args:
        dark: logarithm of the smallest channel, (H, W).
        there: False where there is no picture.
    """
    height, width = dark.shape
    depth = int(SEARCH * width) + 4 * WINDOW
    there = there[:, :depth]
    seen = np.where(there, dark[:, :depth], 0)
    found = []
    for top, bottom in pairwise(np.linspace(0, height, CHUNKS + 1).round().astype(int)):
        count = there[top:bottom].sum(axis=0)
        if not count.any():
            continue
        profile = np.where(count > 0.7 * (bottom - top), seen[top:bottom].sum(axis=0), np.nan) / np.maximum(count, 1)
        mean = np.convolve(profile, np.ones(WINDOW) / WINDOW, "valid")
        if len(mean) <= 3 * WINDOW:
            return None
        inside = np.max([mean[WINDOW * k : len(mean) - WINDOW * (3 - k)] for k in (1, 2, 3)], axis=0)
        outside = np.fmin.accumulate(mean[: len(inside)])
        fall = np.nan_to_num(outside - inside, nan=-1)
        best = int(fall.argmax())
        if fall[best] > TINT:
            found.append(best + WINDOW - 0.5)
    if len(found) < 0.6 * CHUNKS:
        return None
    edge = float(np.median(found))
    return edge if (np.abs(np.array(found) - edge) < 5).sum() >= 0.5 * CHUNKS else None
