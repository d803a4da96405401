"""The default preprocessing: keep the trace, drop everything else that is printed on the page."""

from functools import lru_cache

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

PAGE_WIDTH = 280.0
"""Millimetres that the width of an image is taken for: letter and A4 pages across, photographed whole."""

WORK_WIDTH = 1400
"""Shapes are judged on images up to this wide; wider ones are halved, thirded, ... first."""


FAINT = 64
"""Coverage up to which the blurred edges of ink on a photographed page do not count."""

RECTIFIED_DARKNESS = 0.48
"""`darkness` for rectified photographs, whose grids are darker and traces blurred."""


def trace_image(image: np.ndarray, config: PreprocessConfig) -> tuple[np.ndarray, PageTransform | None]:
    """Ink by darkness and colour, less header, marks and text, scaled so that no line vanishes.

    Args:
        image: uint8 (H, W) or (H, W, 3) RGB.

    Returns:
        uint8 (size, size) of 0 and 1, all 0 where nothing looks like a trace; and how the page was turned.
    """
    image = _bounded(image, config.max_side)
    if not config.deskew:
        return upright_trace(image, None, config), None
    upright = rectify(image)
    transform = upright.transform(image.shape[1], image.shape[0])
    return upright_trace(upright.image, upright.valid, config), transform


def upright_trace(image: np.ndarray, valid: np.ndarray | None, config: PreprocessConfig) -> np.ndarray:
    """The same of a page that was turned upright already.

    Args:
        valid: uint8 (H, W), 0 beyond the picture's edges; None: a page that was straight from the beginning.
    """
    brightness = brightest_channel(image)
    if valid is None:
        ink = find_ink(brightness, config.darkness)
        rows = recording_rows(coloured(sample_columns(image)) if image.ndim == 3 else None, len(image))
    else:
        ink = find_ink(brightness, RECTIFIED_DARKNESS, WRITTEN_INK)
        drop_surroundings(ink, valid)
        rows = slice(0, len(image))  # lines are no longer sharp enough to tell where the recording is
    return _trace(ink, rows, config, photographed=valid is not None)


def trace_from_palette(
    indices: np.ndarray, palette: np.ndarray, config: PreprocessConfig
) -> tuple[np.ndarray, PageTransform | None]:
    """As ``trace_image``, of a palette image: its colours are judged once each, not once a pixel.

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
    """255 where the palette entry is one of the ``chosen``, bool (256,), of which the first ``used`` occur."""
    first = int(np.argmax(chosen[:used]))
    if first and chosen[first:used].all():  # a page of ours: darker entries stand last
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
        drop_pulses(ink, mm)  # while they are whole: one of their edges alone can pass for a separator or bar
        if photographed:
            drop_flat_lines(ink, mm)
        drop_separators(ink, mm, photographed)
        drop_bars(ink, mm, photographed)
    if config.drop_text:
        drop_text(ink, mm, (rows.start * scale, rows.stop * scale), photographed)
    if config.drop_marks and photographed:
        drop_bars(ink, mm, photographed)  # also those that touched text
    return shrink(crop_edges(ink, config.margins), config.size, config.coverage)


def _bounded(image: np.ndarray, max_side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = max_side / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _reduce(ink: np.ndarray) -> np.ndarray:
    """Average blocks of n x n pixels, n the smallest that makes the image no wider than ``WORK_WIDTH``."""
    height, width = ink.shape
    n = -(-width // WORK_WIDTH)
    if n == 1:
        return ink
    padded = cv2.copyMakeBorder(ink, 0, -height % n, 0, -width % n, cv2.BORDER_CONSTANT, value=0)
    return cv2.resize(padded, (padded.shape[1] // n, padded.shape[0] // n), interpolation=cv2.INTER_AREA)


MOST_SPARSE = 0.1
"""Share of pixels with ink above which scaling them one by one is slower than scaling all."""


@lru_cache(maxsize=16)
def _shares(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How ``length`` pixels fall on ``size`` <= ``length``: for each the first one below it, and its shares.

    A pixel is ``size`` units long and an output pixel ``length``; the shares, float (length,), are the units above
    the first and above the next.
    """
    start = np.arange(length) * size
    first = start // length
    shared = np.minimum(start + size, (first + 1) * length) - start
    return first, shared.astype(np.float64), (size - shared).astype(np.float64)


def shrink(ink: np.ndarray, size: int, coverage: float) -> np.ndarray:
    """Scale ink to (size, size).

    Args:
        ink: uint8 (H, W), 0 (none) to 255.

    Returns:
        uint8: 1 where ink covers at least ``coverage`` of a pixel's area, else 0.
    """
    least = int(np.ceil(coverage * 255)) - 0.5
    height, width = ink.shape
    flat = np.ascontiguousarray(ink).reshape(-1)
    places = np.flatnonzero(flat != 0)
    if min(height, width) < size or len(places) > MOST_SPARSE * ink.size:
        scaled = cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA)
        return cv2.threshold(scaled, int(least), 1, cv2.THRESH_BINARY)[1]
    # Few pixels have ink: each adds its value times the area it shares to the one to four output pixels under it.
    stride = size + 1  # what reaches beyond the last row or column has no area
    rows, columns = np.divmod(places, width)
    (row, upper, lower), (column, left, right) = _shares(height, size), _shares(width, size)
    at = row[rows] * stride + column[columns]
    values = flat[places].astype(np.float64)
    upper, lower, left, right = values * upper[rows], values * lower[rows], left[columns], right[columns]
    total = np.bincount(
        np.concatenate([at, at + 1, at + stride, at + stride + 1]),
        np.concatenate([upper * left, upper * right, lower * left, lower * right]),
        stride * stride,
    )
    covered = total.reshape(stride, stride)[:size, :size] >= least * height * width
    return covered.view(np.uint8)


def scaled_traces(cover: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """The image of a page that has nothing but traces, so that nothing is to be found or dropped.

    Args:
        cover: uint8 (H, W), how much of each pixel the traces cover, 0 to 255.

    Returns:
        uint8 (size, size) of 0 and 1, by the same limits as ``trace_image`` uses on black ink on white paper.
    """
    ink = cv2.threshold(cover, int(255 * (1 - config.darkness)), 255, cv2.THRESH_BINARY)[1]
    return shrink(crop_edges(_reduce(ink), config.margins), config.size, config.coverage)
