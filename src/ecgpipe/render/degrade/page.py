"""The scanned or photographed page as a value."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

from ecgpipe.render.degrade.geometry import Warp
from ecgpipe.render.page import Box, LeadOnPage, Page, describe


@dataclass(frozen=True)
class DegradedPage:
    """A page after it was printed, used and scanned; it answers what ``Page`` does.

    Attributes:
        image: uint8 (H, W, 3) RGB, before a JPEG file loses some of it.
        flat: the page as printed, from which samples, boxes and mask follow through ``warp``.
        warp: where its points went.
        quality: of the JPEG file; None: a PNG file.
        strength: {kind: strength} of what happened to the page.
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
        """Resolution of the page as printed; perspective and crop change it from place to place."""
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
        """The leads where they are now: points, quadrilaterals, and boxes around those, cut at the picture's edge."""
        return tuple(_move(lead, self.warp) for lead in self.flat.leads)

    @cached_property
    def trace_mask(self) -> np.ndarray:
        """The true trace, uint8 (H, W): the printed lines' coverage, moved; 1 from a half."""
        return (self.warp.image(self.flat.trace_cover(), 0) >= 128).view(np.uint8)

    def encode(self) -> bytes:
        """The picture as a JPEG file of the drawn quality, or as a PNG file."""
        dpi = (self.dpi, self.dpi)
        buffer = BytesIO()
        if self.quality is None:
            Image.fromarray(self.image).save(buffer, "png", dpi=dpi, compress_level=1)
        else:
            Image.fromarray(self.image).save(buffer, "jpeg", dpi=dpi, quality=self.quality)
        return buffer.getvalue()

    def boxes(self, plotted_pixels: bool = False) -> dict:
        """As ``Page.boxes``; the corners are those of the moved boxes, and ``on_page`` tells what the edge cut off."""
        return describe(self.shape, self.leads, self.dpi, self.sampling_rate, plotted_pixels)


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


def blurred(image: np.ndarray, pixels: float) -> np.ndarray:
    """The image under a Gaussian blur of that standard deviation."""
    return cv2.GaussianBlur(image, (0, 0), pixels) if pixels >= 0.2 else image
