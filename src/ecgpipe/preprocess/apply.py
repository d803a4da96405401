"""From a page image to the binary image that models see."""

from typing import NamedTuple

import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.paper import paper_image
from ecgpipe.preprocess.read import MIN_SIDE, read_image, read_palette
from ecgpipe.preprocess.trace import trace_from_palette, trace_image

__all__ = [
    "Prepared",
    "prepare",
    "prepare_file",
    "prepare_palette",
    "preprocess",
    "preprocess_file",
    "preprocess_palette",
    "read_image",
]


class Prepared(NamedTuple):
    """An image for models, and how it lies on its page.

    Attributes:
        image: uint8 (size, size), 1 where there is trace (``trace``) or ink of any kind (``paper``), else 0.
        turn: how the page was turned upright; None where it was taken as it lay.
    """

    image: np.ndarray
    transform: PageTransform | None


def prepare(image: np.ndarray, config: PreprocessConfig) -> Prepared:
    """Reduce a page to its ink.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, dark ink on lighter paper.
        config: the variant and its keys.

    Raises:
        ValueError: not an image of that shape and type.
        DataError: too small, or nothing is left: a blank page, or one without a trace.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"image of shape {image.shape} and type {image.dtype}: not uint8 (H, W) or (H, W, 3)")
    _check_size(image)
    return _checked(*(trace_image(image, config) if config.variant == "trace" else (paper_image(image, config), None)))


def prepare_palette(indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig) -> Prepared:
    """The same result for a palette image, sooner.

    Args:
        indices: uint8 (H, W) into ``palette``, uint8 (n <= 256, 3) RGB.
    """
    if config.variant != "trace":
        return prepare(palette[indices], config)
    _check_size(indices)
    return _checked(*trace_from_palette(indices, palette, config))


def prepare_file(data: bytes, name: str, config: PreprocessConfig) -> Prepared:
    """The same result from the content of an image file.

    Raises:
        DataError: as ``read_image`` and ``prepare``.
    """
    if (paletted := read_palette(data, name)) is not None:
        return prepare_palette(*paletted, config)
    return prepare(read_image(data, name), config)


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """The image alone of ``prepare``."""
    return prepare(image, config).image


def preprocess_palette(indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """The image alone of ``prepare_palette``."""
    return prepare_palette(indices, palette, config).image


def preprocess_file(data: bytes, name: str, config: PreprocessConfig) -> np.ndarray:
    """The image alone of ``prepare_file``."""
    return prepare_file(data, name, config).image


def _check_size(image: np.ndarray) -> None:
    if min(image.shape[:2]) < MIN_SIDE:
        raise DataError(f"image of {image.shape[1]} x {image.shape[0]} pixels: at least {MIN_SIDE} a side are needed")


def _checked(image: np.ndarray, transform: PageTransform | None) -> Prepared:
    if not image.any():
        raise DataError("no ink found on the page: is it blank, overexposed, or not an ECG?")
    return Prepared(image, transform)
