"""Tell at a glance that a page is straight, so that nothing need be turned: its printed lines cross it at one pixel."""

import cv2
import numpy as np

from ecgpipe.preprocess.ink import coloured

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
