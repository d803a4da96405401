"""Effects on a printed page before the reader sees it: geometry, light, stains, copies, compression."""

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpipe.reader.drawing import Window


@dataclass
class View:
    """A picture of part of a page, with the truth of every pixel; all arrays are (size, size, ...).

    Attributes:
        picture: float32 (..., 3), RGB in 0..1.
        covers: uint8 (..., 3), coverage by trace (at least 1.7 pixels wide), other ink and pulses.
        offset: float32, height of the trace above its baseline in mm, on the trace.
        grid: float32, coverage by the grid.
        x, y: float32, the page coordinates of each pixel in mm.
        outside: bool, where the picture shows no paper.
        labels: (x, y, index in LEAD_NAMES) of the lead names in the picture.
        scale: pixels per mm of the page before it was moved.
    """

    picture: np.ndarray
    covers: np.ndarray
    offset: np.ndarray
    grid: np.ndarray
    x: np.ndarray
    y: np.ndarray
    outside: np.ndarray
    labels: list[tuple[float, float, int]]
    scale: float


def smooth_field(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """A smooth random field, float32 (size, size), about standard normal."""
    coarse = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def take_picture(rng: np.random.Generator, window: Window, picture: np.ndarray, grid: np.ndarray, size: int) -> View:
    """View the middle of a window, ``size`` pixels square: straight on, or rotated, tilted, bent and crumpled."""
    middle = np.arange(size, dtype=np.float32) - size / 2
    x, y = np.meshgrid(middle, middle)
    if rng.random() >= 0.35:
        x, y = _moved(rng, x, y, window.scale, size)
    x, y = (x + window.size / 2).astype(np.float32), (y + window.size / 2).astype(np.float32)
    interpolation = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    view = View(
        picture=cv2.remap(picture, x, y, interpolation, borderMode=cv2.BORDER_REFLECT),
        covers=cv2.remap(np.dstack([window.truth, window.ink, window.pulse]), x, y, cv2.INTER_LINEAR),
        offset=cv2.remap(window.offset, x, y, cv2.INTER_NEAREST),
        grid=cv2.remap(grid.astype(np.float32), x, y, cv2.INTER_LINEAR),
        x=window.x0 + x / window.scale,
        y=window.y0 + y / window.scale,
        outside=_beyond_the_edge(rng, x, y, window.size),
        labels=[],
        scale=window.scale,
    )
    if view.outside.any():
        table = rng.uniform(0, 1, 3) * rng.uniform(0.1, 1) + 0.06 * smooth_field(rng, size, 12)[..., None]
        view.picture[view.outside] = table[view.outside].clip(0, 1)
        view.covers[view.outside] = 0
        view.grid[view.outside] = 0
    for label_x, label_y, name in window.labels:
        distance = (x - label_x) ** 2 + (y - label_y) ** 2
        nearest = int(np.argmin(distance))
        if distance.flat[nearest] < 4 and not view.outside.flat[nearest]:
            view.labels.append((nearest % size, nearest // size, name))
    return view


def _moved(
    rng: np.random.Generator, x: np.ndarray, y: np.ndarray, scale: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (up to 30 degrees), unequal zoom, perspective, bend and crumple of coordinates around (0, 0).

    One page in eight is also on its side or upside down, one in fifty is mirrored.
    """
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 4))):
            x, y = y, -x
    if rng.random() < 0.02:
        x = -x
    angle = np.deg2rad(rng.normal(0, 4) if rng.random() < 0.8 else rng.uniform(-30, 30))
    zoom = np.exp(rng.normal(0, 0.04, 2))
    x, y = (np.cos(angle) * x + np.sin(angle) * y) * zoom[0], (np.cos(angle) * y - np.sin(angle) * x) * zoom[1]
    tilt = rng.normal(0, 0.06, 2) / size
    depth = 1 + tilt[0] * x + tilt[1] * y
    x, y = x / depth, y / depth
    if rng.random() < 0.5:
        period = rng.uniform(100, 500) * scale
        y = y + rng.uniform(0.3, 2.5) * scale * np.sin(2 * np.pi * x / period + rng.uniform(0, 6))
    if rng.random() < 0.3:
        height = rng.uniform(0.2, 1.0) * scale
        x, y = x + height * smooth_field(rng, size, 4), y + height * smooth_field(rng, size, 4)
    return x, y


def _beyond_the_edge(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """bool: where the table beside the paper is visible; in one picture of five, one edge of the paper is in view."""
    if rng.random() >= 0.2:
        return np.zeros(x.shape, bool)
    inset = rng.uniform(-0.1, 0.3) * size
    return (x < inset, x > size - inset, y < inset, y > size - inset)[int(rng.integers(4))]


def degrade_view(rng: np.random.Generator, view: View) -> np.ndarray:
    """Stain, light, blur, copy and compress a view; returns the picture uint8 (size, size, 3).

    Ink under a stain is removed from ``view.covers``.
    """
    photo = rng.random() < 0.6
    if rng.random() < 0.08:
        _stain(rng, view)
    picture = view.picture * _light(rng, view.picture.shape[0], view.scale, photo)[..., None]
    if photo:
        warmth = rng.normal(0, 0.08)
        tint = np.array([1 + warmth, 1, 1 - warmth]) if rng.random() < 0.8 else rng.uniform(0.3, 1, 3)
        picture = picture * tint.astype(np.float32) * rng.uniform(0.55, 1.1)
        if rng.random() < 0.15:
            picture = picture + _glare(rng, picture.shape[0])
    if rng.random() < 0.05:
        picture = picture * _moire(rng, picture.shape[0])
    picture = _blurred(rng, picture, view.scale)
    noise = rng.uniform(0, 0.04) if rng.random() < 0.85 else rng.uniform(0.04, 0.1)
    grain = rng.normal(0, 1, (*picture.shape[:2], 1)) * noise
    picture = (picture + grain + rng.normal(0, 1, picture.shape) * rng.uniform(0, 0.02)).astype(np.float32)
    if rng.random() < 0.12:
        picture = _photocopied(rng, picture)
    elif rng.random() < 0.1:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.25:  # sharpened by the camera
        soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 2))
        picture = picture + rng.uniform(0.3, 1.5) * (picture - soft)
    picture = np.clip(picture, 0, 1) ** np.exp(rng.normal(0, 0.15))
    return _compressed(rng, (picture * 255).astype(np.uint8))


def _stain(rng: np.random.Generator, view: View) -> None:
    """Black bars, redactions and blots; nothing under them can be read."""
    size = len(view.picture)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (int(value) for value in rng.integers(0, size, 2))
        mask = np.zeros((size, size), np.uint8)
        if rng.random() < 0.5:
            cv2.rectangle(mask, (x, y), (x + int(rng.integers(10, 150)), y + int(rng.integers(5, 60))), 1, -1)
        else:
            radii = int(rng.integers(3, 40)), int(rng.integers(3, 30))
            cv2.ellipse(mask, (x, y), radii, rng.uniform(0, 180), 0, 360, 1, -1)
        view.picture[mask > 0] = rng.uniform(0, 0.2) if rng.random() < 0.7 else rng.uniform(0.75, 1)
        view.covers[mask > 0] = 0


def _light(rng: np.random.Generator, size: int, scale: float, photo: bool) -> np.ndarray:
    """Brightness of the paper, float32 (size, size): uneven light, shadow, folds, crumpled paper."""
    side = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(side, side)
    light = np.ones((size, size), np.float32)
    if photo:
        angle = rng.uniform(0, 2 * np.pi)
        light *= 1 - rng.uniform(0, 0.4) * (1 + np.cos(angle) * x + np.sin(angle) * y) / 3
        if rng.random() < 0.3:
            angle, softness = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.5)
            edge = np.cos(angle) * x + np.sin(angle) * y - rng.uniform(-0.7, 0.7) + 0.1 * np.sin(3 * x + 2 * y)
            light *= 1 - rng.uniform(0.1, 0.6) / (1 + np.exp(-np.clip(edge / softness, -30, 30)))
    if rng.random() < (0.35 if photo else 0.1):
        light *= _folds(rng, x, y, scale)
        if rng.random() < 0.5:
            slope = cv2.Sobel(np.abs(smooth_field(rng, size, int(rng.integers(4, 14)))), -1, 1, 1, ksize=3)
            light *= 1 + rng.uniform(0.03, 0.2) * np.clip(slope / (2.5 * slope.std() + 1e-6), -1, 0.6)
    if rng.random() < 0.12:  # soft dark blotches, some of them black
        height = smooth_field(rng, size, int(rng.integers(2, 12)))
        light *= 1 - rng.uniform(0.2, 1) / (1 + np.exp((rng.uniform(0, 2) - height) / rng.uniform(0.05, 0.6)))
    return light


def _folds(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, scale: float) -> np.ndarray:
    """Light on folded paper: dark or bright lines, alone or parallel, and a step in brightness on some."""
    light = np.ones_like(x)
    angle, bright = rng.uniform(0, np.pi), rng.random() < 0.4
    parallel = rng.random() < 0.4
    for _ in range(int(rng.integers(1, 7 if parallel else 4))):
        angle = angle if parallel else rng.uniform(0, np.pi)
        width = max(0.8, rng.uniform(0.2, 1.5) * scale)
        away = (x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.9, 0.9)) * len(x) / 2 / width
        line = rng.uniform(0.05, 0.3) * np.exp(-(away**2))
        light *= 1 + line if bright else 1 - line + rng.uniform(0, 0.1) * np.exp(-((away - 1.5) ** 2))
        light *= 1 + np.sign(away) * rng.uniform(0, 0.06)
    return light


def _glare(rng: np.random.Generator, size: int) -> np.ndarray:
    side = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(side - rng.uniform(-1, 1), side - rng.uniform(-1, 1))
    return (rng.uniform(0.2, 0.8) * np.exp(-(x**2 + y**2) / rng.uniform(0.1, 0.5) ** 2))[..., None]


def _moire(rng: np.random.Generator, size: int) -> np.ndarray:
    """The interference of a screen's pixels with a camera's."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(2.2, 9)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.sin(2 * np.pi * u / period) * np.sin(2 * np.pi * v / period)
    return (1 + rng.uniform(0.02, 0.12) * waves[..., None]).astype(np.float32)


def _blurred(rng: np.random.Generator, picture: np.ndarray, scale: float) -> np.ndarray:
    sigma = min(abs(rng.normal(0, 0.5)) if rng.random() < 0.7 else rng.uniform(0.5, 1.2), 0.22 * scale)
    if sigma > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    if rng.random() < 0.05:  # moved while the shutter was open
        kernel = np.zeros((7, 7), np.float32)
        cv2.line(kernel, (int(rng.integers(7)), int(rng.integers(7))), (3, 3), 1)
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    return picture


def _photocopied(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Grey or black and white, with specks."""
    grey = picture.mean(axis=2)
    if rng.random() < 0.4:
        local = cv2.GaussianBlur(grey, (0, 0), 15) - rng.uniform(0.08, 0.25)
        grey = (grey > (local if rng.random() < 0.5 else rng.uniform(0.35, 0.7))).astype(np.float32)
    else:
        grey = np.clip((grey - 0.5) * rng.uniform(1, 2.5) + rng.uniform(0.4, 0.8), 0, 1)
    if rng.random() < 0.4:
        grey[rng.random(grey.shape) < rng.uniform(0, 0.01)] = 0
    return np.repeat(grey[..., None], 3, axis=2)


def _compressed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    if rng.random() < 0.25:
        return picture
    quality = int(rng.uniform(12, 97) if rng.random() < 0.5 else rng.uniform(60, 97))
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])
