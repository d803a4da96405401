"""Degraded pages: the ground truth moves with the page; only the seed and the record id decide."""

import io
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from ecgpipe.config.pages import DEGRADE_KINDS, DEGRADE_LEVELS, LAYOUTS, DegradeConfig, DegradeEffect, RenderConfig
from ecgpipe.render.degrade import degrade_page
from ecgpipe.render.page import render_page
from tests.render.test_page import RATE, beats

NEVER = {kind: DegradeEffect(probability=0, range=(0, 0) if kind != "jpeg" else (90, 90)) for kind in DEGRADE_KINDS}
GEOMETRY = ("bend", "rotation", "perspective", "crop")


@cache
def rendered(layout="kit", dpi=100, **keys):
    return render_page(beats(), RATE, RenderConfig(layout=layout, dpi=dpi, **keys))


def only(**strength):
    """A configuration in which these kinds always happen, with this strength, and no others."""
    return DegradeConfig(**NEVER | {k: DegradeEffect(probability=1, range=(v, v)) for k, v in strength.items()})


def test_level_none_changes_nothing():
    page = rendered()
    assert degrade_page(page, DegradeConfig(), "1") is page
    assert not DegradeConfig().active
    assert DegradeConfig(level="scan").active
    assert DegradeConfig(blur=DegradeEffect(probability=0.1, range=(0.1, 0.1))).active


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "config",
    [
        only(rotation=8),
        only(rotation=-20, crop=-10),
        only(perspective=8),
        only(bend=3),
        only(bend=2, rotation=-5, perspective=5, crop=4),
    ],
)
def test_ink_lies_under_the_moved_mask_and_points(layout, config):
    page = degrade_page(rendered(layout, pulse=False, separators=False, lead_names=False, grid=False), config, "7")
    sure = cv2.erode(page.trace_mask, np.ones((2, 2), np.uint8)).astype(bool)
    assert sure.sum() > 100
    assert page.image.max(axis=2)[sure].max() < 200
    points = np.concatenate([lead.pixels for lead in page.leads])
    height, width = page.shape
    inside = (points > 2).all(axis=1) & (points[:, 0] < width - 3) & (points[:, 1] < height - 3)
    x, y = np.floor(points[inside]).astype(int).T
    near = cv2.dilate(page.trace_mask, np.ones((3, 3), np.uint8))
    assert near[y, x].mean() > 0.995
    unmoved = np.floor(np.concatenate([lead.pixels for lead in page.flat.leads])[inside]).astype(int)
    assert near[unmoved[:, 1].clip(0, height - 1), unmoved[:, 0].clip(0, width - 1)].mean() < 0.9


def test_a_rotation_moves_points_as_trigonometry_predicts():
    page, angle = rendered(), np.deg2rad(10)
    rotated = degrade_page(page, only(rotation=10), "1")
    centre = np.array([page.shape[1] / 2, page.shape[0] / 2])
    pairs = [(before.pixels, after.pixels) for before, after in zip(page.leads, rotated.leads, strict=True)]
    for before, after in [*pairs, *zip(page.pulses, rotated.pulses, strict=True)]:
        x, y = (before - centre).T
        expected = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], 1) + centre
        assert np.abs(after - expected).max() < 1e-3


def test_boxes_contain_their_leads_and_report_what_is_off_the_page():
    page = degrade_page(rendered(), only(rotation=12, crop=10, bend=2), "3")
    height, width = page.shape
    boxes = page.boxes(plotted_pixels=True)["leads"]
    for lead, entry in zip(page.leads, boxes, strict=True):
        x0, y0, x1, y1 = lead.box
        assert 0 <= x0 <= x1 <= width
        assert 0 <= y0 <= y1 <= height
        inside = (lead.pixels >= 0).all(axis=1) & (lead.pixels[:, 0] <= width) & (lead.pixels[:, 1] <= height)
        assert lead.on_page == pytest.approx(inside.mean())
        kept = lead.pixels[inside]
        assert (kept >= (x0, y0)).all()
        assert (kept <= (x1, y1)).all()
        assert entry["on_page"] == pytest.approx(lead.on_page, abs=1e-4)
        assert len(entry["plotted_pixels"]) == entry["end_sample"] - entry["start_sample"]
        assert list(entry["lead_bounding_box"]) == ["0", "1", "2", "3"]
    assert min(lead.on_page for lead in page.leads) < 1
    assert "on_page" not in rendered().boxes()["leads"][0]


