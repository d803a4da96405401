"""Pages for the tests of preprocessing."""

import cv2
import numpy as np

from ecgpipe.config.pages import DegradeConfig, DegradeEffect, RenderConfig
from ecgpipe.render.degrade import DegradedPage, degrade_page
from ecgpipe.render.page import render_page

NEAR = np.ones((3, 3), np.uint8)


def beats(seed: int = 0) -> np.ndarray:
    """(12, 5000) mV: R and T waves, drift and noise; other amplitudes in each lead."""
    time = np.arange(5000) / 500
    phase = time % 0.83 - 0.4
    rng = np.random.default_rng(seed)
    wave = 1.2 * np.exp(-((phase / 0.02) ** 2)) + 0.25 * np.exp(-(((phase - 0.22) / 0.05) ** 2))
    drift = 0.1 * np.sin(2 * np.pi * 0.25 * time + rng.uniform(0, 6, (12, 1)))
    return rng.uniform(-1.3, 1.3, (12, 1)) * wave + drift + rng.normal(0, 0.01, (12, 5000))


def photo(
    layout: str, name: str = "r1", dpi: float = 130, **kinds: tuple[float, float]
) -> tuple[DegradedPage, np.ndarray]:
    """A page with these degradations alone: (the degraded page, its picture)."""
    effects = {kind: DegradeEffect(probability=1, range=span) for kind, span in kinds.items()}
    degraded = degrade_page(
        render_page(beats(), 500, RenderConfig(layout=layout, dpi=dpi)), DegradeConfig(**effects), name
    )
    return degraded, degraded.image


def lost_and_false(truth: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Shares of true trace not found, and of found ink that is not trace, at 1 pixel tolerance."""
    lost = (truth & ~cv2.dilate(found, NEAR) & 1).sum() / truth.sum()
    false = (found & ~cv2.dilate(truth, NEAR) & 1).sum() / found.sum()
    return lost, false
