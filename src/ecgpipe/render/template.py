"""The part that all pages of one appearance share, prepared once: paper, grid, pulses, separators and texts.

A page is stored as one byte per pixel. Paper and grid need about a dozen colours ("grounds"); ink covers them in as
many steps as a palette of 256 colours allows. So drawing uses a third of the memory of an RGB page.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError
from ecgpipe.render.layout import INCH, Grid, Layout, Text, layout_named

Box = tuple[int, int, int, int]
MAX_PIXELS = 40_000_000


@dataclass(frozen=True)
class PageTemplate:
    """The shared part of the pages.

    Attributes:
        layout: the layout in millimetres.
        scale: pixels per millimetre.
        ground: uint8 (H, W), palette index of each pixel without ink.
        grounds: number of colours without ink.
        ink: uint8 (H, W), coverage by the shared ink, from 0 to ``full``.
        full: full coverage; the palette has ``full + 1`` steps.
        palette: uint8 (n, 3) RGB; entry ``ground + grounds * ink`` is the colour of a pixel. Entries with much ink come
            last, so a single comparison selects them.
        text_boxes: for each slot the box around its name, or None.
        pulses: float (n, 2) each, the corners of the calibration pulses in pixels.
    """

    layout: Layout
    scale: float
    ground: np.ndarray
    grounds: int
    ink: np.ndarray
    full: int
    palette: np.ndarray
    text_boxes: tuple[Box | None, ...]
    pulses: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.ground.shape


@lru_cache(maxsize=4)
def page_template(config: RenderConfig) -> PageTemplate:
    """Prepare the template of ``config``; its arrays are shared by all pages and read-only.

    Raises:
        ConfigError: unknown layout, too many pixels, or too many grid colours.
    """
    layout = layout_named(config.layout)
    scale = config.dpi / INCH
    shape = round(layout.height * scale), round(layout.width * scale)
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ConfigError(f"page of {shape[1]} x {shape[0]} pixels: more than {MAX_PIXELS}; lower dpi")
    ground, grounds = _index_colours(_draw_paper(layout, config, shape, scale))
    full = min(256 // len(grounds), 32) - 1
    palette = _palette(grounds, np.array(config.ink), full)
    ink = np.round(_draw_shared_ink(layout, config, shape, scale) * (full / 255)).astype(np.uint8)
    for array in (ground, ink, palette):
        array.setflags(write=False)
    names = (slot.name if config.lead_names else None for slot in layout.slots)
    boxes = tuple(name_box(name, scale) if name else None for name in names)
    pulses = _pulses(layout, config, scale)
    return PageTemplate(layout, scale, ground, len(grounds), ink, full, palette, boxes, pulses)


def _index_colours(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Palette indices of an image, uint8 (H, W), and its colours, uint8 (n, 3)."""
    packed = (rgb.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(axis=2, dtype=np.uint32)
    values, inverse = np.unique(packed, return_inverse=True)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    if len(colours) > 64:
        raise ConfigError(f"the grid requires {len(colours)} colours, more than 64; use fewer kinds of lines")
    return inverse.reshape(rgb.shape[:2]).astype(np.uint8), colours


def _palette(grounds: np.ndarray, ink: np.ndarray, full: int) -> np.ndarray:
    """The colours of all grounds under ink coverage 0, then 1, ... ``full``."""
    share = np.arange(full + 1)[:, None, None] / full
    palette = grounds * (1 - share) + ink * share
    return np.round(palette).astype(np.uint8).reshape(-1, 3)


def line_profile(size: int, positions: np.ndarray, width: float) -> np.ndarray:
    """Coverage, float (size,), of lines of ``width`` pixels centred on whole pixels.

    Centring keeps all lines of a grid equally sharp; it moves a line by half a pixel at most.
    """
    profile = np.zeros(size)
    reach = int(np.ceil((width - 1) / 2)) if width > 1 else 0
    for offset in range(-reach, reach + 1):
        at = np.round(positions).astype(int) + offset
        at = at[(at >= 0) & (at < size)]
        profile[at] = np.clip(width / 2 + 0.5 - abs(offset), 0, min(width, 1))
    return profile


def _grid_positions(origin: float, pitch: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions in mm of the grid lines within [low, high], and which of them are 5 mm lines."""
    steps = np.arange(np.ceil((low - origin) / pitch - 1e-6), np.floor((high - origin) / pitch + 1e-6) + 1)
    return origin + steps * pitch, steps % 5 == 0


def _draw_paper(layout: Layout, config: RenderConfig, shape: tuple[int, int], scale: float) -> np.ndarray:
    """The page without ink, uint8 (H, W, 3)."""
    paper = np.empty((*shape, 3), np.uint8)
    paper[:] = config.paper
    if not config.grid:
        return paper
    grid = layout.grid
    x0, y0, x1, y1 = grid.box or (0, 0, layout.width, layout.height)
    major, minor = config.grid_major or grid.major, config.grid_minor or grid.minor
    left, right, top, bottom = (round(value * scale) for value in (x0, x1, y0, y1))
    inside = paper[top : bottom + 1, left : right + 1]
    rows, columns = inside.shape[:2]
    width = grid.line * config.dpi / 72
    # as matplotlib does: within a direction minor lines after major ones, and horizontal lines last
    for vertical in (True, False):
        span = (grid.x, grid.pitch, x0, x1) if vertical else (grid.y, grid.pitch, y0, y1)
        positions, is_major = _grid_positions(*span)
        start, size = (left, columns) if vertical else (top, rows)
        for chosen, colour, dots in ((is_major, major, grid.major_dots), (~is_major, minor, grid.dots)):
            across = line_profile(size, positions[chosen] * scale - start, width)
            along = _dots(grid, rows if vertical else columns, top if vertical else left, dots, scale, vertical)
            _paint(inside, np.outer(along, across) if vertical else np.outer(across, along), colour)
    if grid.frame:
        _paint(paper, _frame(shape, (x0, y0, x1, y1), grid.frame * config.dpi / 72, scale), grid.frame_colour)
    return paper


def _dots(grid: Grid, size: int, start: int, pitch: float, scale: float, vertical: bool) -> np.ndarray:
    """Coverage along a grid line, float (size,): full, or dots ``pitch`` mm apart."""
    if not pitch:
        return np.ones(size)
    origin = grid.y if vertical else grid.x
    steps = np.arange(-np.ceil(origin / pitch), np.ceil((start + size) / scale / pitch) + 1)
    return line_profile(size, (origin + steps * pitch) * scale - start, max(1.0, grid.line * scale * INCH / 72))


def _frame(shape: tuple[int, int], box: tuple[float, ...], width: float, scale: float) -> np.ndarray:
    x0, y0, x1, y1 = (round(value * scale) for value in box)
    half = max(1, round(width)) // 2
    mask = np.zeros(shape)
    mask[max(0, y0 - half) : y1 + half + 1, max(0, x0 - half) : x1 + half + 1] = 1
    mask[y0 + half + 1 : y1 - half, x0 + half + 1 : x1 - half] = 0
    return mask


def _paint(image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Blend ``colour`` into ``image`` (H, W, 3) with opacity ``mask`` (H, W), 0 to 1."""
    at = mask > 0
    share = mask[at][:, None]
    image[at] = np.round(image[at] * (1 - share) + np.array(colour) * share).astype(np.uint8)


def _draw_shared_ink(layout: Layout, config: RenderConfig, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Coverage uint8 (H, W) by pulses, separators, rules and texts."""
    cover = np.zeros(shape)
    for bar in [*layout.bars, *(layout.separators if config.separators else [])]:
        fill_rectangle(cover, bar.x0 * scale, bar.y0 * scale, bar.x1 * scale, bar.y1 * scale)
    half = layout.pulse_line * config.dpi / 72 / 2
    for points in _pulses(layout, config, scale):
        for start, end in pairwise(points):
            fill_rectangle(cover, *(np.minimum(start, end) - half), *(np.maximum(start, end) + half))
    ink = np.round(cover * 255).astype(np.uint8)
    for text in _texts(layout, config):
        draw_text(ink, text, scale)
    return ink


def _texts(layout: Layout, config: RenderConfig) -> list[Text]:
    texts = [slot.name for slot in layout.slots if slot.name] if config.lead_names else []
    if config.annotations:
        for text in layout.texts:  # other braces are printed as they are
            filled = text.text.replace("{speed}", f"{config.paper_speed:g}").replace("{gain}", f"{config.gain:g}")
            texts.append(text.model_copy(update={"text": filled}))
    return texts


def _pulses(layout: Layout, config: RenderConfig, scale: float) -> tuple[np.ndarray, ...]:
    """Corners of the pulses in pixels, float (n, 2) each, from left to right."""
    pulses = []
    for slot in layout.slots:
        if config.pulse and (pulse := slot.pulse):
            left, right, bottom, top = pulse.x, pulse.x + pulse.width, slot.baseline, slot.baseline - config.gain
            points = [(left, bottom), (left, top), (right, top), (right, bottom)]
            if pulse.foot:
                points = [(left - pulse.foot, bottom), *points, (right + pulse.foot, bottom)]
            pulses.append(np.array(points) * scale)
    return tuple(pulses)


def fill_rectangle(cover: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Raise ``cover`` (H, W), 0 to 1, to the exact share of each pixel that the rectangle covers."""
    height, width = cover.shape
    left, right = max(0, int(np.floor(x0))), min(width, int(np.ceil(x1)))
    top, bottom = max(0, int(np.floor(y0))), min(height, int(np.ceil(y1)))
    if left >= right or top >= bottom:
        return
    columns, rows = np.arange(left, right), np.arange(top, bottom)
    across = np.minimum(columns + 1, x1) - np.maximum(columns, x0)
    down = np.minimum(rows + 1, y1) - np.maximum(rows, y0)
    part = cover[top:bottom, left:right]
    np.maximum(part, np.outer(down, across), out=part)


@lru_cache(maxsize=32)
def font(kind: str, pixels: float) -> ImageFont.FreeTypeFont:
    """The sans (DejaVu) or serif (STIX) font that ships with matplotlib, at a size in pixels."""
    import matplotlib  # slow to import

    name = {"sans": "DejaVuSans.ttf", "serif": "STIXGeneral.ttf"}[kind]
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", pixels)


def name_box(text: Text, scale: float) -> Box:
    """Box in pixels from the ascender to the descender line, as wide as the text's advance."""
    face = font(text.font, text.size * scale * INCH / 72)
    _, top, _, bottom = face.getbbox("lp", anchor="ls")
    x, y = text.x * scale, round(text.y * scale)
    return int(x), y + top + 1, int(x + face.getlength(text.text)), y + bottom


def draw_text(ink: np.ndarray, text: Text, scale: float) -> None:
    """Draw ``text`` into the coverage ``ink``, uint8 (H, W)."""
    picture = Image.fromarray(ink)
    face = font(text.font, text.size * scale * INCH / 72)
    ImageDraw.Draw(picture).text((round(text.x * scale), round(text.y * scale)), text.text, 255, font=face, anchor="ls")
    ink[:] = np.asarray(picture)
