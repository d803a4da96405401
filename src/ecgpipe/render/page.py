"""Render a signal onto a page, and record the position of each lead, name, pulse and sample.

Pixel coordinates are (x, y) from the top left corner; pixel i covers i to i + 1.
"""

import io
import math
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from PIL import Image

from ecgpipe.config.pages import RenderConfig
from ecgpipe.lead_names import LEADS, printed_name
from ecgpipe.render.layout import Slot
from ecgpipe.render.template import Box, PageTemplate, page_template

SHIFT = 8  # cv2 takes points in 1/256 pixel
HAIR = 1.4  # pixels, the measured width of cv2's anti-aliased line of thickness 1
TOLERANCE = 0.1  # pixels; matplotlib drops points within 1/9


@dataclass(frozen=True)
class LeadOnPage:
    """One lead as plotted.

    Attributes:
        name: as printed, e.g. ``aVR``.
        box: (x0, y0, x1, y1) in pixels around the trace and its pulse, if any.
        text_box: the same around its name.
        start_sample, end_sample: half-open range of the plotted samples.
        pixels: float (n, 2), the point of each plotted sample.
        quad, text_quad: float (4, 2), corners of the two boxes on a degraded page: upper left, upper right,
            lower right, lower left, possibly outside the page. None on a page as rendered, whose boxes are upright.
        on_page: share of the samples whose point is inside the page.
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
    """A rendered page.

    Attributes:
        indices: uint8 (H, W), palette index of each pixel.
        palette: uint8 (n <= 256, 3), RGB.
        leads: in drawing order.
        dpi: pixels per inch.
        line_width: width of the traces in pixels.
        sampling_rate: of the signal, in Hz.
        grounds: number of paper and grid colours. The palette lists them without ink, then under increasing ink.
        paper: colour of the paper, RGB.
        pulses: float (n, 2) each, the corners of the calibration pulses.
    """

    indices: np.ndarray = field(repr=False)
    palette: np.ndarray = field(repr=False)
    leads: tuple[LeadOnPage, ...]
    dpi: float
    line_width: float
    sampling_rate: float
    grounds: int
    paper: tuple[int, int, int]
    pulses: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.indices.shape

    @cached_property
    def image(self) -> np.ndarray:
        """The page as uint8 (H, W, 3) RGB."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.palette)] = self.palette
        return cv2.merge([cv2.LUT(self.indices, np.ascontiguousarray(table[:, channel])) for channel in range(3)])

    @cached_property
    def trace_mask(self) -> np.ndarray:
        """Ground truth of the traces, uint8 (H, W): 1 where the leads' lines cover at least half of a pixel."""
        return (self.trace_coverage() >= 128).view(np.uint8)

    def trace_coverage(self) -> np.ndarray:
        """Share of each pixel that the leads' lines cover, uint8 (H, W), 0 to 255."""
        cover = np.zeros(self.shape, np.uint8)
        draw_traces(cover, self.leads, self.line_width, 255)
        return cover

    def encode(self) -> bytes:
        """The page as a lossless palette PNG."""
        picture = Image.fromarray(self.indices).convert("P")
        picture.putpalette(np.ascontiguousarray(self.palette, np.uint8).tobytes())
        buffer = io.BytesIO()
        picture.save(buffer, "png", dpi=(self.dpi, self.dpi), compress_level=3, bits=8)
        return buffer.getvalue()

    def boxes(self, plotted_pixels: bool = False) -> dict:
        """Lead and name boxes in the format of ECG-Image-Kit's JSON files.

        Args:
            plotted_pixels: also list the point of every sample, as (y, x) with two decimals.
        """
        return lead_boxes(self.shape, self.leads, self.dpi, self.sampling_rate, plotted_pixels)


def render_page(signal: np.ndarray, sampling_rate: float, config: RenderConfig, gaps: bool = False) -> Page:
    """Render one recording.

    Args:
        signal: float (12, samples) in millivolts, leads I, II, III, AVR, AVL, AVF, V1..V6.
        sampling_rate: in Hz.
        config: appearance of the page.
        gaps: leave out samples that are NaN. A lead may have several entries in ``leads``, one per piece, or none.

    Returns:
        The page. The same arguments give the same bytes. If the signal is shorter than the page, the rest of the page
        is blank (``short_note``), and leads that begin after the signal's end are missing.

    Raises:
        ValueError: wrong shape, without ``gaps`` a sample that is not finite, or nothing to show.
        ConfigError: unknown layout.
    """
    template = page_template(config)
    leads = _place_leads(signal, sampling_rate, config, template, gaps)
    line_width = _line_width(config, template)
    indices = template.ink.copy()
    draw_traces(indices, leads, line_width, template.full)
    np.multiply(indices, np.uint8(template.grounds), out=indices)
    cv2.add(indices, template.ground, dst=indices)
    return Page(
        indices,
        template.palette,
        leads,
        config.dpi,
        line_width,
        float(sampling_rate),
        template.grounds,
        config.paper,
        template.pulses,
    )


