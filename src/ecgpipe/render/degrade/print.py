"""What differs between printers and papers: colours of grid, paper and ink, and the width of the traces.

A page is an image of a few colours, so these change its palette; only wider traces are drawn again.
"""

from dataclasses import replace

import numpy as np

from ecgpipe.render.degrade.draws import Draws
from ecgpipe.render.page import Page, draw_traces

# how much of red, green and blue a full grid line takes away: red, pink, orange, brown, green, blue, grey
HUES = ((0, 1, 1), (0.1, 0.75, 0.6), (0, 0.65, 1), (0.4, 0.75, 1), (1, 0.35, 0.85), (1, 0.6, 0.1), (0.8, 0.8, 0.8))
INKS = ((0, 0, 0), (40, 40, 40), (20, 20, 70), (20, 30, 110), (60, 30, 20), (70, 20, 70))


def reprint(page: Page, draws: Draws) -> Page:
    """The page with the drawn colours and line width (kinds grid_colour, no_grid, paper, pen)."""
    if draws.strength.keys() & {"grid_colour", "no_grid", "paper", "pen"}:
        page = replace(page, palette=_palette(page, draws))
    if wider := draws.get("pen") * page.dpi / 25.4:
        page = _widen(page, wider)
    return page


def _palette(page: Page, draws: Draws) -> np.ndarray:
    """The palette with other grounds and another ink, uint8 (n, 3)."""
    steps = len(page.palette) // page.grounds
    grounds = page.palette[: page.grounds].astype(float)
    ink = page.palette[-1].astype(float)
    common = np.bincount(page.indices.ravel()[::97] % page.grounds, minlength=page.grounds)
    paper = grounds[int(np.argmax(common))].clip(1)  # most of a page is paper
    density = 1 - grounds / paper
    if "no_grid" in draws.strength:
        density = np.zeros_like(density)
    elif "grid_colour" in draws.strength:
        hue = np.array(HUES[draws.rng("grid_colour").integers(len(HUES))])
        amount = np.clip(density.max(axis=1, keepdims=True) * draws.get("grid_colour"), 0, 1)
        density = amount * hue
    yellow = 1 - draws.get("paper") / 100 * np.array([0.3, 0.45, 1.0])
    if "pen" in draws.strength:
        ink = np.array(INKS[draws.rng("pen").integers(len(INKS))], float)
    grounds = paper * yellow * (1 - density)
    share = np.arange(steps)[:, None, None] / (steps - 1)
    return np.round(grounds * (1 - share) + ink * share).clip(0, 255).astype(np.uint8).reshape(-1, 3)


def _widen(page: Page, pixels: float) -> Page:
    """The traces drawn again, ``pixels`` wider."""
    full = len(page.palette) // page.grounds - 1
    width = page.line_width + pixels
    ink, ground = np.divmod(page.indices, np.uint8(page.grounds))
    cover = np.zeros(page.shape, np.uint8)
    draw_traces(cover, page.leads, width, full)
    indices = np.maximum(ink, cover) * np.uint8(page.grounds) + ground
    return replace(page, indices=indices, line_width=width)
