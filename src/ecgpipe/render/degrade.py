"""Degrade a page as if it had been printed on another device, handled, and scanned or photographed."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from ecgpipe.config.pages import DegradeConfig
from ecgpipe.render.effects import (
    add_creases,
    add_wrinkles,
    ambient_light,
    illuminate,
    paper_light,
    reprint,
    write_handwriting,
    write_printed_lines,
)
from ecgpipe.render.page import Box, LeadOnPage, Page, lead_boxes
from ecgpipe.render.warp import SampledKinds, Warp, kind_generator, sample_warp

BACKGROUNDS = ((255, 255, 255), (236, 236, 232), (90, 70, 55), (60, 62, 66), (150, 120, 90), (25, 25, 28))
TILE = 512  # pixels; noise repeats at this distance


@dataclass(frozen=True)
class DegradedPage:
    """A degraded page, with the interface of ``Page``.

    Attributes:
        image: uint8 (H, W, 3) RGB, before JPEG compression.
        flat: the page as printed; ``warp`` moves its samples, boxes and mask.
        warp: the geometry.
        quality: of the JPEG file; None for a PNG file.
        strength: {kind: strength} of the applied degradations.
    """

    image: np.ndarray = field(repr=False)
    flat: Page = field(repr=False)
    warp: Warp = field(repr=False)
    quality: int | None
    strength: dict[str, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[:2]

    @property
    def dpi(self) -> float:
        """Pixels per inch of the page as printed; perspective and crop change it locally."""
        return self.flat.dpi

    @property
    def line_width(self) -> float:
        """Width of the traces in pixels, as printed."""
        return self.flat.line_width

    @property
    def sampling_rate(self) -> float:
        return self.flat.sampling_rate

    @cached_property
    def leads(self) -> tuple[LeadOnPage, ...]:
        """The moved leads: points, quadrilaterals, and upright boxes around them, clipped to the image."""
        return tuple(_move(lead, self.warp) for lead in self.flat.leads)

    @property
    def pulses(self) -> tuple[np.ndarray, ...]:
        """The moved corners of the calibration pulses, float (n, 2) each."""
        return tuple(self.warp.points(points) for points in self.flat.pulses)

    @cached_property
    def trace_mask(self) -> np.ndarray:
        """Ground truth of the traces, uint8 (H, W): 1 where the moved lines cover at least half of a pixel."""
        return (self.warp.image(self.flat.trace_coverage(), 0) >= 128).view(np.uint8)

    def encode(self) -> bytes:
        """The page as a JPEG file of the sampled quality, or as a PNG file."""
        dpi = (self.dpi, self.dpi)
        buffer = BytesIO()
        if self.quality is None:
            Image.fromarray(self.image).save(buffer, "png", dpi=dpi, compress_level=1)
        else:
            Image.fromarray(self.image).save(buffer, "jpeg", dpi=dpi, quality=self.quality)
        return buffer.getvalue()

    def boxes(self, plotted_pixels: bool = False) -> dict:
        """As ``Page.boxes``, with the corners of the moved boxes, and ``on_page``, the visible share if moved."""
        return lead_boxes(self.shape, self.leads, self.dpi, self.sampling_rate, plotted_pixels)


def _move(lead: LeadOnPage, warp: Warp) -> LeadOnPage:
    if warp.identity:
        return lead
    height, width = warp.shape
    pixels = warp.points(lead.pixels)
    quad, text_quad = _quad(lead.box, warp), _quad(lead.text_box, warp) if lead.text_box else None
    inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] <= width) & (pixels[:, 1] <= height)
    # a wave can lift the trace beyond the corners of its box
    around = _around(np.vstack([quad, pixels]), warp.shape)
    return replace(
        lead,
        pixels=pixels,
        quad=quad,
        text_quad=text_quad,
        box=around,
        text_box=None if text_quad is None else _around(text_quad, warp.shape),
        on_page=float(inside.mean()) if len(inside) else 0.0,
    )


def _quad(box: Box, warp: Warp) -> np.ndarray:
    x0, y0, x1, y1 = box
    return warp.points(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float))


def _around(points: np.ndarray, shape: tuple[int, int]) -> Box:
    height, width = shape
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    x0, x1 = (int(np.clip(value, 0, width)) for value in (low[0], high[0]))
    y0, y1 = (int(np.clip(value, 0, height)) for value in (low[1], high[1]))
    return x0, y0, x1, y1


def degrade_page(page: Page, config: DegradeConfig, record_id: str) -> Page | DegradedPage:
    """Degrade a page.

    Args:
        page: as rendered.
        config: kinds and strengths.
        record_id: seeds the random choices together with ``config.seed``, for any order and number of workers.

    Returns:
        The degraded page with its ground truth (points, boxes, mask); ``page`` itself if nothing applies.
    """
    kinds = SampledKinds(config, record_id)
    if not kinds.strength:
        return page
    scale = page.dpi / 25.4
    flat = reprint(page, kinds)
    image = flat.image.copy()
    write_printed_lines(image, kinds, scale)
    write_handwriting(image, kinds, scale)
    warp = sample_warp(kinds, page.shape, scale)
    paper = paper_light(page.shape)
    add_creases(paper, kinds, scale)
    add_wrinkles(paper, kinds, scale)
    image = warp.image(image, _background(config, record_id))
    image = illuminate(image, ambient_light(warp.field(paper), kinds), kinds)
    if (sigma := kinds.get("blur") * scale) >= 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    image = _noisy(image, kinds)
    quality = round(kinds.strength["jpeg"]) if "jpeg" in kinds.strength else None
    return DegradedPage(image, flat, warp, quality, kinds.strength)


def _background(config: DegradeConfig, record_id: str) -> tuple[int, int, int]:
    """The colour around the paper: white under a scanner's lid, else a table."""
    choices = BACKGROUNDS[:2] if config.level == "scan" else BACKGROUNDS
    return choices[kind_generator(config.seed, record_id, "background").integers(len(choices))]


def _noisy(image: np.ndarray, kinds: SampledKinds) -> np.ndarray:
    """Add normal noise in place; two thirds of its variance are common to the three colours."""
    sigma = kinds.get("noise") * 2.55
    if not sigma:
        return image
    rng = kinds.rng("noise")
    grey, colour = (rng.standard_normal((TILE, TILE, n), np.float32) for n in (1, 3))
    tile = np.rint(sigma * (np.sqrt(2 / 3) * grey + np.sqrt(1 / 3) * colour)).astype(np.int16)
    for top in range(0, image.shape[0], TILE):
        for left in range(0, image.shape[1], TILE):
            part = image[top : top + TILE, left : left + TILE]
            part[:] = cv2.add(part, tile[: part.shape[0], : part.shape[1]], dtype=cv2.CV_8U)
    return image
