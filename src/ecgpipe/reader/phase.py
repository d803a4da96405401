"""The exact positions of the grid's lines: how far the printed comb is shifted from the estimated millimetres.

The grid times a wave of 5 mm or 1 mm (demodulation) gives the shift at every position on the page as a phase. One
smooth correction is then fitted to the whole page, so that millimetres stay right over its whole width.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from ecgpipe.reader.geometry import PageGeometry, derivatives, terms

PERIODS = (5.0, 1.0, 1.0)  # mm: the first is unambiguous, the others are exact
CELL = 8  # pixels per side of the positions where phases are compared
WINDOW = 6.0  # mm, standard deviation of the window around each position
APART = 4.0  # mm between positions whose phases are compared
COHERENT = 0.8  # minimum share of the waves that agree after the correction; with less, there is no such comb
MOST_CHANGE, MOST_CLEAR_CHANGE = 0.015, 0.06  # of the local scale: more is a slip to other lines; limit on clear grids
CLEAR, STRONG = 0.9, 0.05  # on a clear grid: share of the waves that agree, and their mean size relative to the grid
ROUNDS = 3
NARROW = 3.0  # mm, the same for shifts that vary from position to position
CLEAR_GRID = 0.1  # of the strongest wave: the shifts of weaker, uncertain waves are shrunk
SMOOTH = 0.9  # if a larger share of the 1 mm waves agrees, the paper has no folds
FOLDED = 0.7  # if a smaller share of the 5 mm waves agrees, the positions of the lines are too uncertain
SEEN = (2, 4)  # every n-th column and row of the grid is enough to find its lines


def align_to_lines(grid: np.ndarray, geometry: PageGeometry, scale: float) -> PageGeometry:
    """Correct a geometry that is right within about 1 % by the positions of the printed lines.

    Args:
        grid: float32 (h, w), probability that a pixel is grid.
        geometry: the estimate for the picture.
        scale: pixels of ``grid`` per pixel of the picture.
    """
    for period in PERIODS:
        for axis in ("x", "y"):
            correction = _correction(grid, geometry, scale, axis, period)
            if correction is not None:
                geometry = replace(geometry, **{axis: getattr(geometry, axis) + correction})
    return geometry


def _correction(grid: np.ndarray, geometry: PageGeometry, scale: float, axis: str, period: float) -> np.ndarray | None:
    """Change of the coefficients of one axis, mm; None if no lines of this period are found."""
    found, positions, strength = _waves(grid, geometry, scale, axis, period, WINDOW)
    positions = (positions - geometry.middle) / geometry.unit
    correction = _from_differences(found, positions)
    basis = terms(*positions.reshape(-1, 2).T)
    phasors = found.ravel()
    for _ in range(ROUNDS):
        rest = phasors * np.exp(-1j * (basis @ correction))
        rest *= np.exp(-1j * np.angle(rest.sum()))
        weight = np.abs(rest) * np.maximum(np.cos(np.angle(rest)), 0)
        root = np.sqrt(weight)
        correction = correction + np.linalg.lstsq(basis * root[:, None], np.angle(rest) * root, rcond=None)[0]
    rest = phasors * np.exp(-1j * (basis @ correction))
    coherence = _coherence(rest)
    correction *= period / (2 * np.pi)
    by_position = np.hypot(*(each @ correction for each in derivatives(*positions.reshape(-1, 2).T)))
    change = float(by_position.max()) / geometry.unit * geometry.pixels_per_mm
    most = MOST_CLEAR_CHANGE if coherence > CLEAR and strength > STRONG else MOST_CHANGE
    return correction if coherence > COHERENT and change < most else None


def _waves(
    grid: np.ndarray, geometry: PageGeometry, scale: float, axis: str, period: float, window: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The grid times a wave of this period, averaged around some positions: complex (rows, columns).

    Its negative angle is how far the lines are to the right of, or below, the multiples of the period; its size is how
    much grid there is. Also returned: the positions, pixels of the picture (rows, columns, 2), and the mean size
    relative to the whole grid, 0 to 1.
    """
    rows, columns = grid.shape[0] // CELL, grid.shape[1] // CELL
    x, y = np.meshgrid(np.arange(columns + 2) - 0.5, np.arange(rows + 2) - 0.5)  # one cell beyond the edges
    corners = np.stack([x.ravel(), y.ravel()], axis=1) * CELL / scale
    scaled = ((corners - geometry.middle) / geometry.unit).T
    coarse = (terms(*scaled) @ getattr(geometry, axis)).reshape(x.shape).astype(np.float32)
    angle = cv2.resize(coarse * np.float32(-2 * np.pi / period), None, fx=CELL, fy=CELL, interpolation=cv2.INTER_LINEAR)
    angle = np.ascontiguousarray(angle[CELL:-CELL, CELL:-CELL])
    part = np.ascontiguousarray(grid[: rows * CELL, : columns * CELL])
    waves = [cv2.resize(wave, (columns, rows), interpolation=cv2.INTER_AREA) for wave in cv2.polarToCart(part, angle)]
    cells_per_mm = geometry.pixels_per_mm * scale / CELL
    real, imaginary = (
        cv2.GaussianBlur(wave, (0, 0), window * cells_per_mm, borderType=cv2.BORDER_CONSTANT) for wave in waves
    )
    step = max(1, round(APART * cells_per_mm))
    found = (real + 1j * imaginary)[::step, ::step].astype(complex)
    positions = np.stack(np.meshgrid(np.arange(0, columns, step), np.arange(0, rows, step)), axis=-1)
    return found, (positions + 0.5) * CELL / scale, float(np.abs(found).mean() / max(float(part.mean()), 1e-9))


