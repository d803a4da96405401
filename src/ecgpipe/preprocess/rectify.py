"""From a scan or photo of a page, at an angle and with a table around it, to the page as it lay in the printer.

Homographies are float (3, 3) for points (x, y) in pixels; the middle of the first pixel is (0, 0), as OpenCV has it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from ecgpipe.artifacts.turn import Turn
from ecgpipe.preprocess.page_edges import page_box
from ecgpipe.preprocess.skew import LEAST_SIDE, find_skew
from ecgpipe.preprocess.straight import is_straight

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

    def turn(self, width: int, height: int) -> Turn | None:
        """What was done to the picture of that size, in shares of its sides; None if nothing."""
        after = self.image.shape[1], self.image.shape[0]
        return Turn.of_pixels(self.matrix, self.bend, (width, height), after) if self.changed else None

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
    move, shape = _room(size, skew.turn)
    bend = skew.bend(np.arange(shape[1]) - move[0, 2])
    move = move @ skew.turn
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


def _room(size: tuple[int, int], turn: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The shift after which all of the turned picture is in a picture, and the shape of that picture."""
    moved = cv2.perspectiveTransform(_corners(*size)[None], turn)[0]
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
