"""Make the rows of traces level, straight and parallel on a page without a grid."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpipe.reader.geometry import ITERATIONS, PageGeometry, terms
from ecgpipe.reader.network import OFFSET_UNIT, PIXEL_MAPS
from ecgpipe.reader.phase import LocalShift
from ecgpipe.reader.rows import APART, baselines

COARSE_TURNS, FINE_TURNS = np.deg2rad(np.linspace(-16, 16, 65)), np.deg2rad(np.linspace(-0.5, 0.5, 11))
MOST_POINTS = 20_000  # points on traces that are used
LEVEL_BIN = 1.5  # mm
LEAST_WIDTH, LEAST_ROWS = 0.6, 3  # minimum share of the page's width that a row covers, and minimum number of rows
ROW_NOISE = 0.3  # mm: points closer to their row than this all have the same weight
CONVERGENCE = 5e-5  # usual convergence of the rows, per mm: 1 % over the width of a page
CLEARLY = 1.3  # times its standard error: a smaller convergence may be chance, as on a flat page
SLOPE_NOISE = 3e-3  # of the rows' slopes, from drifting signals
WAVE_DEGREE, WAVE_POSITIONS = 4, 33  # degree of the polynomial (waves of paper are long), and positions to compare rows
WAVE_CHANCE = 2.0  # times the variance of rows with nothing in common: only the rest counts as a wave
ENDS_NOISE = 1.5  # mm: the rows' ends define a vertical line if their median distance from it is at most this
LEAST_SHEAR = 0.004  # slopes of this line below which nothing is corrected
NAME_WIDTHS = {"I": 0.3, "II": 0.6, "III": 0.9, "aVR": 2.0, "aVL": 1.9, "aVF": 1.9}  # relative to the letters' height
V_WIDTH = 1.3  # of all other names
LETTER, LETTER_ERROR = 3.5, 1.0  # mm, usual height of letters and its standard deviation
BOW_ERROR, NAME_ERROR = 2.0, 0.7  # mm: usual bow of a page's time axis, and error of a name's position
LEAST_BOW, LEAST_BOW_OF_TWO = 1.0, 1.5  # mm: smallest bow that is corrected, for three or more columns and for two
LEAST_NAMES = 5  # needed to measure the bow
STEP = 16  # pixels of the picture between the positions where the wave is known


def trace_points(maps: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Points on traces.

    Args:
        maps: float32 (5, h, w), network.PIXEL_MAPS, masks as probabilities.
        scale: pixels of the maps per pixel of the picture.

    Returns:
        Points (n, 2), pixels of the picture, and their height above their own baselines (n,), mm.
    """
    rows, columns = np.nonzero(maps[PIXEL_MAPS.index("trace")] > 0.5)
    some = np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int)
    points = (np.stack([columns, rows], axis=1)[some] + 0.5) / scale
    return points, maps[PIXEL_MAPS.index("offset"), rows[some], columns[some]] * OFFSET_UNIT


def level_rows(points: np.ndarray, above: np.ndarray, geometry: PageGeometry) -> PageGeometry:
    """Turn a rough geometry so that the rows of traces are level.

    Each point votes for the height of its baseline. The histogram of the votes is sharpest when the rows are level.

    Args:
        points: (n, 2), points on traces in the picture.
        above: (n,), their height above their own baseline, mm.
    """
    x, y = geometry.to_page(points).T
    best = 0.0
    for steps in (COARSE_TURNS, FINE_TURNS):
        turns = best + steps
        best = float(turns[np.argmax([_sharpness((y + above) * np.cos(t) - x * np.sin(t)) for t in turns])])
    return geometry.turned(best)


