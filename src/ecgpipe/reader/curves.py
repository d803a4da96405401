"""Traces that the network takes for other ink, such as ventricular fibrillation, which its training pages lack."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from ecgpipe.reader.network import OFFSET_UNIT, PIXEL_MAPS
from ecgpipe.reader.read import Reading, at_size

INK, OFFSET = PIXEL_MAPS.index("ink"), PIXEL_MAPS.index("offset")
MARKED = 0.3  # probability of trace or other ink
GAP = 1.0  # mm along which a curve may be interrupted
UPRIGHT = 6.0  # mm: taller vertical strokes are separators or the sides of pulses
LEAST_WIDTH = 20.0  # mm: letters and most words are narrower
SEEN = 0.5  # share of a curve's columns: with more of them, the network takes it for a trace
LEAST_AWAY, MOSTLY = 0.25, 0.75  # mm from a straight line, exceeded in a quarter of the columns unless it is a rule
REWEIGHTED = 5  # fits of this line
MOST_STROKES = 1.5  # mean number of strokes in a column; text, tables and pictures have more
MISSED = 12.0  # mm: narrower parts do not count; on other pages, names and pulses that touch a trace look like this
LEAST_SHARE = 0.15  # of the length of all curves: less may be handwriting
PULSE = 15.0  # mm at the beginning of a curve that may show a calibration pulse
TOP = 3.0  # mm, least width of a pulse's top
FLAT = 0.5  # mm, its largest difference in height
HIGH = 4.0  # mm, its least distance from the baseline


@dataclass(frozen=True)
class Curve:
    """A long line of trace and other ink.

    Attributes:
        box: its rows and columns in the maps.
        own: bool (h, w), its pixels.
        baseline: (w,), rows of the straight line through it, from the top of the box.
        seen: bool (w,), columns in which the network sees trace.
    """

    box: tuple[slice, slice]
    own: np.ndarray
    baseline: np.ndarray
    seen: np.ndarray


def with_ink_curves(reading: Reading) -> Reading:
    """The reading with long curves of other ink as traces, if they are much of the page; else the same object."""
    mm = reading.geometry.pixels_per_mm * reading.scale
    curves = _curves(reading.maps, mm)
    missed = sum(int(_wide_parts(~curve.seen, MISSED * mm).sum()) for curve in curves)
    if missed < max(1, LEAST_SHARE * sum(len(curve.seen) for curve in curves)):
        return reading
    maps = reading.maps.copy()
    for curve in curves:
        unseen = curve.own & ~curve.seen
        unseen[:, : _pulse_end(curve, mm)] = False
        above = (curve.baseline - np.arange(len(unseen))[:, None]) / (mm * OFFSET_UNIT)
        for place, values in ((0, 1), (INK, 0), (OFFSET, above)):
            part = maps[place][curve.box]
            part[...] = np.where(unseen, values, part)
    return replace(reading, maps=maps, trace=at_size(maps[0], reading.trace.shape))


def _curves(maps: np.ndarray, mm: float) -> list[Curve]:
    """The long lines in the maps; they have about one stroke in each column."""
    marked = (np.maximum(maps[0], maps[INK]) > MARKED).astype(np.uint8)
    marked &= ~cv2.morphologyEx(marked, cv2.MORPH_OPEN, np.ones((max(2, round(UPRIGHT * mm)), 1), np.uint8))
    bridged = cv2.dilate(marked, np.ones((2 * round(GAP * mm / 2) + 1,) * 2, np.uint8))
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(bridged)
    curves = []
    for part in range(1, count):
        left, top, width, height, _ = boxes[part]
        if width < LEAST_WIDTH * mm:
            continue
        box = np.s_[top : top + height, left : left + width]
        own = (parts[box] == part) & (marked[box] > 0)
        begins = own & ~np.vstack([np.zeros((1, width), bool), own[:-1]])
        if begins.sum() <= MOST_STROKES * width:
            line, away = _straight_line(own)
            seen = (own & (maps[0][box] > 0.5)).any(axis=0)
            if seen.mean() < SEEN and np.quantile(away, MOSTLY) < LEAST_AWAY * mm:
                continue  # a printed rule
            curves.append(Curve(box, own, line, seen))
    return curves


def _straight_line(own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (w,) of the straight line through a curve (h, w), and distances of its columns' middles from it, pixels.

    The line is robust, so that text attached to a printed rule does not tilt it.
    """
    counts = own.sum(axis=0)
    x = np.flatnonzero(counts)
    middles = (np.arange(len(own)) @ own)[x] / counts[x]
    weights = np.ones(len(x))
    for _ in range(REWEIGHTED):
        line = np.polynomial.Polynomial.fit(x, middles, 1, w=weights)
        away = np.abs(middles - line(x))
        weights = 1 / np.sqrt(np.maximum(away, 1))  # least absolute distances, at least a pixel
    return line(np.arange(own.shape[1])), away


def _wide_parts(columns: np.ndarray, least: float) -> np.ndarray:
    """bool (w,): the columns in runs of at least this width."""
    kernel = np.ones((1, max(2, round(least))), np.uint8)
    return cv2.morphologyEx(columns.astype(np.uint8)[None], cv2.MORPH_OPEN, kernel)[0] > 0


def _pulse_end(curve: Curve, mm: float) -> int:
    """The column after the calibration pulse with which a curve begins; 0 without one."""
    counts = curve.own.sum(axis=0)
    height = (np.arange(len(curve.own)) @ curve.own) / np.maximum(counts, 1)
    size = max(2, round(TOP * mm))
    flat = maximum_filter1d(height, size) - minimum_filter1d(height, size) < FLAT * mm
    top = flat & (counts > 0) & (np.abs(height - curve.baseline) > HIGH * mm)
    found = np.flatnonzero(top[: round(PULSE * mm)])
    return int(found[-1] + size) if len(found) else 0
