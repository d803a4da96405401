"""Synthetic training examples for the page reader: windows of random pages with the truth of every pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpipe.reader.degrade import View, degrade_view, take_picture
from ecgpipe.reader.drawing import FONTS, Window, draw_something_else, draw_window, print_page
from ecgpipe.reader.layouts import RandomLayout, Slot, random_layout, random_style
from ecgpipe.reader.names import views_of_names
from ecgpipe.reader.network import CELL, LEAD_NAMES, NO_NAME, OFFSET_UNIT

MARGIN = 1.25
"""A window is this much larger than its picture, so that a rotated picture still shows paper."""
SOMETHING_ELSE = 0.08
"""Share of examples without an ECG."""
NAME_WINDOW = 34.0  # mm, side of the pictures that show names
NAME_JITTER = (2.5, 1.5)  # mm, the reader's largest error of a name's position
NAME_APART = 6.0  # mm, least distance of a position without a name from the nearest name
UNNAMED_VIEWS = 2  # positions without a name, per picture
SYMMETRIC = ("I", "II", "III")  # look the same upside down
VISIBLE = 10  # of 255: least contrast of a legible trace with its surroundings


@dataclass(frozen=True)
class Example:
    """One training example of (size, size) pixels.

    Attributes:
        picture: uint8 (size, size, 3), RGB.
        masks: uint8 (5, size, size): trace, other ink, calibration pulse, grid, and where the trace mask counts (0
            where the trace is not visible).
        offset: float32 (size, size), height of a trace above its baseline, in cm of paper, -4 to 4.
        names: float32 (17, size / 8, size / 8), 1 at the centre of a lead's name, falling to 0 around it.
        geometry: float32 (6, size / 8, size / 8), network.GEOMETRY_MAPS.
        paper: float32 (size / 8, size / 8), 1 on paper.
    """

    picture: np.ndarray
    masks: np.ndarray
    offset: np.ndarray
    names: np.ndarray
    geometry: np.ndarray
    paper: np.ndarray


def make_example(seed: tuple[int, int], signals: np.ndarray, sampling_rate: float, size: int) -> Example:
    """Make one training example.

    Args:
        seed: the seed of the run and the example's number; the same pair gives the same example.
        signals: int16 (records, 12, samples), microvolts, leads in the usual order.
        sampling_rate: in Hz.
        size: pixels per side, a multiple of 32.
    """
    rng = np.random.default_rng(seed)
    layout = random_layout(rng)
    style = random_style(rng, len(FONTS))
    window = _place_window(rng, layout, round(size * MARGIN))
    if rng.random() < SOMETHING_ELSE:
        draw_something_else(rng, window)
    else:
        draw_window(rng, window, layout, style, signals, sampling_rate)
    picture, grid = print_page(rng, window)
    view = take_picture(rng, window, picture, grid, size)
    return _example(view, degrade_view(rng, view))


def make_name_examples(
    seed: tuple[int, int], signals: np.ndarray, sampling_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Make views of lead names, and of positions without a name, around the start of one lead of a random page.

    Args:
        seed, signals, sampling_rate: as in ``make_example``.

    Returns:
        uint8 (n, 48, 80, 3) for ``names.NameNet``, and their classes, int64 (n,); n is about 4.
    """
    rng = np.random.default_rng(seed)
    layout = random_layout(rng)
    style = random_style(rng, len(FONTS))
    scale = _random_scale(rng)
    slot = layout.slots[int(rng.integers(len(layout.slots)))]
    size = round(NAME_WINDOW * scale)
    side = size * MARGIN / scale
    x, y = slot.x - rng.uniform(0.25, 0.6) * side, slot.baseline - rng.uniform(0.3, 0.8) * side
    window = Window(round(size * MARGIN), scale, x, y)
    draw_window(rng, window, layout, style, signals, sampling_rate)
    view = take_picture(rng, window, *print_page(rng, window), size)
    picture = degrade_view(rng, view)
    classes, centres, axes = [], [], []
    for column, row, name, upside_down in _name_positions(rng, view):
        axis = _axes(view, round(column), round(row)) * (-1 if upside_down else 1)
        # the reader knows direction, scale and position only roughly
        angle = np.deg2rad(rng.normal(0, 3))
        zoom = rng.normal(0, 0.08) if rng.random() < 0.75 else rng.uniform(-0.4, 0.4)
        axis = axis @ (np.exp(zoom) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
        classes.append(name)
        centres.append(np.array([column, row]) + 0.5 + axis @ (rng.uniform(-1, 1, 2) * NAME_JITTER))
        axes.append(axis)
    views = views_of_names(picture, np.reshape(centres, (-1, 2)), np.reshape(axes, (-1, 2, 2)))
    return views, np.array(classes, np.int64)


def _name_positions(rng: np.random.Generator, view: View) -> list[tuple[float, float, int, bool]]:
    """Column, row and class of the names and other marks in a view, and whether to view them upside down."""
    positions = [(x, y, name, False) for x, y, name in view.labels]
    turned = [(x, y, NO_NAME, True) for x, y, name in view.labels if LEAD_NAMES[name] not in SYMMETRIC]
    marks = np.argwhere(view.covers.max(axis=2) > 110)
    for row, column in marks[rng.integers(0, len(marks), UNNAMED_VIEWS)] if len(marks) else []:
        away = min((np.hypot(column - x, row - y) for x, y, _ in view.labels), default=np.inf)
        if away > NAME_APART * view.scale:
            positions.append((float(column), float(row), NO_NAME, False))
    return positions + turned[:1]


def _axes(view: View, column: int, row: int) -> np.ndarray:
    """(2, 2), pixels of the view per mm of the page at a pixel: the inverse of the gradients of x and y."""
    row, column = (min(max(at, 2), len(view.x) - 3) for at in (row, column))
    part = np.s_[row - 2 : row + 3, column - 2 : column + 3]
    gradients = [[np.gradient(axis[part], axis=along).mean() for along in (1, 0)] for axis in (view.x, view.y)]
    return np.linalg.inv(np.array(gradients))


def _place_window(rng: np.random.Generator, layout: RandomLayout, size: int) -> Window:
    """Choose a resolution, 2.4 to 12 pixels per mm, and a position: anywhere, or around the start of a lead."""
    scale = _random_scale(rng)
    side = size / scale
    if rng.random() < 0.5:
        slot: Slot = layout.slots[int(rng.integers(len(layout.slots)))]
        x, y = slot.x - rng.uniform(0.05, 0.9) * side, slot.baseline - rng.uniform(0.1, 0.9) * side
    else:
        x, y = (_anywhere(rng, whole - side, side) for whole in (layout.width, layout.height))
    return Window(size, scale, x, y)


def _random_scale(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(2.4), np.log(9))) if rng.random() < 0.85 else rng.uniform(8, 12))


