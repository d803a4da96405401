"""Effects on the paper of a degraded page: colours of the print, writing, creases, and light.

Light is a float32 field of brightness factors at a quarter of the resolution. Creases and wrinkles belong to the paper
and move with it; shadow, uneven light and colour temperature come from the lighting and do not move with the paper.
"""

from dataclasses import replace

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ecgpipe.render.page import Page, draw_traces
from ecgpipe.render.template import font
from ecgpipe.render.warp import STEP, SampledKinds

UNIT = 200  # the 8-bit value of a factor of 1


def paper_light(shape: tuple[int, int]) -> np.ndarray:
    return np.ones((-(-shape[0] // STEP), -(-shape[1] // STEP)), np.float32)


def add_creases(field: np.ndarray, kinds: SampledKinds, scale: float) -> None:
    """Add folds across the page: a dark line beside a bright one, 0.4 to 1.2 mm wide."""
    rng = kinds.rng("creases")
    rows, columns = field.shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    for _ in range(kinds.count("creases")):
        angle = rng.choice([0, np.pi / 2]) + np.deg2rad(rng.normal(0, 4))
        at = rng.uniform(0.1, 0.9, 2) * (columns, rows)
        width = rng.uniform(0.4, 1.2) * scale / STEP
        away = ((x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)) / max(width, 0.6)
        near = np.abs(away) < 5
        depth, step = rng.uniform(0.08, 0.25), rng.uniform(-0.04, 0.04)
        field += np.where(away > 0, step, -step).astype(np.float32) * 0.5
        field[near] -= depth * np.exp(-(away[near] ** 2)) - 0.5 * depth * np.exp(-((away[near] - 1.5) ** 2))


def add_wrinkles(field: np.ndarray, kinds: SampledKinds, scale: float) -> None:
    """Add crumpled paper: ridges of smooth random fields of several sizes, lit from one side."""
    depth, rng = kinds.get("wrinkles") / 100, kinds.rng("wrinkles")
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


def ambient_light(field: np.ndarray, kinds: SampledKinds) -> np.ndarray:
    """Return the field under uneven light and a shadow."""
    rows, columns = field.shape
    x, y = np.linspace(-1, 1, columns, dtype=np.float32)[None, :], np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    if fall := kinds.get("uneven_light") / 100:
        angle = kinds.rng("uneven_light").uniform(0, 2 * np.pi)
        across = (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
        field = field * (1 - fall * (0.35 * (1 + across) + 0.15 * (x * x + y * y))).astype(np.float32)
    if dark := kinds.get("shadow") / 100:
        rng = kinds.rng("shadow")
        angle, at, soft = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6), rng.uniform(0.03, 0.25)
        edge = np.cos(angle) * x + np.sin(angle) * y + 0.15 * np.sin(3 * (x - y)) - at
        field = field * (1 - dark / (1 + np.exp(-np.clip(edge / soft, -30, 30)))).astype(np.float32)
    return field


def illuminate(image: np.ndarray, field: np.ndarray, kinds: SampledKinds) -> np.ndarray:
    """Return the image (H, W, 3) under the field and the sampled colour of light."""
    warm = kinds.get("temperature") / 100
    if not warm and (field == 1).all():
        return image
    colours = np.array([1 + 0.5 * warm, 1, 1 - warm]) / max(1, 1 + 0.5 * warm, 1 - warm)
    # dithering before rounding avoids visible bands
    grain = np.random.default_rng(0).uniform(-0.5, 0.5, (*field.shape, 1)).astype(np.float32)
    factors = field[:, :, None] * colours.astype(np.float32) * UNIT + grain
    coarse = np.clip(np.rint(factors), 0, 255).astype(np.uint8)
    height, width = image.shape[:2]
    full = cv2.resize(coarse, (coarse.shape[1] * STEP, coarse.shape[0] * STEP), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, full[:height, :width], scale=1 / UNIT)


# absorption of red, green and blue by a full grid line: red, pink, orange, brown, green, blue, grey
HUES = ((0, 1, 1), (0.1, 0.75, 0.6), (0, 0.65, 1), (0.4, 0.75, 1), (1, 0.35, 0.85), (1, 0.6, 0.1), (0.8, 0.8, 0.8))
INKS = ((0, 0, 0), (40, 40, 40), (20, 20, 70), (20, 30, 110), (60, 30, 20), (70, 20, 70))


def reprint(page: Page, kinds: SampledKinds) -> Page:
    """Return the page with the sampled colours and line width (kinds grid_colour, no_grid, paper, pen).

    A page has few colours, so only its palette changes; wider traces are drawn again.
    """
    if kinds.strength.keys() & {"grid_colour", "no_grid", "paper", "pen"}:
        page = replace(page, palette=_palette(page, kinds))
    if wider := kinds.get("pen") * page.dpi / 25.4:
        page = _widen(page, wider)
    return page


def _palette(page: Page, kinds: SampledKinds) -> np.ndarray:
    """The palette with other paper, grid and ink colours, uint8 (n, 3)."""
    steps = len(page.palette) // page.grounds
    grounds = page.palette[: page.grounds].astype(float)
    ink = page.palette[-1].astype(float)
    paper = np.array(page.paper, float).clip(1)
    density = 1 - grounds / paper
    if "no_grid" in kinds.strength:
        density = np.zeros_like(density)
    elif "grid_colour" in kinds.strength:
        hue = np.array(HUES[kinds.rng("grid_colour").integers(len(HUES))])
        amount = np.clip(density.max(axis=1, keepdims=True) * kinds.get("grid_colour"), 0, 1)
        density = amount * hue
    yellow = 1 - kinds.get("paper") / 100 * np.array([0.3, 0.45, 1.0])
    if "pen" in kinds.strength:
        ink = np.array(INKS[kinds.rng("pen").integers(len(INKS))], float)
    grounds = paper * yellow * (1 - density)
    share = np.arange(steps)[:, None, None] / (steps - 1)
    return np.round(grounds * (1 - share) + ink * share).clip(0, 255).astype(np.uint8).reshape(-1, 3)


def _widen(page: Page, pixels: float) -> Page:
    """Draw the traces again, ``pixels`` wider."""
    full = len(page.palette) // page.grounds - 1
    width = page.line_width + pixels
    ink, ground = np.divmod(page.indices, np.uint8(page.grounds))
    cover = np.zeros(page.shape, np.uint8)
    draw_traces(cover, page.leads, width, full)
    indices = np.maximum(ink, cover) * np.uint8(page.grounds) + ground
    return replace(page, indices=indices, line_width=width)


PENS = ((20, 30, 120), (10, 10, 10), (30, 60, 150), (140, 20, 30))
SUBPIXEL = 4  # cv2 takes points in 1/16 pixel


def write_printed_lines(image: np.ndarray, kinds: SampledKinds, scale: float) -> None:
    """Print random lines, 2.2 to 3.6 mm high, at one place of ``image`` (``scale`` pixels per mm).

    The texts are independent of the record.
    """
    rng, count = kinds.rng("printed_text"), kinds.count("printed_text")
    if not count:
        return
    size = rng.uniform(2.2, 3.6) * scale
    face = font(("sans", "serif")[rng.integers(2)], round(size * 2) / 2)
    lines = [_line(rng) for _ in range(count)]
    wide, high = int(max(face.getlength(line) for line in lines)) + 4, int(size * 1.3 * count) + 4
    height, width = image.shape[:2]
    x, y = int(rng.uniform(0, max(1, width - wide))), int(rng.uniform(0, 1) ** 2 * max(1, height - high))
    region = image[y : y + high, x : x + wide]
    mask = Image.new("L", (region.shape[1], region.shape[0]), 0)
    ImageDraw.Draw(mask).multiline_text((2, 2), "\n".join(lines), 255, font=face, spacing=size * 0.2)
    share = np.asarray(mask, np.float32)[:, :, None] / 255
    region[:] = np.round(region * (1 - share) + 30 * share).astype(np.uint8)


def _line(rng: np.random.Generator) -> str:
    number = int(rng.integers(10**7, 10**8))
    choices = (
        f"ID {number}",
        f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(1985, 2025)}  "
        f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}",
        f"Room {rng.integers(1, 400)}   Bed {rng.integers(1, 5)}",
        f"Device {number % 9973}   Software {rng.integers(1, 9)}.{rng.integers(0, 20)}",
        f"Filter {rng.choice([35, 40, 100, 150])} Hz   AC {rng.choice([50, 60])} Hz",
        f"Page {rng.integers(1, 4)} of 3   Unconfirmed",
    )
    return str(choices[rng.integers(len(choices))])


def write_handwriting(image: np.ndarray, kinds: SampledKinds, scale: float) -> None:
    """Write looping words without real letters, 4 to 9 mm high, anywhere on ``image``.

    The libraries in use ship no freely licensed handwriting font.
    """
    rng = kinds.rng("handwriting")
    height, width = image.shape[:2]
    colour = PENS[rng.integers(len(PENS))]
    for _ in range(kinds.count("handwriting")):
        points = _word(rng) * rng.uniform(4, 9) * scale
        points += rng.uniform((0.03 * width, 0.05 * height), (0.8 * width, 0.95 * height))
        thickness = max(1, round(rng.uniform(0.25, 0.5) * scale))
        fixed = np.rint(points * (1 << SUBPIXEL)).astype(np.int32)
        cv2.polylines(image, [fixed], False, colour, thickness, cv2.LINE_AA, SUBPIXEL)


def _word(rng: np.random.Generator) -> np.ndarray:
    """A looping line, float (n, 2), about 1 high; each letter has a random height, width and slant."""
    letters = int(rng.integers(3, 9))
    phase = np.linspace(0, 1, 24, endpoint=False)
    lean, x, strokes = rng.uniform(0, 0.35), 0.0, []
    for _ in range(letters):
        tall, wide = rng.choice([0.35, 0.4, 0.45, 0.9]), rng.uniform(0.25, 0.5)
        loop = rng.uniform(0.1, 0.3)
        across = x + wide * phase + loop * np.sin(2 * np.pi * phase) * rng.choice([-1, 1])
        up = tall * (1 - np.cos(2 * np.pi * phase)) / 2 + 0.03 * rng.standard_normal()
        strokes.append(np.stack([across + lean * up, -up], axis=1))
        x += wide
    points = np.concatenate(strokes)
    tilt = rng.uniform(-0.15, 0.1)
    points[:, 1] += tilt * points[:, 0]
    return points
