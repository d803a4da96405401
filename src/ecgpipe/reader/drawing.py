"""A window of a flat, freshly printed page, drawn with the truth of every pixel."""

from functools import lru_cache

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecgpipe.reader.layouts import PrintStyle, RandomLayout, Slot, pick, random_wave
from ecgpipe.reader.network import LEAD_NAMES

FONTS = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf",
    "STIXGeneralBol.ttf", "cmr10.ttf", "cmss10.ttf", "DejaVuSans-Oblique.ttf", "cmtt10.ttf",
)  # fmt: skip
"""Fonts that come with matplotlib."""
WORDS = (
    "Vent. rate", "PR interval", "QRS duration", "QT/QTc", "P-R-T axes", "BPM", "ms", "Normal sinus rhythm",
    "Abnormal ECG", "Left axis deviation", "Unconfirmed", "25mm/s", "10mm/mV", "0.15-40 Hz", "Name:", "ID:", "Sex: M",
    "Age: 63", "Room", "Nonspecific ST", "*** Poor data quality", "Referred by:", "Page 1 of 1", "F 50~", "SN 12345",
    "Technician", "W", "100Hz", "392/457", "52 -41 23", "Borderline", "Sinusrhythmus", "HF", "Filter: AC 50",
)  # fmt: skip
HUES = (
    (0, 1, 1), (0.05, 0.75, 0.6), (0, 0.65, 1), (0.4, 0.75, 1), (1, 0.35, 0.85), (1, 0.6, 0.1), (0.9, 0.9, 0.9),
    (1, 1, 1), (0.1, 0.9, 0.5), (0.6, 0.8, 0.9),
)  # fmt: skip
"""How much of red, green and blue a full grid line absorbs."""
SHIFT = 8  # OpenCV takes points in 1/256 pixel
HAIRLINE = 1.4  # pixels, width of OpenCV's thinnest anti-aliased line
TRUTH_WIDTH = 1.7  # pixels, minimum width of a trace in the target, so that it has no gaps


class Window:
    """A square window of a page. Pixel (x, y) shows the point (x0 + x / scale, y0 + y / scale) mm.

    Attributes:
        trace, ink, pulse: uint8 (size, size), how much of each pixel is covered by traces, by names, text and
            separators, and by calibration pulses.
        truth: uint8 (size, size), 255 on a trace, else 0.
        offset: float32 (size, size), height of that trace above its own baseline, in mm.
        labels: (x, y, index in LEAD_NAMES) of the centre of each printed lead name, in pixels.
    """

    def __init__(self, size: int, scale: float, x0: float, y0: float) -> None:
        self.size, self.scale, self.x0, self.y0 = size, scale, x0, y0
        self.trace, self.ink, self.pulse, self.truth = (np.zeros((size, size), np.uint8) for _ in range(4))
        self.offset = np.zeros((size, size), np.float32)
        self.labels: list[tuple[float, float, int]] = []

    def pixels(self, x: object, y: object) -> np.ndarray:
        """Points in mm as pixels, float (..., 2)."""
        return np.stack([(np.asarray(x) - self.x0) * self.scale, (np.asarray(y) - self.y0) * self.scale], axis=-1)

    def line(self, cover: np.ndarray, points: list[tuple[float, float]], width: float) -> None:
        """Draw a line through points in mm, ``width`` mm wide."""
        draw_line(cover, self.pixels(*np.array(points).T), max(1.2, width * self.scale))

    def write(
        self, x: float, y: float, text: str, size: float, font: int, plotter: bool = False
    ) -> tuple[float, float]:
        """Write text whose baseline starts at (x, y) mm, ``size`` mm high; returns its centre in pixels."""
        (left, base), height = self.pixels(x, y), max(5.0, size * self.scale)
        if plotter:
            scale, weight = height / 22, max(1, round(height / 14))
            (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
            if -width < left < self.size and 0 < base < self.size + height:
                place = int(left), int(base)
                cv2.putText(self.ink, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, weight, cv2.LINE_AA)
            return left + width / 2, base - height / 2
        face = _font(FONTS[font], round(height * 1.35))
        box = np.array(face.getbbox(text, anchor="ls")) + np.array([left, base, left, base])
        x0, y0 = np.maximum(box[:2].astype(int) - 1, 0)
        x1, y1 = np.minimum(box[2:].astype(int) + 2, self.size)
        if x1 > x0 and y1 > y0:
            part = Image.fromarray(self.ink[y0:y1, x0:x1])
            ImageDraw.Draw(part).text((left - x0, base - y0), text, 255, font=face, anchor="ls")
            self.ink[y0:y1, x0:x1] = np.asarray(part)
        return float(box[[0, 2]].mean()), float(box[[1, 3]].mean())


@lru_cache(maxsize=512)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size)


