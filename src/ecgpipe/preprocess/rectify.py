"""From a scan or photo of a page, at an angle and with a table around it, to the page as it lay in the printer.

Homographies are float (3, 3) for points (x, y) in pixels; the middle of the first pixel is (0, 0), as OpenCV has it.

Tell at a glance that a page is straight, so that nothing need be turned: its printed lines cross it at one pixel.

Where paper ends and the table begins, on a page whose lines already run along the axes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.preprocess.ink import coloured
from ecgpipe.preprocess.skew import LEAST_SIDE, find_skew

WORK = 1100  # pixels of the longer side at which the page's lines are looked for
STRAIGHT = 0.002  # of the longer side, that a corner must move for a page to be turned at all
UNSURE = 0.008  # the same, more where the confidence is 0
LARGEST = 1.6  # times the picture's sides, of the upright page
CELL = 8  # pixels between the points where the map is computed; between them it is straight


@dataclass(frozen=True)
class Rectified:
    """A page turned upright.

    Attributes:
        image: uint8 (H, W) or (H, W, 3); as it came where the page was straight.
        matrix: homography from the picture to ``image``, before the bend is taken out.
        bend: float (W,), by how many pixels the paper bends down in each column: 0 where it lies flat.
        confidence: from 0, no lines found, to 1, many lines that agree.
        valid: uint8 (H, W), 255 where ``image`` shows the picture, 0 beyond its edges; None: everywhere.
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
        """What was done to the picture of that size, in shares of its sides; None if nothing."""
        after = self.image.shape[1], self.image.shape[0]
        return PageTransform.from_pixels(self.matrix, self.bend, (width, height), after) if self.changed else None

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 2) of the picture are in ``image``."""
        moved = cv2.perspectiveTransform(np.asarray(points, np.float64)[None], self.matrix)[0]
        moved[:, 1] -= np.interp(moved[:, 0], np.arange(len(self.bend)), self.bend)
        return moved

    def warp(self, picture: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        """Another picture of the same size, uint8, such as a mask, turned like this one."""
        return _warp(picture, self.matrix, self.bend, self.image.shape[:2], border) if self.changed else picture


def rectify(image: np.ndarray) -> Rectified:
    """Undo rotation (up to 25 degrees), perspective and a bend of the paper; cut away what lies around the paper.

    The directions of lines (grid, frame, text, edges) give the homography but for the place of the page's edges, and
    those are looked for where the page is upright. An edge that does not show, white paper on white, is taken to be
    the picture's edge. Pages that lie on their side or head are not turned.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB.

    Returns:
        The upright page; ``image`` itself with the identity where it is straight already, or shows no lines.
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
    move, shape = _room(size, skew.homography)
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
    """The smallest or the largest of the three channels, uint8 (H, W)."""
    if image.ndim == 2:
        return image
    red, green, blue = cv2.split(image)
    return choose(choose(red, green), blue)


def _scaled(factor: float) -> np.ndarray:
    """The map to a picture ``factor`` times as large."""
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])


def _corners(width: int, height: int) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5


def _farthest(matrix: np.ndarray, bend: np.ndarray, before: tuple[int, int], after: tuple[int, int]) -> float:
    """By how many pixels a corner moves, or the paper bends."""
    moved = cv2.perspectiveTransform(_corners(*before)[None], matrix)[0]
    return float(max(np.abs(moved - _corners(*after)).max(), np.abs(bend).max()))


