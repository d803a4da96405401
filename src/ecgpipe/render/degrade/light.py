"""Light on the paper: factors on the brightness, float32 fields at a quarter of the resolution.

Creases and wrinkles change the light and not the geometry; they belong to the paper and move with it. Shadow, uneven
light and colour temperature belong to the room and stay where they are.
"""

import cv2
import numpy as np

from ecgpipe.render.degrade.draws import Draws
from ecgpipe.render.degrade.geometry import STEP

UNIT = 200  # the number that stands for a factor of 1 in 8 bits


def ones(shape: tuple[int, int]) -> np.ndarray:
    return np.ones((-(-shape[0] // STEP), -(-shape[1] // STEP)), np.float32)


def crease(field: np.ndarray, draws: Draws, scale: float) -> None:
    """Folds across the page: a dark line beside a bright one, 0.4 to 1.2 mm wide."""
    rng = draws.rng("creases")
    rows, columns = field.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for _ in range(draws.count("creases")):
        angle = rng.choice([0, np.pi / 2]) + np.deg2rad(rng.normal(0, 4))
        at = rng.uniform(0.1, 0.9, 2) * (columns, rows)
        width = rng.uniform(0.4, 1.2) * scale / STEP
        away = ((x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)) / max(width, 0.6)
        near = np.abs(away) < 5
        depth, step = rng.uniform(0.08, 0.25), rng.uniform(-0.04, 0.04)
        field += np.where(away > 0, step, -step).astype(np.float32) * 0.5
        field[near] -= depth * np.exp(-(away[near] ** 2)) - 0.5 * depth * np.exp(-((away[near] - 1.5) ** 2))


def wrinkle(field: np.ndarray, draws: Draws, scale: float) -> None:
    """Crumpled paper: ridges of smooth random fields of several sizes, lit from one side."""
    depth, rng = draws.get("wrinkles") / 100, draws.rng("wrinkles")
    if not depth:
        return
    rows, columns = field.shape
    relief = np.zeros_like(field)
    for size in (40, 15, 6):  # mm
        cells = (max(2, round(rows * STEP / scale / size)) + 3, max(2, round(columns * STEP / scale / size)) + 3)
        coarse = rng.standard_normal(cells).astype(np.float32)
        relief += size * -np.abs(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC))
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * cv2.Sobel(relief, -1, 1, 0, ksize=3) + np.sin(angle) * cv2.Sobel(relief, -1, 0, 1, ksize=3)
    slope /= 2.5 * slope.std() + 1e-6
    field += depth * np.clip(slope, -1, 0.6)


def room(field: np.ndarray, draws: Draws) -> np.ndarray:
    """The field with uneven light and a shadow."""
    rows, columns = field.shape
    x, y = np.linspace(-1, 1, columns, dtype=np.float32)[None, :], np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    if fall := draws.get("uneven_light") / 100:
        angle = draws.rng("uneven_light").uniform(0, 2 * np.pi)
        across = (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
        field = field * (1 - fall * (0.35 * (1 + across) + 0.15 * (x * x + y * y))).astype(np.float32)
    if dark := draws.get("shadow") / 100:
        rng = draws.rng("shadow")
        angle, at, soft = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6), rng.uniform(0.03, 0.25)
        edge = np.cos(angle) * x + np.sin(angle) * y + 0.15 * np.sin(3 * (x - y)) - at
        field = field * (1 - dark / (1 + np.exp(-np.clip(edge / soft, -30, 30)))).astype(np.float32)
    return field


def illuminate(image: np.ndarray, field: np.ndarray, draws: Draws) -> np.ndarray:
    """The image (H, W, 3) under the field and in the drawn colour of light."""
    warm = draws.get("temperature") / 100
    if not warm and (field == 1).all():
        return image
    colours = np.array([1 + 0.5 * warm, 1, 1 - warm]) / max(1, 1 + 0.5 * warm, 1 - warm)
    # noise of one step before rounding keeps slow changes from showing bands
    grain = np.random.default_rng(0).uniform(-0.5, 0.5, (*field.shape, 1)).astype(np.float32)
    factors = field[:, :, None] * colours.astype(np.float32) * UNIT + grain
    coarse = np.clip(np.rint(factors), 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    full = cv2.resize(coarse, (coarse.shape[1] * STEP, coarse.shape[0] * STEP), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, full[:height, :width], scale=1 / UNIT)
