"""Synthetic training pages: the same for a seed, and their truth agrees with their pictures."""

import numpy as np
import pytest

from ecgpipe.reader.degrade import take_picture
from ecgpipe.reader.drawing import FONTS, Window, draw_line, draw_window
from ecgpipe.reader.examples import make_example
from ecgpipe.reader.layouts import Slot, random_layout, random_style, random_wave
from ecgpipe.reader.network import CELL, GEOMETRY_MAPS, LEAD_NAMES

SIZE = 192


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    """int16 (4, 12, 5000): a narrow R wave every 0.8 s, in microvolts."""
    time = np.arange(5000) / 500
    beat = 1000 * np.exp(-(((time % 0.8) - 0.4) ** 2) / 2e-4)
    return np.broadcast_to(beat.astype(np.int16), (4, 12, 5000))


def test_an_example_depends_only_on_its_seed(signals: np.ndarray) -> None:
    first, again, other = (make_example(seed, signals, 500, SIZE) for seed in ((3, 5), (3, 5), (3, 6)))
    for name, value in vars(first).items():
        assert np.array_equal(value, getattr(again, name)), name
    assert not np.array_equal(first.picture, other.picture)


def test_examples_have_the_documented_shapes_and_ranges(signals: np.ndarray) -> None:
    cells = SIZE // CELL
    for number in range(12):
        example = make_example((0, number), signals, 500, SIZE)
        assert example.picture.shape == (SIZE, SIZE, 3) and example.picture.dtype == np.uint8
        assert example.masks.shape == (5, SIZE, SIZE) and set(np.unique(example.masks)) <= {0, 1}
        assert not (example.masks[0] & (example.masks[1] | example.masks[2])).any()
        assert example.names.shape == (len(LEAD_NAMES), cells, cells) and example.names.max() <= 1
        assert example.geometry.shape == (len(GEOMETRY_MAPS), cells, cells)
        assert np.isfinite(example.geometry).all() and np.abs(example.offset).max() <= 4


def test_traces_are_darker_than_their_surroundings(signals: np.ndarray) -> None:
    """On 40 examples, the pixels marked as readable trace are darker than the page's median nearly everywhere."""
    darker = []
    for number in range(40):
        example = make_example((1, number), signals, 500, SIZE)
        trace = (example.masks[0] & example.masks[4]) > 0
        if trace.sum() > 200:
            grey = example.picture.min(axis=2)
            darker.append(np.mean(grey[trace] < np.median(grey)))
    assert len(darker) > 10
    assert np.median(darker) > 0.8


def test_offset_is_the_height_above_the_baseline(signals: np.ndarray) -> None:
    """For every pixel of a trace: its row plus its offset in pixels is the row of one of the layout's baselines."""
    rng = np.random.default_rng(4)
    layout = random_layout(rng)
    window = Window(400, 4.0, 0.0, layout.top - 30)
    draw_window(rng, window, layout, random_style(rng, len(FONTS)), signals, 500)
    rows, columns = np.nonzero(window.truth)
    assert len(rows) > 500
    found = rows / window.scale + window.y0 + window.offset[rows, columns]
    baselines = np.array([slot.baseline for slot in layout.slots])
    assert np.abs(found[:, None] - baselines).min(axis=1).max() < 0.01


def test_moved_pages_keep_their_coordinates() -> None:
    """Grid crossings of a printed page lie at whole millimetres in the moved picture's coordinates."""
    rng = np.random.default_rng(0)
    window = Window(320, 6.0, 10.0, 20.0)
    grid = np.zeros((320, 320), np.float32)
    marks = {(x, y) for x in range(15, 55, 5) for y in range(25, 65, 5)}
    for x, y in marks:
        column, row = np.rint(window.pixels(x, y)).astype(int)
        grid[row - 1 : row + 1, column - 1 : column + 1] = 1
    for _ in range(8):
        view = take_picture(rng, window, np.ones((320, 320, 3), np.float32), grid, 256)
        rows, columns = np.nonzero(view.grid > 0.5)
        x, y = view.x[rows, columns], view.y[rows, columns]
        assert len(rows) and np.abs(x - np.rint(x / 5) * 5).max() < 0.35 and np.abs(y - np.rint(y / 5) * 5).max() < 0.35


@pytest.mark.parametrize("width", [1.4, 2.0, 3.5, 6.0])
def test_lines_have_the_width_asked_for(width: float) -> None:
    cover = np.zeros((60, 60), np.uint8)
    draw_line(cover, np.array([[5.0, 30.0], [55.0, 30.0]]), width)
    assert cover[:, 20:40].mean(axis=1).sum() / 255 == pytest.approx(width, abs=0.35)


def test_waves_fill_their_slot_and_stay_in_range(signals: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        time, wave = random_wave(rng, signals, 500, Slot("V1", 0, 0, 62.5, 2.5, 6), 25)
        assert len(time) == len(wave) == 1250
        assert np.isfinite(wave).all() and np.abs(wave).max() <= 6


def test_layouts_name_every_lead_once_except_in_strips() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        layout = random_layout(rng)
        names = [slot.name for slot in layout.slots if slot.baseline < layout.top + (layout.rows - 0.5) * layout.pitch]
        assert len(set(names)) == len(names) and set(names) <= set(LEAD_NAMES)
        assert all(slot.width > 0 and slot.start >= 0 for slot in layout.slots)