def _room(size: tuple[int, int], transform: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The shift after which all of the turned picture is in a picture, and the shape of that picture."""
    moved = cv2.perspectiveTransform(_corners(*size)[None], transform)[0]
    low, high = moved.min(axis=0), moved.max(axis=0)
    middle, most = (low + high) / 2, np.array(size) * LARGEST / 2
    low, high = np.maximum(low, middle - most), np.minimum(high, middle + most)
    shift = np.array([[1, 0, -low[0] - 0.5], [0, 1, -low[1] - 0.5], [0, 0, 1]])
    width, height = np.ceil(high - low - 1e-3).astype(int).tolist()
    return shift, (height, width)


def _warp(picture: np.ndarray, matrix: np.ndarray, bend: np.ndarray, shape: tuple[int, int], border: int) -> np.ndarray:
    """The picture under the homography, and without the bend; ``shape`` is the result's."""
    if not bend.any():
        return cv2.warpPerspective(picture, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=border)
    height, width = shape
    columns, rows = -(-width // CELL) + 2, -(-height // CELL) + 2  # one cell more on each side
    x, y = np.meshgrid((np.arange(columns) - 0.5) * CELL - 0.5, (np.arange(rows) - 0.5) * CELL - 0.5)
    y = y + np.interp(x[0], np.arange(width), bend)
    there = cv2.perspectiveTransform(np.stack([x, y], axis=2), np.linalg.inv(matrix)).astype(np.float32)
    fine = cv2.resize(there, (columns * CELL, rows * CELL), interpolation=cv2.INTER_LINEAR)
    fine = np.ascontiguousarray(fine[CELL : CELL + height, CELL : CELL + width])
    return cv2.remap(picture, *cv2.convertMaps(fine, None, cv2.CV_16SC2), cv2.INTER_LINEAR, borderMode=border)


def _valid(size: tuple[int, int], matrix: np.ndarray, bend: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """255 where a picture of that size (width, height) comes to lie, uint8 of ``shape``."""
    return _warp(np.full(size[::-1], 255, np.uint8), matrix, bend, shape, cv2.BORDER_CONSTANT)


EVERY = 32  # pixels between the rows and columns that are looked at
ACROSS = 0.85  # of the page's width, that a line crosses
DOWN = 0.7  # of the page's height; a frame leaves out the header
APART = 0.4  # of the page, that the outermost horizontals are at least
BESIDE = 0.2  # of the page, that one upright is away from the middle at least: there, perspective would lean it over
THIN = 0.006  # of the page, that a line is thick at most; what is thicker is a tint or a shadow
DARK = 0.8  # of the page's usual brightness


def is_straight(image: np.ndarray) -> bool:
    """Whether lines of a grid or frame cross the page exactly along rows and columns.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.
    """
    half = EVERY // 2
    columns, rows = np.ascontiguousarray(image[:, half::EVERY]), np.ascontiguousarray(image[half::EVERY])
    return _crossed_along(_lines(columns)) and _crossed_down(_lines(rows))


def palette_is_straight(indices: np.ndarray, palette: np.ndarray) -> bool:
    """``is_straight`` of a palette image, uint8 (H, W) into ``palette``, uint8 (n <= 256, 3) RGB."""
    colours = np.zeros((256, 1, 3), np.uint8)
    colours[: len(palette), 0] = palette
    half = EVERY // 2
    rows = np.ascontiguousarray(indices[half::EVERY])
    table = _lines(colours, usual=float(np.median(colours.max(axis=2)[rows[:, half::EVERY], 0])))
    columns = np.ascontiguousarray(indices[:, half::EVERY])
    return _crossed_down(cv2.LUT(rows, table)) and _crossed_along(cv2.LUT(columns, table))


def _lines(image: np.ndarray, usual: float | None = None) -> np.ndarray:
    """Nonzero where a pixel can belong to a line, coloured or dark; uint8 (h, w)."""
    if image.ndim == 2:
        brightest, colour = image, None
    else:
        red, green, blue = cv2.split(image)
        brightest, colour = cv2.max(cv2.max(red, green), blue), coloured(image)
    usual = float(np.median(brightest)) if usual is None else usual
    dark = cv2.threshold(brightest, int(DARK * usual), 1, cv2.THRESH_BINARY_INV)[1]
    return dark if colour is None else cv2.max(dark, colour)


def _crossed_along(lines: np.ndarray) -> bool:
    """Whether sampled columns, uint8 (H, n) of 0 and 1, show horizontals, apart from each other."""
    crossing = np.flatnonzero(lines.mean(axis=1) > ACROSS)
    return len(crossing) >= 2 and crossing[-1] - crossing[0] > APART * len(lines) and _thin(crossing, len(lines))


def _crossed_down(lines: np.ndarray) -> bool:
    """Whether sampled rows, uint8 (n, W) of 0 and 1, show an upright to one side of the middle."""
    width = lines.shape[1]
    crossing = np.flatnonzero(lines.mean(axis=0) > DOWN)
    return len(crossing) >= 1 and np.abs(crossing - width / 2).max() > BESIDE * width and _thin(crossing, width)


def _thin(crossing: np.ndarray, size: int) -> bool:
    """Whether none of the lines, given by all their rows or columns, is thick."""
    ends = np.flatnonzero(np.diff(crossing) > 1)
    thickness = np.diff(np.concatenate([[-1], ends, [len(crossing) - 1]]))
    return bool(thickness.max() <= max(3, THIN * size))


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
    box = _edges_box(white_table, width, height)
    if None in white_table or not _blank_beyond(box, darkest, valid):
        box = _edges_box(dark_table, width, height)
    return box


def _edges_box(edges: list[float | None], width: int, height: int) -> tuple[float, float, float, float]:
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
