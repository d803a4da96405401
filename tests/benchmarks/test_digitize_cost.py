"""What the benchmark of digitizing takes for the page of a recording."""

import numpy as np
import pytest

from benchmarks.digitize_cost import as_page_shows
from ecgpipe.config.pages import RenderConfig
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats


@pytest.mark.parametrize("layout", ["kit", "6x2", "12x1"])
def test_a_page_shows_the_samples_that_are_plotted(layout):
    signal, config = beats(), RenderConfig(layout=layout, dpi=100)
    shown = as_page_shows(signal, 500, config)
    assert np.array_equal(shown[np.isfinite(shown)], signal[np.isfinite(shown)])
    plotted = np.zeros(signal.shape, bool)
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    for lead in render_page(signal, 500, config).leads:
        plotted[names.index(lead.name), lead.start_sample : lead.end_sample] = True
    assert np.array_equal(np.isfinite(shown), plotted)
