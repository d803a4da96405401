"""The preprocessing of the reproduced paper: section 2.1, equations 1 to 4."""

import cv2
import numpy as np

from ecgpipe.config.pages import PreprocessConfig

KERNEL = 3  # side of the square structuring element, pixels


def paper_image(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Crop, Canny, closing and opening, Otsu, resize.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        uint8 (size, size) of 0 and 1; resizing averages over each output pixel's area, with a threshold of one half.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    edges = canny(crop_edges(grey, config.crop), *config.canny)
    binary = otsu(close_open(edges, KERNEL))
    scaled = cv2.resize(binary * 255, (config.size, config.size), interpolation=cv2.INTER_AREA)
    return (scaled > 127).astype(np.uint8)


def crop_edges(grey: np.ndarray, margins: tuple[float, float, float, float]) -> np.ndarray:
    """Crop shares of the height or width at the top, right, bottom and left edge."""
    if not any(margins):
        return grey
    height, width = grey.shape[:2]
    top, right, bottom, left = margins
    cut = grey[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]
    return np.ascontiguousarray(cut)


def canny(grey: np.ndarray, low: float, high: float) -> np.ndarray:
    """Canny edges, uint8 0 or 255, from Sobel magnitude and direction (equations 1 and 2)."""
    return cv2.Canny(grey, low, high, apertureSize=3, L2gradient=True)


def close_open(edges: np.ndarray, side: int) -> np.ndarray:
    """Close, then open with a square element (equation 3)."""
    element = np.ones((side, side), np.uint8)
    return cv2.morphologyEx(cv2.morphologyEx(edges, cv2.MORPH_CLOSE, element), cv2.MORPH_OPEN, element)


def otsu(grey: np.ndarray) -> np.ndarray:
    """Threshold to uint8 0 or 1 at the maximum between-class variance (equation 4)."""
    return cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
