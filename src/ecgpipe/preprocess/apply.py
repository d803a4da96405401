"""Convert a page into the binary image that models receive."""

from typing import NamedTuple

import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.artifacts.pictures import MIN_SIDE, read_image, read_palette
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.canvas import canvas_of_picture
from ecgpipe.preprocess.paper import paper_image
from ecgpipe.preprocess.trace import trace_from_palette, trace_image


class Prepared(NamedTuple):
    """A model-ready image.

    Attributes:
        image: uint8 (size, size), 1 for trace (variant ``trace``) or for any ink (``paper``), else 0.
        transform: how the page was rectified; None if it was not.
    """

    image: np.ndarray
    transform: PageTransform | None


def prepare(image: np.ndarray, config: PreprocessConfig) -> Prepared:
    """Preprocess a page.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, dark ink on lighter paper.
        config: the variant and its keys.

    Raises:
        ValueError: wrong shape or type.
        DataError: too small, or no ink found: a blank page, or one without a trace.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"image of shape {image.shape} and type {image.dtype}: expected uint8 (H, W) or (H, W, 3)")
    _check_size(image)
    if config.variant == "reader":
        return _checked(*canvas_of_picture(image, config))
    return _checked(*(trace_image(image, config) if config.variant == "trace" else (paper_image(image, config), None)))


def prepare_palette(indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig) -> Prepared:
    """Preprocess a palette image; faster than ``prepare``, with the same result and errors.

    Args:
        indices: uint8 (H, W) into ``palette``, uint8 (n <= 256, 3) RGB.
    """
    if config.variant != "trace":
        return prepare(palette[indices], config)
    _check_size(indices)
    return _checked(*trace_from_palette(indices, palette, config))


def prepare_file(data: bytes, name: str, config: PreprocessConfig) -> Prepared:
    """Preprocess the content of an image file; ``name`` is for messages.

    Raises:
        DataError: as in ``read_image`` and ``prepare``.
    """
    if (paletted := read_palette(data, name)) is not None:
        return prepare_palette(*paletted, config)
    return prepare(read_image(data, name), config)


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Return only the image of ``prepare``."""
    return prepare(image, config).image


def preprocess_palette(indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Return only the image of ``prepare_palette``."""
    return prepare_palette(indices, palette, config).image


def preprocess_file(data: bytes, name: str, config: PreprocessConfig) -> np.ndarray:
    """Return only the image of ``prepare_file``."""
    return prepare_file(data, name, config).image


def _check_size(image: np.ndarray) -> None:
    if min(image.shape[:2]) < MIN_SIDE:
        raise DataError(f"image of {image.shape[1]} x {image.shape[0]} pixels: at least {MIN_SIDE} per side")


def _checked(image: np.ndarray, transform: PageTransform | None) -> Prepared:
    if not image.any():
        raise DataError("no ink found on the page; it may be blank, overexposed or not an ECG")
    return Prepared(image, transform)
