"""The reader in the package on pages of the renderer, which did not draw its training pages."""

import numpy as np
import pytest

from ecgpipe.config.pages import DegradeConfig, RenderConfig
from ecgpipe.reader.read import read_page
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    """(12, 5000) mV: P, QRS and T as Gaussians, every 0.8 s, scaled differently in each lead."""
    time = np.arange(5000) / 500 % 0.8
    beat = sum(
        height * np.exp(-(((time - at) / width) ** 2))
        for height, at, width in ((0.1, 0.2, 0.03), (1.0, 0.36, 0.012), (-0.2, 0.39, 0.012), (0.25, 0.58, 0.06))
    )
    return np.outer(np.linspace(-0.8, 1.2, 12), beat)


@pytest.mark.parametrize(("layout", "most_else"), [("kit", 0.15), ("6x2", 0.15), ("cardiac-images", 0.4)])
@pytest.mark.parametrize("level", ["none", "photo"])
def test_most_of_each_lead_is_found_and_little_else(net, signal, layout, most_else, level):
    degrade = DegradeConfig(level=level, seed=1)
    page = degrade_page(render_page(signal, 500, RenderConfig(layout=layout, dpi=130)), degrade, "record")
    mask = read_page(page.image, net).mask > 0
    for lead in page.leads:
        columns, rows = np.rint(lead.pixels.T - 0.5).astype(int)
        inside = (columns >= 3) & (rows >= 3) & (columns < mask.shape[1] - 3) & (rows < mask.shape[0] - 3)
        near = [
            mask[row - 3 : row + 4, column - 3 : column + 4].any()
            for row, column in zip(rows[inside], columns[inside], strict=True)
        ]
        assert np.mean(near) > 0.8, lead.name
    truth = page.trace_mask > 0
    grown = np.array([np.roll(truth, shift, axis) for axis in (0, 1) for shift in range(-4, 5)]).any(axis=0)
    assert (mask & ~grown).sum() < most_else * mask.sum()  # frames and headers of report pages are not learned yet


@pytest.mark.parametrize("grey", [255, 128, 0])
def test_no_trace_is_invented_on_a_blank_picture(net, grey):
    reading = read_page(np.full((400, 600, 3), grey, np.uint8), net)
    assert not reading.has_trace


def test_a_very_long_strip_is_read(net):
    """At the network's resolution, it is less than half a pixel high."""
    reading = read_page(np.full((8, 24_000, 3), 255, np.uint8), net)
    assert reading.mask.shape == (8, 24_000) and not reading.has_trace
