"""Pages that are turned or are a small part of the picture are read again from a nearer view."""

import cv2
import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.page import understand_page
from ecgpipe.reader.view import View
from ecgpipe.render.page import render_page
from tests.reader.test_odd_pages import SIGNAL, score


@pytest.fixture(scope="module")
def page():
    return render_page(SIGNAL, 500, RenderConfig(dpi=150))


def on_a_table(page: np.ndarray, size: tuple[int, int], degrees: float, at: tuple[float, float]) -> np.ndarray:
    """A photo (h, w) of a page, turned clockwise, with its middle at a place on a striped table."""
    height, width = size
    rng = np.random.default_rng(1)
    stripes = cv2.resize(rng.normal(0, 12, (height // 100, width // 10)), (width, height))
    table = np.clip(np.array([150, 110, 80]) + stripes[..., None] + rng.normal(0, 4, (height, width, 1)), 0, 255)
    turn = cv2.getRotationMatrix2D((page.shape[1] / 2, page.shape[0] / 2), -degrees, 1.0)
    turn[:, 2] += np.array(at) - np.array(page.shape[1::-1]) / 2
    drawn = cv2.warpAffine(page, turn, (width, height))
    shown = cv2.warpAffine(np.full(page.shape[:2], 255, np.uint8), turn, (width, height))
    return np.where(shown[..., None] > 0, drawn, table.astype(np.uint8))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quarter_turn_and_a_crop_keep_every_pixel(quarters):
    picture = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)
    view = View.whole(picture).turned(quarters)
    np.testing.assert_array_equal(view.of(picture), np.rot90(picture, quarters))
    assert view.degrees % 360 == pytest.approx(90 * quarters)
    corners = np.array([[3.0, 4.0], [20.0, 11.0]])
    np.testing.assert_array_equal(view.around(corners, 0, 0).of(picture), np.rot90(picture, quarters)[4:11, 3:20])
    mask = np.zeros(view.shape, np.uint8)
    mask[5, 7] = 255
    row, column = np.argwhere(view.back(mask))[0]
    np.testing.assert_allclose(view.to_picture(np.array([[7.5, 5.5]]))[0], (column + 0.5, row + 0.5))


def test_a_turned_view_shows_a_mark_where_its_positions_say():
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[60:63, 200:203] = 255
    view = View.whole(picture).around(np.array([[150.0, 40.0], [250.0, 90.0]]), 30, 0.1)
    seen = np.argwhere(view.of(picture)[..., 0] > 128).mean(axis=0)[::-1] + 0.5
    np.testing.assert_allclose(view.to_picture(seen[None])[0], (201.5, 61.5), atol=0.3)
    back = np.argwhere(view.back(view.of(picture)[..., 0]) > 128).mean(axis=0)
    np.testing.assert_allclose(back, (61, 201), atol=0.6)


@pytest.mark.parametrize("degrees", [-40, 28])
def test_a_turned_page_is_leveled(net, page, degrees):
    picture = on_a_table(page.image, (1900, 2300), degrees, (1150, 950))
    found = digitize(picture, net)
    assert all(lead.name_read for lead in found.leads) and score(page, found.signal) > 15
    assert found.summary()["rotation_degrees"] == pytest.approx(degrees, abs=0.5)
    traces = np.repeat(np.uint8(page.trace_mask > 0)[..., None], 3, axis=2)
    truth = on_a_table(traces, (1900, 2300), degrees, (1150, 950))[..., 0]
    assert found.page.mask.shape == picture.shape[:2]
    near = cv2.dilate(np.uint8(truth == 1), np.ones((7, 7), np.uint8)) > 0
    assert (near & (found.page.mask > 0)).sum() > 0.9 * (found.page.mask > 0).sum()


def test_a_small_page_is_read_from_a_crop(net, page):
    picture = on_a_table(page.image, (3000, 4400), 0, (3000, 900))
    found = digitize(picture, net)
    assert sum(lead.name_read for lead in found.leads) >= 10 and score(page, found.signal) > 15
    x, y = next((name["x"], name["y"]) for name in found.summary()["names"] if name["name"] == "V1")
    drawn = next(lead for lead in page.leads if lead.name == "V1")
    left, top = np.array([3000, 900]) - np.array(page.image.shape[1::-1]) / 2
    assert abs(x - left - drawn.pixels[0, 0]) < 60 and abs(y - top - drawn.pixels[:, 1].mean()) < 120


def test_a_page_that_fills_the_picture_is_read_as_it_is(net, page):
    assert understand_page(page.image, net).view.shape == page.image.shape[:2]