@dataclass(frozen=True)
class LocalShift:
    """The local shifts that remain after a smooth geometry: folds and waves of the paper.

    Attributes:
        shift: float32 (rows, columns, 2), mm to add to the page's x and y, at positions of the picture.
        first, step: pixels of the picture: x, y of the first position, and the distance between neighbouring positions.
    """

    shift: np.ndarray = field(repr=False)
    first: np.ndarray
    step: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """mm (..., 2) at pixels (..., 2) of the picture; linear between the positions."""
        across, down = np.moveaxis((points - self.first) / self.step, -1, 0)
        axes = (map_coordinates(self.shift[..., axis], [down, across], order=1, mode="nearest") for axis in (0, 1))
        return np.stack(list(axes), axis=-1)

    def over(self, positions: np.ndarray) -> np.ndarray:
        """The same for float32 (h, w, 2), without a copy in double precision."""
        where = (positions - self.first.astype(np.float32)) / np.float32(self.step)
        return cv2.remap(self.shift, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def local_shift(grid: np.ndarray, geometry: PageGeometry, scale: float) -> LocalShift | None:
    """Local shifts of the 5 mm lines on folded paper, where the 1 mm lines do not fit the geometry.

    Args:
        grid, geometry, scale: as for ``align_to_lines``, which has found the geometry.

    Returns:
        The shifts; None if the 1 mm lines fit, or without clear lines.
    """
    shifts = []
    for axis in ("x", "y"):
        exact, _, _ = _waves(grid, geometry, scale, axis, PERIODS[-1], WINDOW)
        waves, positions, strength = _waves(grid, geometry, scale, axis, PERIODS[0], NARROW)
        if _coherence(exact) > SMOOTH or _coherence(waves) < FOLDED or strength < STRONG:
            shifts.append(np.zeros(waves.shape))
            continue
        rest = waves * np.exp(-1j * np.angle(waves.sum())) + CLEAR_GRID * np.abs(waves).max()
        shifts.append(np.angle(rest) / (2 * np.pi) * PERIODS[0])
    if not any(shift.any() for shift in shifts):
        return None
    step = float(positions[0, 1, 0] - positions[0, 0, 0]) if positions.shape[1] > 1 else 1.0
    return LocalShift(np.stack(shifts, axis=-1).astype(np.float32), positions[0, 0], step)


def _coherence(waves: np.ndarray) -> float:
    """Share of the waves that agree, 0 to 1."""
    return float(abs(waves.sum()) / max(float(np.abs(waves).sum()), 1e-9))


def _from_differences(found: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Coefficients of the phase, radians, from its differences between neighbouring positions."""
    systems, targets = [], []
    for axis in (0, 1):
        first, second = (np.s_[:, :-1], np.s_[:, 1:]) if axis == 0 else (np.s_[:-1], np.s_[1:])
        product = (found[second] * found[first].conj()).ravel()
        middle = ((positions[first] + positions[second]) / 2).reshape(-1, 2).T
        length = float((positions[second] - positions[first])[..., axis].max(initial=1e-9))
        root = np.sqrt(np.abs(product))
        systems.append(derivatives(*middle)[axis] * length * root[:, None])
        targets.append(np.angle(product) * root)
    return np.linalg.lstsq(np.concatenate(systems), np.concatenate(targets), rcond=None)[0]


def upright_lines(grid: np.ndarray, geometry: PageGeometry, scale: float, period: float) -> tuple[float, float]:
    """The positions of the vertical lines of an aligned grid.

    Args:
        grid, geometry, scale: as for ``align_to_lines``, which has found the geometry.
        period: mm between the lines.

    Returns:
        x of a line on the page, 0 to ``period``, in mm, and the share of the grid that agrees, 0 to 1.
    """
    across, down = SEEN
    part = grid[::down, ::across]
    x, y = np.meshgrid(np.arange(part.shape[1]) * across + 0.5, np.arange(part.shape[0]) * down + 0.5)
    positions = geometry.to_page(np.stack([x.ravel(), y.ravel()], axis=1) / scale)[:, 0]
    wave = np.sum(part.ravel() * np.exp(2j * np.pi / period * positions))
    return float(np.angle(wave) / (2 * np.pi) * period % period), float(abs(wave) / max(part.sum(), 1e-9))
