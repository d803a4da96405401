"""Geometry from local directions and scales: known pages are recovered."""

import cv2
import numpy as np
import pytest

from ecgpipe.reader.geometry import fit_geometry
from ecgpipe.reader.upright import frame_around

CELL, ROWS, COLUMNS = 8, 60, 90


def homography(angle: float, scale: float, mirror: bool = False) -> np.ndarray:
    """From the picture's pixels to the page's mm: rotation, scale and a slight perspective."""
    a = np.deg2rad(angle)
    turn = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, 1, 0], [0.0004, -0.0002, 1]])
    centre = np.array([[1 / scale, 0, -360 / scale], [0, 1 / scale, -240 / scale], [0, 0, 1]])
    flip = np.diag([-1.0 if mirror else 1.0, 1, 1])
    return flip @ tilt @ turn @ centre


def to_page(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points[None].astype(float), matrix)[0]


def local_maps(matrix: np.ndarray) -> np.ndarray:
    """What a perfect network would return for the page, by differences."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    points = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * CELL
    half, across, along = 0.05, np.array([0.05, 0]), np.array([0, 0.05])
    right = (to_page(matrix, points + across) - to_page(matrix, points - across)) / (2 * half)
    down = (to_page(matrix, points + along) - to_page(matrix, points - along)) / (2 * half)
    per = np.hypot(right, down)
    maps = [right[:, 0] / per[:, 0], down[:, 0] / per[:, 0], right[:, 1] / per[:, 1], down[:, 1] / per[:, 1]]
    return np.stack([*maps, -np.log2(per[:, 0]) - 2, -np.log2(per[:, 1]) - 2]).reshape(6, ROWS, COLUMNS)


@pytest.mark.parametrize("angle", [0, 7, -25, 90, 180])
def test_a_known_page_is_recovered(angle: float) -> None:
    matrix = homography(angle, 5.0)
    geometry = fit_geometry(local_maps(matrix), np.ones((ROWS, COLUMNS)), 1)
    points = np.random.default_rng(0).uniform((0, 0), (COLUMNS * CELL, ROWS * CELL), (200, 2))
    error = geometry.to_page(points) - to_page(matrix, points)
    assert np.abs(error - error.mean(axis=0)).max() < 0.1  # mm; the origin is arbitrary
    assert np.cos(np.deg2rad(geometry.angle - angle)) > 0.9999
    assert geometry.pixels_per_mm == pytest.approx(5, rel=0.01)
    assert not geometry.mirrored


@pytest.mark.parametrize("scale", [0.25, 2])
def test_the_map_is_that_of_the_picture_not_of_the_networks_input(scale: float) -> None:
    matrix = homography(0, 5.0)
    geometry = fit_geometry(local_maps(matrix), np.ones((ROWS, COLUMNS)), scale)
    assert geometry.pixels_per_mm == pytest.approx(5 / scale, rel=0.01)
    points = np.array([[100.0, 100], [500, 300]])
    (first, second), (expected, other) = geometry.to_page(points / scale), to_page(matrix, points)
    assert second - first == pytest.approx(other - expected, abs=0.1)


def test_a_mirrored_page_is_noticed() -> None:
    assert fit_geometry(local_maps(homography(3, 5.0, mirror=True)), np.ones((ROWS, COLUMNS)), 1).mirrored


def test_the_inverse_returns_to_the_picture() -> None:
    geometry = fit_geometry(local_maps(homography(12, 4.0)), np.ones((ROWS, COLUMNS)), 1)
    points = np.random.default_rng(1).uniform((50, 50), (650, 400), (50, 2))
    back = geometry.to_picture(geometry.to_page(points), points + 15)
    assert np.abs(back - points).max() < 1e-6


def test_cells_without_weight_do_not_count() -> None:
    maps, weights = local_maps(homography(5, 5.0)), np.ones((ROWS, COLUMNS))
    maps[:, :20], weights[:20] = 9.0, 0
    assert fit_geometry(maps, weights, 1).angle == pytest.approx(5, abs=0.1)
    with pytest.raises(ValueError, match="no cell"):
        fit_geometry(maps, 0 * weights, 1)


def test_an_upright_page_has_straight_lines_at_its_millimetres() -> None:
    """A picture of a grid of 10 mm, seen at an angle, becomes a grid of 10 mm x 6 pixels."""
    matrix = homography(9, 5.0)
    y, x = np.mgrid[0 : ROWS * CELL, 0 : COLUMNS * CELL]
    page = to_page(matrix, np.stack([x.ravel(), y.ravel()], axis=1) + 0.5).reshape(*x.shape, 2)
    picture = np.where((np.abs(page - 10 * np.rint(page / 10)) < 0.3).any(axis=2), 0, 255).astype(np.uint8)
    geometry = fit_geometry(local_maps(matrix), np.ones((ROWS, COLUMNS)), 1)
    corners = np.array([[60.0, 60], [COLUMNS * CELL - 60, 60], [60, ROWS * CELL - 60], [COLUMNS * CELL - 60, 420]])
    flat = frame_around(corners, geometry, picture.shape, 6.0, 0, 4000).warp(picture)
    middle = flat[flat.shape[0] // 2 - 60 : flat.shape[0] // 2 + 60, flat.shape[1] // 2 - 90 : flat.shape[1] // 2 + 90]
    for profile in (middle.mean(axis=0), middle.mean(axis=1)):
        lines = np.flatnonzero(profile < 140)
        starts = lines[np.diff(lines, prepend=-9) > 1]
        assert len(starts) >= 2 and np.abs(np.diff(starts) - 60).max() <= 1