def draw_line(cover: np.ndarray, points: np.ndarray, width: float) -> None:
    """Draw an anti-aliased line, ``width`` pixels wide, through points (n, 2) into a coverage uint8 (H, W)."""
    if len(points) < 2:
        return
    half = max(0.0, (width - HAIRLINE) / 2)
    offsets = np.linspace(-half, half, 1 + int(np.ceil(2 * half))) if half else np.zeros(1)
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None]
    limit = 1 << 20
    for offset in offsets:
        fixed = np.rint((points + offset * normal - 0.5) * (1 << SHIFT)).clip(-limit, limit).astype(np.int32)
        cv2.polylines(cover, [fixed], False, 255, 1, cv2.LINE_AA, SHIFT)


def draw_window(
    rng: np.random.Generator, window: Window, layout: RandomLayout, style: PrintStyle, signals: np.ndarray, rate: float
) -> None:
    """Print everything except the grid into a window: names, separators, pulses, texts, traces."""
    width = max(1.0 / window.scale, float(np.exp(rng.uniform(np.log(0.12), np.log(0.65)))))
    for slot in layout.slots:
        first = slot.x < layout.left + 1
        if style.named and rng.random() < 0.97:
            _name(rng, window, slot, style)
        if not first or rng.random() < 0.1:
            _separator(rng, window, slot, style, layout)
        _pulse(rng, window, slot, style, layout, width)
    _texts(rng, window, layout)
    for slot in layout.slots:
        seconds, millivolts = random_wave(rng, signals, rate, slot, layout.speed)
        wider = 1 if rng.random() < 0.9 else rng.uniform(1.3, 2.2)
        _trace(window, slot, slot.x + seconds * layout.speed, slot.baseline - millivolts * layout.gain, width * wider)


def _name(rng: np.random.Generator, window: Window, slot: Slot, style: PrintStyle) -> None:
    right, away = style.name_offset
    x = slot.x + right - (style.name_size * 2.5 if style.name_position == "left" else 0)
    y = {"above": -away, "below": away + style.name_size / 2, "on": rng.uniform(-2, 3), "left": 1}[style.name_position]
    text = slot.name
    if rng.random() < 0.1:
        text = text.upper() if rng.random() < 0.7 else " ".join(text)
    centre = window.write(x, slot.baseline + y, text, style.name_size, style.font, style.plotter)
    window.labels.append((*centre, LEAD_NAMES.index(slot.name)))


def _separator(rng: np.random.Generator, window: Window, slot: Slot, style: PrintStyle, layout: RandomLayout) -> None:
    x, y, length, width = slot.x - layout.gap / 2, slot.baseline, style.separator_length, style.separator_width
    bars: list[tuple[float, float]] = []
    if style.separator == "bar":
        bars = [(y - length, y + length * rng.uniform(0.2, 1))]
    elif style.separator == "line":
        bars, width = [(layout.top - layout.pitch / 2, layout.top + (layout.rows - 0.4) * layout.pitch)], width / 2
    elif style.separator == "dashes":
        step = rng.uniform(1, 3)
        bars = [(at, at + step * 0.55) for at in np.arange(y - 1.5 * length, y + 1.5 * length, step)]
    elif style.separator == "ticks":
        bars = [(y - 4 - length / 3, y - 4), (y + 4, y + 4 + length / 3)]
    elif style.separator == "colon":
        bars = [(y + side * length / 2 - 0.3, y + side * length / 2 + 0.3) for side in (-1, 1)]
    for top, bottom in bars:
        window.line(window.ink, [(x, top), (x, bottom)], width)


