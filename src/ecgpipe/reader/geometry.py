"""Convert the network's local geometry to one map of the page: each pixel's position on the paper, in millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgpipe.reader.network import CELL

DEGREE = 3
ITERATIONS = 6
SINGULAR = 1e-9  # mm² per pixel²
FARTHEST = 1e5  # pixels; limit for points that do not converge


@dataclass(frozen=True)
class PageGeometry:
    """Page coordinates as polynomials of the position in the picture.

    Attributes:
        x, y: float (terms,), coefficients of the page's x and y in mm, for positions scaled to about -1..1.
        middle, unit: position = middle + unit * scaled, in pixels.
        residual: relative root mean square difference of the map's local scale and direction from the network's.
    """

    x: np.ndarray
    y: np.ndarray
    middle: np.ndarray
    unit: float
    residual: float

    def to_page(self, points: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) as page coordinates (n, 2) in mm; the origin is arbitrary."""
        powers = terms(*((points - self.middle) / self.unit).T)
        return np.stack([powers @ self.x, powers @ self.y], axis=1)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Derivatives (n, 2, 2) of the page's (x, y) with respect to the picture's (x, y), mm per pixel."""
        by_x, by_y = derivatives(*((points - self.middle) / self.unit).T)
        rows = [[by_x @ self.x, by_y @ self.x], [by_x @ self.y, by_y @ self.y]]
        return np.moveaxis(np.array(rows), -1, 0) / self.unit

    def to_picture(self, page: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The inverse of ``to_page`` by Newton's method from ``start``; points far off the page may not converge."""
        points = start.astype(float).copy()
        for _ in range(ITERATIONS):
            (x, y), jacobian = (page - self.to_page(points)).T, self.jacobian(points)
            (a, b), (c, d) = np.moveaxis(jacobian, 0, -1)
            determinant = a * d - b * c
            determinant = np.where(np.abs(determinant) < SINGULAR, SINGULAR, determinant)
            step = np.stack([d * x - b * y, a * y - c * x], axis=1) / determinant[:, None]
            points = np.clip(points + step, -FARTHEST, FARTHEST)
        return points

    def turned(self, angle: float) -> "PageGeometry":
        """The same map with the page's axes turned by an angle in radians, so that a row that rises by it is level."""
        cosine, sine = np.cos(angle), np.sin(angle)
        return replace(self, x=cosine * self.x + sine * self.y, y=cosine * self.y - sine * self.x)

    @property
    def angle(self) -> float:
        """Direction of the page's x axis at the middle of the picture, degrees, clockwise."""
        (right, down), _ = self.jacobian(self.middle[None])[0]
        return float(np.degrees(np.arctan2(down, right)))

    @property
    def mirrored(self) -> bool:
        """Whether the picture shows the page mirrored."""
        return bool(np.linalg.det(self.jacobian(self.middle[None])[0]) < 0)

    @property
    def pixels_per_mm(self) -> float:
        """Resolution at the middle of the picture."""
        return float(1 / np.sqrt(abs(np.linalg.det(self.jacobian(self.middle[None])[0]))))


def _powers() -> list[tuple[int, int]]:
    return [(i, total - i) for total in range(DEGREE + 1) for i in range(total + 1)]


def terms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Powers (n, terms) of scaled positions, in the order of a geometry's coefficients."""
    by_x, by_y = (np.vander(of, DEGREE + 1, increasing=True) for of in (x, y))
    return np.stack([by_x[:, i] * by_y[:, j] for i, j in _powers()], axis=-1)


def derivatives(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of ``terms`` with respect to x and y."""
    by_x = np.stack([i * x ** max(i - 1, 0) * y**j for i, j in _powers()], axis=-1)
    by_y = np.stack([x**i * j * y ** max(j - 1, 0) for i, j in _powers()], axis=-1)
    return by_x, by_y


def fit_geometry(maps: np.ndarray, weights: np.ndarray, scale: float, degree: int = DEGREE) -> PageGeometry:
    """Fit the page's coordinates to local directions and scales, by least squares.

    Args:
        maps: float (6, h, w), per cell of the network's input (network.GEOMETRY_MAPS).
        weights: float (h, w), how much each cell counts; some must be above 0.
        scale: pixels of the network's input per pixel of the picture.
        degree: of the polynomials, at most ``DEGREE``.

    Returns:
        The map of the picture.

    Raises:
        ValueError: no cell has weight.
    """
    rows, columns = np.nonzero(weights > 0)
    if not len(rows):
        raise ValueError("no cell with weight")
    *directions, log_x, log_y = maps[:, rows, columns].astype(float)
    gradients = []  # mm per pixel of the picture
    for pair, log in ((directions[:2], log_x), (directions[2:], log_y)):
        direction = np.stack(pair, axis=1)
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        gradients.append(direction * scale * 2.0 ** -(log + 2)[:, None])
    cell = CELL / scale
    points = (np.stack([columns, rows], axis=1) + 0.5) * cell
    weight = weights[rows, columns]
    shape = maps.shape[1] * cell, maps.shape[2] * cell
    return fit_gradients(points, gradients, [weight, weight], shape, degree)


def fit_gradients(
    points: np.ndarray,
    gradients: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    shape: tuple[float, float],
    degree: int,
) -> PageGeometry:
    """Fit the page's coordinates to gradients that were measured at some points, by least squares.

    Args:
        points: (n, 2), pixels of the picture.
        gradients: of the page's x and of its y, each (n, 2), mm per pixel.
        weights: of each gradient, (n,) for x and for y.
        shape: height and width of the picture.
        degree: of the polynomials, at most ``DEGREE``.
    """
    middle, unit = np.array([shape[1], shape[0]]) / 2, max(shape) / 2
    basis = derivatives(*((points - middle) / unit).T)
    used = np.array([i + j for i, j in _powers()]) <= degree
    coefficients, errors = [], []
    for gradient, weight in zip(gradients, weights, strict=True):
        root = np.sqrt(weight)[:, None]
        system = np.concatenate([part * root for part in basis]) * used
        target = np.concatenate([gradient[:, :1] * root, gradient[:, 1:] * root])[:, 0] * unit
        solution = np.linalg.lstsq(system, target, rcond=None)[0]
        coefficients.append(solution)
        errors.append(np.mean((system @ solution - target) ** 2) / np.mean(target**2))
    return PageGeometry(coefficients[0], coefficients[1], middle, unit, float(np.sqrt(np.mean(errors))))
