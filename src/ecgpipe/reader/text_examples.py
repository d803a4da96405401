"""Synthetic training examples for the network that reads printed scales: lines of text on random pages."""

import cv2
import numpy as np

from ecgpipe.reader.degrade import View, degrade_view, take_picture
from ecgpipe.reader.drawing import FONTS, WORDS, Window, draw_window, print_page
from ecgpipe.reader.layouts import random_layout, random_style
from ecgpipe.reader.printed_scales import view_of_text

SIDE = 80.0  # mm, side of the pictures that show the lines
LINES = 10  # of text in a picture, at most
PITCH = 7.5  # mm between them
SPACED = 0.2  # share of lines with wide gaps between all letters
SPEEDS = (25, 25, 50, 50, 50, 12.5, 100, 10, 5)  # mm/s, the usual ones more often
GAINS = (10, 10, 5, 5, 20, 20, 2.5)  # mm/mV
SPEED_UNITS = ("mm/s", "mm/s", "mm/sec", "mm/sec.", "mm/S")
GAIN_UNITS = ("mm/mV", "mm/mV", "mm/mV", "mm/mv")
BEFORE = ("Speed", "Speed:", "Paper speed:", "Vorschub", "Geschw.:", "Velocidad", "", "", "", "")
BEFORE_GAIN = ("Gain", "Gain:", "Limb:", "Limb", "Chest:", "Ampl.", "Sens.", "", "", "", "", "")
BESIDE = (
    "0.15-40 Hz", "0.05~150Hz", "0.67-25Hz", "F 50~", "AC50", "AC 50Hz", "W 100 Hz", "4*2.5s", "4x2.5s+1r", "12SL 239",
    "~", "60Hz", "#1", "V1.0", "SE-3", "Page 1 of 1", "100Hz", "ADS", "FILT", "EMG 35 Hz", "3x4+1R", "PHILIPS", "D",
)  # fmt: skip
LIKE_SCALES = ("mmHg", "ms", "bpm", "mm", "mV", "s", "mV/s", "cm", "kg", "/min", "mm Hg", "sec", "m/s", "Hz", "V/m")


def random_text(rng: np.random.Generator) -> str:
    """A line of text; six of ten contain a paper speed or a gain."""
    if rng.random() < 0.4:
        parts = [_other(rng) for _ in range(int(rng.integers(1, 4)))]
    else:
        parts = [make(rng) for make in (_speed, _gain) if rng.random() < 0.75]
        for _ in range(int(rng.integers(0, 4))):
            parts.insert(int(rng.integers(len(parts) + 1)), str(rng.choice(BESIDE)))
    return (" " * int(rng.integers(1, 5))).join(parts) or "25 mm/s"


def _speed(rng: np.random.Generator) -> str:
    return _scale(rng, float(rng.choice(SPEEDS)), BEFORE, SPEED_UNITS)


def _gain(rng: np.random.Generator) -> str:
    if rng.random() < 0.1:
        return _scale(rng, float(rng.choice(GAINS)) / 10, BEFORE_GAIN, ("cm/mV",))
    text = _scale(rng, float(rng.choice(GAINS)), BEFORE_GAIN, GAIN_UNITS)
    return text if rng.random() < 0.8 else f"{text} {_scale(rng, float(rng.choice(GAINS)), BEFORE_GAIN, GAIN_UNITS)}"


def _scale(rng: np.random.Generator, value: float, before: tuple[str, ...], units: tuple[str, ...]) -> str:
    number = f"{value:.1f}" if rng.random() < 0.25 and value >= 1 else f"{value:g}"
    space = "" if rng.random() < 0.5 else " "
    return f"{rng.choice(before)} {number}{space}{rng.choice(units)}".strip()