def _pulse(
    rng: np.random.Generator, window: Window, slot: Slot, style: PrintStyle, layout: RandomLayout, width: float
) -> None:
    wide, foot = style.pulse_width, style.pulse_foot
    if style.pulse == "each" or (style.pulse == "left" and slot.x < layout.left + 1):
        x = slot.x - wide - foot - rng.uniform(0, 1)
    elif style.pulse == "right" and slot.x + slot.width > layout.width - 22:
        x = slot.x + slot.width + foot
    else:
        return
    low, high = slot.baseline, slot.baseline - layout.gain
    corners = [(x - foot, low), (x, low), (x, high), (x + wide, high), (x + wide, low), (x + wide + foot, low)]
    window.line(window.pulse, corners, width * rng.uniform(0.8, 1.2))


def _texts(rng: np.random.Generator, window: Window, layout: RandomLayout) -> None:
    """Headers, footers, tables, frames, time marks and handwriting."""
    top = max(5.0, layout.top - layout.pitch * 0.5)
    if rng.random() < 0.8:
        font, size = int(rng.integers(len(FONTS))), rng.uniform(1.8, 3.6)
        for _ in range(int(rng.integers(1, 7))):
            low, high = _band(rng, top, layout)
            x, y = rng.uniform(0, layout.width), rng.uniform(low, high)
            larger = 1.0 if rng.random() < 0.85 else rng.uniform(1.3, 2.5)
            for line in range(int(rng.integers(1, 6))):
                window.write(x, y + line * size * larger * 1.7, _phrase(rng), size * larger, font)
    if rng.random() < 0.15:
        _table(rng, window, rng.uniform(0, layout.width * 0.7), rng.uniform(0, top))
    if rng.random() < 0.2:
        _frame(rng, window, layout, top)
    if rng.random() < 0.15:
        y = rng.uniform(0, layout.height)
        window.line(window.ink, [(0, y), (layout.width, y)], rng.uniform(0.2, 0.6))
    if rng.random() < 0.15:
        step, length = float(rng.choice([5, 25, 25])), rng.uniform(1, 3)
        y = layout.height - 6 if rng.random() < 0.5 else top
        for mark in np.arange(layout.left, layout.width, step):
            window.line(window.ink, [(mark, y), (mark, y + length)], 0.3)
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 4))):
            _scribble(rng, window)


def _band(rng: np.random.Generator, top: float, layout: RandomLayout) -> tuple[float, float]:
    """Where text is on a page: mostly above the first row, sometimes below the last one or among the traces."""
    kind = pick(rng, {"header": 0.65, "footer": 0.17, "anywhere": 0.18})
    return {"header": (0.0, top), "footer": (layout.height - 8, layout.height), "anywhere": (0.0, layout.height)}[kind]


def _frame(rng: np.random.Generator, window: Window, layout: RandomLayout, top: float) -> None:
    """A box around the page, its header or its traces, or around each row."""
    inset, width = rng.uniform(0.5, 4), rng.uniform(0.15, 0.8)
    left, right, bottom = inset, layout.width - inset, layout.height - inset
    kind = pick(rng, {"page": 0.3, "both": 0.25, "traces": 0.3, "rows": 0.15})
    edges = {"page": [inset, bottom], "both": [inset, top, bottom], "traces": [top, bottom]}.get(kind)
    if edges is None:
        edges = [layout.top + (row - 0.5) * layout.pitch for row in range(layout.rows + 1)]
    _boxes(window, [left, right], edges, width)


def _table(rng: np.random.Generator, window: Window, x: float, y: float) -> None:
    """Measurements in a ruled table."""
    size, font = rng.uniform(1.8, 3), int(rng.integers(len(FONTS)))
    columns = x + np.cumsum([0, *rng.uniform(12, 35, int(rng.integers(1, 5)))])
    rows = y + np.arange(int(rng.integers(2, 7))) * size * rng.uniform(1.6, 2.2)
    _boxes(window, list(columns), list(rows), rng.uniform(0.1, 0.5))
    for row in rows[1:]:
        for column in columns[:-1]:
            window.write(column + 1, row - 0.3 * size, str(rng.choice(WORDS)), size, font)