def foreshortened(points: np.ndarray, above: np.ndarray, geometry: PageGeometry) -> PageGeometry:
    """Correct a rough geometry for a page that had one side nearer to the camera, so that its rows converge.

    A picture of a page (X, Y) that is turned about a vertical axis shows x = X / (1 + p X), y = Y / (1 + p X). Rows
    that converge by q per mm give X = x / (1 + q x) and Y = y / (1 + q x).

    Args:
        points, above: as in ``level_rows``.
    """
    x, y = geometry.to_page(points).T
    middle = np.median(x)
    x, heights = x - middle, y + above
    if not np.ptp(x):  # for example a single point
        return geometry
    slopes = []  # height, slope and weight of each row
    for baseline in baselines(heights, heights.min(), heights.max()):
        row = np.abs(heights - baseline) < APART / 2
        if np.ptp(x[row]) < LEAST_WIDTH * np.ptp(x):
            continue
        slope, height = np.polyfit(x[row], heights[row], 1)
        for _ in range(ITERATIONS):
            rest = heights[row] - height - slope * x[row]
            weight = 1 / np.maximum(np.abs(rest), ROW_NOISE)
            slope, height = np.polyfit(x[row], heights[row], 1, w=np.sqrt(weight))
        slopes.append((height, slope, np.count_nonzero(row)))
    if len(slopes) < LEAST_ROWS:
        return geometry
    height, slope, weight = np.array(slopes).T
    converge, level = np.polyfit(height, slope, 1, w=np.sqrt(weight))
    rest = slope - level - converge * height
    noise = max(SLOPE_NOISE, float(np.sqrt(np.average(rest**2, weights=weight) * len(rest) / (len(rest) - 2))))
    error = noise / (
        np.sqrt(len(rest) * np.average((height - np.average(height, weights=weight)) ** 2, weights=weight))
    )
    if abs(converge) < CLEARLY * error:
        return geometry
    converge *= CONVERGENCE**2 / (CONVERGENCE**2 + error**2)  # shrunk towards a page seen straight on
    positions = _sample_positions(geometry, np.abs(points - geometry.middle).max(axis=0))
    across, down = geometry.to_page(positions).T
    across = across - middle
    down = down - level * across  # the remaining rotation
    shrunk = 1 + converge * across
    return _fitted(geometry, positions, across / shrunk + middle, down / shrunk)


def upright_ends(lefts: np.ndarray, rights: np.ndarray, geometry: PageGeometry, shape: tuple[int, int]) -> PageGeometry:
    """Correct a rough geometry so that the rows begin and end on vertical lines.

    Args:
        lefts, rights: (rows, 2), the ends of each row, mm of the geometry's page.
        shape: height and width of the picture.

    Returns:
        The corrected geometry; unchanged with fewer than three rows, or if their ends do not lie on a line.
    """
    if len(lefts) < LEAST_ROWS:
        return geometry
    (left, left_error), (right, right_error) = (_upright_line(*ends.T) for ends in (lefts, rights))
    if max(left_error, right_error) > ENDS_NOISE or max(abs(left), abs(right)) < LEAST_SHEAR:
        return geometry
    positions = _sample_positions(geometry, np.array(shape[::-1]) / 2)
    x, y = geometry.to_page(positions).T
    (first, last), middle = (float(np.median(ends[:, 0])) for ends in (lefts, rights)), float(np.median(lefts[:, 1]))
    slope = left + (right - left) * (x - first) / (last - first)
    return _fitted(geometry, positions, x - slope * (y - middle), y)


def even_columns(
    names: Sequence[tuple[str, float, float]], left: float, right: float, geometry: PageGeometry, shape: tuple[int, int]
) -> PageGeometry:
    """Correct a rough geometry so that the columns of leads, located by their printed names, are equally wide.

    If one side of the page is nearer to the camera, its millimetres are wider. The names show this as a bow of the time
    axis. Least squares gives the bow, the distance of the names from their columns and their size, with rough priors.

    Args:
        names: (name, x, start of its column if all were equally wide), mm of the geometry's page.
        left, right: ends of the rows, mm.
        shape: height and width of the picture.

    Returns:
        The corrected geometry; unchanged with fewer than five names, or if they show a bow of less than 1 mm (two
        columns: 1.5 mm), which may be an error of their positions.
    """
    if len(names) < LEAST_NAMES:
        return geometry
    x, start = np.array([(x, start) for _, x, start in names]).T
    middle = np.array([NAME_WIDTHS.get(name, V_WIDTH) / 2 for name, *_ in names])
    system = np.stack([np.ones(len(x)), middle, _bow(start, left, right)], axis=1) / NAME_ERROR
    target = (x - start) / NAME_ERROR
    system = np.vstack([system, [0, 1 / LETTER_ERROR, 0], [0, 0, 1 / BOW_ERROR]])
    target = np.append(target, [LETTER / LETTER_ERROR, 0])
    bow = float(np.linalg.lstsq(system, target, rcond=None)[0][2])
    if abs(bow) < (LEAST_BOW if len(np.unique(start)) > 2 else LEAST_BOW_OF_TWO):
        return geometry
    positions = _sample_positions(geometry, np.array(shape[::-1]) / 2)
    x, y = geometry.to_page(positions).T
    return _fitted(geometry, positions, x - bow * _bow(x, left, right), y)


