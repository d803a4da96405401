"""Draw a signal onto a page."""

import math

import cv2
import numpy as np

from ecgpipe.config.render import RenderConfig
from ecgpipe.render.furniture import Furniture, furniture
from ecgpipe.render.layout import LEADS, PRINTED, Slot
from ecgpipe.render.page import Box, LeadOnPage, Page, draw_traces


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
    common = furniture(config)
    leads = _leads(signal, sampling_rate, config, common)
    line_width = _line_width(config, common)
    indices = common.ink.copy()
    draw_traces(indices, leads, line_width, common.full)
    np.multiply(indices, np.uint8(common.grounds), out=indices)
    cv2.add(indices, common.ground, dst=indices)
    return Page(indices, common.palette, leads, config.dpi, line_width, float(sampling_rate), common.grounds)


def draw_cover(signal: np.ndarray, sampling_rate: float, config: RenderConfig) -> np.ndarray:
    """How much of each pixel of that page its traces cover, uint8 (H, W), 0 to 255; nothing else is drawn.

    Arguments and errors are those of ``render_page``.
    """
    common = furniture(config)
    leads = _leads(signal, sampling_rate, config, common)
    cover = np.zeros(common.shape, np.uint8)
    draw_traces(cover, leads, _line_width(config, common), 255)
    return cover


def _line_width(config: RenderConfig, common: Furniture) -> float:
    return (config.trace_width or common.layout.trace_width) * config.dpi / 72


def _leads(signal: np.ndarray, sampling_rate: float, config: RenderConfig, common: Furniture) -> tuple[LeadOnPage, ...]:
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
    slot: Slot, text_box: Box | None, signal: np.ndarray, sampling_rate: float, config: RenderConfig, common: Furniture
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


def _bounding_box(slot: Slot, x: np.ndarray, y: np.ndarray, config: RenderConfig, common: Furniture) -> Box:
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
