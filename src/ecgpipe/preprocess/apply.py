"""From a page image to the binary image that models see."""

import numpy as np

from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.paper import paper_image
from ecgpipe.preprocess.read import MIN_SIDE, read_image
from ecgpipe.preprocess.trace import trace_image

__all__ = ["preprocess", "read_image"]


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Reduce a page to its ink.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, dark ink on lighter paper.
        config: the variant and its keys.

    Returns:
        uint8 (size, size), 1 where there is trace (``trace``) or ink of any kind (``paper``), else 0.

    Raises:
        ValueError: not an image of that shape and type.
        DataError: too small, or nothing is left: a blank page, or one without a trace.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"image of shape {image.shape} and type {image.dtype}: not uint8 (H, W) or (H, W, 3)")
    if min(image.shape[:2]) < MIN_SIDE:
        raise DataError(f"image of {image.shape[1]} x {image.shape[0]} pixels: at least {MIN_SIDE} a side are needed")
    result = trace_image(image, config) if config.variant == "trace" else paper_image(image, config)
    if not result.any():
        raise DataError("no ink found on the page: is it blank, overexposed, or not an ECG?")
    return result
