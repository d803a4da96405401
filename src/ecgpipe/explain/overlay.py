"""Saliency drawn over the readable page."""

from collections.abc import Sequence

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform

COLUMNS = 2
CELL_WIDTH = 900
CAPTION_HEIGHT = 44


def overlay(
    page: np.ndarray,
    saliency: np.ndarray,
    margins: tuple[float, float, float, float],
    turn: PageTransform | None = None,
) -> np.ndarray:
    """A page with its saliency: the more of it, the more coloured (blue to red), as in figures 14 and 15.

    Args:
        page: (H, W, 3) uint8 RGB.
        saliency: (h, w) in [0, 1], of the part of the page that the model saw.
        margins: shares of the page that the model did not see: top, right, bottom, left.
        turn: how the page was turned before it became the model's image; such pages have no margins.

    Returns:
        (H, W, 3) uint8 RGB; the traces stay readable.
    """
    height, width = page.shape[:2]
    heat = _heat(saliency, width, height, margins) if turn is None else turn.onto_page(saliency, width, height)
    colours = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    # multiplied, not blended: what is dark on the page stays dark
    tinted = page.astype(np.float32) * (0.35 + 0.65 * colours.astype(np.float32) / 255)
    share = (0.75 * heat)[..., None]
    return (page * (1 - share) + tinted * share).round().astype(np.uint8)


def _heat(saliency: np.ndarray, width: int, height: int, margins: tuple[float, float, float, float]) -> np.ndarray:
    """The map on a page of that size that was taken as it lay, float32 (height, width); 0 in its margins."""
    top, right, bottom, left = (round(share * side) for share, side in zip(margins, (height, width) * 2, strict=True))
    seen = (slice(top, height - bottom), slice(left, width - right))
    heat = np.zeros((height, width), np.float32)
    heat[seen] = cv2.resize(saliency.astype(np.float32), (width - right - left, height - bottom - top))
    return heat


def contact_sheet(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Pictures side by side, two to a row, each under its caption.

    Args:
        pictures: (H, W, 3) uint8 RGB each, of any size.
        captions: a line each.

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
    tallest = max(cell.shape[0] for cell in cells)
    padded = [
        np.pad(cell, ((0, tallest - len(cell)), (0, 8), (0, 0)), constant_values=255)
        for cell in cells + [np.full((1, CELL_WIDTH, 3), 255, np.uint8)] * (-len(cells) % COLUMNS)
    ]
    return np.vstack([np.hstack(padded[row : row + COLUMNS]) for row in range(0, len(padded), COLUMNS)])
