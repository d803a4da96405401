"""The form that most pages of a data set share: pages are laid on it, and it is taken away from them."""

import cv2
import numpy as np

from ecgpipe.audit.images import GRID

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


def place_on_form(maps: np.ndarray, shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """Align ink maps with their mean, and subtract it.

    Args:
        maps: (n, rows, columns) int8, in the order of the record ids.
        shrink: so many empty pages count into the mean, so that two pages do not cancel each other.

    Returns:
        What differs, float16 of the same shape, blurred by one cell; and vectors of unit length (n, 72 x 48) to search
        with.
    """
    reference = maps.mean(axis=0, dtype=np.float64).astype(np.float32)
    placed = np.empty(maps.shape, np.float16)
    for number, page in enumerate(maps):
        placed[number] = _aligned(page.astype(np.float32), reference)
    form = (placed.sum(axis=0, dtype=np.float64) / (len(placed) + shrink)).astype(np.float32)
    vectors = np.empty((len(placed), GRID[0] * GRID[1]), np.float32)
    for number, page in enumerate(placed):
        differs = cv2.GaussianBlur(page.astype(np.float32) - form, (0, 0), 1.0)
        placed[number] = differs
        vector = cv2.resize(differs, GRID, interpolation=cv2.INTER_AREA).ravel()
        vectors[number] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return placed, vectors


def _aligned(page: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The page shifted, turned and scaled onto the reference (Evangelidis and Psarakis 2008), if that can be done."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(reference, page, warp, cv2.MOTION_AFFINE, STOP, None, 5)
    except cv2.error:  # nothing in common with the reference
        return page
    if np.abs(warp - np.eye(2, 3)).max(axis=0)[:2].max() > 0.2:  # no page is that crooked
        return page
    return cv2.warpAffine(page, warp, page.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
