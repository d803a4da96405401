"""What a saliency map is worth, in numbers. Maps and masks are (s, s); row 0 is the top of what the model saw."""

import cv2
import numpy as np
from scipy.stats import spearmanr

TOLERANCE = 0.015
"""Half-width, as a share of the image's side, of the band around samples that counts as on them (9.6 of 640 pixels)."""


def share_within(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's sum that lies within a mask, 0 to 1; NaN of an empty map. Chance is the mask's area."""
    total = saliency.sum(dtype=np.float64)
    return float(saliency[mask].sum(dtype=np.float64) / total) if total > 0 else np.nan


def pointing(saliency: np.ndarray, mask: np.ndarray) -> float:
    """1 if the map's highest place is within the mask, else 0; of several highest places the share that is.

    The pointing game of Zhang et al. (2018); its tolerance is in the mask. NaN of an empty map.
    """
    return float(mask[saliency == saliency.max()].mean()) if saliency.max() > 0 else np.nan


def iou(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Overlap of the mask with as many of the map's highest places as the mask has, over their union; NaN if empty.

    So the threshold is the map's own quantile at one minus the mask's area: no map gains by being larger or brighter.
    """
    if not saliency.max() > 0:
        return np.nan
    size = int(mask.sum())
    highest = np.zeros(mask.size, bool)
    # among equals a fixed shuffle decides, not the place on the page
    shuffle = np.random.default_rng(0).permutation(mask.size)
    highest[np.lexsort((shuffle, -saliency.ravel()))[:size]] = True
    both = int((highest & mask.ravel()).sum())
    return both / (2 * size - both)


def iou_chance(area: float) -> float:
    """What ``iou`` comes to for places drawn at random, from the mask's area (0 to 1)."""
    return area / (2 - area)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's between two maps, place by place; NaN where one is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(spearmanr(first.ravel(), second.ravel()).statistic)


def to_common(saliency: np.ndarray, cells: int) -> np.ndarray:
    """The map as it were from ``cells`` x ``cells`` features: means over those areas, then linear in between.

    So maps of models with fine and coarse features are compared at the coarser one's sharpness.
    """
    side = saliency.shape[0]
    coarse = cv2.resize(saliency.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)


def band(points: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within TOLERANCE of lines through points.

    Args:
        points: (n, 2) x and y each, as shares of what the model saw.
        side: of the mask.
    """
    mask = np.zeros((side, side), np.uint8)
    lines = [np.rint(line * side * 16).astype(np.int32) for line in points]
    cv2.polylines(mask, lines, False, 1, max(1, round(2 * TOLERANCE * side)), cv2.LINE_8, 4)
    return mask.astype(bool)


def boxes_mask(boxes: list[np.ndarray], side: int) -> np.ndarray:
    """(side, side) bool: within any of the quadrilaterals, (4, 2) x and y each, as shares of what the model saw."""
    mask = np.zeros((side, side), np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.rint(box * side).astype(np.int32)], 1)
    return mask.astype(bool)
