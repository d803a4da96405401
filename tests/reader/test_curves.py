"""Ventricular fibrillation, which the network takes for other ink, is digitized; other pages are unchanged."""

import numpy as np
import pytest

from ecgpipe import RenderConfig, render_page
from ecgpipe.config.pages import DegradeConfig
from ecgpipe.reader.curves import with_ink_curves
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.read import read_page
from ecgpipe.render.degrade import degrade_page

RATE = 500


def fibrillation(seed: int) -> np.ndarray:
    """(12, samples) mV: waves of wandering frequency, 3.5 to 7.5 Hz, and height."""
    rng = np.random.default_rng(seed)
    samples = 10 * RATE
    frequency = np.clip(5 + np.cumsum(rng.normal(0, 0.02, samples)), 3.5, 7.5)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    height = 0.5 + 0.5 * np.abs(np.interp(np.arange(samples), np.arange(0, samples + 1, 200), rng.normal(size=26)))

    def lead(millivolts: float) -> np.ndarray:
        first, second = rng.uniform(0, 2 * np.pi, 2)
        return millivolts * height * (np.sin(phase + first) + 0.35 * np.sin(2 * phase + second))

    one, two = lead(0.4), lead(0.6)
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack(limbs + [lead(millivolts) for millivolts in (0.3, 0.6, 0.8, 0.8, 0.6, 0.5)])


@pytest.mark.parametrize("level, seed", [("none", 0), ("photo", 1)])
def test_ventricular_fibrillation_is_digitized(net, level, seed):
    signal = fibrillation(seed)
    page = render_page(signal, RATE, RenderConfig())
    if level != "none":
        page = degrade_page(page, DegradeConfig(level=level, seed=3), "fibrillation")
    found = digitize(page.image, net, RATE)
    assert found.page.leads.layout == "3x4+1"
    agree = 0
    for true, digitized in zip(signal, found.signal, strict=True):
        shown = np.flatnonzero(~np.isnan(digitized[: len(true)]))
        agree += len(shown) > 2 * RATE and np.corrcoef(true[shown], digitized[shown])[0, 1] > 0.9
    assert agree >= 10


def test_other_pages_are_unchanged(net):
    rng = np.random.default_rng(0)
    beats = np.zeros(10 * RATE)
    beats[200::400] = 1
    wave = np.convolve(beats, np.exp(-0.5 * (np.arange(-20, 21) / 6) ** 2), "same")
    signal = wave * rng.uniform(0.3, 1.2, (12, 1))
    reading = read_page(render_page(signal, RATE, RenderConfig()).image, net)
    assert with_ink_curves(reading) is reading
