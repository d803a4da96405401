"""The line of one lead, from hand-made maps of ink."""

import cv2
import numpy as np
import pytest

from ecgpipe.reader.line import follow_stroke, middle_of, thickest_pen


def drawn(heights: np.ndarray, thickness: float = 3.0, height: int = 120) -> np.ndarray:
    """A line through these heights, one per column, as a map of ink (height, n)."""
    big = np.zeros((8 * height, 8 * len(heights)), np.uint8)
    points = np.stack([np.arange(len(heights)) + 0.5, heights], axis=1) * 8
    cv2.polylines(big, [np.rint(points).astype(np.int32)], False, 255, round(8 * thickness))
    return cv2.resize(big, (len(heights), height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def follow_line(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    stroke = follow_stroke(ink)
    assert stroke is not None
    return middle_of(stroke)


def error(true: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(np.interp(np.arange(len(true)) + 0.5, x, y) - true)


def test_a_sine_is_followed_to_a_fraction_of_a_pixel():
    true = 60 + 30 * np.sin(np.arange(300) / 20)
    x, y = follow_line(drawn(true))
    assert len(x) >= 298 and error(true, x, y)[2:-2].max() < 0.4


@pytest.mark.parametrize("side", [-1, 1])
def test_a_narrow_spike_keeps_its_height_and_place(side):
    true = np.full(200, 60.0)
    true[98:103] += side * np.array([15, 30, 45, 30, 15])
    x, y = follow_line(drawn(true))
    assert abs(np.interp(100.5, x, y) - true[100]) < 2.5  # of 45
    away = np.r_[0:95, 106:200]
    assert error(true, x, y)[away].max() < 0.5


def test_the_tip_of_a_wave_with_a_broken_stroke_is_no_speck():
    true = np.full(200, 60.0)
    true[98:103] -= np.array([15, 30, 45, 30, 15])
    ink = drawn(true)
    ink[36:48, 90:111] = 0  # pale parts of the stroke, as on photos
    x, y = follow_line(ink)
    assert abs(np.interp(100.5, x, y) - true[100]) < 4  # of 45


def test_specks_do_not_attract_the_line():
    true = np.full(200, 60.0)
    ink = drawn(true)
    ink[20:24, 50:54] = 1  # above the line
    ink[:, 196:] = 0
    ink[10:13, 197:199] = 1  # alone, after its end
    x, y = follow_line(ink)
    assert error(true, x, y).max() < 0.5 and x.max() < 197


def test_a_gap_has_no_points():
    ink = drawn(np.full(200, 60.0))
    ink[:, 80:100] = 0
    x, y = follow_line(ink)
    assert not ((x > 80) & (x < 100)).any() and len(x) == 180 and np.abs(y - 60).max() < 0.5


def test_nothing_gives_nothing():
    assert follow_stroke(np.zeros((50, 60), np.float32)) is None


def test_the_pen_of_clean_leads_keeps_the_peaks_of_a_noisy_one():
    """Noise faster than the columns makes a thick stroke, whose disc does not enter a narrow peak."""
    clean = np.full(200, 60.0)
    clean[98:103] -= [15, 30, 45, 30, 15]
    noisy = clean.copy()
    noisy[:90:2] += 5
    noisy[110::2] += 5
    alone = follow_stroke(np.maximum(drawn(noisy), drawn(noisy + 2)))
    pen = thickest_pen([*[follow_stroke(drawn(clean))] * 9, alone])
    heights = [np.interp(100.5, *middle_of(alone, thickest)) for thickest in (np.inf, pen)]
    assert heights[1] == pytest.approx(clean[100], abs=5) and heights[0] > clean[100] + 15  # pixels of 45
