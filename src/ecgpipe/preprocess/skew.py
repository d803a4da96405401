"""Estimate the directions of the lines on a page: the vanishing points of its horizontal and vertical lines.

Positions are normalised: the origin is the centre of the picture, the unit half of its longer side. A direction of
lines is (a, w): at (x, y), horizontal lines run along (1 - w x, a - w y); vertical lines are the horizontal ones of the
transposed page. a is the tangent of the angle at the centre, w the convergence; both are 0 on a straight page.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

TILE = 192  # pixels
LEAST_SIDE = 2 * TILE  # pixels
CLEAR = 0.18  # least clarity of lines
ROUNDS = 3
LEAST_BEND = 0.8  # pixels
STEEPEST = 25.0  # degrees, largest rotation
STEP = 0.25  # degrees
PERIODS = (2.7, 24.0)  # pixels, periods of grid lines: 1 mm to 5 mm
CONVERGENCE = 0.3  # largest |w|
STRIPS, WINDOWS = 10, 5
LIKE = 0.5  # least correlation of neighbouring strips
SHRINK = 0.2  # regularisation towards the coarse direction
LAG = 4  # pixels, largest shift of neighbouring strips


class Skew(NamedTuple):
    """The orientation and bend of a page.

    Attributes:
        homography: (3, 3) in pixels, aligns lines with the axes and keeps the centre of the picture.
        places, depths: columns (pixels after the homography) and how far the paper bends down there; empty if flat.
        confidence: from 0, no lines found, to 1.
    """

    homography: np.ndarray
    places: np.ndarray
    depths: np.ndarray
    confidence: float

    def bend(self, x: np.ndarray) -> np.ndarray:
        """The bend at each x, in pixels."""
        if not len(self.places):
            return np.zeros(len(x))
        spline = CubicSpline(self.places, self.depths, bc_type="natural")
        return spline(np.clip(x, self.places[0] - self.places[1] / 2, self.places[-1] + self.places[1] / 2))


def find_skew(darkest: np.ndarray) -> Skew:
    """Estimate the directions of lines and the bend.

    Args:
        darkest: uint8 (H, W), smallest channel, in which lines of any colour are dark; about 1100 pixels wide.
    """
    height, width = darkest.shape
    flat = flatten(darkest)
    horizontal, upright, clarity = coarse_lines(flat)
    homography, slopes, seen = np.eye(3), np.zeros(STRIPS - 1), 0.0
    if clarity < CLEAR:
        return Skew(homography, np.zeros(0), np.zeros(0), 0.0)
    homography = straightening_homography(horizontal, upright, (width, height))
    rectified = cv2.warpPerspective(
        flat, homography, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1
    )
    homography = (
        straightening_homography((0.0, 0.0), sharpest_direction(cv2.transpose(rectified)), (width, height)) @ homography
    )
    for _ in range(ROUNDS):
        rectified = cv2.warpPerspective(
            flat, homography, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1
        )
        horizontal, slopes, seen_along = fine_direction(rectified)
        upright, _, seen_down = fine_direction(cv2.transpose(rectified))
        homography = straightening_homography(horizontal, upright, (width, height)) @ homography
        seen = min(seen_along, seen_down)
    confidence = float(np.clip(0.3 * clarity + seen, 0, 1))
    depths = np.concatenate([[0], np.cumsum(slopes)]) * width / STRIPS
    depths -= depths.mean()
    if np.abs(depths).max() < LEAST_BEND or seen_along < 0.25:
        return Skew(homography, np.zeros(0), np.zeros(0), confidence)
    return Skew(homography, (np.arange(STRIPS) + 0.5) * width / STRIPS, depths, confidence)


def straightening_homography(
    horizontal: tuple[float, float], upright: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """Return the homography that aligns lines with these directions (a, w) with the axes and keeps the centre.

    Args:
        size: width and height of the picture in pixels.
    """
    scale = max(size) / 2
    normal = np.array([[1 / scale, 0, (1 - size[0]) / 2 / scale], [0, 1 / scale, (1 - size[1]) / 2 / scale], [0, 0, 1]])
    (a, w), (b, v) = horizontal, upright
    along, down = np.hypot(1, a), np.hypot(1, b)
    back = np.array([[1 / along, b / down, 0], [a / along, 1 / down, 0], [w / along, v / down, 1]])
    return np.linalg.inv(normal) @ np.linalg.inv(back) @ normal


def flatten(grey: np.ndarray) -> np.ndarray:
    """Return the brightness relative to the surroundings, float32 (H, W), without light and shadows."""
    around = cv2.blur(grey, (31, 31), borderType=cv2.BORDER_REPLICATE)
    ratio = grey.astype(np.float32) / np.maximum(around, 8)
    return np.clip(ratio, 0.4, 1.4, out=ratio)


def coarse_lines(flat: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Estimate both directions to about half a degree from spectra of tiles, and their clarity.

    Parallel lines concentrate a tile's spectrum on a ray across them. The direction (a, w) with the brightest rays over
    all tiles wins, so that tiles without lines hardly count.

    Args:
        flat: from ``flatten``.
    """
    scores, places = _ray_scores(flat)
    horizontal, first = _vote(scores[:, 0], places)
    upright, second = _vote(scores[:, 1], places[:, ::-1])
    return horizontal, upright, min(first, second)


