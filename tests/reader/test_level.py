"""Rows of traces that straighten a page without a grid."""

import numpy as np
import pytest

from ecgpipe.reader.geometry import fit_geometry, fit_gradients
from ecgpipe.reader.level import even_columns, foreshortened, level_rows, row_wave, trace_points, upright_ends
from tests.reader.test_geometry import CELL, COLUMNS, ROWS, homography, local_maps


@pytest.mark.parametrize("turn", [-12.0, 0.0, 7.3])
def test_rows_of_traces_level_a_rough_geometry(turn: float) -> None:
    rng = np.random.default_rng(2)
    geometry = fit_geometry(local_maps(homography(0, 5.0)), np.ones((ROWS, COLUMNS)), 1, 1)
    x, row = rng.uniform(0, COLUMNS * CELL, 4000), rng.integers(0, 4, 4000)
    above = rng.normal(0, 4, 4000)  # mm
    points = np.stack([x, 80 + 100 * row - 5 * above + np.tan(np.deg2rad(turn)) * x], axis=1)
    assert level_rows(points, above, geometry).angle == pytest.approx(turn, abs=1.5)


FLAT = fit_gradients(np.zeros((1, 2)), [np.eye(2)[:1], np.eye(2)[1:]], [np.ones(1)] * 2, (200, 300), degree=1)
"""A page with a millimetre per pixel."""


def converging(drift: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of six level rows whose right side is farther from the camera, in pixels, and their true X in mm."""
    rng = np.random.default_rng(0)
    across, row = rng.uniform(-125, 125, 6000), rng.integers(6, size=6000)
    down = 25.0 * row - 62.5 + drift * np.sin(row) * across / 125 + rng.normal(0, 0.3, 6000)
    far = 1 + 1.0e-4 * across
    return np.stack([150 + across / far, 100 + down / far], axis=1), across


def test_a_single_point_says_nothing_about_perspective():
    assert foreshortened(np.array([[10.5, 20.5]]), np.zeros(1), FLAT) is FLAT


def test_a_page_whose_rows_converge_gets_even_millimetres():
    points, across = converging(0.2)
    found = foreshortened(points, np.zeros(len(points)), FLAT)

    def bow(geometry):
        """Largest distance in mm from evenly spaced millimetres."""
        x = geometry.to_page(points)[:, 0]
        return np.abs(x - np.polyval(np.polyfit(across, x, 1), across)).max()

    assert bow(FLAT) > 0.8 and bow(found) < 0.5


@pytest.mark.filterwarnings("error")  # a line through two rows leaves no error to judge it by
def test_few_rows_do_not_show_convergence():
    points, _ = converging(0.2)
    two = points[:, 1] < 75
    found = foreshortened(points[two], np.zeros(two.sum()), FLAT)
    assert (found.x == FLAT.x).all() and (found.y == FLAT.y).all()


def wavy(common: float, own: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of four rows that share a wave and have another one each, mm, and the height of the shared one."""
    rng = np.random.default_rng(1)
    across, row = rng.uniform(20, 280, 8000), rng.integers(4, size=8000)
    shared = common * np.sin(2 * np.pi * across / 260 + 0.4)
    drift = own * np.sin(2 * np.pi * across / 200 + 1.7 * row)
    return np.stack([across, 30 + 40 * row + shared + drift + rng.normal(0, 0.3, 8000)], axis=1), shared


def test_a_wave_of_all_rows_is_straightened():
    points, shared = wavy(3.0, 0.5)
    shift = row_wave(points, np.zeros(len(points)), FLAT, (200, 300)).at(points)
    left = shared + shift[:, 1]
    assert not shift[:, 0].any() and np.ptp(shared) > 5.9 and np.std(left) < 0.3


def test_the_drift_of_single_rows_is_no_wave():
    points, _ = wavy(0.0, 2.0)
    found = row_wave(points, np.zeros(len(points)), FLAT, (200, 300))
    assert found is None or np.abs(found.shift).max() < 0.5


def test_two_rows_show_no_wave():
    points, _ = wavy(3.0, 0.0)
    two = points[:, 1] < 85
    assert row_wave(points[two], np.zeros(two.sum()), FLAT, (200, 300)) is None


def test_points_on_traces_keep_their_heights():
    maps = np.zeros((5, 20, 30), np.float32)
    maps[0, 4, 6:9], maps[4, 4, 7] = 0.9, 0.35  # cm
    points, above = trace_points(maps, 0.5)
    assert points.tolist() == [[13, 9], [15, 9], [17, 9]] and above == pytest.approx([0, 3.5, 0])


@pytest.mark.parametrize(("left", "right"), [(0.05, 0.05), (-0.03, 0.02)])
def test_rows_begin_and_end_on_upright_lines(left: float, right: float) -> None:
    heights = np.array([40.0, 80, 120, 160])
    lefts = np.stack([20 + left * heights, heights], axis=1)
    rights = np.stack([270 + right * heights, heights], axis=1)
    rights[0, 0] += 8  # a mark behind one row
    found = upright_ends(FLAT.to_page(lefts), FLAT.to_page(rights), FLAT, (200, 300))
    starts, stops = found.to_page(lefts), found.to_page(rights[1:])
    assert np.ptp(starts[:, 0]) < 0.05 and np.ptp(stops[:, 0]) < 0.2
    assert np.allclose(starts[:, 1], FLAT.to_page(lefts)[:, 1], atol=1e-6)
    assert stops[:, 0].mean() - starts[:, 0].mean() == pytest.approx(250 + 100 * (right - left), abs=2)


@pytest.mark.parametrize("noise", [0.1, 8.0])
def test_ends_on_an_upright_line_or_on_none_change_nothing(noise: float) -> None:
    lefts = np.stack([20 + noise * np.array([0.3, -1, 1, -0.4]), [40.0, 80, 120, 160]], axis=1)
    rights = lefts + np.array([250, 0])
    assert upright_ends(lefts, rights, FLAT, (200, 300)) is FLAT
    assert upright_ends(lefts[:2], rights[:2], FLAT, (200, 300)) is FLAT


COLUMNS_OF_NAMES = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))
LETTERS = {"I": 0.5, "II": 1.0, "III": 1.6, "aVR": 3.5, "aVL": 3.3, "aVF": 3.3}
"""Middle of names from their left end, mm; that of V1 is 2.3."""


