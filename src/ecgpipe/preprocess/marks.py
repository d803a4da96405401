"""Remove the straight marks of a page: separators, rules, calibration pulses.

All functions change ``ink`` in place, uint8 (H, W) coverage from 0 to 255; ``mm`` is in pixels per millimetre.
"""

import cv2
import numpy as np

from ecgpipe.preprocess.components import opened

LEVEL = 0.3  # mm, largest deviation of a level line


def _odd(length: float) -> int:
    """Round to an odd length: an even structuring element shifts its result."""
    return round(length) // 2 * 2 + 1


def drop_frame(ink: np.ndarray, mm: float) -> None:
    """Remove lines at the edges of the page, up to 1 mm thick."""
    for side in (ink, ink[::-1], ink.T, ink.T[::-1]):
        for line in side[: max(1, round(mm))]:
            if cv2.countNonZero(line) < 0.5 * line.size:
                break
            line[:] = 0


def drop_rules(ink: np.ndarray, mm: float) -> None:
    """Remove straight horizontal lines of at least 150 mm in the top and bottom sixths of the page."""
    height, length = len(ink), 150 * mm
    for part in (ink[: height // 6], ink[height - height // 6 :]):
        full = (part > 0).view(np.uint8)
        if full.sum(axis=1, dtype=np.int32).max(initial=0) >= length:
            lines = cv2.morphologyEx(full, cv2.MORPH_OPEN, np.ones((1, _odd(length)), np.uint8))
            rules = cv2.dilate(lines, np.ones((3, 3), np.uint8))
            part[rules > 0] = 0


def drop_separators(ink: np.ndarray, mm: float, photographed: bool = False) -> None:
    """Remove vertical lines over 60 mm, and continue what crosses them into the gap from both sides.

    Args:
        photographed: lines may have gaps, and slant by a pixel or two.
    """
    any_ink = lines = (ink > 0).view(np.uint8)
    if photographed:
        lines = cv2.morphologyEx(any_ink, cv2.MORPH_CLOSE, np.ones((_odd(2 * mm), 3), np.uint8))
        lines = cv2.dilate(lines, np.ones((1, 3), np.uint8))
    for x, y, w, h in _rectangles(opened(lines, _odd(60 * mm)), mm, np.inf):
        if _crowded(any_ink, x, y, w, h):  # steep strokes of several rows
            continue
        _bridge(ink, x, x + w, max(0, y - 1), y + h + 1)


def drop_bars(ink: np.ndarray, mm: float, photographed: bool = False) -> None:
    """Remove solid vertical bars of 5 to 15 mm with free ends, and continue what crosses them.

    Args:
        photographed: the ends are blurred.
    """
    solid = (ink >= 120).view(np.uint8)
    around = solid if photographed else ink
    bars = opened(solid, _odd(5 * mm), _odd(0.65 * mm))
    for x, y, w, h in _rectangles(bars, mm, 15 * mm):
        # a stroke of the trace continues above or below, a mark does not
        beside = slice(max(0, x - 1), x + w + 1)
        if not (around[max(0, y - 2) : max(0, y - 1), beside].any() or around[y + h + 1 : y + h + 2, beside].any()):
            _bridge(ink, x, x + w, max(0, y - 1), y + h + 1)


def drop_flat_lines(ink: np.ndarray, mm: float) -> None:
    """Remove level lines of a photographed page: rules and edges of the paper.

    A trace leaves its baseline with every beat. Lines have at least 80 mm; in the top and bottom quarters 10 mm.
    """
    height = len(ink)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((ink > 0).view(np.uint8), connectivity=8)
    for part in range(1, count):
        x, y, w, h, _ = boxes[part].tolist()
        outside = not height / 4 < y + h / 2 < 0.75 * height
        if w < (10 if outside else 80) * mm:
            continue
        there = labels[y : y + h, x : x + w] == part
        middle = (there * np.arange(h)[:, None]).sum(axis=0) / there.sum(axis=0)
        middle -= np.polyval(np.polyfit(np.linspace(-1, 1, w), middle, 5), np.linspace(-1, 1, w))
        if np.percentile(np.abs(middle), 85) < LEVEL * mm:
            ink[y : y + h, x : x + w][there] = 0


def _rectangles(binary: np.ndarray, mm: float, tallest: float) -> list[tuple[int, int, int, int]]:
    """Boxes (x, y, w, h) of the vertical, narrow and filled parts of a binary image."""
    boxes = _boxes(binary)
    return [
        (x, y, w, h)
        for x, y, w, h in boxes
        if h <= tallest and w <= 2 * mm and cv2.countNonZero(binary[y : y + h, x : x + w]) >= 0.8 * w * h
    ]


def _boxes(binary: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Boxes (x, y, w, h) of the connected parts of a binary image, from left to right."""
    if not cv2.countNonZero(binary):
        return []
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return sorted(tuple(cv2.boundingRect(contour)) for contour in contours)


def _crowded(any_ink: np.ndarray, x: int, y: int, w: int, h: int) -> bool:
    """Whether a vertical line has much ink close to both sides."""
    beside = [any_ink[y : y + h, at] for at in (x - 2, x + w + 1) if 0 <= at < any_ink.shape[1]]
    return all(column.mean() > 0.1 for column in beside)


def _bridge(ink: np.ndarray, left: int, right: int, top: int, bottom: int) -> None:
    """Replace the columns [left, right) of a bar, and its blurred edges, by the columns beside them."""
    width = ink.shape[1]
    rows, most = slice(top, bottom), 0.7 * (min(bottom, len(ink)) - top)
    while left > 0 and np.count_nonzero(ink[rows, left - 1]) > most:
        left -= 1
    while right < width and np.count_nonzero(ink[rows, right]) > most:
        right += 1
    middle = (left + right) // 2
    ink[rows, left:middle] = ink[rows, left - 1 : left] if left > 0 else 0
    ink[rows, middle:right] = ink[rows, right : right + 1] if right < width else 0


def drop_pulses(ink: np.ndarray, mm: float) -> None:
    """Remove calibration pulses: two vertical edges of 4 to 22 mm joined by a flat top, with nothing between them."""
    binary = (ink > 0).view(np.uint8)
    edges = opened(binary, _odd(4 * mm))
    upright = [box for box in _boxes(edges) if box[2] <= 1.5 * mm and box[3] <= 22 * mm]
    slack = max(2, round(0.75 * mm))
    for index, (x, y, w, h) in enumerate(upright):
        for other_x, other_y, other_w, other_h in upright[index + 1 :]:
            if other_x - x > 7.5 * mm:
                break
            level = abs(other_y - y) <= slack and abs(other_y + other_h - y - h) <= slack
            top, tall = min(y, other_y), max(h, other_h)
            if other_x - x >= 1.2 * mm and level and _is_pulse(binary, x + w, other_x, top, tall, mm):
                _erase_pulse(ink, (x, y, w, h), (other_x, other_y, other_w, other_h))


def _is_pulse(binary: np.ndarray, left: int, right: int, top: int, height: int, mm: float) -> bool:
    """Whether a flat line joins the tops of two edges, with hardly any ink below it.

    The strokes of a QRS complex meet in a point instead.
    """
    inside = binary[top : top + height, left:right]
    roof = max(3, round(0.7 * mm))
    if inside.shape[1] < 2 or len(inside) < 4 * roof:
        return False
    return bool(inside[:roof].any(axis=0).mean() > 0.9 and inside[2 * roof : round(0.8 * height)].mean() < 0.15)


def _erase_pulse(ink: np.ndarray, first: tuple, second: tuple) -> None:
    left, right = max(0, first[0] - 1), second[0] + second[2] + 1
    top = max(0, min(first[1], second[1]) - 1)
    bottom = max(first[1] + first[3], second[1] + second[3]) + 1
    beyond = ink[top:bottom, right : right + 1].copy()
    roof = top + max(3, (bottom - top) // 6)
    ink[top:roof, left:right] = 0
    for x, _, w, _ in (first, second):
        ink[top:bottom, max(0, x - 1) : x + w + 1] = 0
    if beyond.size:  # where the trace begins right at the pulse
        ink[top:bottom, right - 1 : right] = beyond
