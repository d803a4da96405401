"""Convert a page into the binary image that models receive."""

from typing import NamedTuple

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.artifacts.pictures import MIN_SIDE, read_image
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.preprocess.canvas import Rows, canvas_of_picture, canvas_of_traces
from ecgpipe.preprocess.paper import paper_image

MM_PER_INCH = 25.4


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


def prepare_file(data: bytes, name: str, config: PreprocessConfig) -> Prepared:
    """Preprocess the content of an image file; ``name`` is for messages.

    Raises:
        DataError: as in ``read_image`` and ``prepare``.
    """
    return prepare(read_image(data, name), config)


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
    """Return only the image of ``prepare_file``."""
    return prepare_file(data, name, config).image


def one_core(config: PreprocessConfig) -> None:
    """Let this process, and those forked from it, preprocess on one core."""
    cv2.setNumThreads(1)
    if config.variant == "reader":
        import torch

        torch.set_num_threads(1)


def _with_ink(prepared: Prepared) -> Prepared:
    if not prepared.image.any():
        raise DataError("no ink found on the page; it may be blank, overexposed or not an ECG")
    return prepared
