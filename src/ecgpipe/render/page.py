"""A page as a value: its picture, and where each lead and each sample stands on it.

Draw a signal onto a page.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.layout import LEADS, PRINTED, Slot
from ecgpipe.render.png import encode_palette
from ecgpipe.render.template import PageTemplate, page_template

Box = tuple[int, int, int, int]
SHIFT = 8  # cv2 takes points in 1/256 pixel
HAIR = 1.4  # pixels, the width of cv2's anti-aliased line of thickness 1, measured
TOLERANCE = 0.1  # pixels; matplotlib drops points within 1/9


@dataclass(frozen=True)
class LeadOnPage:
    """One lead as drawn.

    Attributes:
        name: as printed, e.g. ``aVR``.
        box: (x0, y0, x1, y1) in pixels around the trace, and around its pulse where it has one.
        text_box: the same around its name.
        start_sample, end_sample: the half-open range of samples drawn.
        pixels: float (n, 2), the point (x, y) of each of them; pixel i reaches from i to i + 1.
        quad, text_quad: float (4, 2), where the corners of the two boxes went on a page that was rotated or seen at
            an angle: upper left, upper right, lower right, lower left, also beyond the edge of the picture. None on a
            page as drawn, whose boxes are upright.
        on_page: share of the samples whose point is within the picture.
    """

    name: str
    box: Box
    text_box: Box | None
    start_sample: int
    end_sample: int
    pixels: np.ndarray = field(repr=False)
    quad: np.ndarray | None = field(default=None, repr=False)
    text_quad: np.ndarray | None = field(default=None, repr=False)
    on_page: float = 1.0


@dataclass(frozen=True)
class Page:
    """A drawn page.

    Attributes:
        indices: uint8 (H, W), each pixel's entry in the palette.
        palette: uint8 (n <= 256, 3), RGB.
        leads: the leads in the order in which they were drawn.
        dpi: pixels per inch.
        line_width: width of the traces in pixels.
        sampling_rate: of the signal, in Hz.
        grounds: how many colours paper and grid have; the palette lists them under no ink, then under more and more.
    """

    indices: np.ndarray = field(repr=False)
    palette: np.ndarray = field(repr=False)
    leads: tuple[LeadOnPage, ...]
    dpi: float
    line_width: float
    sampling_rate: float
    grounds: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.indices.shape

    @cached_property
    def image(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3) RGB."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.palette)] = self.palette
        return cv2.merge([cv2.LUT(self.indices, np.ascontiguousarray(table[:, channel])) for channel in range(3)])

    @cached_property
    def trace_mask(self) -> np.ndarray:
        """The true trace, uint8 (H, W): 1 where the leads' lines cover at least half of a pixel."""
        return (self.trace_coverage() >= 128).view(np.uint8)

    def trace_coverage(self) -> np.ndarray:
        """How much of each pixel the leads' lines cover, uint8 (H, W), 0 to 255."""
        cover = np.zeros(self.shape, np.uint8)
        draw_traces(cover, self.leads, self.line_width, 255)
        return cover

    def encode(self) -> bytes:
        """The picture as a PNG file (palette, lossless)."""
        return encode_palette(self.indices, self.palette, self.dpi)

    def boxes(self, plotted_pixels: bool = False) -> dict:
        """Where the leads are, in the shape of ECG-Image-Kit's JSON files.

        Args:
            plotted_pixels: also list every sample's point, as (y, x) with two decimals.
        """
        return lead_boxes(self.shape, self.leads, self.dpi, self.sampling_rate, plotted_pixels)


