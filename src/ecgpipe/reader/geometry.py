"""From the network's local geometry to one map of the page: the position of each pixel on the paper, in millimetres."""

from dataclasses import dataclass

import cv2
import numpy as np

DEGREE = 3
STEP = 8  # pixels between the points where the inverse is computed; between them it is linear
ITERATIONS = 6


@dataclass(frozen=True)
class PageGeometry:
    """Page coordinates as polynomials of the position in the picture.

    Attributes:
        x, y: float (terms,), coefficients of the page's x and y in mm, for positions scaled to about -1..1.
        middle, unit: position = middle + unit * scaled, in pixels.
        residual: root mean square difference between the map's local scale and direction and the network's, relative.
    """

    x: np.ndarray
    y: np.ndarray
    middle: np.ndarray
    unit: float
    residual: float

    def to_page(self, points: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) as page coordinates (n, 2) in mm; the origin is arbitrary."""
        terms = _terms(*((points - self.middle) / self.unit).T)
        return np.stack([terms @ self.x, terms @ self.y], axis=1)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Derivatives (n, 2, 2) of the page's (x, y) by the picture's (x, y), mm per pixel."""
        by_x, by_y = _derivatives(*((points - self.middle) / self.unit).T)
        rows = [[by_x @ self.x, by_y @ self.x], [by_x @ self.y, by_y @ self.y]]
        return np.moveaxis(np.array(rows), -1, 0) / self.unit

    def to_picture(self, page: np.ndarray, start: np.ndarray) -> np.ndarray:
        """The inverse of ``to_page`` by Newton's method from ``start``; points far off the page may not converge."""
        points = start.astype(float).copy()
        for _ in range(ITERATIONS):
            error = page - self.to_page(points)
            points += np.linalg.solve(self.jacobian(points), error[..., None])[..., 0]
        return points

    @property
    def angle(self) -> float:
        """Direction of the page's x axis at the middle of the picture, degrees, clockwise."""
        (right, down), _ = self.jacobian(self.middle[None])[0]
        return float(np.degrees(np.arctan2(down, right)))

    @property
    def mirrored(self) -> bool:
        """Whether the picture shows the page as in a mirror."""
        return bool(np.linalg.det(self.jacobian(self.middle[None])[0]) < 0)

    @property
    def pixels_per_mm(self) -> float:
        """Resolution at the middle of the picture."""
        return float(1 / np.sqrt(abs(np.linalg.det(self.jacobian(self.middle[None])[0]))))


def _terms(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    powers = [(i, total - i) for total in range(DEGREE + 1) for i in range(total + 1)]
    return np.stack([x**i * y**j for i, j in powers], axis=-1)


def _derivatives(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    powers = [(i, total - i) for total in range(DEGREE + 1) for i in range(total + 1)]
    by_x = np.stack([i * x ** max(i - 1, 0) * y**j for i, j in powers], axis=-1)
    by_y = np.stack([x**i * j * y ** max(j - 1, 0) for i, j in powers], axis=-1)
    return by_x, by_y


def fit_geometry(maps: np.ndarray, weights: np.ndarray, cell: float) -> PageGeometry:
    """Fit the page's coordinates to local directions and scales, by least squares.

    Args:
        maps: float (6, h, w), per cell (network.GEOMETRY_MAPS).
        weights: float (h, w), how much each cell counts; some must be above 0.
        cell: pixels per side of a cell.

    Returns:
        The map.

    Raises:
        ValueError: no cell has weight.
    """
    rows, columns = np.nonzero(weights > 0)
    if not len(rows):
        raise ValueError("no cell with weight")
    weight = np.sqrt(weights[rows, columns])
    *directions, log_x, log_y = maps[:, rows, columns].astype(float)
    x_axis, y_axis = (np.array(pair) / np.maximum(np.hypot(*pair), 1e-6) for pair in (directions[:2], directions[2:]))
    per_x, per_y = 2.0 ** -(log_x + 2), 2.0 ** -(log_y + 2)  # mm per pixel
    points = (np.stack([columns, rows], axis=1) + 0.5) * cell
    middle = np.array(maps.shape[2:0:-1]) * cell / 2
    unit = float(middle.max())
    by_x, by_y = (part * weight[:, None] for part in _derivatives(*((points - middle) / unit).T))
    system = np.concatenate([by_x, by_y])
    coefficients, errors = [], []
    for (right, down), per in ((x_axis, per_x), (y_axis, per_y)):
        target = np.concatenate([right * per * weight, down * per * weight]) * unit
        solution = np.linalg.lstsq(system, target, rcond=None)[0]
        coefficients.append(solution)
        errors.append(np.mean((system @ solution - target) ** 2) / np.mean(target**2))
    return PageGeometry(coefficients[0], coefficients[1], middle, unit, float(np.sqrt(np.mean(errors))))


def upright(picture: np.ndarray, geometry: PageGeometry, pixels_per_mm: float, limit: int = 4000) -> np.ndarray:
    """The picture as a flat, upright page at one resolution.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        pixels_per_mm: of the result.
        limit: the result's sides have at most this many pixels.

    Returns:
        uint8 (h, w) or (h, w, 3); white where the picture shows nothing.
    """
    height, width = picture.shape[:2]
    border = np.array([(x, y) for x in np.linspace(0, width, 9) for y in np.linspace(0, height, 9)])
    page = geometry.to_page(border)
    low, high = page.min(axis=0), page.max(axis=0)
    size = np.ceil((high - low) * pixels_per_mm)
    pixels_per_mm *= min(1.0, limit / size.max())
    columns, rows = np.ceil((high - low) * pixels_per_mm).astype(int)
    grid_x, grid_y = np.meshgrid(np.arange(0, columns + STEP, STEP), np.arange(0, rows + STEP, STEP))
    page_points = low + np.stack([grid_x.ravel(), grid_y.ravel()], axis=1) / pixels_per_mm
    nearest = np.argmin(((page[None, ::4] - page_points[::, None]) ** 2).sum(axis=2), axis=1)
    points = geometry.to_picture(page_points, border[::4][nearest])
    coarse = points.reshape(*grid_x.shape, 2).astype(np.float32)
    shape = (coarse.shape[1] * STEP, coarse.shape[0] * STEP)
    shift = np.float32([[1, 0, (STEP - 1) / 2], [0, 1, (STEP - 1) / 2]])  # cell corners, not centres
    maps = [
        cv2.warpAffine(cv2.resize(part, shape), shift, shape, borderMode=cv2.BORDER_REPLICATE)[:rows, :columns]
        for part in cv2.split(coarse)
    ]
    white = (255,) * (picture.shape[2] if picture.ndim == 3 else 1)
    return cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=white)