def _anywhere(rng: np.random.Generator, free: float, side: float) -> float:
    return rng.uniform(-0.12 * side, free + 0.12 * side) if free > 0 else rng.uniform(free, 0)


def _example(view: View, picture: np.ndarray) -> Example:
    """The targets that belong to a finished picture."""
    trace = view.covers[..., 0] > 110
    ink = (view.covers[..., 1] > 128) & ~trace
    pulse = (view.covers[..., 2] > 110) & ~trace
    masks = np.stack([trace, ink, pulse, view.grid > 0.5, _readable(picture, trace)]).astype(np.uint8)
    centre = slice(CELL // 2, None, CELL)
    gradients = [np.gradient(axis, axis=1 - along)[centre, centre] for axis in (view.x, view.y) for along in (0, 1)]
    per_x, per_y = np.hypot(*gradients[:2]), np.hypot(*gradients[2:])  # mm per pixel
    directions = [part / per for part, per in zip(gradients, (per_x, per_x, per_y, per_y), strict=True)]
    geometry = np.stack([*directions, -np.log2(per_x) - 2, -np.log2(per_y) - 2])
    return Example(
        picture=picture,
        masks=masks,
        offset=(view.offset / OFFSET_UNIT).clip(-4, 4).astype(np.float32),
        names=_name_map(view.labels, len(picture) // CELL),
        geometry=geometry.astype(np.float32),
        paper=(~view.outside[centre, centre]).astype(np.float32),
    )


def _readable(picture: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """bool: false on traces that glare or a bad copy has erased."""
    grey = picture.min(axis=2)
    darkest = cv2.erode(grey, np.ones((3, 3), np.uint8)).astype(np.int16)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.medianBlur(half, 15), grey.shape[::-1]).astype(np.int16)
    return ~(trace & (around - darkest < VISIBLE))


def _name_map(labels: list[tuple[float, float, int]], cells: int) -> np.ndarray:
    names = np.zeros((len(LEAD_NAMES), cells, cells), np.float32)
    y, x = np.mgrid[0:cells, 0:cells]
    for label_x, label_y, name in labels:
        peak = np.exp(-((x - label_x // CELL) ** 2 + (y - label_y // CELL) ** 2) / 1.2)
        names[name] = np.maximum(names[name], peak)
    return names
