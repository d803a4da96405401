"""Pages that were turned upright: what is known of the page is looked for where the image has it, and the other way."""

import json

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.page_transform import PageTransform, index_row, read_transforms
from ecgpipe.artifacts.pages import StoredPage
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.explain.overlay import overlay
from ecgpipe.explain.regions import find_regions
from ecgpipe.preprocess.apply import prepare
from tests.preprocess.test_rectify import photo

NO_MARGINS = (0, 0, 0, 0)
KINDS = {
    "turned": {"rotation": (7, 7), "perspective": (4, 4)},
    "bent": {"rotation": (3, 3), "bend": (2, 2)},
}


@pytest.fixture(scope="module", params=KINDS)
def taken(request, tmp_path_factory):
    """A photographed page, its image, and its turn as the index gives it back."""
    page, picture = photo("kit", **KINDS[request.param])
    prepared = prepare(picture, PreprocessConfig())
    file = tmp_path_factory.mktemp("turned") / "index.parquet"
    IMAGE_INDEX.write([index_row("straight", 0.1, None), index_row("a", 0.1, prepared.transform)], file)
    turns = read_transforms([file], ["a", "straight"])
    assert list(turns) == ["a"]
    assert (turns["a"].bend is not None) == (request.param == "bent")
    return page, picture, prepared.image, turns["a"]


def samples(page) -> np.ndarray:
    height, width = page.shape
    return np.concatenate([lead.pixels for lead in page.leads]) / [width, height]


def on_ink(points: np.ndarray, image: np.ndarray) -> float:
    """Share of the points with ink within 3 of 640 pixels."""
    rows, columns = ((points * len(image)).astype(int).clip(3, len(image) - 4)).T[::-1]
    near = [image[rows + dy, columns + dx] for dy in range(-3, 4) for dx in range(-3, 4)]
    return float(np.max(near, axis=0).mean())


def test_samples_of_the_page_are_found_on_the_image(taken):
    page, _, image, turn = taken
    assert on_ink(turn.to_image(samples(page)), image) > 0.95
    assert on_ink(samples(page), image) < 0.6  # without it they are elsewhere


def test_masks_of_leads_hold_their_ink(taken):
    page, _, image, turn = taken
    stored = StoredPage("a", b"", json.dumps(page.boxes()))
    inputs = torch.from_numpy(image.astype(np.float32))[None]
    held = {}
    for name, own in (("turned", turn), ("as it lay", None)):
        places = find_regions(inputs, stored, None, "NORM", NO_MARGINS, 160, own)
        inside = np.any(list(places.leads.values()), axis=0)
        held[name] = (places.trace & inside).sum() / places.trace.sum()
    assert held["turned"] > 0.97 > 0.95 > held["as it lay"]


def test_the_overlay_lies_on_the_ink_that_the_map_names(taken):
    """A map of the image's own ink must colour the page's traces, and blank paper not."""
    page, picture, image, turn = taken
    laid = turn.onto_page(image.astype(np.float32), *page.shape[::-1])
    trace = page.trace_mask.astype(bool)
    assert laid[trace].mean() > 5 * laid[~trace].mean()
    assert (laid[trace] > 0).mean() > 0.9
    coloured = (overlay(picture, image, NO_MARGINS, turn) != picture).any(axis=2)
    assert coloured[laid > 0.1].mean() > 0.9
    assert not coloured[laid == 0].any()


def test_a_point_and_its_image_agree_both_ways():
    """A spot in the image, laid on the page, lies where the page's point goes to the spot."""
    bend = 12 * np.sin(np.linspace(0, np.pi, 400))
    matrix = np.array([[0.9, 0.1, 5], [-0.08, 1.1, 9], [1e-5, 2e-5, 1]])
    turn = PageTransform.from_pixels(matrix, bend, (500, 300), (400, 320))
    spot = np.zeros((320, 400), np.float32)
    spot[200:204, 250:254] = 1
    rows, columns = np.nonzero(turn.onto_page(spot, 500, 300) > 0.5)
    middle = np.array([[(columns.mean() + 0.5) / 500, (rows.mean() + 0.5) / 300]])
    assert turn.to_image(middle)[0] == pytest.approx([252 / 400, 202 / 320], abs=0.003)
