"""Saliency drawn over the page."""

from collections.abc import Sequence

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.artifacts.saliency import HEAT_COLOUR

COLUMNS = 2
CELL_WIDTH = 900
CAPTION_HEIGHT = 44
OPACITY = 0.8
"""Of the largest saliency."""


def overlay(
    page: np.ndarray,
    saliency: np.ndarray,
    margins: tuple[float, float, float, float],
    transform: PageTransform | None = None,
) -> np.ndarray:
    """Colour a page by its saliency, as the report's explorer does; the traces stay readable.

    Args:
        page: (H, W, 3) uint8 RGB.
        saliency: (h, w) in [0, 1], for the part of the page that the model sees.
        margins: cropped shares of the page: top, right, bottom, left.
        transform: how preprocessing rectified the page; None if it did not. Rectified pages have no margins.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = page.shape[:2]
    heat = transform.onto_page(saliency, width, height) if transform else _heat(saliency, width, height, margins)
    alpha = (OPACITY * heat)[..., None]
    # multiply, not blend: dark traces stay dark
    return (page * (1 - alpha + alpha * np.array(HEAT_COLOUR, np.float32) / 255)).round().astype(np.uint8)


def _heat(saliency: np.ndarray, width: int, height: int, margins: tuple[float, float, float, float]) -> np.ndarray:
    """A map scaled to a page that was not rectified: float32 (height, width), 0 in the margins."""
    top, right, bottom, left = (round(share * side) for share, side in zip(margins, (height, width) * 2, strict=True))
    heat = np.zeros((height, width), np.float32)
    size = width - right - left, height - bottom - top
    heat[top : height - bottom, left : width - right] = cv2.resize(saliency.astype(np.float32), size)
    return heat


def contact_sheet(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Arrange pictures in two columns, each under its caption.

    Args:
        pictures: (H, W, 3) uint8 RGB each, of any size.
        captions: one line per picture.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    cells = []
    for picture, caption in zip(pictures, captions, strict=True):
        height = round(picture.shape[0] * CELL_WIDTH / picture.shape[1])
        scaled = cv2.resize(picture, (CELL_WIDTH, height), interpolation=cv2.INTER_AREA)
        strip = np.full((CAPTION_HEIGHT, CELL_WIDTH, 3), 255, np.uint8)
        cv2.putText(strip, caption, (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (20, 20, 20), 2, cv2.LINE_AA)
        cells.append(np.vstack([strip, scaled]))
    cells += [np.full((1, CELL_WIDTH, 3), 255, np.uint8)] * (-len(cells) % COLUMNS)
    tallest = max(len(cell) for cell in cells)
    padded = [np.pad(cell, ((0, tallest - len(cell)), (0, 8), (0, 0)), constant_values=255) for cell in cells]
    return np.vstack([np.hstack(padded[row : row + COLUMNS]) for row in range(0, len(padded), COLUMNS)])
