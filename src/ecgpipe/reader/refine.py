"""Correct the lines of leads with the line network (``LineNet``)."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from scipy.ndimage import maximum_filter1d

from ecgpipe.reader.lead_line import FINE, LeadLine, PageLines
from ecgpipe.reader.line_network import OFFSETS, PER_COLUMN, RATE, LineNet

TIP_WINDOW = 2.0  # thicknesses of the pen to each side of a tip, which is the highest point there
ENDS, APART = 2.0, 1.5  # mm from the ends of a lead, and from the traces of other rows, within which there is no tip
LEAST_TIP, SHORT = 2.0, 1.0  # mm: least height of a wave, and by how much a line falls short of its tip
FEWEST = 50  # samples; shorter lines are not corrected
LIMITS = 3.0, 6.0  # of heights in cm and slopes in mm, and of the edges' distances in mm
INK_LIMITS = -0.5, 1.5


@dataclass(frozen=True)
class LineView:
    """The input of the line network for one lead.

    Attributes:
        first: number of its first sample, at RATE, from the start of the page.
        heights: (2 n,) mm above the baseline; NaN where the line has a gap.
        channels: float32 (CHANNELS, n).
    """

    first: int
    heights: np.ndarray = field(repr=False)
    channels: np.ndarray = field(repr=False)


def view_line(line: LeadLine, read: PageLines) -> LineView | None:
    """The view of a lead on a page; None if its line is very short."""
    heights = read.heights(line, np.arange(round(read.time.seconds * RATE)) / RATE)
    known = np.flatnonzero(~np.isnan(heights))
    if len(known) < FEWEST:
        return None
    columns = np.arange(known[0] // PER_COLUMN, known[-1] // PER_COLUMN + 1)
    first = PER_COLUMN * int(columns[0])
    heights = np.append(heights, np.nan)[first : PER_COLUMN * int(columns[-1] + 1)]
    row, pixel = line.lead.row, read.mm * read.unit
    x = (columns * PER_COLUMN / RATE * read.time.speeds[row] + read.time.lefts[row]) * read.mm
    y = np.interp(x, line.x, line.y)
    at = y + OFFSETS[:, None] * pixel
    top, bottom = (np.interp(x, line.stroke.columns, edge) for edge in line.stroke.edges.T)
    point = np.rint(np.interp(x, line.x, np.arange(len(line.x)))).astype(int)
    measures = (
        np.clip((line.lead.baseline * read.mm - y) / pixel / 10, -LIMITS[0], LIMITS[0]),
        np.clip(-np.gradient(y) / pixel, -LIMITS[0], LIMITS[0]),
        np.clip((y - top) / pixel, -LIMITS[0], LIMITS[1]),
        np.clip((bottom - y) / pixel, -LIMITS[0], LIMITS[1]),
        np.full(len(x), line.pen / pixel),
        np.full(len(x), line.stroke.thickness / pixel),
        np.full(len(x), 1 / pixel),
        np.clip(np.abs(line.x[point] - x) / pixel, 0, 1),
    )
    positions = np.broadcast_to(x, at.shape).astype(np.float32) - 0.5, at.astype(np.float32) - 0.5
    ink = cv2.remap(read.ink, *positions, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return LineView(first, heights, np.concatenate([np.clip(ink, *INK_LIMITS), measures]).astype(np.float32))


@torch.inference_mode()
def corrections(line: LeadLine, read: PageLines, net: LineNet) -> tuple[np.ndarray, np.ndarray]:
    """Times in s, (n,), and how many mm the trace is above the line at these times, (n,)."""
    view = view_line(line, read)
    if view is None:
        return np.zeros(1), np.zeros(1)
    above = net(torch.from_numpy(view.channels)[None])[0].numpy()
    return (view.first + np.arange(len(above))) / RATE, above


def with_tips(heights: np.ndarray, seconds: np.ndarray, line: LeadLine, read: PageLines) -> np.ndarray:
    """Raise or lower a line to the tips of narrow waves of which it falls clearly short, although their ink was found.

    Where thin or pale pixels hide the sides of a spike, the disc of ``middle_of`` does not fit into it. Near the ends
    of a lead, separators look like tips, and near the traces of other rows, their waves do.

    Args:
        heights: (n,) mm above the baseline, corrected; NaN in gaps.
        seconds: (n,) their times, equally spaced.
        line, read: the line, and its page.

    Returns:
        (n,) mm.
    """
    lead, stroke, mm = line.lead, line.stroke, read.mm
    speed = read.time.speeds[lead.row]
    times = (stroke.columns / mm - read.time.lefts[lead.row]) / speed
    inside = (stroke.columns > (lead.left + ENDS) * mm) & (stroke.columns < (lead.right - ENDS) * mm)
    half = line.pen / mm / speed
    size = 2 * int(np.ceil(TIP_WINDOW * FINE * line.pen)) + 1
    result = heights.copy()
    for side, edge in ((1, stroke.edges[:, 0] + line.pen / 2), (-1, stroke.edges[:, 1] - line.pen / 2)):
        reach = side * (lead.baseline - edge / mm) / read.unit
        highest = (reach > LEAST_TIP) & (reach == maximum_filter1d(reach, size))
        for tip in np.flatnonzero(inside & highest):
            near = np.abs(seconds - times[tip]) <= half
            if not near.any() or _beside_other_row(read, lead.row, stroke.columns[tip], edge[tip]):
                continue
            short = reach[tip] - (side * result[near]).max()
            if short > SHORT:  # not in gaps: NaN
                result += side * short * np.maximum(1 - np.abs(seconds - times[tip]) / half, 0)
    return result


def _beside_other_row(read: PageLines, row: int, x: float, y: float) -> bool:
    """Whether the trace of another row is near a place, in pixels of the upright page."""
    far = round(APART * read.mm)
    top, left = max(int(y) - far, 0), max(int(x) - far, 0)
    near = read.page.leads.row_of[top : int(y) + far + 1, left : int(x) + far + 1]
    return bool(((near >= 0) & (near != row)).any())
