"""The millimetres from a printed grid: known pages are recovered from rough estimates."""

import cv2
import numpy as np
import pytest

from ecgpipe.reader.geometry import PageGeometry, fit_gradients
from ecgpipe.reader.grid import refine_geometry, usual_scale

HEIGHT, WIDTH = 640, 960
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
PLACES = np.stack(np.meshgrid(np.linspace(60, WIDTH - 60, 9), np.linspace(60, HEIGHT - 60, 7)), axis=-1).reshape(-1, 2)


def page(pixels_per_mm: float, angle: float, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The x and y of every pixel in mm: rotated, in perspective, and bent by 0.7 mm."""
    a = np.deg2rad(angle)
    across, down = X - WIDTH / 2, Y - HEIGHT / 2
    depth = 1 + tilt * across / WIDTH
    across, down = across / depth, down / depth
    x = (np.cos(a) * across + np.sin(a) * down) / pixels_per_mm
    y = (np.cos(a) * down - np.sin(a) * across) / pixels_per_mm
    return x, y + 0.7 * np.sin(x / 90)


def lines(x: np.ndarray, y: np.ndarray, step: float, width: float) -> np.ndarray:
    """Smooth lines, as the network marks them."""
    away = np.minimum(np.abs(x - step * np.rint(x / step)), np.abs(y - step * np.rint(y / step)))
    return np.exp(-((away / width) ** 2)).astype(np.float32)


def rough_estimate(x: np.ndarray, y: np.ndarray, factor: float, turn: float) -> PageGeometry:
    """What the network might say: scale and direction off by a factor and some degrees."""
    rows, columns = PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)
    t = np.deg2rad(turn)
    wrong = factor * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    gradients = [np.stack(np.gradient(each)[::-1], axis=-1)[rows, columns] @ wrong for each in (x, y)]
    return fit_gradients(PLACES, gradients, [np.ones(len(PLACES))] * 2, (HEIGHT, WIDTH), 1)


@pytest.mark.parametrize("steps", [(1,), (5,), (1, 5)], ids=["1 mm lines", "5 mm lines", "both"])
@pytest.mark.parametrize(("pixels_per_mm", "angle", "tilt", "factor"), [(3.4, 0, 0, 1.5), (3.8, 8, 0.1, 0.7)])
def test_a_rough_estimate_becomes_exact(steps, pixels_per_mm, angle, tilt, factor) -> None:
    x, y = page(pixels_per_mm, angle, tilt)
    grid = np.max([lines(x, y, step, 0.2) for step in steps], axis=0)
    width = 250 * pixels_per_mm
    refined = refine_geometry(grid, rough_estimate(x, y, factor, 4), 1.0, width)
    assert refined is not None
    rows, columns = PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)
    error = refined.to_page(PLACES) - np.stack([x[rows, columns], y[rows, columns]], axis=1)
    assert np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)) < 1  # mm; the origin is arbitrary


def test_the_resolution_of_the_map_does_not_matter() -> None:
    """The map has half the picture's resolution; the result is for the picture."""
    x, y = page(3.6, 0)
    in_map = rough_estimate(x, y, 1.2, 0)
    in_picture = PageGeometry(in_map.x, in_map.y, 2 * in_map.middle, 2 * in_map.unit, 0)
    refined = refine_geometry(lines(x, y, 1, 0.2), in_picture, 0.5, 900)
    assert refined is not None and refined.pixels_per_mm == pytest.approx(7.2, rel=0.01)


@pytest.mark.parametrize("stretch", [1.25, 0.6])
def test_a_stretched_picture_has_other_millimetres_in_each_direction(stretch: float) -> None:
    x, y = page(5, 0)
    refined = refine_geometry(
        lines(x, y / stretch, 1, 0.15) + lines(x, y / stretch, 5, 0.2), rough_estimate(x, y, 1.1, 0), 1.0, 900
    )
    assert refined is not None
    across, down = np.linalg.norm(refined.jacobian(refined.middle[None])[0], axis=1)
    assert 1 / across == pytest.approx(5, rel=0.01) and 1 / down == pytest.approx(5 * stretch, rel=0.02)


def test_what_the_network_hardly_takes_for_a_grid_is_none() -> None:
    x, y = page(4, 0)
    assert refine_geometry(0.3 * lines(x, y, 5, 0.2), rough_estimate(x, y, 1, 0), 1.0) is None


def test_lines_in_one_direction_give_the_other() -> None:
    """Horizontal lines have faded; the vertical ones are enough."""
    x, y = page(3.6, 3)
    grid = lines(x, np.zeros_like(x) + 0.5, 1, 0.2) + 0.2 * np.random.default_rng(0).random(x.shape).astype(np.float32)
    refined = refine_geometry(grid, rough_estimate(x, y, 1.15, 2), 1.0, 900)
    assert refined is not None
    across, down = np.linalg.norm(refined.jacobian(refined.middle[None])[0], axis=1)
    assert across == pytest.approx(1 / 3.6, rel=0.01) and down == pytest.approx(1 / 3.6, rel=0.02)


@pytest.mark.parametrize("kind", ["nothing", "noise"])
def test_without_lines_there_is_no_grid(kind: str) -> None:
    x, y = page(4, 0)
    grid = np.zeros((HEIGHT, WIDTH), np.float32)
    if kind == "noise":
        grid += np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.8
    assert refine_geometry(grid, rough_estimate(x, y, 1, 0), 1.0) is None


def test_without_a_grid_the_width_of_the_traces_corrects_the_scale() -> None:
    x, y = page(4, 0)
    rough = rough_estimate(x, y, 2, 0)
    assert rough.pixels_per_mm == pytest.approx(2, rel=0.05)
    assert usual_scale(rough, width=1000).pixels_per_mm == pytest.approx(4, rel=0.3)  # 1000 pixels are 250 mm


def test_lines_rounded_to_whole_pixels_are_not_taken_for_those_of_a_smaller_millimetre() -> None:
    """Lines at every 7.32 pixels repeat every 22 pixels once they are rounded, as if 22 pixels were 5 mm."""
    height, width, scale = 1000, 1500, 0.64
    picture = np.full((height, width), 213, np.uint8)
    for side, axis in ((height, 0), (width, 1)):
        places = np.rint(7.32 * np.arange(side // 7.32)).astype(int)
        for number, place in enumerate(places):
            picture[(slice(None), place)[:: -1 if axis == 0 else 1]] = 36 if number % 5 == 0 else 43
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grid = (213 - small.astype(np.float32)) / 213
    place = np.stack(np.meshgrid(np.linspace(100, 1400, 9), np.linspace(100, 900, 7)), axis=-1).reshape(-1, 2)
    gradients = [np.tile(each, (len(place), 1)) for each in ([1 / 5.2, 0], [0, 1 / 5.2])]
    rough = fit_gradients(place, gradients, [np.ones(len(place))] * 2, (height, width), 1)
    colour = np.repeat(picture[..., None], 3, axis=2)
    refined = refine_geometry(grid, rough, scale, 1150, colour)
    assert refined is not None and refined.pixels_per_mm == pytest.approx(7.32, rel=0.01)
    deceived = refine_geometry(grid, rough, scale, 1150)
    assert deceived is not None and deceived.pixels_per_mm == pytest.approx(4.4, rel=0.02)
