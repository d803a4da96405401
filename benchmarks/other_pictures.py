"""Random pictures without an ECG for benchmarks of the page reader, which was not trained on them."""

from collections.abc import Callable

import cv2
import numpy as np

WORDS = ("patient", "report", "the", "of", "normal", "January", "total", "price", "street", "12.5", "mg", "see", "note")
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_DUPLEX)


def draw_other_picture(seed: int) -> tuple[str, np.ndarray]:
    """The kind and picture (H, W, 3), uint8 RGB, of a seed; the kinds take turns, the size is random."""
    rng = np.random.default_rng((seed, 20))
    kinds = tuple(KINDS)
    height, width = (int(side) for side in rng.integers(500, 1700, 2))
    kind = kinds[seed % len(kinds)]
    picture = np.full((height, width, 3), rng.integers(215, 256, 3), np.uint8)
    KINDS[kind](rng, picture)
    if rng.random() < 0.5:  # like a photo of it
        light = np.linspace(rng.uniform(0.6, 1), 1, width) * np.linspace(rng.uniform(0.7, 1), 1, height)[:, None]
        noisy = picture * light[..., None] + rng.normal(0, rng.uniform(1, 6), picture.shape)
        picture = cv2.GaussianBlur(noisy.clip(0, 255).astype(np.uint8), (3, 3), rng.uniform(0.3, 1.2))
    return kind, picture


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(0, 150, 3))