def _boxes(window: Window, columns: list[float], rows: list[float], width: float) -> None:
    for y in rows:
        window.line(window.ink, [(columns[0], y), (columns[-1], y)], width)
    for x in columns:
        window.line(window.ink, [(x, rows[0]), (x, rows[-1])], width)


def draw_something_else(rng: np.random.Generator, window: Window) -> None:
    """Print a page without an ECG: text, a table, a chart, scribbles, or nothing."""
    side = window.size / window.scale
    kind = pick(rng, {"text": 0.3, "table": 0.1, "chart": 0.4, "scribbles": 0.1, "nothing": 0.1})
    if kind == "text":
        font, size = int(rng.integers(len(FONTS))), rng.uniform(1.8, 6)
        for y in np.arange(rng.uniform(0, 2 * size), side, size * rng.uniform(1.4, 2.2)):
            text = "  ".join(_phrase(rng) for _ in range(3))
            window.write(window.x0 + rng.uniform(0, 3), window.y0 + y, text, size, font)
    elif kind == "chart":
        x, y = window.x0 + rng.uniform(0, 0.3) * side, window.y0 + rng.uniform(0.5, 0.95) * side
        wide, high = rng.uniform(0.4, 1) * side, rng.uniform(0.2, 0.8) * side
        window.line(window.ink, [(x, y - high), (x, y), (x + wide, y)], rng.uniform(0.2, 0.7))
        for _ in range(int(rng.integers(1, 4))):
            count = int(rng.integers(3, 40))
            values = rng.uniform(0, 1, count) if rng.random() < 0.5 else np.linspace(0, 1, count) ** rng.uniform(0.3, 3)
            if rng.random() < 0.25:  # bars
                for at, value in zip(np.linspace(x, x + wide, count), values, strict=True):
                    window.line(window.ink, [(at, y), (at, y - high * value)], wide / count * rng.uniform(0.2, 0.6))
            else:
                line = list(zip(np.linspace(x, x + wide, count), y - high * values, strict=True))
                window.line(window.ink, line, rng.uniform(0.2, 0.8))
    elif kind == "table":
        for _ in range(int(rng.integers(1, 4))):
            x, y = rng.uniform(-0.1, 0.8, 2) * side
            _table(rng, window, window.x0 + x, window.y0 + y)
    elif kind == "scribbles":
        for _ in range(int(rng.integers(2, 10))):
            _scribble(rng, window)


def _phrase(rng: np.random.Generator) -> str:
    words = (
        str(rng.choice(WORDS)) if rng.random() < 0.7 else str(rng.integers(1, 999)) for _ in range(rng.integers(1, 4))
    )
    return "  ".join(words)


def _scribble(rng: np.random.Generator, window: Window) -> None:
    """A line of handwriting: a smoothed random walk, 5 to 40 mm long."""
    points = np.cumsum(rng.normal(0, 1, (int(rng.integers(20, 120)), 2)), axis=0).astype(np.float32)
    points = cv2.GaussianBlur(points[:, None], (1, 7), 2)[:, 0] * rng.uniform(1, 3)
    points[:, 0] += np.linspace(0, rng.uniform(5, 40), len(points))
    points += np.array([window.x0, window.y0]) + rng.uniform(0, window.size / window.scale, 2)
    window.line(window.ink, [(x, y) for x, y in points], rng.uniform(0.2, 0.6))


def _trace(window: Window, slot: Slot, x: np.ndarray, y: np.ndarray, width: float) -> None:
    points = window.pixels(x, y)
    points = points[(points[:, 0] > -30) & (points[:, 0] < window.size + 30)]
    if len(points) < 2 or points[:, 1].max() < -8 or points[:, 1].min() > window.size + 8:
        return
    points = cv2.approxPolyDP(points.astype(np.float32)[:, None], 0.1, False)[:, 0]
    draw_line(window.trace, points, width * window.scale)
    mask = np.zeros_like(window.truth)
    draw_line(mask, points, max(width * window.scale, TRUTH_WIDTH))
    covered = mask > 100
    window.truth[covered] = 255
    baseline = (slot.baseline - window.y0) * window.scale
    window.offset[covered] = (baseline - np.nonzero(covered)[0]) / window.scale


