"""What people and machines write on pages: lines of print, and a hand's loops.

The texts are drawn at random: nothing on them says anything of the record. Handwriting is strokes of a pen that
loops along a line, without letters; no freely licensed handwriting font comes with the libraries used here.
"""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ecgpipe.render.degrade.draws import Draws
from ecgpipe.render.furniture import font

PENS = ((20, 30, 120), (10, 10, 10), (30, 60, 150), (140, 20, 30))
SUBPIXEL = 4  # cv2 takes points in 1/16 pixel


def print_lines(image: np.ndarray, draws: Draws, scale: float) -> None:
    """Print lines of made-up facts, 2.2 to 3.6 mm high, at one place of ``image`` (``scale`` pixels per mm)."""
    rng, count = draws.rng("printed_text"), draws.count("printed_text")
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


def write_by_hand(image: np.ndarray, draws: Draws, scale: float) -> None:
    """Write looping words, 4 to 9 mm high, anywhere on ``image``."""
    rng = draws.rng("handwriting")
    height, width = image.shape[:2]
    colour = PENS[rng.integers(len(PENS))]
    for _ in range(draws.count("handwriting")):
        points = _word(rng) * rng.uniform(4, 9) * scale
        points += rng.uniform((0.03 * width, 0.05 * height), (0.8 * width, 0.95 * height))
        thickness = max(1, round(rng.uniform(0.25, 0.5) * scale))
        fixed = np.rint(points * (1 << SUBPIXEL)).astype(np.int32)
        cv2.polylines(image, [fixed], False, colour, thickness, cv2.LINE_AA, SUBPIXEL)


def _word(rng: np.random.Generator) -> np.ndarray:
    """A looping line, float (n, 2), about 1 high: each letter has its own height, width and lean."""
    letters = int(rng.integers(3, 9))
    turns = np.linspace(0, 1, 24, endpoint=False)
    lean, x, strokes = rng.uniform(0, 0.35), 0.0, []
    for _ in range(letters):
        tall, wide = rng.choice([0.35, 0.4, 0.45, 0.9]), rng.uniform(0.25, 0.5)
        loop = rng.uniform(0.1, 0.3)
        across = x + wide * turns + loop * np.sin(2 * np.pi * turns) * rng.choice([-1, 1])
        up = tall * (1 - np.cos(2 * np.pi * turns)) / 2 + 0.03 * rng.standard_normal()
        strokes.append(np.stack([across + lean * up, -up], axis=1))
        x += wide
    points = np.concatenate(strokes)
    tilt = rng.uniform(-0.15, 0.1)
    points[:, 1] += tilt * points[:, 0]
    return points