def test_photometric_kinds_do_not_change_the_geometry():
    strong = {kind: high for kind, (_, (_, high), *_) in DEGRADE_KINDS.items() if kind not in GEOMETRY}
    page = rendered()
    degraded = degrade_page(page, only(**strong), "1")
    assert degraded.boxes() == page.boxes()
    assert degraded.trace_mask.sum() > page.trace_mask.sum()  # a wider pen
    assert (degraded.trace_mask >= page.trace_mask).all()
    strong.pop("pen")
    assert np.array_equal(degrade_page(page, only(**strong), "1").trace_mask, page.trace_mask)


def test_the_same_seed_and_record_give_the_same_page_in_any_order():
    page, config = rendered(), DegradeConfig(level="photo", seed=5)
    first = {name: degrade_page(page, config, name).encode() for name in ("a", "b", "c")}
    again = {name: degrade_page(page, config, name).encode() for name in ("c", "a", "b")}
    assert first == again
    assert len(set(first.values())) == 3
    assert degrade_page(page, DegradeConfig(level="photo", seed=6), "a").encode() != first["a"]


def test_kinds_are_sampled_independently():
    page = rendered()
    plain = degrade_page(page, DegradeConfig(level="photo", seed=1), "x")
    other = degrade_page(
        page, DegradeConfig(level="photo", seed=1, handwriting=DegradeEffect(probability=1, range=(9, 9))), "x"
    )
    assert np.array_equal(plain.warp.matrix, other.warp.matrix)
    assert not np.array_equal(plain.image, other.image)


def test_a_page_without_a_grid_has_the_colour_of_its_paper():
    """Also at a low resolution, at which lines cover most of the page."""
    for dpi, paper in ((50, (255, 255, 255)), (100, (40, 50, 60))):
        before = rendered(dpi=dpi, paper=paper, ink=(128, 128, 128))
        assert (before.image == paper).all(axis=2).mean() < 0.7
        page = degrade_page(before, only(no_grid=0), "1")
        assert (page.image == paper).all(axis=2).mean() > 0.8


@pytest.mark.parametrize("kind", DEGRADE_KINDS)
@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_every_kind_works_alone_at_its_extremes(kind, end, layout):
    before = rendered(layout, dpi=50)
    page = degrade_page(before, only(**{kind: DEGRADE_KINDS[kind][1][end]}), "1")
    assert page.image.dtype == np.uint8
    assert page.image.shape == before.image.shape
    assert page.trace_mask.max() == 1
    decoded = Image.open(io.BytesIO(page.encode()))
    assert decoded.size == (page.shape[1], page.shape[0])
    assert decoded.format == ("JPEG" if kind == "jpeg" else "PNG")
    if end and kind != "jpeg":
        assert not np.array_equal(page.image, before.image)


@pytest.mark.parametrize("level", DEGRADE_LEVELS[1:])
def test_levels_keep_most_of_the_trace_in_the_picture(level):
    page = rendered()
    pages = [degrade_page(page, DegradeConfig(level=level), str(i)) for i in range(6)]
    shares = [np.mean([lead.on_page for lead in page.leads]) for page in pages]
    assert np.mean(shares) > 0.9


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rotation": {"probability": 1, "range": [0, 90]}}, "rotation: range"),
        ({"noise": {"probability": 2, "range": [0, 1]}}, "probability"),
        ({"blur": {"probability": 1, "range": [0.2, 0.1]}}, "above the second"),
        ({"tear": {"probability": 1, "range": [0, 1]}}, "tear"),
    ],
)
def test_invalid_settings_are_rejected(keys, message):
    with pytest.raises(ValidationError, match=message):
        DegradeConfig(**keys)
