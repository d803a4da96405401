"""Tilted pages are rectified and straight ones are not changed; the exact map of the degradation is the reference."""

import cv2
import numpy as np
import pytest

from ecgpipe.config.pages import DegradeConfig, DegradeEffect, PreprocessConfig, RenderConfig
from ecgpipe.preprocess.apply import preprocess, preprocess_palette
from ecgpipe.preprocess.rectify import is_straight, palette_is_straight, rectify
from ecgpipe.preprocess.skew import straightening_homography
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page
from tests.preprocess.test_trace import beats

LAYOUTS = ["kit", "cardiac-images", "6x2", "12x1"]


def always(low: float, high: float) -> DegradeEffect:
    return DegradeEffect(probability=1, range=(low, high))


def photo(layout: str, name: str = "r1", **kinds):
    """A page with these degradations alone: (the degraded page, its picture)."""
    page = render_page(beats(), 500, RenderConfig(layout=layout))
    degraded = degrade_page(page, DegradeConfig(**{kind: always(*span) for kind, span in kinds.items()}), name)
    return degraded, degraded.image


def slopes(page, found) -> np.ndarray:
    """Angles in degrees that the left, top, right and bottom edge of the paper are off after rectification."""
    height, width = page.shape
    edges = []
    for start, end, upright in (((0, 0), (0, height), 1), ((0, 0), (width, 0), 0), ((width, 0), (width, height), 1),
                                ((0, height), (width, height), 0)):  # fmt: skip
        ends = found.points(page.warp.points(np.array([start, end], float)) - 0.5)
        along = ends[1] - ends[0]
        edges.append(np.arctan2(*(along if upright else along[::-1])))
    return np.rad2deg(edges)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_straight_pages_are_not_changed(layout):
    page = render_page(beats(), 500, RenderConfig(layout=layout))
    assert is_straight(page.image)
    assert palette_is_straight(page.indices, page.palette)
    found = rectify(page.image)
    assert found.image is page.image
    assert np.array_equal(found.matrix, np.eye(3))
    assert not found.changed
    off = PreprocessConfig(deskew=False)
    assert np.array_equal(
        preprocess_palette(page.indices, page.palette, PreprocessConfig()), preprocess(page.image, off)
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_full_detection_does_not_change_straight_pages_either(layout, monkeypatch):
    page = render_page(beats(), 500, RenderConfig(layout=layout))
    monkeypatch.setattr("ecgpipe.preprocess.rectify.is_straight", lambda image: False)
    assert rectify(page.image).image is page.image


@pytest.mark.parametrize("grid", [True, False])
def test_straight_pages_without_colour_or_grid_are_not_changed(grid):
    page = render_page(beats(), 500, RenderConfig(grid=grid))
    grey = cv2.cvtColor(page.image, cv2.COLOR_RGB2GRAY)
    assert not rectify(grey).changed


@pytest.mark.parametrize("angle", [-12, -3, 0.5, 7])
@pytest.mark.parametrize("layout", ["kit", "cardiac-images"])
def test_rotated_pages_become_upright(layout, angle):
    page, image = photo(layout, rotation=(angle, angle))
    assert not is_straight(image)
    found = rectify(image)
    assert found.changed
    assert np.abs(slopes(page, found)).max() < (0.2 if layout == "kit" else 0.6)


@pytest.mark.parametrize("name", ["r1", "r2", "r3"])
def test_perspective_is_undone_and_the_table_cut_off(name):
    page, image = photo("kit", name, rotation=(-6, 6), perspective=(6, 6), crop=(-6, -6), blur=(0.05, 0.05))
    found = rectify(image)
    assert np.abs(slopes(page, found)).max() < 0.2
    assert found.confidence > 0.7
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * page.shape[::-1]
    away = found.points(page.warp.points(corners.astype(float)) - 0.5) + 0.5
    away -= np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * found.image.shape[1::-1]
    table = image[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    if table < 200:  # white paper shows no edge on a white table
        assert np.abs(away).max() < 0.01 * image.shape[1]
    mask = found.warp(page.trace_mask * np.uint8(255)) > 127
    assert mask.sum() > 0.9 * page.trace_mask.sum()


def test_a_bend_is_removed():
    page, image = photo("kit", bend=(2, 2))
    found = rectify(image)
    x = np.linspace(100, page.shape[1] - 100, 50)
    for y in (200, 1500):  # lines that were straight on the page
        line = found.points(page.warp.points(np.stack([x, np.full(50, y)], axis=1)) - 0.5)[:, 1]
        assert np.ptp(page.warp.points(np.stack([x, np.full(50, y)], axis=1))[:, 1]) > 20
        assert np.ptp(line) < 5


def test_points_and_pictures_move_alike():
    _, image = photo("cardiac-images", rotation=(4, 4), perspective=(3, 3), bend=(1, 1))
    found = rectify(image)
    for at in ((500, 400), (1500, 900)):
        dot = np.zeros(image.shape[:2], np.uint8)
        cv2.circle(dot, at, 6, 255, -1)
        rows, columns = np.nonzero(found.warp(dot) > 127)
        assert np.allclose([columns.mean(), rows.mean()], found.points(np.array([at]))[0], atol=0.5)


def test_the_homography_sends_the_vanishing_points_to_infinity():
    transform = straightening_homography((0.05, 0.02), (-0.03, 0.04), (1000, 800))
    middle = np.array([499.5, 399.5])
    assert np.allclose(cv2.perspectiveTransform(middle[None, None], transform), middle)
    for (a, w), axis in (((0.05, 0.02), 1), ((-0.03, 0.04), 0)):
        for place in ((0.2, 0.4), (-0.5, 0.1)):  # a line through here, in half sides from the middle
            x, y = place if axis else place[::-1]
            step = np.array([1 - w * x, a - w * y]) * 0.1
            ends = np.array([[x, y], [x + step[0], y + step[1]]])
            ends = middle + 500 * (ends if axis else ends[:, ::-1])
            moved = cv2.perspectiveTransform(ends[None], transform)[0]
            assert moved[0, axis] == pytest.approx(moved[1, axis], abs=1e-6)


@pytest.mark.parametrize("shape", [(20, 30, 3), (400, 500), (1200, 1600, 3), (40, 2000)])
def test_pictures_without_lines_are_not_changed(shape):
    flat = np.full(shape, 200, np.uint8)
    assert rectify(flat).image is flat
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert not rectify(noise).changed


@pytest.mark.realdata
def test_real_report_pages_are_straight(shared_data):
    for path in sorted((shared_data / "cardiac-images-fullsize").glob("*/*.jpg"))[::4]:
        assert is_straight(cv2.imread(str(path))[:, :, ::-1])
