"""The default preprocessing: keep the traces and drop everything else on the page."""

import cv2
import numpy as np

from ecgpipe.artifacts.page_transform import PageTransform
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.preprocess.components import drop_text
from ecgpipe.preprocess.ink import (
    WRITTEN_INK,
    brightest_channel,
    coloured,
    drop_specks,
    drop_surroundings,
    find_ink,
    ink_limits,
    recording_rows,
    sample_columns,
    sample_grid,
)
from ecgpipe.preprocess.marks import drop_bars, drop_flat_lines, drop_frame, drop_pulses, drop_rules, drop_separators
from ecgpipe.preprocess.paper import crop_edges
from ecgpipe.preprocess.rectify import palette_is_straight, rectify
from ecgpipe.preprocess.scale import shrink

PAGE_WIDTH = 280.0
"""Assumed width of a page in millimetres: a whole landscape letter or A4 page."""

WORK_WIDTH = 1400
"""Largest width at which shapes are analysed; wider images are reduced by an integer factor."""


FAINT = 64
"""Coverage up to which blurred edges of ink on a photographed page are ignored."""

RECTIFIED_DARKNESS = 0.48
"""`darkness` for rectified photographs, whose grids are darker and traces blurred."""


def trace_image(image: np.ndarray, config: PreprocessConfig) -> tuple[np.ndarray, PageTransform | None]:
    """Extract the traces of a page, rectified if necessary.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        uint8 (size, size) of 0 and 1, all 0 if no trace is found; and the transform of a rectified page.
    """
    image = _bounded(image, config.max_side)
    if not config.deskew:
        return upright_trace(image, None, config), None
    upright = rectify(image)
    transform = upright.transform(image.shape[1], image.shape[0])
    return upright_trace(upright.image, upright.valid, config), transform


def upright_trace(image: np.ndarray, valid: np.ndarray | None, config: PreprocessConfig) -> np.ndarray:
    """Extract the traces of an upright page.

    Args:
        valid: uint8 (H, W), 0 outside the picture; None for a page that was not rectified.
    """
    brightness = brightest_channel(image)
    if valid is None:
        ink = find_ink(brightness, config.darkness)
        rows = recording_rows(coloured(sample_columns(image)) if image.ndim == 3 else None, len(image))
    else:
        ink = find_ink(brightness, RECTIFIED_DARKNESS, WRITTEN_INK)
        drop_surroundings(ink, valid)
        rows = slice(0, len(image))  # lines are too blurred to locate the recording
    return _trace(ink, rows, config, photographed=valid is not None)


def trace_from_palette(
    indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig
) -> tuple[np.ndarray, PageTransform | None]:
    """``trace_image`` for a palette image, faster: each colour is classified once.

    Args:
        indices: uint8 (H, W) into ``palette``, uint8 (n <= 256, 3) RGB.
    """
    brightest = np.zeros(256, np.uint8)
    brightest[: len(palette)] = palette.max(axis=1)
    limits = ink_limits(brightest[sample_grid(indices)], config.darkness)
    rectified = config.deskew and not palette_is_straight(indices, palette)
    if max(indices.shape) > config.max_side or limits.size > 1 or rectified:
        return trace_image(palette[indices], config)
    ink = _select(indices, brightest < limits[0], len(palette))
    colours = np.zeros((256, 1, 3), np.uint8)
    colours[: len(palette), 0] = palette
    crossed = cv2.LUT(sample_columns(indices), coloured(colours))
    return _trace(ink, recording_rows(crossed, len(indices)), config), None


def _select(indices: np.ndarray, chosen: np.ndarray, used: int) -> np.ndarray:
    """255 where the palette index is ``chosen``, bool (256,); only the first ``used`` entries occur."""
    first = int(np.argmax(chosen[:used]))
    if first and chosen[first:used].all():  # rendered pages list dark entries last
        return cv2.threshold(indices, first - 1, 255, cv2.THRESH_BINARY)[1]
    return cv2.LUT(indices, np.where(chosen, 255, 0).astype(np.uint8))


def _trace(ink: np.ndarray, rows: slice, config: PreprocessConfig, photographed: bool = False) -> np.ndarray:
    if not config.drop_text:
        ink[: rows.start], ink[rows.stop :] = 0, 0
    drop_specks(ink)
    height = len(ink)
    ink = _reduce(ink)
    if photographed:
        ink = cv2.threshold(ink, FAINT, 255, cv2.THRESH_TOZERO)[1]
    mm, scale = ink.shape[1] / PAGE_WIDTH, len(ink) / height
    if config.drop_marks:
        drop_frame(ink, mm)
        drop_rules(ink, mm)
        drop_pulses(ink, mm)  # first, while complete: one edge looks like a separator or bar
        if photographed:
            drop_flat_lines(ink, mm)
        drop_separators(ink, mm, photographed)
        drop_bars(ink, mm, photographed)
    if config.drop_text:
        drop_text(ink, mm, (rows.start * scale, rows.stop * scale), photographed)
    if config.drop_marks and photographed:
        drop_bars(ink, mm, photographed)  # again: bars that touched text
    return shrink(crop_edges(ink, config.margins), config.size, config.coverage)


def _bounded(image: np.ndarray, max_side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = max_side / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _reduce(ink: np.ndarray) -> np.ndarray:
    """Average blocks of n x n pixels, with the smallest n for which the width is at most ``WORK_WIDTH``."""
    height, width = ink.shape
    n = -(-width // WORK_WIDTH)
    if n == 1:
        return ink
    padded = cv2.copyMakeBorder(ink, 0, -height % n, 0, -width % n, cv2.BORDER_CONSTANT, value=0)
    return cv2.resize(padded, (padded.shape[1] // n, padded.shape[0] // n), interpolation=cv2.INTER_AREA)


def scaled_traces(cover: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Convert the coverage of traces, uint8 (H, W), into an image without searching for anything.

    Returns:
        uint8 (size, size) of 0 and 1, with the thresholds of ``trace_image`` for black ink on white paper.
    """
    ink = cv2.threshold(cover, int(255 * (1 - config.darkness)), 255, cv2.THRESH_BINARY)[1]
    return shrink(crop_edges(_reduce(ink), config.margins), config.size, config.coverage)
