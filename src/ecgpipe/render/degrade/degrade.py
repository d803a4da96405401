"""From a drawn page to one that was printed, used, and scanned or photographed."""

import cv2
import numpy as np

from ecgpipe.config.degrade import DegradeConfig
from ecgpipe.render.degrade import light
from ecgpipe.render.degrade.draws import Draws, generator
from ecgpipe.render.degrade.geometry import draw_warp
from ecgpipe.render.degrade.page import DegradedPage, blurred
from ecgpipe.render.degrade.print import reprint
from ecgpipe.render.degrade.writing import print_lines, write_by_hand
from ecgpipe.render.page import Page

BACKGROUNDS = ((255, 255, 255), (236, 236, 232), (90, 70, 55), (60, 62, 66), (150, 120, 90), (25, 25, 28))
TILE = 512  # pixels; noise repeats at this distance


def degrade_page(page: Page, config: DegradeConfig, record_id: str) -> Page | DegradedPage:
    """Degrade a page as ``config`` and the record's own random numbers say.

    Args:
        page: as drawn.
        config: kinds and strengths.
        record_id: with the seed, the source of all choices; so order and workers have no part in them.

    Returns:
        A page that still knows its leads' points and boxes and its true trace; ``page`` itself where nothing happens.
    """
    draws = Draws(config, record_id)
    if not draws.strength:
        return page
    scale = page.dpi / 25.4
    flat = reprint(page, draws)
    image = flat.image.copy()
    print_lines(image, draws, scale)
    write_by_hand(image, draws, scale)
    warp = draw_warp(draws, page.shape, scale)
    paper = light.ones(page.shape)
    light.crease(paper, draws, scale)
    light.wrinkle(paper, draws, scale)
    image = warp.image(image, _background(config, record_id))
    image = light.illuminate(image, light.room(warp.field(paper), draws), draws)
    image = blurred(image, draws.get("blur") * scale)
    image = _noisy(image, draws)
    quality = round(draws.strength["jpeg"]) if "jpeg" in draws.strength else None
    return DegradedPage(image, flat, warp, quality, draws.strength)


def _background(config: DegradeConfig, record_id: str) -> tuple[int, int, int]:
    """The colour beside the paper: white under a scanner's lid, else a table."""
    choices = BACKGROUNDS[:2] if config.level == "scan" else BACKGROUNDS
    return choices[generator(config.seed, record_id, "background").integers(len(choices))]


def _noisy(image: np.ndarray, draws: Draws) -> np.ndarray:
    """The image, changed in place by normal noise whose variance is for two thirds common to the three colours."""
    sigma = draws.get("noise") * 2.55
    if not sigma:
        return image
    rng = draws.rng("noise")
    grey, colour = (rng.standard_normal((TILE, TILE, n), np.float32) for n in (1, 3))
    tile = np.rint(sigma * (np.sqrt(2 / 3) * grey + np.sqrt(1 / 3) * colour)).astype(np.int16)
    for top in range(0, image.shape[0], TILE):
        for left in range(0, image.shape[1], TILE):
            part = image[top : top + TILE, left : left + TILE]
            part[:] = cv2.add(part, tile[: part.shape[0], : part.shape[1]], dtype=cv2.CV_8U)
    return image
