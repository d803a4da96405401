"""Correct the lines of leads with the line network (``LineNet``)."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

from ecgpipe.reader.lead_line import LeadLine, PageLines
from ecgpipe.reader.line_network import OFFSETS, PER_COLUMN, RATE, LineNet

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
