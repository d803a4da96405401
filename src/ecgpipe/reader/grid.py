"""Refine a page's geometry with the spectrum of its printed grid.

The network's estimate of the scale is rough. Where lines are printed every 1 or 5 mm, the spectrum of the grid has
sharp peaks at multiples of 1/5 per mm.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from ecgpipe.reader.geometry import PageGeometry, fit_gradients
from ecgpipe.reader.phase import align_to_lines

TILE = 160
"""Pixels per side of the tiles whose spectra are computed."""
PADDED = 256
TEETH = np.arange(1, 11)
"""A comb: multiples of 1/5 per mm. Every fifth tooth comes from the 1 mm lines."""
PLACES = np.concatenate([TEETH, TEETH - 0.5])
"""The teeth, and the places between them."""
WEIGHTS = np.tile(np.where(TEETH % 5 == 0, 3.0, 1.0), 2).astype(np.float32)
SCALES, TURNS = np.exp(np.linspace(-1.2, 1.2, 121)), np.deg2rad(np.linspace(-9, 9, 25))
"""Changes of the network's estimate to try for the whole page; below, finer ones for each tile."""
FINE = np.exp(np.linspace(-0.06, 0.06, 21)), np.deg2rad(np.linspace(-3, 3, 13))
FINEST = np.exp(np.linspace(-0.005, 0.005, 9)), np.deg2rad(np.linspace(-0.4, 0.4, 7))
STRONGEST = 6.0
"""Limit of a peak relative to its surroundings when combs are compared, so that many weak peaks beat a strong one."""
FLOOR = 0.07
"""Minimum level of the surroundings, relative to the strongest peak."""
LEAST_CONTRAST = 0.2
"""Minimum difference between the comb's teeth and the gaps between them, in units of the surroundings."""
AGREE, LEAST_CLEAR = 0.015, 0.3
"""Largest relative error of a tile that agrees with the map, and minimum mean weight of the tiles that agree."""
NO_WEIGHT = 1e-6
LEAST_GRID = 0.005
"""Minimum share of grid in the picture; rows and names of a page without a grid also fit some comb."""
LEAST_TILES, MOST_TILES = 3, 12
"""Number of tiles with grid that is required, and of the clearest ones that give the change of the whole page."""
USUAL_WIDTH, WIDTH_SPREAD = 250.0, 0.35
"""Width of the traces in mm, 10 s at 25 mm/s, and the standard deviation of its logarithm."""
ROUGH_SPREAD, TURN_SPREAD = 0.6, 6.0
"""Standard deviations of the network's error: of log(scale), and of its direction in degrees."""
PRIOR_WEIGHT = 0.7
"""Of the logarithm of the prior probability, which is added to the contrast."""
LEAST_PRIOR = 3.0
"""The logarithm is not less than minus this, since a picture may show a small part of a page."""
AXES_SPREAD, AXES_WEIGHT = 0.2, 0.3
"""How much the logarithms of the factors of x and y differ: standard deviation, and weight of its log probability."""
CLEAR = 1.0
"""Minimum contrast of a second scale that is compared with the best one,"""
SIMILAR = 1.0
"""maximum difference between the two in contrast and prior,"""
APART = 5
"""and minimum difference between the two, in steps of SCALES (about 10%)."""
STRONGER = 2.0
"""The second scale is chosen if its 1 mm lines in the picture are stronger by this much, summed over both axes."""


