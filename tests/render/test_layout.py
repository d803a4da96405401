"""Layouts: built-in names, user-defined files, and clear errors."""

import json

import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.errors import ConfigError
from ecgpipe.render.layout import LEADS, layout_named
from ecgpipe.render.page import render_page

ONE_SLOT = '"name": "x", "width": 100, "height": 100, "slots": [{"lead": "I", "x": 0, "baseline": 50, "width": 50}]'


@pytest.mark.parametrize("name", ["kit", "cardiac-images", "6x2", "12x1"])
def test_every_layout_shows_all_leads_over_250_mm(name):
    layout = layout_named(name)
    assert {slot.lead for slot in layout.slots} == set(LEADS)
    assert max(slot.start + slot.width for slot in layout.slots) == pytest.approx(250)


def test_kit_rows_are_sixths_of_a_letter_page_apart():
    layout = layout_named("kit")
    assert (layout.width, layout.height) == pytest.approx((279.4, 215.9))
    baselines = sorted({slot.baseline for slot in layout.slots})
    assert baselines[1] - baselines[0] == pytest.approx(215.9 / 6)
    assert baselines[2] - baselines[1] == pytest.approx(215.9 / 6)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_layout_file_round_trip(tmp_path, suffix):
    path = tmp_path / f"mine.{suffix}"
    original = layout_named("6x2").model_copy(update={"name": "mine"})
    path.write_text(json.dumps(original.model_dump(mode="json")), encoding="utf-8")  # JSON is YAML, too
    assert layout_named(str(path)) == original


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", r"mine\.json: name: Field required"),
        ("[1", r"mine\.json: Expecting ',' delimiter"),
        ("null", r"mine\.json: Input should be a valid dictionary"),
        (
            '{"name": "x", "width": 100, "height": 100, "slots": [{"lead": "I", "x": 90, "baseline": 5, "width": 50}]}',
            r"mine\.json: lead I at x 90\.0, baseline 5\.0 is not on the page",
        ),
        (
            '{"name": "x", "width": 100, "height": 100, "slots": [{"lead": "V9", "x": 0, "baseline": 5, "width": 50}]}',
            r"slots\.0\.lead: Input should be 'I', .*; given: 'V9'",
        ),
        (f'{{{ONE_SLOT}, "grid": {{"box": [-5, 0, 100, 100]}}}}', r"grid\.box .* is not on the page"),
        (f'{{{ONE_SLOT}, "texts": [{{"x": 5, "y": 90, "text": "two\\nlines"}}]}}', "a text has one line"),
        (
            f'{{{ONE_SLOT}, "colour": 1}}',
            r"^layout file .*mine\.json: colour: unknown key; allowed here: name, width, ",
        ),
        (
            f'{{{ONE_SLOT[:-2]}, "name": {{"x": 0, "y": 9, "text": "I", "fnt": "sans"}}}}]}}',
            r"mine\.json: slots\.0\.name\.fnt: unknown key; did you mean font\? allowed here: x, y, text, size, font;",
        ),
    ],
)
def test_broken_layout_file_names_the_problem(tmp_path, text, complaint):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        layout_named(str(path))


def test_layout_files_construct_no_objects(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: could not determine a constructor"):
        layout_named(str(path))
    assert not (tmp_path / "made").exists()


def test_only_speed_and_gain_are_filled_in(tmp_path):
    images = []
    for name, text in (("a", "{speed} mm/s {gain} mm/mV {date} {"), ("b", "25 mm/s 5 mm/mV {date} {")):
        path = tmp_path / f"{name}.json"
        path.write_text(f'{{{ONE_SLOT}, "texts": [{{"x": 5, "y": 90, "text": "{text}"}}]}}', encoding="utf-8")
        images.append(render_page(np.zeros((12, 1000)), 100, RenderConfig(layout=str(path), gain=5)).image)
    assert np.array_equal(*images)


def test_a_box_contains_a_pulse_at_the_end_of_its_row(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(f'{{{ONE_SLOT[:-2]}, "pulse": {{"x": 60}}}}]}}', encoding="utf-8")
    page = render_page(np.zeros((12, 1000)), 100, RenderConfig(layout=str(path), dpi=254))
    assert page.pulses[0][:, 0].tolist() == pytest.approx([600, 600, 650, 650])
    assert page.leads[0].box == (0, 400, 650, 500)


def test_unknown_layout_lists_the_known():
    with pytest.raises(ConfigError, match="layout '3x5': not one of kit, cardiac-images, 6x2, 12x1, nor a "):
        layout_named("3x5")


def test_missing_layout_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        layout_named(str(tmp_path / "none.yaml"))