def print_page(rng: np.random.Generator, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Choose paper, grid and inks: the picture float32 (size, size, 3) in 0..1, and the grid's coverage in 0..1."""
    paper = np.ones(3)
    if rng.random() < 0.5:
        paper -= rng.uniform(0, 0.12) * np.array([0.3, 0.45, 1])  # yellowed
    if rng.random() < 0.12:
        paper *= rng.uniform(0.8, 1, 3)
    minor, major = _grid(rng, window)
    hue = np.array(HUES[int(rng.integers(len(HUES)))])
    strong = rng.uniform(0.15, 1.0) ** 1.3
    density = (
        np.maximum(minor * strong * rng.uniform(0.25, 1), major * strong)[..., None] * hue * rng.uniform(0.5, 0.95)
    )
    if rng.random() < 0.1:  # tinted between the lines
        paper *= 1 - hue * rng.uniform(0.03, 0.15)
    picture = (paper * (1 - density)).astype(np.float32)
    ink = _ink(rng)
    if strong > 0.7 and hue.min() > 0.5:  # on a dark grey grid the trace is darker still
        ink = ink * 0.3
    other = ink if rng.random() < 0.6 else _ink(rng)
    opacity = rng.uniform(0.65, 1)
    for cover, colour in ((window.ink, other), (window.pulse, ink), (window.trace, ink)):
        share = (cover.astype(np.float32) / 255 * opacity)[..., None]
        picture = picture * (1 - share) + colour.astype(np.float32) * share
    return picture, np.maximum(minor, major)


def _ink(rng: np.random.Generator) -> np.ndarray:
    """Colour of an ink, RGB in 0..1: black, grey, blue, or any dark colour."""
    kind = pick(rng, {"black": 0.55, "grey": 0.2, "blue": 0.15, "any": 0.1})
    if kind == "black":
        return np.full(3, rng.uniform(0, 0.15))
    if kind == "grey":
        return np.full(3, rng.uniform(0.15, 0.5))
    return rng.uniform((0, 0, 0.3), (0.25, 0.3, 0.7)) if kind == "blue" else rng.uniform(0, 0.45, 3)


def _grid(rng: np.random.Generator, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the 1 mm and of the 5 mm lines, float32 (size, size) in 0..1."""
    kind = pick(rng, {"lines": 0.7, "dots": 0.1, "dotted": 0.06, "major": 0.06, "none": 0.08})
    empty = np.zeros((window.size, window.size), np.float32)
    if kind == "none":
        return empty, empty
    thin = max(0.5, rng.uniform(0.06, 0.22) * window.scale)
    thick = max(thin, thin * rng.uniform(1, 2.2))
    shift = rng.uniform(0, 5, 2) if rng.random() < 0.5 else np.zeros(2)
    dot = max(1.2, rng.uniform(0.15, 0.35) * window.scale)

    def profiles(step: float, width: float) -> tuple[np.ndarray, np.ndarray]:
        across = _profile(window, window.x0 - shift[0], step, width)
        down = _profile(window, window.y0 - shift[1], step, width)
        return across[None], down[:, None]

    across, down = profiles(5, thick)
    major = np.maximum(across, down)
    if kind == "major":
        return empty, major
    if kind == "dots":
        if rng.random() < 0.5:
            half_across, half_down = profiles(0.5, dot)
            major = np.maximum(across * half_down, down * half_across)
        across, down = profiles(1, dot)
        return across * down, major
    across, down = profiles(1, thin)
    if kind == "dotted":
        half_across, half_down = profiles(0.5, 0.25 * window.scale)
        return np.maximum(across * half_down, down * half_across), major
    return np.maximum(across, down), major


def _profile(window: Window, origin: float, step: float, width: float) -> np.ndarray:
    """Coverage float32 (size,) of lines every ``step`` mm, ``width`` pixels wide, along one side of the window."""
    profile = np.zeros(window.size, np.float32)
    for number in range(int(np.ceil(origin / step)), int((origin + window.size / window.scale) / step) + 2):
        centre = (number * step - origin) * window.scale
        low, high = centre - width / 2, centre + width / 2
        for pixel in range(max(int(np.floor(low)), 0), min(int(np.ceil(high)), window.size)):
            profile[pixel] = max(profile[pixel], min(pixel + 1, high) - max(pixel, low))
    return profile