def refine_geometry(
    grid: np.ndarray,
    geometry: PageGeometry,
    scale: float,
    width: float | None = None,
    picture: np.ndarray | None = None,
) -> PageGeometry | None:
    """Fit the geometry to the printed grid.

    Args:
        grid: float32 (h, w), probability that a pixel is grid.
        geometry: a rough estimate for the picture; errors of the scale up to a factor of 3 and of the direction up to
            9 degrees are corrected.
        scale: pixels of ``grid`` per pixel of the picture.
        width: of the traces along the rows, in pixels of ``grid``; helps to distinguish 1 mm lines from 5 mm lines.
        picture: uint8 (H, W, 3), which decides between two scales: 1 mm lines that are rounded to whole pixels also
            fit the comb of a smaller millimetre.

    Returns:
        The refined map of the picture; None if there is no clear grid.
    """
    tiles = _tiles(grid) if float((grid > 0.5).mean()) >= LEAST_GRID else []
    if len(tiles) < LEAST_TILES:
        return None
    points = np.array([(x, y) for x, y, _ in tiles]) / scale
    spectra = [spectrum for *_, spectrum in tiles]
    rough = geometry.jacobian(points) / scale  # mm per pixel of the grid
    clearest = np.argsort([-float(spectrum.std()) for spectrum in spectra])[:MOST_TILES]
    limited = [np.minimum(spectra[tile], STRONGEST) for tile in clearest]
    common = _common_changes(
        limited, rough[clearest], width, lambda: _picture_spectra(picture, points[clearest]), scale
    )
    if common is None:
        return None
    shape = grid.shape[0] / scale, grid.shape[1] / scale
    axes = [_along_the_tiles(spectra, _changed(rough[:, axis], common[axis][None])[:, 0]) for axis in (0, 1)]
    fitted, clear = _fit_without_outliers(points, axes, scale, shape)
    if clear.max() < LEAST_CLEAR:
        return None
    if clear.min() < LEAST_CLEAR:  # one axis is faint, or locked on to another comb: start from the other axis
        lost, other = int(clear.argmin()), int(clear.argmax())
        across = fitted.jacobian(points)[:, other] / scale @ np.array([[0, 1], [-1, 0]])
        side = np.sign(np.sum(across * rough[:, lost], axis=1, keepdims=True))
        axes[lost] = _along_the_tiles(spectra, across * side)
        fitted, clear = _fit_without_outliers(points, axes, scale, shape)
        if clear[lost] < LEAST_CLEAR:
            axes[lost] = across * side, np.ones(len(points))
            fitted, _ = _fit_without_outliers(points, axes, scale, shape)
    return align_to_lines(grid, fitted, scale)


