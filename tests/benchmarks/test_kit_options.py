"""The check of ECG-Image-Kit's options notices pages that are not as their options say; on a recorded page."""

import json

import pytest

from benchmarks.kit_options import agrees, on_ink
from ecgpipe.artifacts.pictures import read_image
from ecgpipe.config.pages import RenderConfig
from tests.render.kit_recording import DPI, RECORDING


@pytest.fixture(scope="module")
def facts() -> dict:
    return json.loads((RECORDING / "default.json").read_text())


@pytest.fixture(scope="module")
def picture():
    return read_image((RECORDING / "page.png").read_bytes(), "page")


def test_the_recorded_page_is_as_its_options_say(facts, picture):
    assert agrees(RenderConfig(renderer="ecg-image-kit", dpi=DPI), facts, picture, "00001_lr")


@pytest.mark.parametrize(
    "options",
    [
        {"wrinkles": True},
        {"augment": True},
        {"num_columns": 1},
        {"full_mode": "V1"},
        {"print_header": True},
        {"add_qr_code": True},
        {"standard_grid_color": 3},
    ],
)
def test_each_option_that_had_no_effect_is_noticed(facts, picture, options):
    assert not agrees(RenderConfig(renderer="ecg-image-kit", dpi=DPI, kit_options=options), facts, picture, "00001_lr")


@pytest.mark.parametrize(
    "change", [{"resolution": 40}, {"height": 10}, {"bw": True}, {"grid_line_color_major": [0, 0, 0]}]
)
def test_each_statement_that_is_wrong_is_noticed(facts, picture, change):
    config = RenderConfig(renderer="ecg-image-kit", dpi=DPI)
    assert not agrees(config, facts | change, picture, "00001_lr")
    assert not agrees(config, facts | {"leads": facts["leads"][1:]}, picture, "00001_lr")


def test_plotted_points_lie_on_ink_and_moved_ones_do_not(facts, picture):
    assert on_ink(facts, picture) > 0.85  # at 50 dpi thin strokes are pale
    assert on_ink(facts, picture, 5) < 0.3