def lead_boxes(
    shape: tuple[int, int], leads: tuple[LeadOnPage, ...], dpi: float, sampling_rate: float, plotted_pixels: bool
) -> dict:
    """What ``Page.boxes`` returns; a moved lead also has ``on_page``, the share of its samples within the picture."""
    entries = []
    for lead in leads:
        entry = {
            "lead_name": lead.name,
            "lead_bounding_box": _corners(lead.box, lead.quad),
            "text_bounding_box": _corners(lead.text_box, lead.text_quad) if lead.text_box else {},
            "start_sample": lead.start_sample,
            "end_sample": lead.end_sample,
        }
        if lead.quad is not None:
            entry["on_page"] = round(lead.on_page, 4)
        if plotted_pixels:
            entry["plotted_pixels"] = lead.pixels[:, ::-1].round(2).tolist()
        entries.append(entry)
    return {
        "sampling_frequency": sampling_rate,
        "width": shape[1],
        "height": shape[0],
        "resolution": dpi,
        "leads": entries,
    }


def _corners(box: Box, quad: np.ndarray | None) -> dict[str, list[int]]:
    """The kit's order: (y, x) of the upper left, upper right, lower right and lower left corner."""
    if quad is not None:
        return {str(i): [round(float(y)), round(float(x))] for i, (x, y) in enumerate(quad)}
    x0, y0, x1, y1 = box
    return {"0": [y0, x0], "1": [y0, x1], "2": [y1, x1], "3": [y1, x0]}


def draw_traces(cover: np.ndarray, leads: tuple[LeadOnPage, ...], line_width: float, full: int) -> None:
    """Draw the leads' lines, anti-aliased, into the coverage ``cover`` (uint8 (H, W), 0 to ``full``).

    Points that leave the line where it is, within a tenth of a pixel, are dropped first. OpenCV's thin
    anti-aliased line is fast and about ``HAIR`` pixels wide, its thick ones are slow and 1.5 pixels too wide; so a
    line is drawn as parallel thin ones.
    """
    limit = max(cover.shape)  # a point far off the page must not overflow
    reach = max(0.0, (line_width - HAIR) / 2)
    offsets = np.linspace(-reach, reach, 1 + int(np.ceil(2 * reach))) if reach else np.zeros(1)
    thinned = []
    for lead in leads:
        points = lead.pixels.astype(np.float32)
        np.clip(points, -limit, 2 * limit, out=points)
        points = cv2.approxPolyDP(points[:, None, :], TOLERANCE, False)[:, 0, :]  # type: ignore[assignment]
        if len(points) > 1:
            thinned.append(points)
    if not thinned:
        return
    # all leads at once, since NumPy's calls take longer than the arithmetic of one lead
    ends = np.cumsum([len(points) for points in thinned])
    points = np.concatenate(thinned)
    normals = _normals(points, ends)
    moved = (np.rint((points + (offset * normals - 0.5)) * (1 << SHIFT)).astype(np.int32) for offset in offsets)
    by_lead = zip(*(np.split(line, ends[:-1]) for line in moved), strict=True)  # where leads cross, order counts
    cv2.polylines(cover, [line for lines in by_lead for line in lines], False, full, 1, cv2.LINE_AA, SHIFT)


