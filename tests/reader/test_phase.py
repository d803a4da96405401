"""The exact places of grid lines."""

from functools import cache

import cv2
import numpy as np
import pytest

from ecgpipe.reader.geometry import fit_gradients
from ecgpipe.reader.phase import LocalShift, align_to_lines, local_shift, upright_lines

SHAPE = (700, 1400)
PIXELS_PER_MM = 5.45


def true_places(x: np.ndarray, y: np.ndarray, bend: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Millimetres of pixels, turned by a degree, and bent."""
    turn = np.deg2rad(1.0)
    right, down = x / PIXELS_PER_MM, y / PIXELS_PER_MM
    return right * np.cos(turn) + down * np.sin(turn) + bend * (right / 100) ** 2, down * np.cos(turn) - right * np.sin(
        turn
    )


def flat(right: np.ndarray) -> np.ndarray:
    return np.zeros_like(right)


def folded(right: np.ndarray) -> np.ndarray:
    """Height in mm: two slopes that meet in the middle of the page, and a bump."""
    return -0.012 * np.abs(right - 120) + 0.9 * np.exp(-(((right - 60) / 18) ** 2))


@cache
def printed(minor: float, bend: float = 0.0, height=flat) -> np.ndarray:
    """A grid, (700, 1400): lines every 5 mm, and lines every 1 mm of this strength, moved down by a height in mm."""
    across, down = ((np.arange(4 * side, dtype=np.float32) + 0.5) / 4 for side in SHAPE[::-1])
    strips = [_printed_rows(across, rows, minor, bend, height) for rows in np.split(down, 14)]
    return np.vstack(strips)


def _printed_rows(across: np.ndarray, rows: np.ndarray, minor: float, bend: float, height) -> np.ndarray:
    right, down = true_places(*np.meshgrid(across, rows), bend)
    lines = np.zeros(right.shape, np.float32)
    for place in (right, down + height(right)):
        for pitch, strength in ((1, minor), (5, 1.0)):
            lines[np.abs(place / pitch - np.rint(place / pitch)) * pitch < 0.12] = strength
    return cv2.resize(lines, (SHAPE[1], len(rows) // 4), interpolation=cv2.INTER_AREA)


@cache
def aligned(minor: float, bend: float = 0.0, height=flat):
    """The geometry found on that grid, from a flat one with both scales wrong by 0.3%."""
    return align_to_lines(printed(minor, bend, height), estimate(0.003), 1.0)


def estimate(error: float):
    """The flat geometry with both scales wrong by this share."""
    turn = np.deg2rad(1.0)
    gradients = [np.array([[np.cos(turn), np.sin(turn)]]), np.array([[-np.sin(turn), np.cos(turn)]])]
    scaled = [gradient * (1 + error) / PIXELS_PER_MM for gradient in gradients]
    return fit_gradients(np.array([[700.0, 350.0]]), scaled, [np.ones(1)] * 2, SHAPE, degree=1)


@pytest.mark.parametrize("minor", [0.5, 0.0])
@pytest.mark.parametrize("bend", [0.0, 0.3])
def test_lengths_over_the_whole_page_are_exact(minor, bend):
    ends = np.array([[40.0, 300.0], [1360.0, 300.0], [700.0, 40.0], [700.0, 660.0]])
    found = aligned(minor, bend).to_page(ends)
    true = np.stack(true_places(*ends.T, bend), axis=1)
    for axis, (first, last) in enumerate([(0, 1), (2, 3)]):
        length = (true[last] - true[first])[axis]
        assert (found[last] - found[first])[axis] == pytest.approx(length, abs=0.06)  # of 240 and 110 mm


@pytest.mark.parametrize("period", [1.0, 5.0])
def test_the_place_of_upright_lines_is_exact(period):
    grid, geometry = printed(0.5), aligned(0.5)
    place, agree = upright_lines(grid, geometry, 1.0, period)
    x, y = np.meshgrid(np.arange(SHAPE[1]) + 0.5, np.arange(SHAPE[0]) + 0.5)
    on_a_line = np.abs(true_places(x, y)[0] % 50 - 25) < 0.02
    found = geometry.to_page(np.stack([x[on_a_line], y[on_a_line]], axis=1))[:, 0]
    assert np.median((found - place + period / 2) % period) - period / 2 == pytest.approx(0, abs=0.04)
    assert 0.05 < agree < 1


def test_noise_does_not_change_the_geometry():
    rough = estimate(0.003)
    noise = cv2.GaussianBlur(np.random.default_rng(0).random(SHAPE, np.float32), (0, 0), 1.5)
    kept = align_to_lines(noise, rough, 1.0)
    assert (kept.x == rough.x).all() and (kept.y == rough.y).all()


def test_folds_are_followed_where_no_smooth_geometry_fits():
    grid, geometry = printed(0.5, height=folded), aligned(0.5, height=folded)
    shift = local_shift(grid, geometry, 1.0)
    assert shift is not None
    points = np.stack(np.meshgrid(np.arange(150, 1300, 25.0), np.arange(100, 600, 50.0)), axis=-1).reshape(-1, 2)
    right, down = true_places(*points.T)
    smooth = geometry.to_page(points)
    before, after = (np.std(page[:, 1] - down - folded(right)) for page in (smooth, smooth + shift.at(points)))
    assert after < 0.05 < 0.1 < before  # mm


def test_shifts_are_linear_between_places_for_any_number_of_points():
    shift = LocalShift(np.arange(24, dtype=np.float32).reshape(3, 4, 2), np.array([10.0, 20.0]), 5.0)
    many = np.tile([[12.5, 22.5], [-50.0, 500.0]], (40_000, 1))
    found = shift.at(many)
    assert found.shape == many.shape
    assert found[0] == pytest.approx([5, 6]) and found[1] == pytest.approx([16, 17])
    assert shift.over(many[:2].astype(np.float32)[None])[0] == pytest.approx(found[:2], abs=0.05)


def test_a_flat_page_has_no_folds():
    assert local_shift(printed(0.5), aligned(0.5), 1.0) is None
