"""Lead names: their views are cut out upright and to scale, and the package's weights read them."""

import cv2
import numpy as np
import pytest

from ecgpipe.reader.examples import make_name_examples
from ecgpipe.reader.names import SHARPNESS, classify, views_of_names
from ecgpipe.reader.network import LEAD_NAMES, NO_NAME, VIEW
from ecgpipe.reader.read import legible, load_reader, read_page
from tests.preprocess.pages import photo


@pytest.fixture(scope="module")
def printed() -> np.ndarray:
    """A picture of 400 x 400 pixels with V5 around (200, 150), 8 pixels per mm."""
    picture = np.full((400, 400, 3), 255, np.uint8)
    cv2.putText(picture, "V5", (176, 164), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 3, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize("angle", [0, 25, 90, 180])
@pytest.mark.parametrize("zoom", [0.5, 1.7])
def test_a_view_is_upright_and_to_scale(printed, angle, zoom):
    centre = np.array([200.0, 150.0])
    straight = views_of_names(printed, centre[None], 8 * np.eye(2)[None])[0]
    assert straight.shape == (*VIEW, 3)
    rows, columns = np.nonzero(straight[..., 0] < 128)
    assert np.hypot(rows.mean() - VIEW[0] / 2, columns.mean() - VIEW[1] / 2) < 3
    width = np.ptp(np.nonzero(printed[..., 0] < 128)[1]) / 8  # mm
    assert np.ptp(columns) / SHARPNESS == pytest.approx(width, abs=0.5)
    turn = cv2.getRotationMatrix2D((200, 200), angle, zoom)
    moved = cv2.warpAffine(printed, turn, (400, 400), borderValue=(255, 255, 255), flags=cv2.INTER_AREA)
    place = turn @ [*centre, 1]
    view = views_of_names(moved, place[None], 8 * turn[None, :, :2])[0]
    assert np.abs(view.astype(int) - straight).mean() < 6
    if angle == 180:  # the view follows the page's axes, not the picture's
        fooled = views_of_names(moved, place[None], 8 * zoom * np.eye(2)[None])[0]
        assert np.abs(fooled.astype(int) - straight).mean() > 8


def test_no_place_gives_no_view(printed):
    assert views_of_names(printed, np.zeros((0, 2)), np.zeros((0, 2, 2))).shape == (0, *VIEW, 3)
    assert classify(np.zeros((0, *VIEW, 3), np.uint8), load_reader().namer).shape == (0, len(LEAD_NAMES) + 1)


def test_examples_depend_on_their_seed_and_have_every_kind_of_class():
    signals = np.random.default_rng(0).normal(0, 200, (3, 12, 5000)).astype(np.int16)
    views, classes = make_name_examples((1, 2), signals, 500)
    again = make_name_examples((1, 2), signals, 500)
    assert np.array_equal(views, again[0]) and np.array_equal(classes, again[1])
    seen = np.concatenate([make_name_examples((1, number), signals, 500)[1] for number in range(60)])
    assert {0, 3, 6, NO_NAME} <= set(seen.tolist()) and seen.max() == NO_NAME
    assert 0.2 < (seen == NO_NAME).mean() < 0.9


def test_names_are_read_on_pages_of_both_renderers_and_upside_down():
    net = load_reader()
    for layout in ("kit", "cardiac-images"):
        picture = photo(layout)[1]
        reading = read_page(picture, net)
        assert legible(reading.names) > 9, layout  # of 12 different names
        assert not reading.upside_down
        turned = read_page(np.ascontiguousarray(np.rot90(picture, 2)), net)
        sure_of_it = abs(turned.geometry.angle) > 150  # the network may notice by itself
        assert turned.upside_down or sure_of_it, layout