def _bow(x: np.ndarray, left: float, right: float) -> np.ndarray:
    """A parabola that is 0 at both ends and 1 in the middle."""
    return 4 * (x - left) * (right - x) / (right - left) ** 2


def _upright_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope dx / dy of the line through two of the points that fits most points best, and their median distance."""
    i, j = np.triu_indices(len(x), 1)
    slopes = (x[j] - x[i]) / (y[j] - y[i])
    starts = x[i] - slopes * y[i]
    distances = np.abs(x - starts[:, None] - np.outer(slopes, y))
    best = int(np.sqrt(distances).sum(axis=1).argmin())  # square roots, so that outliers matter little
    return float(slopes[best]), float(np.median(distances[best]))


def _sample_positions(geometry: PageGeometry, reach: np.ndarray) -> np.ndarray:
    """Points (n, 2) of the picture around the middle of a geometry; ``reach``: how far, in pixels."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, 12),) * 2), axis=-1).reshape(-1, 2)
    return geometry.middle + grid * reach


def _fitted(geometry: PageGeometry, positions: np.ndarray, x: np.ndarray, y: np.ndarray) -> PageGeometry:
    """The geometry that maps these points of the picture to these page coordinates."""
    basis = terms(*((positions - geometry.middle) / geometry.unit).T)
    to_x, to_y = (np.linalg.lstsq(basis, page, rcond=None)[0] for page in (x, y))
    return replace(geometry, x=to_x, y=to_y)


def _sharpness(heights: np.ndarray) -> float:
    """Sum of the squared counts of a histogram with bins of 1.5 mm."""
    counts = np.bincount(((heights - heights.min()) / LEVEL_BIN).astype(int))
    return float(np.square(counts.astype(float)).sum())


def row_wave(
    points: np.ndarray, above: np.ndarray, geometry: PageGeometry, shape: tuple[int, int]
) -> LocalShift | None:
    """The wave of the paper along the rows, which is common to all rows of a page.

    Drift of the signal, in contrast, differs from lead to lead. So the more the rows disagree, the more the wave is
    shrunk towards 0 (James and Stein).

    Args:
        points, above: as in ``level_rows``.
        shape: height and width of the picture.

    Returns:
        None if there are fewer than three long rows, or if they have nothing in common.
    """
    x, y = geometry.to_page(points).T
    heights = y + above
    rows = baselines(heights, heights.min(), heights.max())
    row_of = np.searchsorted((np.array(rows[:-1]) + rows[1:]) / 2, heights)
    left, right = x.min(), x.max()
    along = 2 * (x - left) / max(right - left, 1.0) - 1
    positions = np.linspace(-1, 1, WAVE_POSITIONS)
    curves = [
        np.polynomial.legendre.legval(positions, _curve(along[row], heights[row]))
        for row in (row_of == number for number in range(len(rows)))
        if row.sum() > WAVE_DEGREE and np.ptp(along[row]) >= 2 * LEAST_WIDTH
    ]
    if len(curves) < LEAST_ROWS:
        return None
    table = np.array(curves) - np.mean(curves, axis=1, keepdims=True)
    wave = table.mean(axis=0)
    chance = float(table.var(axis=0, ddof=1).mean()) / len(table)
    wave *= max(0.0, 1 - WAVE_CHANCE * chance / max(float(wave.var()), 1e-9))
    if not wave.any():
        return None
    across, down = np.meshgrid(np.arange(0, shape[1] + STEP, STEP), np.arange(0, shape[0] + STEP, STEP))
    everywhere = geometry.to_page(np.stack([across.ravel(), down.ravel()], axis=1).astype(float))[:, 0]
    shift = -np.interp(2 * (everywhere - left) / (right - left) - 1, positions, wave)
    both = np.stack([np.zeros(across.size), shift], axis=-1)
    return LocalShift(both.reshape(*across.shape, 2).astype(np.float32), np.zeros(2), float(STEP))


def _curve(along: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Coefficients (Legendre) of a smooth curve through most of the points; ``along`` from -1 to 1."""
    weight = np.ones(len(along))
    for _ in range(ITERATIONS):
        curve = np.polynomial.legendre.legfit(along, heights, WAVE_DEGREE, w=np.sqrt(weight))
        rest = heights - np.polynomial.legendre.legval(along, curve)
        weight = 1 / np.maximum(np.abs(rest), ROW_NOISE)
    return curve