def _normals(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each point (n, 2) of lines, where the edge of a line of half-width 1 passes beside it.

    That is the mitre of the two neighbouring segments, cut at twice the half-width. The lines, of two points at least,
    follow each other; ``ends`` are the positions after their last points.
    """
    x, y = points.T
    along_x, along_y = np.diff(x), np.diff(y)
    length = np.maximum(np.hypot(along_x, along_y), 1e-6)
    after = np.empty_like(points)
    after[:-1, 0], after[:-1, 1] = -along_y / length, along_x / length
    before = np.empty_like(points)
    before[1:] = after[:-1]
    starts = np.concatenate([[0], ends[:-1]])
    after[ends - 1] = before[ends - 1]  # a line's ends have one segment
    before[starts] = after[starts]
    both = before + after
    square = both[:, 0] ** 2 + both[:, 1] ** 2
    return 2 * both / np.maximum(square, 1)[:, None]


def render_page(signal: np.ndarray, sampling_rate: float, config: RenderConfig) -> Page:
    """Draw one recording.

    Args:
        signal: float (12, samples) in millivolts, leads I, II, III, AVR, AVL, AVF, V1..V6.
        sampling_rate: in Hz.
        config: the look of the page.

    Returns:
        The page. The same arguments give the same bytes.

    Raises:
        ValueError: the shape is wrong, a sample is not finite, or the signal is too short for the layout.
        ConfigError: the layout does not exist.
    """
    common = page_template(config)
    leads = _leads(signal, sampling_rate, config, common)
    line_width = _line_width(config, common)
    indices = common.ink.copy()
    draw_traces(indices, leads, line_width, common.full)
    np.multiply(indices, np.uint8(common.grounds), out=indices)
    cv2.add(indices, common.ground, dst=indices)
    return Page(indices, common.palette, leads, config.dpi, line_width, float(sampling_rate), common.grounds)


def render_trace_coverage(signal: np.ndarray, sampling_rate: float, config: RenderConfig) -> np.ndarray:
    """How much of each pixel of that page its traces cover, uint8 (H, W), 0 to 255; nothing else is drawn.

    Arguments and errors are those of ``render_page``.
    """
    common = page_template(config)
    leads = _leads(signal, sampling_rate, config, common)
    cover = np.zeros(common.shape, np.uint8)
    draw_traces(cover, leads, _line_width(config, common), 255)
    return cover


def _line_width(config: RenderConfig, common: PageTemplate) -> float:
    return (config.trace_width or common.layout.trace_width) * config.dpi / 72


def _leads(
    signal: np.ndarray, sampling_rate: float, config: RenderConfig, common: PageTemplate
) -> tuple[LeadOnPage, ...]:
    """All leads of a sound signal in their places; ValueError as ``render_page`` raises it."""
    if signal.ndim != 2 or len(signal) != len(LEADS):
        raise ValueError(f"signal of shape {signal.shape}: not ({len(LEADS)}, samples)")
    if not sampling_rate > 0:
        raise ValueError(f"sampling rate {sampling_rate}: not positive")
    if not np.isfinite(signal).all():
        raise ValueError("the signal has samples that are not finite; mend or drop the record first")
    seconds = max(slot.start + slot.width for slot in common.layout.slots) / config.paper_speed
    if signal.shape[1] < round(seconds * sampling_rate):
        raise ValueError(
            f"the signal has {signal.shape[1] / sampling_rate:g} s, layout {common.layout.name} at "
            f"{config.paper_speed:g} mm/s shows {seconds:g} s; use a higher paper speed or a shorter layout"
        )
    return tuple(
        _place(slot, box, signal, sampling_rate, config, common)
        for slot, box in zip(common.layout.slots, common.text_boxes, strict=True)
    )


def _place(
    slot: Slot,
    text_box: Box | None,
    signal: np.ndarray,
    sampling_rate: float,
    config: RenderConfig,
    common: PageTemplate,
) -> LeadOnPage:
    """The samples that a slot shows, and where."""
    rate = sampling_rate / config.paper_speed  # samples per millimetre
    start, end = round(slot.start * rate), round((slot.start + slot.width) * rate)
    x = (slot.x + (np.arange(start, end) / rate - slot.start)) * common.scale
    y = (slot.baseline - signal[LEADS.index(slot.lead), start:end] * config.gain) * common.scale
    return LeadOnPage(
        name=PRINTED.get(slot.lead, slot.lead),
        box=_bounding_box(slot, x, y, config, common),
        text_box=text_box,
        start_sample=start,
        end_sample=end,
        pixels=np.stack([x, y], axis=1),
    )


def _bounding_box(slot: Slot, x: np.ndarray, y: np.ndarray, config: RenderConfig, common: PageTemplate) -> Box:
    """The kit's box: of the points of trace and pulse, x rounded down and y up, within the page."""
    left, right, top, bottom = x[0], x[-1], y.min(), y.max()
    if slot.pulse is not None and config.pulse:
        left = min(left, slot.pulse.x * common.scale)
        top = min(top, (slot.baseline - config.gain) * common.scale)
        bottom = max(bottom, slot.baseline * common.scale)
    height, width = common.shape
    return (
        min(max(math.floor(left), 0), width),
        min(max(math.ceil(top), 0), height),
        min(max(math.floor(right), 0), width),
        min(max(math.ceil(bottom), 0), height),
    )
