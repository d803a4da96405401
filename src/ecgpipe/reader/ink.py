"""The ink of the traces on the upright page, at a finer resolution than the network's."""

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.page import ReadPage

AROUND = 1.0  # mm around the traces in which colours are compared
REACH = 0.3  # mm by which ink may lie outside the network's trace
USUAL = 6.0  # mm along the row over which the darkness of a full stroke is averaged
STROKE = 0.7  # times the usual darkness of the traces: darker pixels may be the tip of a peak
FAINT = 0.2  # minimum probability of dark ink that belongs to the network's trace because it touches it
TIP = 4.0  # mm that a tip may reach beyond the network's trace
WINDOW = 20.0  # mm above and below the network's trace in which the rest of a wave may lie
BAR, WAVE = 8.0, 0.7  # mm: least dark ink in a column of a separator or a dark grid line, and least width of a wave
NAME = 5.0, 3.5  # mm: half the width and half the height of the area of a printed lead name
UPRIGHT = np.ones((3, 1), np.uint8)
NEAR, PALEST = 0.5, 0.35  # mm around a pixel, and the least darkness relative to the usual one, of a full stroke there
MOST_COLOURS = 200_000  # pixels from which the colour of the ink is learned
FRAME, FRAME_DARK, FRAME_WHOLE = 0.004, 0.5, 0.9  # shares: of the picture's size, of its usual brightness, of a side


def without_frame(picture: np.ndarray) -> np.ndarray:
    """Replace a dark line along the picture's edges by the pixels beside it; a picture without one is unchanged.

    Some programs draw a frame around the page. It would count as ink of every trace that begins at the edge.

    Args:
        picture: uint8 (H, W, 3).
    """
    dark = FRAME_DARK * np.median(picture[::4, ::4].max(axis=2))
    result = picture
    for axis in (0, 1):
        lines = np.moveaxis(picture, axis, 0)
        most = max(2, round(FRAME * len(lines))) + 1
        # 0 without a frame, or with a dark margin wider than a line
        first, last = (
            int(np.argmin((edge.max(axis=-1) < dark).mean(axis=1) > FRAME_WHOLE))
            for edge in (lines[:most], lines[: -most - 1 : -1])
        )
        if first or last:
            kept = np.clip(np.arange(len(lines)), first, len(lines) - 1 - last)
            result = np.take(result, kept, axis=axis)
    return result


def ink_of(page: ReadPage, picture: np.ndarray) -> np.ndarray:
    """How much of each pixel is ink in the colour of the traces: float32 (h, w), about 0 to 1.

    It is the linear combination of the colours, relative to the paper around them, that best predicts the network's
    traces; the colours of grid and shadows cancel.

    Args:
        picture: uint8 (H, W, 3), RGB, as given to ``understand_page``.
    """
    upright = page.upright(cv2.bitwise_not(picture) if page.negative else picture)
    small = cv2.resize(upright, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    paper = cv2.resize(cv2.medianBlur(small, 21), upright.shape[1::-1]).astype(np.float32)
    colours = upright / np.maximum(paper, 16)
    traces = (page.trace >= 0.5) & (page.leads.row_of >= 0)  # not what only looks like one beside the page
    near = cv2.dilate(traces.astype(np.uint8), _disc(AROUND * page.frame.pixels_per_mm)) > 0
    indices = np.flatnonzero(near)
    indices = indices[:: max(1, len(indices) // MOST_COLOURS)]
    known = np.column_stack([colours.reshape(-1, 3)[indices], np.ones(len(indices))])
    weights = np.linalg.lstsq(known, page.trace.ravel()[indices].astype(float), rcond=None)[0].astype(np.float32)
    return colours @ weights[:3] + weights[3]


def own_ink(page: ReadPage, ink: np.ndarray, lead: FoundLead, first: int, last: int) -> np.ndarray:
    """The ink of one lead between two columns: float32 (h, last - first), 1 in the middle of a stroke, else 0."""
    mm = page.frame.pixels_per_mm
    start = max(first - round(mm), 0)
    result = np.zeros((ink.shape[0], max(last - first, 0)), np.float32)
    heights = np.flatnonzero((page.leads.row_of[:, start : last + round(mm)] == lead.row).any(axis=1))
    if not len(heights):
        return result
    window = round(WINDOW * mm)
    near = np.s_[max(heights[0] - window, 0) : heights[-1] + window, start : last + round(mm)]
    rows, dark, trace = page.leads.row_of[near], ink[near], page.trace[near]
    own = cv2.dilate((rows == lead.row).astype(np.uint8), _disc(REACH * mm))
    allowed = (dark > STROKE * np.median(dark[rows == lead.row])) & ((rows < 0) | (rows == lead.row))
    faint = allowed & ((trace >= FAINT) | _unseen(page, lead, allowed, near))
    count, parts = cv2.connectedComponents((faint | (own > 0)).astype(np.uint8))
    touched = np.bincount(parts[own > 0], minlength=count) > 0
    own |= faint & touched[parts]
    allowed[:, (allowed & (own == 0)).sum(axis=0) > BAR * mm] = False
    for _ in range(round(TIP * mm)):  # the network misses the tips of some sharp peaks
        own |= cv2.dilate(own, UPRIGHT) & allowed
    own[(rows >= 0) & (rows != lead.row)] = 0
    part = np.where(own > 0, dark, 0)[:, first - start : last - start]
    darkest = part.max(axis=0)
    usual = np.where(darkest > 0, darkest, np.median(darkest[darkest > 0]) if (darkest > 0).any() else 1)
    size = min(round(USUAL * page.frame.pixels_per_mm) | 1, len(usual))
    usual = median_filter(usual, size, mode="nearest")
    around = np.maximum(cv2.dilate(part, _disc(NEAR * mm)), PALEST * usual)
    part = np.clip(part / np.maximum(np.minimum(usual, around), 1e-3), 0, 1)
    result[near[0], : part.shape[1]] = part
    return result


def _unseen(page: ReadPage, lead: FoundLead, dark: np.ndarray, near: tuple[slice, slice]) -> np.ndarray:
    """Dark ink in columns without a trace, such as a wave beside a calibration pulse, but no letters or separators."""
    mm = page.frame.pixels_per_mm
    unseen = dark & ~(page.leads.row_of[near] == lead.row).any(axis=0)
    unseen[:, unseen.sum(axis=0) > BAR * mm] = False
    if not lead.name_read:  # the name may overlap the trace
        unseen[:, : round((lead.left + 2 * NAME[0]) * mm) - near[1].start] = False
    for name in page.reading.names:
        middle = page.frame.to_mm(np.array([[name.x, name.y]]))[0] * mm - (near[1].start, near[0].start)
        left, top = np.maximum(np.rint(middle - np.multiply(NAME, mm)), 0).astype(int)
        right, bottom = np.maximum(np.rint(middle + np.multiply(NAME, mm)), 0).astype(int)
        unseen[top:bottom, left:right] = False
    columns = unseen.any(axis=0).astype(np.uint8)[None]
    return unseen & (cv2.morphologyEx(columns, cv2.MORPH_OPEN, np.ones((1, max(1, round(WAVE * mm))))) > 0)


def _disc(radius: float) -> np.ndarray:
    size = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