def render_trace_coverage(
    signal: np.ndarray, sampling_rate: float, config: RenderConfig, gaps: bool = False
) -> np.ndarray:
    """Render only the traces of a page: the share of each pixel that they cover, uint8 (H, W), 0 to 255.

    Arguments and errors as for ``render_page``.
    """
    template = page_template(config)
    leads = _place_leads(signal, sampling_rate, config, template, gaps)
    cover = np.zeros(template.shape, np.uint8)
    draw_traces(cover, leads, _line_width(config, template), 255)
    return cover


def _line_width(config: RenderConfig, template: PageTemplate) -> float:
    return (config.trace_width or template.layout.trace_width) * config.dpi / 72


def _place_leads(
    signal: np.ndarray, sampling_rate: float, config: RenderConfig, template: PageTemplate, gaps: bool
) -> tuple[LeadOnPage, ...]:
    """Check the signal and compute where each slot of the layout plots it."""
    if signal.ndim != 2 or len(signal) != len(LEADS):
        raise ValueError(f"signal of shape {signal.shape}: expected ({len(LEADS)}, samples)")
    if not sampling_rate > 0:
        raise ValueError(f"sampling rate {sampling_rate}: must be positive")
    if not (gaps or np.isfinite(signal).all()):
        raise ValueError("the signal has samples that are not finite; repair or drop the record first")
    leads = tuple(
        _place_lead(slot, box, signal, sampling_rate, config, template, samples)
        for slot, box in zip(template.layout.slots, template.text_boxes, strict=True)
        for samples in _pieces(slot, signal, sampling_rate, config)
    )
    if not gaps:
        _check_visible(leads, signal, template)
    return leads


def _check_visible(leads: tuple[LeadOnPage, ...], signal: np.ndarray, template: PageTemplate) -> None:
    """Raise ValueError if there is nothing to draw, or a whole lead is above or below the page."""
    if all(lead.end_sample - lead.start_sample < 2 for lead in leads):
        raise ValueError(f"the signal has {signal.shape[1]} samples; there is nothing to draw")
    for lead in leads:
        y = lead.pixels[:, 1]
        if y.max() < 0 or y.min() > template.shape[0]:
            row = signal[LEADS.index(lead.name.upper())]
            raise ValueError(f"lead {lead.name} is not on the page: it is around {np.median(row):.3g} mV")


def short_note(samples: int, sampling_rate: float, config: RenderConfig) -> str | None:
    """The note on a signal that is shorter than the page; None if it is not.

    Args:
        samples: length of the signal.
        sampling_rate: in Hz.
        config: appearance of the page.
    """
    layout = page_template(config).layout
    seconds = max(slot.start + slot.width for slot in layout.slots) / config.paper_speed
    if samples >= round(seconds * sampling_rate):
        return None
    shown = {slot.lead for slot in layout.slots if round(slot.start * sampling_rate / config.paper_speed) < samples - 1}
    absent = [printed_name(lead) for lead in LEADS if lead in {slot.lead for slot in layout.slots} - shown]
    missing = f"; without {', '.join(absent)}" if absent else ""
    return f"the record has {samples / sampling_rate:g} s, the page {seconds:g} s: blank after its end{missing}"


def _pieces(slot: Slot, signal: np.ndarray, sampling_rate: float, config: RenderConfig) -> list[tuple[int, int]]:
    """The half-open ranges without gaps of the samples that a slot shows."""
    rate = sampling_rate / config.paper_speed  # samples per millimetre
    start, end = round(slot.start * rate), round((slot.start + slot.width) * rate)
    known = np.isfinite(signal[LEADS.index(slot.lead), start:end])
    return [(start + first, start + last) for first, last in true_runs(known)]


