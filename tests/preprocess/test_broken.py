"""Traces that scaling and compression broke at steep strokes are kept."""

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.pictures import read_image
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.preprocess.apply import preprocess
from ecgpipe.render.page import render_page
from tests.preprocess.test_trace import beats, lost_and_false, true_image


@pytest.mark.parametrize("layout", ["kit", "cardiac-images"])
def test_a_trace_with_gaps_is_kept_and_no_text_comes_back(layout):
    """Gaps of 1 mm every 15 mm: no piece is as long as a trace by itself."""
    page = render_page(beats(), 500, RenderConfig(layout=layout))
    image, mm = page.image.copy(), page.dpi / 25.4
    paper = cv2.dilate(image, np.ones((1, round(3 * mm))))
    for left in np.arange(0, image.shape[1], 15 * mm).astype(int):
        columns = slice(left, left + round(mm))
        image[:, columns] = paper[:, columns]
    lost, false = lost_and_false(true_image(page), preprocess(image, PreprocessConfig()))
    assert lost < 0.12  # the gaps themselves are 7%
    assert false < 0.03


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["HB(1)", "HB(64)", "HB(180)", "PMI(6)"])
def test_real_pages_with_broken_traces_are_kept(cardiac_copy, name):
    """They lost two thirds of their ink and more."""
    (file,) = cardiac_copy.rglob(f"{name}.jpg".replace("(", "[(]").replace(")", "[)]"))
    image = read_image(file.read_bytes(), name)
    with_text = preprocess(image, PreprocessConfig(drop_text=False))
    kept = preprocess(image, PreprocessConfig())
    assert kept.sum() > 0.8 * with_text.sum()
    # every row of the four has ink from side to side
    for row in np.array_split(kept[140:600], 4):
        assert np.ptp(np.flatnonzero(row.any(axis=0))) > 0.8 * kept.shape[1]
