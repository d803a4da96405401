"""What all pages of one look have in common, prepared once: paper, grid, pulses, marks and texts.

A page is kept as one byte a pixel. Paper and grid need about a dozen colours ("grounds"); ink lies over them in
as many steps of coverage as a palette of 256 leaves room for. So drawing touches a third of the memory of an
RGB page, and the palette image is the picture itself, not an approximation of it made afterwards.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError
from ecgpipe.render.layout import INCH, Grid, Layout, Slot, Text, layout_named

MAX_PIXELS = 40_000_000


@dataclass(frozen=True)
class PageTemplate:
    """The prepared part of a page.

    Attributes:
        layout: the layout in millimetres.
        scale: pixels per millimetre.
        ground: uint8 (H, W), the palette index of each pixel without ink.
        grounds: how many of them there are.
        ink: uint8 (H, W), coverage by the ink that all pages share, from 0 to ``full``.
        full: the number that stands for full coverage; the palette has as many steps from 0.
        palette: uint8 (n, 3) RGB; entry ``ground + grounds * ink`` is the colour of a pixel. So the entries with much
            ink are the last ones, and a comparison tells them from the others.
        text_boxes: for each slot the box around its name, or None.
    """

    layout: Layout
    scale: float
    ground: np.ndarray
    grounds: int
    ink: np.ndarray
    full: int
    palette: np.ndarray
    text_boxes: tuple[tuple[int, int, int, int] | None, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.ground.shape


@lru_cache(maxsize=4)
def page_template(config: RenderConfig) -> PageTemplate:
    """Prepare the page of ``config``; the arrays are shared by all its pages and read-only."""
    layout = layout_named(config.layout)
    scale = config.dpi / INCH
    height, width = round(layout.height * scale), round(layout.width * scale)
    if height * width > MAX_PIXELS:
        raise ConfigError(f"page of {width} x {height} pixels: more than {MAX_PIXELS}; lower dpi")
    ground, grounds = _index_colours(_paper(layout, config, (height, width), scale))
    full = min(256 // len(grounds), 32) - 1
    palette = _palette(grounds, np.array(config.ink), full)
    ink = np.round(_shared_ink(layout, config, (height, width), scale) * (full / 255)).astype(np.uint8)
    for array in (ground, ink, palette):
        array.setflags(write=False)
    names = (slot.name if config.lead_names else None for slot in layout.slots)
    boxes = tuple(name_box(name, scale) if name else None for name in names)
    return PageTemplate(layout, scale, ground, len(grounds), ink, full, palette, boxes)


def _index_colours(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours of an image, uint8 (n, 3), and for each pixel which of them it has, uint8 (H, W)."""
    packed = (rgb.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(axis=2, dtype=np.uint32)
    values, inverse = np.unique(packed, return_inverse=True)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    if len(colours) > 64:
        raise ConfigError(f"the grid needs {len(colours)} colours, more than 64; use fewer kinds of lines")
    return inverse.reshape(rgb.shape[:2]).astype(np.uint8), colours


def _palette(grounds: np.ndarray, ink: np.ndarray, full: int) -> np.ndarray:
    """The colours of all grounds under the first step of ink coverage, from 0 to ``full``, the second, ..."""
    share = np.arange(full + 1)[:, None, None] / full
    palette = grounds * (1 - share) + ink * share
    return np.round(palette).astype(np.uint8).reshape(-1, 3)


def line_profile(size: int, positions: np.ndarray, width: float) -> np.ndarray:
    """Coverage, float (size,), of lines of ``width`` pixels that are centred on whole pixels.

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
    """Positions in mm within [low, high] of the 5 mm lines, and of the others."""
    steps = np.arange(np.ceil((low - origin) / pitch - 1e-6), np.floor((high - origin) / pitch + 1e-6) + 1)
    major = steps % 5 == 0
    return origin + steps[major] * pitch, origin + steps[~major] * pitch


def _paper(layout: Layout, config: RenderConfig, shape: tuple[int, int], scale: float) -> np.ndarray:
    """The page without ink, uint8 (H, W, 3)."""
    paper = np.empty((*shape, 3), np.uint8)
    paper[:] = config.paper
    if not config.grid:
        return paper
    grid = layout.grid
    x0, y0, x1, y1 = grid.box or (0, 0, layout.width, layout.height)
    major, minor = config.grid_major or grid.major, config.grid_minor or grid.minor
    vertical = _grid_positions(grid.x, grid.pitch, x0, x1)
    horizontal = _grid_positions(grid.y, grid.pitch, y0, y1)
    left, right, top, bottom = (round(value * scale) for value in (x0, x1, y0, y1))
    inside = paper[top : bottom + 1, left : right + 1]
    rows, columns = inside.shape[:2]
    width = grid.line * config.dpi / 72
    # each direction's thin lines are painted after its thick ones, and the horizontal ones last, as matplotlib does
    for across, lines in ((True, vertical), (False, horizontal)):
        for positions, colour, dots in ((lines[0], major, grid.major_dots), (lines[1], minor, grid.dots)):
            start, size = (left, columns) if across else (top, rows)
            cover = line_profile(size, positions * scale - start, width)
            along = _dots(grid, rows if across else columns, top if across else left, dots, scale, across)
            mask = along[:, None] * cover if across else cover[:, None] * along
            _paint(inside, mask, colour)
    if grid.frame:
        _paint(paper, _frame(shape, (x0, y0, x1, y1), grid.frame * config.dpi / 72, scale), grid.frame_colour)
    return paper


def _dots(grid: Grid, size: int, start: int, pitch: float, scale: float, across: bool) -> np.ndarray:
    """Where along itself a line is drawn, float (size,): everywhere, or at dots ``pitch`` mm apart."""
    if not pitch:
        return np.ones(size)
    origin = grid.y if across else grid.x
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
    """Lay ``colour`` over ``image`` (H, W, 3) where and as much as ``mask`` (H, W, 0 to 1) says."""
    at = mask > 0
    share = mask[at][:, None]
    image[at] = np.round(image[at] * (1 - share) + np.array(colour) * share).astype(np.uint8)


def _shared_ink(layout: Layout, config: RenderConfig, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Coverage uint8 (H, W) by pulses, marks, rules and texts."""
    cover = np.zeros(shape)
    bars = list(layout.bars) + (list(layout.separators) if config.separators else [])
    for bar in bars:
        fill_rectangle(cover, bar.x0 * scale, bar.y0 * scale, bar.x1 * scale, bar.y1 * scale)
    if config.pulse:
        for slot in layout.slots:
            _draw_pulse(cover, slot, config, layout.pulse_line * config.dpi / 72, scale)
    ink = np.round(cover * 255).astype(np.uint8)
    for text in _texts(layout, config):
        draw_text(ink, text, scale)
    return ink


def _texts(layout: Layout, config: RenderConfig) -> list[Text]:
    texts = [slot.name for slot in layout.slots if slot.name] if config.lead_names else []
    if config.annotations:
        values = {"speed": f"{config.paper_speed:g}", "gain": f"{config.gain:g}"}
        texts += [text.model_copy(update={"text": text.text.format(**values)}) for text in layout.texts]
    return texts


def _draw_pulse(cover: np.ndarray, slot: Slot, config: RenderConfig, width: float, scale: float) -> None:
    if slot.pulse is None:
        return
    left, right = slot.pulse.x * scale, (slot.pulse.x + slot.pulse.width) * scale
    bottom, top, foot, half = slot.baseline * scale, (slot.baseline - config.gain) * scale, slot.pulse.foot, width / 2
    fill_rectangle(cover, left - half, top - half, right + half, top + half)
    for x, direction in ((left, -1), (right, 1)):
        fill_rectangle(cover, x - half, top - half, x + half, bottom + half)
        if foot:
            ends = sorted((x, x + direction * foot * scale))
            fill_rectangle(cover, ends[0] - half, bottom - half, ends[1] + half, bottom + half)


def fill_rectangle(cover: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Raise ``cover`` (H, W, 0 to 1) to the exact share of each pixel that the rectangle covers."""
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
    """The sans (DejaVu) or serif (STIX) font that comes with matplotlib, at a size in pixels."""
    import matplotlib  # slow to import, and needed for its fonts alone

    name = {"sans": "DejaVuSans.ttf", "serif": "STIXGeneral.ttf"}[kind]
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", pixels)


def name_box(text: Text, scale: float) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1) in pixels from the ascender to the descender line, as wide as the text's advance."""
    face = font(text.font, text.size * scale * INCH / 72)
    _, top, _, bottom = face.getbbox("lp", anchor="ls")
    x, y = text.x * scale, round(text.y * scale)
    return int(x), y + top + 1, int(x + face.getlength(text.text)), y + bottom


def draw_text(ink: np.ndarray, text: Text, scale: float) -> None:
    """Write ``text`` into the coverage ``ink``, uint8 (H, W)."""
    picture = Image.fromarray(ink)
    face = font(text.font, text.size * scale * INCH / 72)
    ImageDraw.Draw(picture).text((round(text.x * scale), round(text.y * scale)), text.text, 255, font=face, anchor="ls")
    ink[:] = np.asarray(picture)