@pytest.mark.parametrize("bow", [3.0, -2.0])
@pytest.mark.parametrize("offset", [0.5, 6.0])
def test_lead_names_make_columns_equally_wide(bow: float, offset: float) -> None:
    rng = np.random.default_rng(3)
    edges = -125 + 62.5 * np.arange(5)
    bowed = edges + bow * (1 - (edges / 125) ** 2)
    names = [
        (name, bowed[column] + offset + LETTERS.get(name, 2.3) + rng.normal(0, 0.4), edges[column])
        for column, leads in enumerate(COLUMNS_OF_NAMES)
        for name in leads
    ]
    found = even_columns(names, -125, 125, FLAT, (200, 300))
    columns = found.to_page(np.stack([bowed + 150, np.full(5, 100.0)], axis=1))[:, 0]
    assert np.abs(np.diff(columns) - 62.5).max() < 1.0 < np.abs(np.diff(bowed) - 62.5).max()
    assert even_columns(names[:4], -125, 125, FLAT, (200, 300)) is FLAT


def test_names_above_equally_wide_columns_change_nothing() -> None:
    names = [
        (name, 62.5 * column - 122 + LETTERS.get(name, 2.3) + 0.3 * (-1) ** len(name), 62.5 * column - 125)
        for column, leads in enumerate(COLUMNS_OF_NAMES)
        for name in leads
    ]
    assert even_columns(names, -125, 125, FLAT, (200, 300)) is FLAT