def _chart(rng: np.random.Generator, picture: np.ndarray) -> None:
    """One to four panels with axes and curves: random walks, waves, curves with peaks, or bars."""
    height, width = picture.shape[:2]
    panels = int(rng.integers(1, 5))
    for top in np.linspace(0.05, 0.95, panels + 1)[:-1] * height:
        high, left, wide = 0.75 * 0.9 * height / panels, 0.08 * width, 0.86 * width
        if rng.random() < 0.6:
            for y in np.linspace(top, top + high, int(rng.integers(3, 12))):
                cv2.line(picture, (int(left), int(y)), (int(left + wide), int(y)), (205, 205, 215), 1)
        cv2.polylines(
            picture, [np.int32([(left, top), (left, top + high), (left + wide, top + high)])], False, (0,) * 3
        )
        for _ in range(int(rng.integers(1, 4))):
            x = np.linspace(0, 1, int(rng.integers(8, 400)))
            kind = int(rng.integers(4))
            if kind == 0:
                y = np.cumsum(rng.normal(0, 1, len(x)))
            elif kind == 1:
                y = np.sin(x * rng.uniform(5, 90) + rng.uniform(0, 6)) * (1 + rng.uniform(0, 2) * x)
            elif kind == 2:
                at = rng.uniform(0, 1, int(rng.integers(1, 9)))
                y = np.exp(-(((x[:, None] - at) / rng.uniform(0.005, 0.08)) ** 2)).sum(axis=1)
            else:
                for place in x[:: max(1, len(x) // 30)]:
                    corner = (int(left + wide * place), int(top + high * (1 - rng.random())))
                    end = (int(left + wide * place + wide / 50), int(top + high))
                    cv2.rectangle(picture, corner, end, _colour(rng), -1)
                continue
            y = (y - y.min()) / max(float(np.ptp(y)), 1e-6)
            points = np.stack([left + wide * x, top + high * (1 - 0.9 * y)], axis=1)
            cv2.polylines(picture, [points.astype(np.int32)], False, _colour(rng), int(rng.integers(1, 4)), cv2.LINE_AA)


def _text(rng: np.random.Generator, picture: np.ndarray) -> None:
    """A page of text in one or two columns, with headings and rules."""
    height, width = picture.shape[:2]
    font, size = int(rng.choice(FONTS)), rng.uniform(0.4, 1.1)
    columns, pitch = int(rng.integers(1, 3)), round(size * rng.uniform(28, 45))
    for column in range(columns):
        left, right = ((column + share) * width / columns for share in (0.08, 0.93))
        for y in range(int(rng.integers(30, 120)), height - 20, pitch):
            if rng.random() < 0.05:
                cv2.line(picture, (int(left), y), (int(right), y), (60, 60, 60), 1)
                continue
            text, line = "", ""
            while cv2.getTextSize(text, font, size, 1)[0][0] < right - left:
                line, text = text, f"{text} {rng.choice(WORDS)}"
            cv2.putText(picture, line, (int(left), y), font, size, (30, 30, 30), 1 + (rng.random() < 0.1), cv2.LINE_AA)


def _table(rng: np.random.Generator, picture: np.ndarray) -> None:
    """A table or form over most of the page, with lines and entries."""
    height, width = picture.shape[:2]
    ys = np.linspace(0.06, 0.94, int(rng.integers(4, 30))) * height
    xs = np.sort(np.append(rng.uniform(0.06, 0.94, int(rng.integers(1, 8))), [0.06, 0.94])) * width
    colour, thick = _colour(rng), int(rng.integers(1, 4))
    for y in ys:
        cv2.line(picture, (int(xs[0]), int(y)), (int(xs[-1]), int(y)), colour, thick)
    for x in xs:
        cv2.line(picture, (int(x), int(ys[0])), (int(x), int(ys[-1])), colour, thick)
    for y in ys[1:]:
        for x in xs[:-1]:
            if rng.random() < 0.7:
                cv2.putText(picture, str(rng.choice(WORDS)), (int(x) + 4, int(y) - 5), FONTS[0], 0.5, (20,) * 3, 1, 16)


def _texture(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Something like a photograph: noise of several scales, with shapes."""
    height, width = picture.shape[:2]
    scene = np.zeros(picture.shape, np.float32)
    for cells in (2, 5, 12, 40, 150):
        coarse = rng.normal(0, 1 / cells**0.6, (cells, cells, 3)).astype(np.float32)
        scene += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    scene = 120 + 90 * scene / (2 * scene.std())
    for _ in range(int(rng.integers(0, 25))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(scene, centre, int(rng.integers(10, 250)), _colour(rng), -1 if rng.random() < 0.6 else 3)
    picture[:] = scene.clip(0, 255)


def _blank(rng: np.random.Generator, picture: np.ndarray) -> None:
    """An empty page: plain, ruled, squared, or graph paper."""
    kind, pitch = int(rng.integers(4)), int(rng.integers(6, 50))
    if kind:
        colour = (tuple(int(value) for value in rng.integers(120, 220, 3)), (240, 160, 160))[int(rng.integers(2))]
        picture[::pitch] = colour
        if kind > 1:
            picture[:, ::pitch] = colour
        if kind > 2:
            picture[:: 5 * pitch], picture[:, :: 5 * pitch] = np.array(colour) // 2, np.array(colour) // 2


def _noise(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Noise of one scale, grey or in colours."""
    cell, channels = int(rng.integers(1, 12)), int(rng.choice([1, 3]))
    small = rng.integers(0, 256, (*(-(-side // cell) for side in picture.shape[:2]), channels), np.uint8)
    large = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    picture[:] = large if channels == 3 else large[..., None]


def _drawing(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Lines: a plan of rectangles, a map of smooth roads, handwriting-like loops, or scattered strokes."""
    height, width = picture.shape[:2]
    kind, colour = int(rng.integers(4)), _colour(rng)
    for _ in range(int(rng.integers(5, 40))):
        thick, start = int(rng.integers(1, 5)), rng.uniform(0, 1, 2) * (width, height)
        if kind == 0:
            end = start + rng.normal(0, 0.25, 2) * (width, height)
            cv2.rectangle(picture, start.astype(int).tolist(), end.astype(int).tolist(), colour, thick)
            continue
        steps = rng.normal(0, 1, (int(rng.integers(40, 400)), 2))
        if kind < 3:
            turns = np.cumsum(rng.normal(0, (0.05, 0.4)[kind - 1], len(steps)))
            steps = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        points = start + np.cumsum(steps * rng.uniform(1, 8), axis=0)
        cv2.polylines(picture, [points.astype(np.int32)], False, colour, thick, cv2.LINE_AA)


KINDS: dict[str, Callable[[np.random.Generator, np.ndarray], None]] = {
    "chart": _chart,
    "text": _text,
    "table": _table,
    "texture": _texture,
    "blank": _blank,
    "noise": _noise,
    "drawing": _drawing,
}
