"""From pictures of pages to images: what the variant reader keeps and drops, and bad input."""

import cv2
import numpy as np
import pytest

from ecgpipe.config.pages import DegradeConfig, PreprocessConfig, RenderConfig
from ecgpipe.errors import DataError
from ecgpipe.imaging.shard import image_of_page
from ecgpipe.preprocess.apply import prepare, prepare_traces, preprocess, preprocess_file
from ecgpipe.preprocess.canvas import shrink
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats, lost_and_false

CONFIG = PreprocessConfig(size=320)


def true_image(page, transform) -> np.ndarray:
    seen = transform.seen_from_image(page.trace_mask * np.uint8(255), 640, 640)
    return shrink(seen, CONFIG.size, CONFIG.coverage)


@pytest.mark.parametrize(
    ("layout", "level", "most_lost", "most_false"),
    [
        ("kit", "none", 0.02, 0.03),
        ("cardiac-images", "none", 0.02, 0.08),
        ("12x1", "scan", 0.03, 0.08),
        ("6x2", "photo", 0.05, 0.08),
    ],
)
def test_traces_are_kept_and_little_else(layout, level, most_lost, most_false):
    page = render_page(beats(), 500, RenderConfig(layout=layout, dpi=130))
    page = degrade_page(page, DegradeConfig(level=level, seed=1), "record")
    image, transform, _ = prepare(page.image, CONFIG)
    lost, false = lost_and_false(true_image(page, transform), image)
    assert lost < most_lost and false < most_false


@pytest.fixture(scope="module")
def page():
    return render_page(beats(), 500, RenderConfig(dpi=130))


@pytest.fixture(scope="module")
def upright(page) -> np.ndarray:
    """The image that the reader makes of the page."""
    return preprocess(page.image, CONFIG)


def test_a_page_on_its_side_gives_nearly_the_same_image(page, upright):
    """tests/reader/test_page.py turns it to every side."""
    turned = preprocess(np.ascontiguousarray(np.rot90(page.image, 3)), CONFIG)
    wide = np.ones((5, 5), np.uint8)
    assert (turned & ~cv2.dilate(upright, wide) & 1).sum() < 0.1 * turned.sum()
    assert (upright & ~cv2.dilate(turned, wide) & 1).sum() < 0.1 * upright.sum()


def test_a_picture_of_a_page_gives_nearly_the_image_of_its_traces(page, upright):
    drawn, read = image_of_page(page, CONFIG).image, upright
    wide = np.ones((5, 5), np.uint8)  # millimetres are measured, not known
    assert (drawn & ~cv2.dilate(read, wide) & 1).sum() < 0.05 * drawn.sum()
    assert (read & ~cv2.dilate(drawn, wide) & 1).sum() < 0.05 * read.sum()


def test_a_file_gives_the_same_as_the_page():
    page = render_page(beats(), 500, RenderConfig(dpi=100))
    for variant in ("reader", "paper"):
        config = PreprocessConfig(variant=variant, size=320)
        assert np.array_equal(preprocess_file(page.encode(), "page", config), preprocess(page.image, config))


def test_the_paper_variant_keeps_the_grid_instead():
    page = render_page(beats(), 500, RenderConfig(dpi=100))
    paper = preprocess(page.image, PreprocessConfig(variant="paper", size=320))
    true = shrink(page.trace_mask * np.uint8(255), 320, 0.25)
    assert lost_and_false(true, paper)[1] > 0.5


@pytest.mark.parametrize("variant", ["reader", "paper"])
@pytest.mark.parametrize("shape", [(300, 400), (300, 400, 3), (40, 900, 3), (17, 17)])
def test_blank_pages_are_an_error(variant, shape):
    with pytest.raises(DataError, match=r"no ECG|no ink"):
        preprocess(np.full(shape, 250, np.uint8), PreprocessConfig(variant=variant))


def test_a_page_of_text_alone_is_an_error():
    page = np.full((600, 800, 3), 255, np.uint8)
    for row in range(40, 580, 30):
        cv2.putText(page, "Normal sinus rhythm, rate 62, no pathology", (30, row), 0, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
    with pytest.raises(DataError, match="no ECG"):
        preprocess(page, CONFIG)


def test_wrong_arrays_are_rejected():
    for wrong in (np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50)), np.zeros(50, np.uint8)):
        with pytest.raises(ValueError, match="expected uint8"):
            preprocess(wrong, CONFIG)
    with pytest.raises(DataError, match="at least"):
        preprocess(np.zeros((8, 300), np.uint8), CONFIG)


def test_a_record_without_a_trace_is_an_error():
    with pytest.raises(DataError, match="no trace"):
        prepare_traces(np.zeros((200, 300), np.uint8), 50, CONFIG)


def test_doubtful_parts_are_reported(page):
    """A lead under a white bar is lost, and said to be."""
    picture = page.image.copy()
    lead = next(lead for lead in page.leads if lead.name == "V2")
    low, high = lead.pixels.min(axis=0).astype(int) - 6, lead.pixels.max(axis=0).astype(int) + 6
    picture[low[1] : high[1], low[0] : high[0]] = 255
    notes = prepare(picture, CONFIG).notes
    assert any(note.startswith("V2, row 2: no trace in") for note in notes)


def test_a_copied_model_is_read_without_its_reader_weights_and_names_them_when_it_needs_them(page):
    elsewhere = PreprocessConfig(reader_weights="elsewhere/reader.safetensors")
    with pytest.raises(DataError, match=r"elsewhere/reader.safetensors: no such file; copy the reader's weights there"):
        preprocess(page.image, elsewhere)