def _along_the_tiles(spectra: list[np.ndarray], gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient (n, 2) of one axis, close to ``gradient``, that fits each tile's spectrum best, and its weight."""
    contrasts: list[np.ndarray] = []
    for changes in (FINE, FINEST):
        around = _changed(gradient, _pairs(*changes))
        contrasts = [_contrast(spectrum, each) for spectrum, each in zip(spectra, around, strict=True)]
        gradient = np.array([each[c.argmax()] for each, c in zip(around, contrasts, strict=True)])
    return gradient, np.array([np.clip(c.max() - LEAST_CONTRAST, 0, 3) for c in contrasts])


def _fit_without_outliers(
    points: np.ndarray, axes: list[tuple[np.ndarray, np.ndarray]], scale: float, shape: tuple[float, float]
) -> tuple[PageGeometry, np.ndarray]:
    """Fit the map, then fit it again without the tiles that locked on to another comb.

    Args:
        points: (n, 2), centres of the tiles in the picture.
        axes: of x and of y, the gradients (n, 2) in mm per pixel of the grid, and their weights.

    Returns:
        The map, and how clear the lines of x and of y are: the mean weight of the tiles that agree.
    """
    gradients, weights = [gradient * scale for gradient, _ in axes], [weight for _, weight in axes]
    fitted = fit_gradients(points, gradients, [weight + NO_WEIGHT for weight in weights], shape, degree=2)
    for degree in (2, 3, 3):
        errors = _relative_errors(fitted, points, gradients)
        limits = [
            max(0.008, 2.5 * float(np.median(e[w > 0]))) if (w > 0).any() else 1
            for e, w in zip(errors, weights, strict=True)
        ]
        kept = [w * (e < limit) + NO_WEIGHT for w, e, limit in zip(weights, errors, limits, strict=True)]
        fitted = fit_gradients(points, gradients, kept, shape, degree)
    errors = _relative_errors(fitted, points, gradients)
    return fitted, np.array([float((w * (e < AGREE)).mean()) for w, e in zip(weights, errors, strict=True)])


def _relative_errors(fitted: PageGeometry, points: np.ndarray, gradients: list[np.ndarray]) -> list[np.ndarray]:
    jacobian = fitted.jacobian(points)
    return [
        np.linalg.norm(jacobian[:, axis] - gradient, axis=1) / np.linalg.norm(gradient, axis=1)
        for axis, gradient in enumerate(gradients)
    ]


def usual_scale(geometry: PageGeometry, width: float) -> PageGeometry:
    """The rough geometry of a page without a grid, corrected by the usual width of the traces.

    Args:
        width: of the traces along the rows, in pixels of the picture.
    """
    millimetres = width * float(np.linalg.norm(geometry.jacobian(geometry.middle[None])[0, 0]))
    trust = WIDTH_SPREAD**-2 / (WIDTH_SPREAD**-2 + ROUGH_SPREAD**-2)
    factor = (USUAL_WIDTH / millimetres) ** trust
    return replace(geometry, x=geometry.x * factor, y=geometry.y * factor)


def _tiles(grid: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """Centre (x, y) and spectrum (PADDED, PADDED), zero frequency in the middle, of the tiles with grid.

    Amplitudes are relative to the median around them.
    """
    tiles = []
    grid = np.pad(grid, [(0, max(TILE - side, 0)) for side in grid.shape])  # of a single strip
    for top in _starts(grid.shape[0]):
        for left in _starts(grid.shape[1]):
            part = grid[top : top + TILE, left : left + TILE]
            if part.shape != (TILE, TILE) or part.mean() < 0.01:
                continue
            tiles.append((left + TILE / 2, top + TILE / 2, _spectrum(part)))
    return tiles


def _spectrum(part: np.ndarray) -> np.ndarray:
    """Amplitudes (PADDED, PADDED) of a tile (TILE, TILE), relative to the median around them."""
    window = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
    padded = np.zeros((PADDED, PADDED), np.float32)
    padded[:TILE, :TILE] = (part - part.mean()) * window
    amplitude = cv2.magnitude(*cv2.split(cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT)))
    amplitude = np.fft.fftshift(amplitude)
    small = cv2.resize(amplitude, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.medianBlur(small, 5), (PADDED, PADDED))
    return amplitude / (around + FLOOR * amplitude.max() + 1e-6)


def _starts(length: int) -> np.ndarray:
    count = max(1, round(length / TILE))
    return np.linspace(0, max(length - TILE, 0), count).astype(int)


def _pairs(factors: np.ndarray, turns: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(factors, turns, indexing="ij"), axis=-1).reshape(-1, 2)


def _changed(gradients: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Gradients (n, 2), each scaled and turned by every change (m, 2): (n, m, 2)."""
    cosine, sine = changes[:, 0] * np.cos(changes[:, 1]), changes[:, 0] * np.sin(changes[:, 1])
    x, y = gradients[:, :1], gradients[:, 1:]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1)


def _contrast(spectrum: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """How much stronger the spectrum is on the teeth of each gradient's (m, 2) comb than between them: (m,)."""
    cycles = gradients * (PADDED / 5)  # per picture of PADDED pixels
    x, y = (np.outer(part, PLACES).astype(np.float32) for part in cycles.T)
    limit = PADDED / 2 - 2
    weights = ((np.abs(x) < limit) & (np.abs(y) < limit)) * WEIGHTS
    x += PADDED / 2
    y += PADDED / 2
    values = cv2.remap(spectrum, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * weights
    on, between = (
        values[:, part].sum(axis=1) / np.maximum(weights[:, part].sum(axis=1), 7)
        for part in (slice(None, len(TEETH)), slice(len(TEETH), None))
    )
    return on - between


def _picture_spectra(picture: np.ndarray | None, points: np.ndarray) -> list[np.ndarray]:
    """Spectra of a picture's (H, W, 3) brightness around points (n, 2); none without a picture of enough pixels."""
    if picture is None or min(picture.shape[:2]) < TILE:
        return []
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    corners = np.clip(np.rint(points - TILE / 2).astype(int), 0, np.array(grey.shape[::-1]) - TILE)
    return [np.minimum(_spectrum(grey[y : y + TILE, x : x + TILE]), STRONGEST) for x, y in corners]


def _millimetre_lines(spectra: list[np.ndarray], gradients: np.ndarray, turn: float) -> float:
    """Mean strength of the lines at 1 per mm; the gradients (n, 2) are turned, and changed by FINE to fit the lines."""
    values = []
    for spectrum, around in zip(spectra, _changed(gradients, _pairs(FINE[0], np.array([turn]))), strict=True):
        positions = (around * PADDED + PADDED / 2).astype(np.float32)
        values.append(cv2.remap(spectrum, *positions.T, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0])
    return float(np.mean(values, axis=0).max())


def _common_changes(
    spectra: list[np.ndarray],
    rough: np.ndarray,
    width: float | None,
    picture_spectra: Callable[[], list[np.ndarray]],
    scale: float,
) -> list[np.ndarray] | None:
    """(factor, turn) of the rough gradients of x and of y that fit all tiles best; None if no comb stands out.

    The factor is found for both axes together, then for each axis near it, since a picture may be stretched. If two
    scales fit similarly well, the one whose 1 mm lines are clearly stronger in the picture is chosen.

    Args:
        spectra, rough: of the tiles, and their gradients in mm per pixel of the grid.
        width, scale: as in ``refine_geometry``.
        picture_spectra: makes the spectra of the same tiles in the picture; called if two scales fit similarly well.
    """
    pairs = _pairs(SCALES, TURNS)
    tables = []
    for axis in (0, 1):
        around = _changed(rough[:, axis], pairs)
        contrast = np.mean([_contrast(s, each) for s, each in zip(spectra, around, strict=True)], axis=0)
        tables.append(contrast.reshape(len(SCALES), len(TURNS)))
    by_scale = sum(table.max(axis=1) for table in tables) / 2
    prior = -((np.log(SCALES) / ROUGH_SPREAD) ** 2) / 2
    if width is not None:
        millimetres = width * float(np.median(np.linalg.norm(rough[:, 0], axis=1))) * SCALES
        prior -= (np.log(millimetres / USUAL_WIDTH) / WIDTH_SPREAD) ** 2 / 2
    total = by_scale + PRIOR_WEIGHT * np.maximum(prior, -LEAST_PRIOR)
    best, unlikely = int(total.argmax()), np.zeros(len(total), bool)
    if by_scale[best] < LEAST_CONTRAST:
        return None
    similar = (total > total[best] - SIMILAR) & (by_scale >= CLEAR) & (np.abs(np.arange(len(total)) - best) >= APART)
    # in a stretched picture, a scale may fit one axis alone
    similar &= np.min([table.max(axis=1) for table in tables], axis=0) >= CLEAR / 2
    if similar.any() and (in_picture := picture_spectra()):
        second = int(np.where(similar, total, -np.inf).argmax())
        lines = {
            number: sum(
                _millimetre_lines(in_picture, rough[:, axis] * scale * SCALES[number], TURNS[table[number].argmax()])
                for axis, table in enumerate(tables)
            )
            for number in (best, second)
        }
        if lines[second] > lines[best] + STRONGER:
            best, second = second, best
        if lines[best] > lines[second] + STRONGER:
            unlikely = np.abs(np.arange(len(total)) - second) < APART
    turns = -((np.rad2deg(TURNS) / TURN_SPREAD) ** 2) / 2 * PRIOR_WEIGHT
    stretch = -((np.log(SCALES / SCALES[best]) / AXES_SPREAD) ** 2) / 2 * AXES_WEIGHT
    stretch[np.abs(np.arange(len(total)) - best) < APART] = 0  # usual on photos
    stretch[unlikely] = -np.inf
    changes = []
    for table in tables:
        row, column = np.unravel_index((table + turns + stretch[:, None]).argmax(), table.shape)
        changes.append(np.array([SCALES[row], TURNS[column]]))
    return changes