@lru_cache(maxsize=1)
def _rays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sampling points of a spectrum (2 * angles, radii) for horizontal, then vertical lines; and the angles."""
    angles = np.deg2rad(np.arange(-STEEPEST, STEEPEST + STEP / 2, STEP))
    radii = np.arange(TILE / PERIODS[1], TILE / PERIODS[0])
    along, across = radii * np.cos(angles)[:, None], radii * np.sin(angles)[:, None]
    # lines along (cos, sin) have frequencies along (-sin, cos); only x frequencies from 0 are stored
    fx, fy = np.concatenate([-across, along]), np.concatenate([along, -across])
    flip = fx < 0
    fx, fy = np.where(flip, -fx, fx), np.where(flip, -fy, fy)
    # y frequencies are shifted to put 0 in the middle
    return fx.astype(np.float32), (fy + TILE // 2).astype(np.float32), angles


def _ray_scores(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log brightness of each ray relative to the median ray, (tiles, 2, angles), and the positions of the tiles."""
    height, width = flat.shape
    fx, fy, angles = _rays()
    window = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
    scores, places = [], []
    for top in _starts(height):
        for left in _starts(width):
            tile = flat[top : top + TILE, left : left + TILE]
            spectrum = np.abs(np.fft.rfft2((tile - tile.mean()) * window))
            spectrum = np.fft.fftshift(spectrum, axes=0).astype(np.float32)
            rays = cv2.remap(spectrum, fx, fy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            mean = np.sqrt((rays**2).mean(axis=1)).reshape(2, len(angles))
            scores.append(np.log((mean + 1e-3) / (np.median(mean, axis=1, keepdims=True) + 1e-3)))
            places.append((left + TILE / 2, top + TILE / 2))
    half = max(height, width) / 2
    return np.array(scores), (np.array(places) - (width / 2, height / 2)) / half


def _starts(size: int) -> list[int]:
    count = max(1, round(size / (0.8 * TILE)))
    return np.linspace(0, size - TILE, count).round().astype(int).tolist()


def _vote(scores: np.ndarray, places: np.ndarray) -> tuple[tuple[float, float], float]:
    """The direction with the best mean score over all tiles, and that score.

    Args:
        scores: (tiles, angles).
        places: (tiles, 2), x along the lines.
    """
    best, direction = -np.inf, (0.0, 0.0)
    limit = np.tan(np.deg2rad(STEEPEST))
    for span, step in ((1.0, 0.01), (0.02, 0.0025)):
        a = np.arange(-limit, limit, step) if span == 1.0 else direction[0] + np.arange(-span, span + step / 2, step)
        spread = CONVERGENCE if span == 1.0 else 0.04
        w = (0 if span == 1.0 else direction[1]) + np.arange(-spread, spread + step, 2 * step)
        a, w = (grid.ravel()[:, None] for grid in np.meshgrid(a, w))
        slopes = (a - w * places[:, 1]) / (1 - w * places[:, 0])
        at = (np.rad2deg(np.arctan(slopes)) + STEEPEST) / STEP
        inside = (at >= 0) & (at <= scores.shape[1] - 1)
        sampled = scores[np.arange(len(scores)), np.clip(np.rint(at), 0, scores.shape[1] - 1).astype(int)]
        totals = np.where(inside, sampled, 0).mean(axis=1) - 0.3 * np.abs(w[:, 0]) - 0.1 * np.abs(a[:, 0])
        if totals.max() > best:
            best, index = totals.max(), int(totals.argmax())
            direction = float(a[index, 0]), float(w[index, 0])
    return direction, float(best)


def _profiles(flat: np.ndarray) -> np.ndarray:
    """Row means in each vertical strip, high-pass filtered to keep lines, float32 (H, STRIPS)."""
    profiles = cv2.resize(flat, (STRIPS, len(flat)), interpolation=cv2.INTER_AREA)
    return profiles - cv2.blur(profiles, (1, 25), borderType=cv2.BORDER_REPLICATE)


def sharpest_direction(flat: np.ndarray) -> tuple[float, float]:
    """Return the direction (a, w) along which the profiles of strips add up to the most energy.

    For pages without a grid, which have few long lines.

    Args:
        flat: from ``flatten``, rectified by the coarse direction.
    """
    profiles = np.ascontiguousarray(_profiles(flat).T)
    height, width = flat.shape
    half = max(height, width) / 2
    along = ((np.arange(STRIPS) + 0.5) / STRIPS - 0.5) * width / half
    across = (np.arange(height, dtype=np.float32) - height / 2) / half
    direction = np.zeros(2)
    for reach, steps in (((0.03, 0.04), (21, 5)), ((0.003, 0.01), (9, 5))):
        a, w = (at + np.linspace(-r, r, n) for at, r, n in zip(direction, reach, steps, strict=True))
        a, w = (grid.ravel()[:, None, None] for grid in np.meshgrid(a, w))
        moved = across + (a - w * across) * along[:, None]  # (directions, STRIPS, H)
        at = (moved * half + height / 2).astype(np.float32).reshape(-1, height)
        strips = np.tile(np.arange(STRIPS, dtype=np.float32), len(a))[:, None].repeat(height, axis=1)
        aligned = cv2.remap(profiles, at, strips, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        energy = (aligned.reshape(len(a), STRIPS, height).sum(axis=1) ** 2).sum(axis=1)
        energy *= 1 - 2 * np.abs(a[:, 0, 0] - 0) - np.abs(w[:, 0, 0])  # prefers the smallest
        best = int(energy.argmax())
        direction = np.array([a[best, 0, 0], w[best, 0, 0]])
    return float(direction[0]), float(direction[1])


def fine_direction(flat: np.ndarray) -> tuple[tuple[float, float], np.ndarray, float]:
    """Estimate the remaining direction of a nearly straight page from shifts between neighbouring strips.

    Where lines slope, the profile of a strip is its neighbour's profile, shifted. Shifts are measured in overlapping
    windows and fitted by (a, w) and a bend common to all lines.

    Args:
        flat: from ``flatten``, rectified by the coarse direction.

    Returns:
        (a, w), the slope (STRIPS - 1,) between neighbouring strips, and the share of windows used.
    """
    height, width = flat.shape
    profiles = _profiles(flat)
    half, distance = max(height, width) / 2, width / STRIPS
    rows, slopes, weights, strips = [], [], [], []
    size = height // WINDOWS
    for window in range(2 * WINDOWS - 1):
        top = max(LAG, window * size // 2)
        bottom = min(height - LAG, top + size)
        for strip in range(STRIPS - 1):
            shift, likeness = _shift(profiles[:, strip], profiles[:, strip + 1], top, bottom)
            if likeness > LIKE:
                rows.append(((top + bottom) / 2 - height / 2) / half)
                slopes.append(shift / distance)
                weights.append(likeness**4)
                strips.append(strip)
    total = (2 * WINDOWS - 1) * (STRIPS - 1)
    common = np.zeros(STRIPS - 1)
    if len(rows) < 0.1 * total:
        return (0.0, 0.0), common, len(rows) / total
    rows, slopes, weights, strips = (np.array(values) for values in (rows, slopes, weights, strips))
    design = np.zeros((len(rows), STRIPS))
    design[np.arange(len(rows)), strips] = 1
    design[:, -1] = -rows
    smooth = np.zeros((STRIPS - 3, STRIPS))
    for k in range(STRIPS - 3):
        smooth[k, k : k + 3] = 1, -2, 1
    solution, robust = np.zeros(STRIPS), np.ones(len(rows))
    for _ in range(5):
        scale = np.sqrt(weights * robust)[:, None]
        matrix = np.vstack([design * scale, smooth, np.eye(STRIPS) * SHRINK])
        solution = np.linalg.lstsq(
            matrix, np.concatenate([slopes * scale[:, 0], np.zeros(2 * STRIPS - 3)]), rcond=None
        )[0]
        robust = 1 / (1 + ((slopes - design @ solution) / 0.002) ** 2)
    a = float(np.mean(solution[:-1]))
    return (a, float(solution[-1])), solution[:-1] - a, float((robust > 0.2).sum() / total)


def _shift(first: np.ndarray, second: np.ndarray, top: int, bottom: int) -> tuple[float, float]:
    """Shift in pixels of ``second`` below ``first`` between two rows, and the correlation after it."""
    template = first[top:bottom]
    correlation = cv2.matchTemplate(
        second[top - LAG : bottom + LAG].reshape(-1, 1), template.reshape(-1, 1), cv2.TM_CCOEFF_NORMED
    )[:, 0]
    best = int(correlation.argmax())
    if not 0 < best < len(correlation) - 1:
        return 0.0, 0.0
    before, peak, after = correlation[best - 1 : best + 2]
    offset = 0.5 * (before - after) / (before - 2 * peak + after)
    return best + float(offset) - LAG, float(peak)
