"""Convert a page into the binary image that models receive.

The variant `paper` is the preprocessing of the reproduced paper: section 2.1, equations 1 to 4.
"""

from typing import NamedTuple

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.artifacts.pictures import MIN_SIDE, read_image
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.canvas import Rows, canvas_of_picture, canvas_of_traces

MM_PER_INCH = 25.4
KERNEL = 3
"""Side of the square structuring element of the variant `paper`, pixels."""


class Prepared(NamedTuple):
    """A model-ready image.

    Attributes:
        image: uint8 (size, size), 1 for trace (variant ``reader``) or for any ink (``paper``), else 0.
        transform: maps points of the page to the image; None if it shows the whole page except its margins.
        notes: possible problems, one sentence each.
    """

    image: np.ndarray
    transform: PageTransform | None
    notes: tuple[str, ...] = ()


def prepare(image: np.ndarray, config: PreprocessConfig) -> Prepared:
    """Preprocess a picture of a page.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, dark ink on lighter paper.
        config: the variant and its keys.

    Raises:
        ValueError: wrong shape or type; or ``from: digitized``, which redraws pages.
        DataError: too small, or without an ECG.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"image of shape {image.shape} and type {image.dtype}: expected uint8 (H, W) or (H, W, 3)")
    if min(image.shape[:2]) < MIN_SIDE:
        raise DataError(f"image of {image.shape[1]} x {image.shape[0]} pixels: at least {MIN_SIDE} per side")
    if config.digitized:
        raise ValueError("from: digitized: this page is digitized and drawn again; use ecgpipe.imaging.redraw")
    if config.variant == "reader":
        return Prepared(*canvas_of_picture(image, config))
    return _with_ink(Prepared(paper_image(image, config), None))


def prepare_traces(cover: np.ndarray, dpi: float, config: PreprocessConfig, rows: Rows | None = None) -> Prepared:
    """The image of a page whose traces are known, with the variant ``reader``.

    Args:
        cover: uint8 (H, W), coverage of the page's traces, 0 to 255.
        dpi: resolution.
        rows: as in ``canvas_of_traces``.

    Raises:
        DataError: no trace.
    """
    if not cover.any():
        raise DataError("no trace on the page")
    return _with_ink(Prepared(*canvas_of_traces(cover, dpi / MM_PER_INCH, config, rows)))


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Return only the image of ``prepare``."""
    return prepare(image, config).image


def preprocess_file(data: bytes, name: str, config: PreprocessConfig) -> np.ndarray:
    """Preprocess the content of an image file; ``name`` is for messages.

    Raises:
        DataError: as in ``read_image`` and ``prepare``.
    """
    return prepare(read_image(data, name), config).image


def one_core(config: PreprocessConfig) -> None:
    """Let this process, and those forked from it, preprocess on one core."""
    cv2.setNumThreads(1)
    if config.variant == "reader":
        import torch

        torch.set_num_threads(1)


def paper_image(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """The image of the variant `paper`: crop, Canny, closing and opening, Otsu, resize.

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


def _with_ink(prepared: Prepared) -> Prepared:
    if not prepared.image.any():
        raise DataError("no ink found on the page; it may be blank, overexposed or not an ECG")
    return prepared
