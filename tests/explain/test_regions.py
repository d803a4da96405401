"""Regions and overlays of rectified pages: positions on the page and in the image must agree."""

import json

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.page_transform import BEND_POINTS, PageTransform, index_row, read_transforms
from ecgpipe.artifacts.pages import StoredPage
from ecgpipe.artifacts.runs import RunIndex
from ecgpipe.artifacts.tables import IMAGE_INDEX
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.errors import DataError
from ecgpipe.explain.overlay import overlay
from ecgpipe.explain.regions import find_regions, positions_of
from ecgpipe.preprocess.apply import prepare
from tests.preprocess.pages import photo

NO_MARGINS = (0, 0, 0, 0)
KINDS = {
    "rotated": {"rotation": (7, 7), "perspective": (4, 4)},
    "bent": {"rotation": (3, 3), "bend": (2, 2)},
}


@pytest.fixture(scope="module", params=KINDS)
def rectified(request, tmp_path_factory):
    """A photographed page, its image, and its transform as read back from the index."""
    page, picture = photo("kit", **KINDS[request.param])
    prepared = prepare(picture, PreprocessConfig())
    file = tmp_path_factory.mktemp("rectified") / "index.parquet"
    IMAGE_INDEX.write([index_row("straight", 0.1, None), index_row("a", 0.1, prepared.transform)], file)
    transforms = read_transforms([file], ["a", "straight"])
    assert list(transforms) == ["a"]
    assert (transforms["a"].bend is not None) == (request.param == "bent")
    return page, picture, prepared.image, transforms["a"]


def samples(page) -> np.ndarray:
    height, width = page.shape
    return np.concatenate([lead.pixels for lead in page.leads]) / [width, height]


def on_ink(points: np.ndarray, image: np.ndarray) -> float:
    """Share of the points with ink within 3 of 640 pixels."""
    rows, columns = ((points * len(image)).astype(int).clip(3, len(image) - 4)).T[::-1]
    near = [image[rows + dy, columns + dx] for dy in range(-3, 4) for dx in range(-3, 4)]
    return float(np.max(near, axis=0).mean())


def test_to_image_maps_trace_samples_onto_ink(rectified):
    page, _, image, transform = rectified
    assert on_ink(transform.to_image(samples(page)), image) > 0.95
    assert on_ink(samples(page), image) < 0.6


def test_lead_masks_contain_the_ink(rectified):
    page, _, image, transform = rectified
    stored = StoredPage("a", b"", json.dumps(page.boxes()))
    inputs = torch.from_numpy(image.astype(np.float32))[None]
    inside_share = {}
    for name, own in (("rectified", transform), ("ignored", None)):
        regions = find_regions(inputs, stored, None, "NORM", NO_MARGINS, 160, own)
        inside = np.any(list(regions.leads.values()), axis=0)
        inside_share[name] = (regions.trace & inside).sum() / regions.trace.sum()
    assert inside_share["rectified"] > 0.92 > 0.9 > inside_share["ignored"]


def test_overlay_of_the_ink_colours_the_traces(rectified):
    """A map of the image's ink must colour the page's traces and leave blank paper alone."""
    page, picture, image, transform = rectified
    laid = transform.onto_page(image.astype(np.float32), *page.shape[::-1])
    trace = page.trace_mask.astype(bool)
    assert laid[trace].mean() > 5 * laid[~trace].mean()
    assert (laid[trace] > 0).mean() > 0.9
    coloured = (overlay(picture, image, NO_MARGINS, transform) != picture).any(axis=2)
    assert coloured[laid > 0.1].mean() > 0.9
    assert not coloured[laid == 0].any()


def test_onto_page_and_to_page_invert_to_image():
    """A spot warped from the image onto the page maps back to its position in the image."""
    bend = 0.04 * np.sin(np.linspace(0, np.pi, BEND_POINTS))
    transform = PageTransform(np.array([[1.1, 0.07, 0.01], [-0.12, 1.0, 0.03], [0.005, 0.006, 1]]), bend)
    spot = np.zeros((320, 400), np.float32)
    spot[200:204, 250:254] = 1
    rows, columns = np.nonzero(transform.onto_page(spot, 500, 300) > 0.5)
    middle = np.array([[(columns.mean() + 0.5) / 500, (rows.mean() + 0.5) / 300]])
    assert transform.to_image(middle)[0] == pytest.approx([252 / 400, 202 / 320], abs=0.003)
    assert transform.to_page(transform.to_image(middle))[0] == pytest.approx(middle[0], abs=1e-9)


@pytest.mark.parametrize(
    ("degrees", "bend", "expected"), [(0, 0, False), (0.2, 0, False), (2, 0, True), (0, 0.01, True)]
)
def test_only_pages_at_an_angle_or_bent_are_straightened(degrees, bend, expected):
    """A canvas around a part of a page straightens nothing."""
    width, height = 1000, 600
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    page = np.diag([width, height, 1.0])  # fractions to pixels
    cut = np.array([[0.002, 0, -0.4], [0, 0.003, -0.3], [0, 0, 1]])
    matrix = cut @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) @ page
    transform = PageTransform(matrix, np.full(BEND_POINTS, bend) if bend else None)
    assert transform.straightens(width, height) == expected


def test_the_position_of_a_record_with_several_pages_is_that_of_its_printed_page():
    """Two runs with other windows would else be compared on different pages of a record."""
    printed = RunIndex(np.array(["a", "b"]), *(np.arange(2) for _ in range(3)), np.zeros((2, 1), np.uint8))
    index = printed.append(RunIndex(np.array(["b", "a"]), *(np.arange(2) for _ in range(3)), printed.targets))
    assert positions_of(index, ["b", "a"]).tolist() == [1, 0]
    with pytest.raises(DataError, match="record c is explained"):
        positions_of(index, ["a", "c"])