def true_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each run of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _place_lead(
    slot: Slot,
    text_box: Box | None,
    signal: np.ndarray,
    sampling_rate: float,
    config: RenderConfig,
    template: PageTemplate,
    samples: tuple[int, int],
) -> LeadOnPage:
    start, end = samples
    rate = sampling_rate / config.paper_speed  # samples per millimetre
    x = (slot.x + (np.arange(start, end) / rate - slot.start)) * template.scale
    y = (slot.baseline - signal[LEADS.index(slot.lead), start:end] * config.gain) * template.scale
    return LeadOnPage(
        name=printed_name(slot.lead),
        box=_bounding_box(slot, x, y, config, template),
        text_box=text_box,
        start_sample=start,
        end_sample=end,
        pixels=np.stack([x, y], axis=1),
    )


def _bounding_box(slot: Slot, x: np.ndarray, y: np.ndarray, config: RenderConfig, template: PageTemplate) -> Box:
    """Box around trace and pulse as ECG-Image-Kit computes it: x rounded down, y rounded up, clipped to the page."""
    left, right, top, bottom = x[0], x[-1], y.min(), y.max()
    if slot.pulse is not None and config.pulse:
        left = min(left, slot.pulse.x * template.scale)
        right = max(right, (slot.pulse.x + slot.pulse.width) * template.scale)
        top = min(top, (slot.baseline - config.gain) * template.scale)
        bottom = max(bottom, slot.baseline * template.scale)
    height, width = template.shape
    return (
        min(max(math.floor(left), 0), width),
        min(max(math.ceil(top), 0), height),
        min(max(math.floor(right), 0), width),
        min(max(math.ceil(bottom), 0), height),
    )


def lead_boxes(
    shape: tuple[int, int], leads: tuple[LeadOnPage, ...], dpi: float, sampling_rate: float, plotted_pixels: bool
) -> dict:
    """Return the result of ``Page.boxes``; leads that a degradation moved also have ``on_page``."""
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
    """Corners (y, x) in the kit's order: upper left, upper right, lower right, lower left."""
    if quad is not None:
        return {str(i): [round(float(y)), round(float(x))] for i, (x, y) in enumerate(quad)}
    x0, y0, x1, y1 = box
    return {"0": [y0, x0], "1": [y0, x1], "2": [y1, x1], "3": [y1, x0]}


def draw_traces(cover: np.ndarray, leads: tuple[LeadOnPage, ...], line_width: float, full: int) -> None:
    """Draw the leads' anti-aliased lines into ``cover``, uint8 (H, W), 0 to ``full``.

    Points within a tenth of a pixel of the line are dropped first. OpenCV's thin anti-aliased lines are fast and about
    ``HAIR`` pixels wide; its thick ones are slow and 1.5 pixels too wide. So each line consists of thin lines.
    """
    limit = max(cover.shape)  # clip points far off the page: they would overflow
    half_width = max(0.0, (line_width - HAIR) / 2)
    offsets = np.linspace(-half_width, half_width, 1 + int(np.ceil(2 * half_width))) if half_width else np.zeros(1)
    thinned = []
    for lead in leads:
        points = lead.pixels.astype(np.float32)
        np.clip(points, -limit, 2 * limit, out=points)
        points = cv2.approxPolyDP(points[:, None, :], TOLERANCE, False)[:, 0, :]  # type: ignore[assignment]
        if len(points) > 1:
            thinned.append(points)
    if not thinned:
        return
    # all leads at once: NumPy's call overhead exceeds the arithmetic of one lead
    ends = np.cumsum([len(points) for points in thinned])
    points = np.concatenate(thinned)
    normals = _normals(points, ends)
    moved = (np.rint((points + (offset * normals - 0.5)) * (1 << SHIFT)).astype(np.int32) for offset in offsets)
    by_lead = zip(*(np.split(line, ends[:-1]) for line in moved), strict=True)  # order matters where leads cross
    cv2.polylines(cover, [line for lines in by_lead for line in lines], False, full, 1, cv2.LINE_AA, SHIFT)


def _normals(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mitre vectors of the points (n, 2) of concatenated polylines, for a half-width of 1, limited to length 2.

    ``ends`` are the positions after each line's last point; each line has at least two points.
    """
    x, y = points.T
    along_x, along_y = np.diff(x), np.diff(y)
    length = np.maximum(np.hypot(along_x, along_y), 1e-6)
    after = np.empty_like(points)
    after[:-1, 0], after[:-1, 1] = -along_y / length, along_x / length
    before = np.empty_like(points)
    before[1:] = after[:-1]
    starts = np.concatenate([[0], ends[:-1]])
    after[ends - 1] = before[ends - 1]  # an end point has one segment
    before[starts] = after[starts]
    both = before + after
    square = both[:, 0] ** 2 + both[:, 1] ** 2
    return 2 * both / np.maximum(square, 1)[:, None]