def _other(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.4:
        return str(rng.choice(WORDS))
    if kind < 0.6:
        return f"{rng.integers(1, 250)}{rng.choice(['', ' '])}{rng.choice(LIKE_SCALES)}"
    if kind < 0.75:
        return f"{rng.integers(1, 31):02d}.{rng.integers(1, 13):02d}.{rng.integers(1990, 2030)}"
    if kind < 0.85:
        return "".join(rng.choice(list("0123456789./:-")) for _ in range(int(rng.integers(2, 10))))
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüéñ")
    return "".join(rng.choice(letters) for _ in range(int(rng.integers(2, 12))))


def make_text_examples(
    seed: tuple[int, int], signals: np.ndarray, sampling_rate: float
) -> list[tuple[np.ndarray, str]]:
    """Draw lines of text on a part of a random page.

    Args:
        seed: of the run, and the example's number; the same pair gives the same example.
        signals: int16 (records, 12, samples), microvolts.
        sampling_rate: Hz.

    Returns:
        Views uint8 (32, W) as in ``view_of_text``, and their texts; 1 to 10.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[np.ndarray, str]] = []
    while not found:  # no line may be whole in the picture
        found = _lines_on_a_page(rng, signals, sampling_rate)
    return found


def _lines_on_a_page(
    rng: np.random.Generator, signals: np.ndarray, sampling_rate: float
) -> list[tuple[np.ndarray, str]]:
    scale = float(np.exp(rng.uniform(np.log(3.2), np.log(9))))
    window = Window(round(SIDE * 1.25 * scale), scale, 0.0, 0.0)
    if rng.random() < 0.35:  # among traces
        draw_window(rng, window, random_layout(rng), random_style(rng, len(FONTS)), signals, sampling_rate)
    heights = rng.permutation(LINES)[: int(rng.integers(3, LINES + 1))]
    lines = [_write(rng, window, 15 + PITCH * (height + rng.uniform(-0.2, 0.2))) for height in heights]
    view = take_picture(rng, window, *print_page(rng, window), round(SIDE * scale))
    picture = cv2.cvtColor(degrade_view(rng, view), cv2.COLOR_RGB2GRAY)
    found = [(_view(rng, picture, view, box), text) for box, text in lines if box.any()]
    return [(shown, text) for shown, text in found if shown is not None]


def _write(rng: np.random.Generator, window: Window, y: float) -> tuple[np.ndarray, str]:
    """Write a line of text at y mm; returns its box (left, top, right, bottom), mm, zeros if it does not fit."""
    text, size = random_text(rng), float(rng.uniform(1.7, 3.8))
    spaced = rng.random() < SPACED
    before = window.ink.copy()
    window.ink[:] = 0
    left = rng.uniform(8, 12 if spaced else 40)
    shown = " ".join(text) if spaced else text
    window.write(left, y, shown, size, int(rng.integers(len(FONTS))), plotter=rng.random() < 0.25)
    rows, columns = np.nonzero(window.ink > 60)
    window.ink[:] = np.maximum(before, window.ink)
    if not len(rows) or columns.max() > window.size - 3:
        return np.zeros(4), text
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / window.scale, text


def _view(rng: np.random.Generator, picture: np.ndarray, view: View, box: np.ndarray) -> np.ndarray | None:
    """The view of a line of text, about as the reader finds it; None if it is not whole in the picture."""
    left, top, right, bottom = box
    places = []
    for x, y in ((left, top), (right, top), (left, bottom), (right, bottom)):
        away = (view.x - x) ** 2 + (view.y - y) ** 2
        if away.min() > (2 / view.scale) ** 2:
            return None  # outside the picture
        row, column = np.unravel_index(away.argmin(), away.shape)
        places.append((column + 0.5, row + 0.5))
    upper_left, upper_right, lower_left, lower_right = np.array(places)
    along = (upper_right + lower_right - upper_left - lower_left) / 2
    down = (lower_left + lower_right - upper_left - upper_right) / 2
    down = down * rng.uniform(0.9, 1.35)  # the reader's boxes are higher if the text is slanted or touches something
    along = along * (1 + rng.uniform(-0.01, 0.04))
    middle = np.mean(places, axis=0) + down * rng.normal(0, 0.05) + along * rng.normal(0, 0.005)
    angle = np.deg2rad(rng.normal(0, 0.8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return view_of_text(picture, middle, turn @ along, turn @ down * np.exp(rng.normal(0, 0.12)))
