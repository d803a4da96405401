"""Rectify a scan or photo of a page that was taken at an angle, with a table around it.

Homographies are float (3, 3) for points (x, y) in pixels; the centre of the first pixel is (0, 0), as in OpenCV.
Straight pages are recognised quickly, because their printed lines cross them along rows and columns, and are not
changed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.preprocess.ink import coloured
from ecgpipe.preprocess.skew import LEAST_SIDE, find_skew

WORK = 1100  # pixels of the longer side at which lines are detected
STRAIGHT = 0.002  # of the longer side, least movement of a corner for a page to be rectified
UNSURE = 0.008  # added to it at a confidence of 0
LARGEST = 1.6  # times the picture's sides, largest upright page
CELL = 8  # pixels between the points where the map is computed; linear in between


@dataclass(frozen=True)
class Rectified:
    """A rectified page.

    Attributes:
        image: uint8 (H, W) or (H, W, 3); the input if the page was straight.
        matrix: homography from the picture to ``image``, before the bend is removed.
        bend: float (W,), how many pixels the paper bends down in each column.
        confidence: from 0, no lines found, to 1, many lines that agree.
        valid: uint8 (H, W), 255 inside the picture, 0 outside; None if the page was straight.
    """

    image: np.ndarray = field(repr=False)
    matrix: np.ndarray
    bend: np.ndarray = field(repr=False)
    confidence: float
    valid: np.ndarray | None = field(repr=False)

    @property
    def changed(self) -> bool:
        return self.valid is not None

    def transform(self, width: int, height: int) -> PageTransform | None:
        """Return the transform of a picture of this size, in shares of its sides; None if unchanged."""
        after = self.image.shape[1], self.image.shape[0]
        return PageTransform.from_pixels(self.matrix, self.bend, (width, height), after) if self.changed else None

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points (n, 2) from the picture to ``image``."""
        moved = cv2.perspectiveTransform(np.asarray(points, np.float64)[None], self.matrix)[0]
        moved[:, 1] -= np.interp(moved[:, 0], np.arange(len(self.bend)), self.bend)
        return moved

    def warp(self, picture: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        """Rectify another picture of the same size, uint8, such as a mask, in the same way."""
        return _warp(picture, self.matrix, self.bend, self.image.shape[:2], border) if self.changed else picture


def rectify(image: np.ndarray) -> Rectified:
    """Correct rotation (up to 25 degrees), perspective and a bend of the paper, and crop to the paper.

    The directions of lines (grid, frame, text, edges) give the homography; the paper's edges are then found on the
    upright page. Where an edge is invisible (white paper on white), the picture's edge is used. Rotations by 90 or 180
    degrees are not detected.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB.

    Returns:
        The upright page; ``image`` itself with the identity if it is straight or has no lines.
    """
    height, width = image.shape[:2]
    factor = min(1.0, WORK / max(height, width))
    size = round(width * factor), round(height * factor)
    same = Rectified(image, np.eye(3), np.zeros(width), 0.0, None)
    if min(size) < LEAST_SIDE:
        return same
    if is_straight(image):
        return replace(same, confidence=1.0)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    darkest, brightest = (_extreme(small, choose) for choose in (cv2.min, cv2.max))
    skew = find_skew(darkest)
    move, shape = _view(size, skew.homography)
    bend = skew.bend(np.arange(shape[1]) - move[0, 2])
    move = move @ skew.homography
    views = [_warp(view, move, bend, shape, cv2.BORDER_REPLICATE) for view in (darkest, brightest)]
    left, top, right, bottom = page_box(*views, _valid(size, move, bend, shape))  # type: ignore[call-arg]
    out = max(16, round((right - left) / factor)), max(16, round((bottom - top) / factor))
    crop = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    matrix = _scaled(1 / factor) @ crop @ move @ _scaled(factor)
    bend = np.interp(np.arange(out[0]) * factor + left, np.arange(shape[1]), bend) / factor
    least = (STRAIGHT + UNSURE * (1 - skew.confidence)) * max(width, height)
    if _farthest(matrix, bend, (width, height), out) < least:
        return Rectified(image, np.eye(3), np.zeros(width), skew.confidence, None)
    result = _warp(image, matrix, bend, out[::-1], cv2.BORDER_REPLICATE)
    return Rectified(result, matrix, bend, skew.confidence, _valid((width, height), matrix, bend, out[::-1]))


def _extreme(image: np.ndarray, choose: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The smallest or largest channel, uint8 (H, W)."""
    if image.ndim == 2:
        return image
    red, green, blue = cv2.split(image)
    return choose(choose(red, green), blue)


def _scaled(factor: float) -> np.ndarray:
    """The homography that scales a picture by ``factor``."""
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])


def _corners(width: int, height: int) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5


def _farthest(matrix: np.ndarray, bend: np.ndarray, before: tuple[int, int], after: tuple[int, int]) -> float:
    """The largest movement of a corner, or bend, in pixels."""
    moved = cv2.perspectiveTransform(_corners(*before)[None], matrix)[0]
    return float(max(np.abs(moved - _corners(*after)).max(), np.abs(bend).max()))


def _view(size: tuple[int, int], homography: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The shift that moves the transformed picture into view, and the shape of the view."""
    moved = cv2.perspectiveTransform(_corners(*size)[None], homography)[0]
    low, high = moved.min(axis=0), moved.max(axis=0)
    middle, most = (low + high) / 2, np.array(size) * LARGEST / 2
    low, high = np.maximum(low, middle - most), np.minimum(high, middle + most)
    shift = np.array([[1, 0, -low[0] - 0.5], [0, 1, -low[1] - 0.5], [0, 0, 1]])
    width, height = np.ceil(high - low - 1e-3).astype(int).tolist()
    return shift, (height, width)


def _warp(picture: np.ndarray, matrix: np.ndarray, bend: np.ndarray, shape: tuple[int, int], border: int) -> np.ndarray:
    """Apply the homography and remove the bend; ``shape`` is the shape of the result."""
    if not bend.any():
        return cv2.warpPerspective(picture, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=border)
    height, width = shape
    columns, rows = -(-width // CELL) + 2, -(-height // CELL) + 2  # with a margin of one cell
    x, y = np.meshgrid((np.arange(columns) - 0.5) * CELL - 0.5, (np.arange(rows) - 0.5) * CELL - 0.5)
    y = y + np.interp(x[0], np.arange(width), bend)
    there = cv2.perspectiveTransform(np.stack([x, y], axis=2), np.linalg.inv(matrix)).astype(np.float32)
    fine = cv2.resize(there, (columns * CELL, rows * CELL), interpolation=cv2.INTER_LINEAR)
    fine = np.ascontiguousarray(fine[CELL : CELL + height, CELL : CELL + width])
    return cv2.remap(picture, *cv2.convertMaps(fine, None, cv2.CV_16SC2), cv2.INTER_LINEAR, borderMode=border)


def _valid(size: tuple[int, int], matrix: np.ndarray, bend: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """255 inside a transformed picture of this size (width, height), uint8 of ``shape``."""
    return _warp(np.full(size[::-1], 255, np.uint8), matrix, bend, shape, cv2.BORDER_CONSTANT)


EVERY = 32  # pixels between sampled rows and columns
ACROSS = 0.85  # of the page's width, least length of a horizontal line
DOWN = 0.7  # of the page's height, least length of a vertical line; a frame excludes the header
APART = 0.4  # of the page, least distance of the outermost horizontal lines
BESIDE = 0.2  # of the page, least distance of a vertical line from the centre, where perspective would slant it
THIN = 0.006  # of the page, largest thickness of a line; thicker ones are a tint or a shadow
DARK = 0.8  # of the page's median brightness


def is_straight(image: np.ndarray) -> bool:
    """Check whether lines of a grid or frame run exactly along rows and columns.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.
    """
    half = EVERY // 2
    columns, rows = np.ascontiguousarray(image[:, half::EVERY]), np.ascontiguousarray(image[half::EVERY])
    return _crossed_along(_lines(columns)) and _crossed_down(_lines(rows))


def palette_is_straight(indices: np.ndarray, palette: np.ndarray) -> bool:
    """``is_straight`` for a palette image, uint8 (H, W) into ``palette``, uint8 (n <= 256, 3) RGB."""
    colours = np.zeros((256, 1, 3), np.uint8)
    colours[: len(palette), 0] = palette
    half = EVERY // 2
    rows = np.ascontiguousarray(indices[half::EVERY])
    table = _lines(colours, usual=float(np.median(colours.max(axis=2)[rows[:, half::EVERY], 0])))
    columns = np.ascontiguousarray(indices[:, half::EVERY])
    return _crossed_down(cv2.LUT(rows, table)) and _crossed_along(cv2.LUT(columns, table))


def _lines(image: np.ndarray, usual: float | None = None) -> np.ndarray:
    """Nonzero where a pixel may belong to a line, coloured or dark; uint8 (h, w)."""
    if image.ndim == 2:
        brightest, colour = image, None
    else:
        red, green, blue = cv2.split(image)
        brightest, colour = cv2.max(cv2.max(red, green), blue), coloured(image)
    usual = float(np.median(brightest)) if usual is None else usual
    dark = cv2.threshold(brightest, int(DARK * usual), 1, cv2.THRESH_BINARY_INV)[1]
    return dark if colour is None else cv2.max(dark, colour)


def _crossed_along(lines: np.ndarray) -> bool:
    """Whether sampled columns, uint8 (H, n) of 0 and 1, show distant horizontal lines."""
    crossing = np.flatnonzero(lines.mean(axis=1) > ACROSS)
    return len(crossing) >= 2 and crossing[-1] - crossing[0] > APART * len(lines) and _thin(crossing, len(lines))


def _crossed_down(lines: np.ndarray) -> bool:
    """Whether sampled rows, uint8 (n, W) of 0 and 1, show a vertical line off the centre."""
    width = lines.shape[1]
    crossing = np.flatnonzero(lines.mean(axis=0) > DOWN)
    return len(crossing) >= 1 and np.abs(crossing - width / 2).max() > BESIDE * width and _thin(crossing, width)


def _thin(crossing: np.ndarray, size: int) -> bool:
    """Whether all lines, given by their rows or columns, are thin."""
    ends = np.flatnonzero(np.diff(crossing) > 1)
    thickness = np.diff(np.concatenate([[-1], ends, [len(crossing) - 1]]))
    return bool(thickness.max() <= max(3, THIN * size))


SEARCH = 0.3  # of a side, depth of the search for the paper's edge
STEP = 0.16  # natural logarithm of brightness, least step from a dark table to paper
ALONG = 0.6  # least share of a side with that step
SLACK = 10  # pixels, largest bend or slope of an edge to a side
REACH = 5  # pixels compared on each side of an edge
CHUNKS = 10  # parts of a side, for the edge of a grid or of tinted paper
WINDOW = 20  # pixels, 5 mm of a page of 1100 pixels; wider than any line
MARGIN = 7  # pixels
TINT = 0.05  # logarithm of brightness, least step from a white table to gridded or tinted paper


def page_box(darkest: np.ndarray, brightest: np.ndarray, valid: np.ndarray) -> tuple[float, float, float, float]:
    """Find the edges of the paper on an upright page.

    Args:
        darkest, brightest: uint8 (H, W), smallest and largest channel of the upright page.
        valid: uint8 (H, W), 0 outside the picture.

    Returns:
        Left, top, right, bottom edge in pixels; the picture's where the edge is invisible.
    """
    clean = cv2.morphologyEx(brightest, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))  # without ink and grid
    paper = np.log(np.maximum(cv2.blur(clean, (3, 3)), 4).astype(np.float32))
    lines_too = np.log(np.maximum(darkest, 4).astype(np.float32))
    # rotate so that the left, top, right and bottom edge is at the left
    views = [[np.rot90(array, turns) for array in (paper, lines_too, valid > 250)] for turns in range(4)]
    dark_table = [_table_edge(view, there) for view, _, there in views]
    white_table = [
        _tint_edge(dark, there) if edge is None else edge
        for edge, (_, dark, there) in zip(dark_table, views, strict=True)
    ]
    height, width = valid.shape
    box = _edges_box(white_table, width, height)
    if None in white_table or not _blank_beyond(box, darkest, valid):
        box = _edges_box(dark_table, width, height)
    return box


def _edges_box(edges: list[float | None], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom from edges that are each measured from their own side."""
    left, top, right, bottom = (-0.5 if edge is None else edge for edge in edges)
    return left, top, width - 1 - right, height - 1 - bottom


def _blank_beyond(box: tuple[float, float, float, float], darkest: np.ndarray, valid: np.ndarray) -> bool:
    """Whether nothing is printed outside the box; a header outside a grid is not a table."""
    beyond = cv2.erode(valid, np.ones((7, 7), np.uint8), borderValue=0)
    left, top, right, bottom = (round(edge) for edge in box)
    beyond[max(0, top - MARGIN) : bottom + MARGIN, max(0, left - MARGIN) : right + MARGIN] = 0
    outside = darkest[beyond > 0]
    return len(outside) == 0 or float((outside < 0.65 * np.median(outside)).mean()) < 0.0005


def _table_edge(paper: np.ndarray, valid: np.ndarray) -> float | None:
    """The left edge of paper on a darker table, or None if invisible.

    Args:
        paper: logarithm of brightness without ink, (H, W).
        valid: False outside the picture.
    """
    height, width = paper.shape
    depth = int(SEARCH * width) + 2 * REACH
    valid = valid[:, :depth]
    part = np.where(valid, paper[:, :depth], -1).astype(np.float32)
    sums = np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1)
    mean = (sums[:, REACH:] - sums[:, :-REACH]) / REACH  # mean[:, x] over x .. x + REACH - 1
    outside = np.maximum.accumulate(mean, axis=1)  # paper is brighter than everything outside
    rise = mean[:, REACH:] - outside[:, :-REACH]  # at x + REACH - 0.5
    inside = valid[:, : rise.shape[1]]
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


def _tint_edge(dark: np.ndarray, valid: np.ndarray) -> float | None:
    """The left edge of tinted or gridded paper on a white table, or None if invisible.

    A grid darkens the paper continuously, a frame or text does not. Therefore three windows inside are compared with
    everything outside, in parts of the side.

    Args:
        dark: logarithm of the smallest channel, (H, W).
        valid: False outside the picture.
    """
    height, width = dark.shape
    depth = int(SEARCH * width) + 4 * WINDOW
    valid = valid[:, :depth]
    masked = np.where(valid, dark[:, :depth], 0)
    edges = []
    for top, bottom in pairwise(np.linspace(0, height, CHUNKS + 1).round().astype(int)):
        count = valid[top:bottom].sum(axis=0)
        if not count.any():
            continue
        profile = np.where(count > 0.7 * (bottom - top), masked[top:bottom].sum(axis=0), np.nan) / np.maximum(count, 1)
        mean = np.convolve(profile, np.ones(WINDOW) / WINDOW, "valid")
        if len(mean) <= 3 * WINDOW:
            return None
        inside = np.max([mean[WINDOW * k : len(mean) - WINDOW * (3 - k)] for k in (1, 2, 3)], axis=0)
        outside = np.fmin.accumulate(mean[: len(inside)])
        fall = np.nan_to_num(outside - inside, nan=-1)
        best = int(fall.argmax())
        if fall[best] > TINT:
            edges.append(best + WINDOW - 0.5)
    if len(edges) < 0.6 * CHUNKS:
        return None
    edge = float(np.median(edges))
    return edge if (np.abs(np.array(edges) - edge) < 5).sum() >= 0.5 * CHUNKS else None
