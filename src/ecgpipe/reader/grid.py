"""Refine a page's geometry with the spectrum of its printed grid.

The network's estimate of the millimetres is rough. Where lines are printed every 1 or 5 mm, the spectrum of the grid
has sharp peaks at multiples of 1/5 per mm.
"""

import cv2
import numpy as np

from ecgpipe.reader.geometry import PageGeometry, fit_gradients

TILE = 160
"""Pixels per side of the tiles whose spectra are computed."""
PADDED = 256
HARMONICS = np.arange(1, 11)
"""Multiples of 1/5 per mm: the fifth is the 1 mm line."""
WEIGHTS = np.where(HARMONICS % 5 == 0, 2.0, 1.0) / (HARMONICS.size + 2)
COARSE = np.exp(np.linspace(-0.4, 0.4, 65)), np.deg2rad(np.linspace(-9, 9, 19))
FINE = np.exp(np.linspace(-0.06, 0.06, 25)), np.deg2rad(np.linspace(-3, 3, 13))
LEAST_CONTRAST = 1.6
"""A comb must be stronger by this factor than the median of all tried ones."""
LEAST_TILES = 3
PRIOR = 0.5
"""Standard deviation of log(scale) and of the angle / 20 degrees around the network's estimate, for ambiguous combs."""


def refine_geometry(grid: np.ndarray, geometry: PageGeometry, scale: float) -> PageGeometry | None:
    """Fit the geometry to the printed grid.

    Args:
        grid: float32 (h, w), probability that a pixel is grid.
        geometry: a rough estimate for the picture; scales off by up to a third and directions by up to 9 degrees are
            corrected.
        scale: pixels of ``grid`` per pixel of the picture.

    Returns:
        The refined map of the picture; None if there is no clear grid.
    """
    tiles = _tiles(grid)
    if len(tiles) < LEAST_TILES:
        return None
    centres = np.array([(x, y) for x, y, _ in tiles])
    spectra = [spectrum for *_, spectrum in tiles]
    rough = geometry.jacobian(centres / scale) / scale  # mm per pixel of the grid
    gradients, weights = [], []
    for axis in (0, 1):
        start = rough[:, axis]
        factor, turn = _common_correction(spectra, start)
        if factor is None:
            return None
        start = _changed(start, np.array([[factor, turn]]))[:, 0]
        fine = [
            _best(_comb(spectrum, _changed(g[None], _pairs(*FINE))[0]))
            for spectrum, g in zip(spectra, start, strict=True)
        ]
        chosen = np.array([index for index, _ in fine])
        contrast = np.array([value for _, value in fine])
        gradients.append(_changed(start, _pairs(*FINE))[np.arange(len(start)), chosen])
        weights.append(np.clip(contrast - LEAST_CONTRAST, 0, 3))
    if any((weight > 0).sum() < LEAST_TILES for weight in weights):
        return None
    points = centres / scale
    shape = (grid.shape[0] / scale, grid.shape[1] / scale)
    return _fit_without_outliers(points, [gradient * scale for gradient in gradients], weights, shape)


def _fit_without_outliers(
    points: np.ndarray, gradients: list[np.ndarray], weights: list[np.ndarray], shape: tuple[float, float]
) -> PageGeometry:
    """Fit, and again without the tiles that locked on to another comb."""
    fitted = fit_gradients(points, gradients, weights, shape, degree=2)
    for degree in (2, 3, 3):
        near = []
        for axis, gradient in enumerate(gradients):
            error = np.linalg.norm(fitted.jacobian(points)[:, axis] - gradient, axis=1)
            relative = error / np.linalg.norm(gradient, axis=1)
            near.append(relative < max(0.008, 2.5 * float(np.median(relative[weights[axis] > 0]))))
        fitted = fit_gradients(points, gradients, [w * n for w, n in zip(weights, near, strict=True)], shape, degree)
    return fitted


def _tiles(grid: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """Centre (x, y) and amplitude spectrum (PADDED, PADDED), zero frequency in the middle, of tiles with grid."""
    window = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
    tiles = []
    for top in _starts(grid.shape[0]):
        for left in _starts(grid.shape[1]):
            part = grid[top : top + TILE, left : left + TILE]
            if part.shape != (TILE, TILE) or part.mean() < 0.01:
                continue
            padded = np.zeros((PADDED, PADDED), np.float32)
            padded[:TILE, :TILE] = (part - part.mean()) * window
            amplitude = cv2.magnitude(*cv2.split(cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT)))
            tiles.append((left + TILE / 2, top + TILE / 2, np.fft.fftshift(amplitude)))
    return tiles


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


def _comb(spectrum: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """How strong the spectrum is, on average, at the multiples of 1/5 per mm of each gradient (m, 2): (m,)."""
    places = gradients[:, None] * HARMONICS[:, None] / 5  # cycles per pixel
    places = (places * PADDED + PADDED / 2).astype(np.float32)
    inside = ((places >= 0) & (places < PADDED - 1)).all(axis=-1)
    values = cv2.remap(spectrum, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (values * inside * WEIGHTS).sum(axis=1) / np.maximum((inside * WEIGHTS).sum(axis=1), 1e-6)


def _best(strengths: np.ndarray) -> tuple[int, float]:
    """The strongest comb, and its strength relative to the median."""
    best = int(strengths.argmax())
    return best, float(strengths[best] / max(np.median(strengths), 1e-6))


def _common_correction(spectra: list[np.ndarray], start: np.ndarray) -> tuple[float | None, float]:
    """Factor and turn that make the rough gradients of all tiles fit best; None if no comb stands out."""
    changes = _pairs(*COARSE)
    strengths = np.zeros(len(changes))
    for spectrum, gradients in zip(spectra, _changed(start, changes), strict=True):
        strengths += _comb(spectrum, gradients) / max(float(spectrum.mean()), 1e-6)
    distance = (np.log(changes[:, 0]) / PRIOR) ** 2 + (np.rad2deg(changes[:, 1]) / (40 * PRIOR)) ** 2
    best, _ = _best(strengths * np.exp(-distance / 2))
    if strengths[best] < LEAST_CONTRAST * np.median(strengths):
        return None, 0.0
    return float(changes[best, 0]), float(changes[best, 1])
