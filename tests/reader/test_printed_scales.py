"""Printed paper speeds and gains."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.geometry import PageGeometry
from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.printed_scales import PrintedScales, read_scales, scales_in, view_of_text
from ecgpipe.reader.read import read_page
from ecgpipe.reader.text_network import ALPHABET, BLANK, TextNet, decode, encode
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page
from tests.reader.test_scales import RATE, rhythm


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("25 mm/s  10mm/mV", "25 mm/s 10mm/mv"),
        ("Speed: 50 mm/sec.", "s*ee*: 50 mm/sec."),
        ("0.15~40 Hz", "0.15*40 *"),
        ("ÄÖÜ", "*"),
        ("100", "100"),
    ],
)
def test_texts_are_written_in_the_networks_alphabet(text, written):
    codes = encode(text)
    assert "".join(ALPHABET[code] for code in codes) == written
    steps = [BLANK, *(step for code in codes for step in (code, code, BLANK))]  # each character lasts two steps
    logits = 9.0 * np.eye(BLANK + 1)[steps]
    decoded, shares = decode(logits)
    assert decoded == written and len(shares) == len(written) and shares.min() > 0.99


@pytest.mark.parametrize(
    ("text", "speeds", "gains"),
    [
        ("25 mm/s 10 mm/mv", {25}, {10}),
        ("s*ee*:50mm/sec *:5.0mm/mv *:20mm/mv", {50}, {5, 20}),
        ("12.5mm / s.0.5 cm/mv", {12.5}, {5}),
        ("mm/s 10 mv/s 120 mm* 25 m/s 1:25 mm", set(), set()),
        ("2025 mm/s *5 mm/s 7 mm/mv", set(), set()),
    ],
)
def test_scales_are_usual_numbers_before_their_units(text, speeds, gains):
    assert scales_in(text, np.ones(len(text))) == (speeds, gains)


def test_scales_with_an_unsure_character_do_not_count_but_spaces_may_be_unsure():
    text = "25 mm/s"
    shares = np.where(np.array(list(text)) == " ", 0.1, 0.9)
    assert scales_in(text, shares) == ({25}, set())
    assert scales_in(text, np.where(np.arange(len(text)) == 1, 0.5, shares)) == (set(), set())


def test_a_view_shows_the_text_level_and_at_one_size():
    picture = np.full((200, 400), 255, np.uint8)
    cv2.putText(picture, "25 mm/s", (100, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 0, 3, cv2.LINE_AA)
    y, x = np.nonzero(picture < 128)
    middle = np.array([x.min() + x.max() + 1, y.min() + y.max() + 1]) / 2
    along, down = np.array([np.ptp(x) + 1.0, 0.0]), np.array([0.0, np.ptp(y) + 1.0])
    level = view_of_text(picture, middle, along, down)
    shown = np.flatnonzero((level < 128).any(axis=1))
    assert level.shape[0] == 32 and shown[0] == pytest.approx(6, abs=1) and shown[-1] == pytest.approx(25, abs=1)
    turned = np.ascontiguousarray(np.rot90(picture))  # (x, y) moves to (y, width - x)
    upwards = view_of_text(
        turned, np.array([middle[1], 400 - middle[0]]), np.array([0, -along[0]]), np.array([down[1], 0])
    )
    assert upwards.shape == level.shape and np.abs(upwards.astype(int) - level).mean() < 3


@pytest.mark.parametrize(("layout", "speed", "gain"), [("6x2", 50, 5), ("kit", 25, 20), ("cardiac-images", 50, 10)])
def test_printed_scales_are_read_and_used(layout, speed, gain, net):
    drawn = RenderConfig(layout=layout, dpi=150, paper_speed=speed, gain=gain, pulse=False)
    found = digitize(render_page(rhythm(0.85, 0.09), RATE, drawn).image, net, RATE)
    assert found.printed.speeds == (speed,) and found.printed.gains == (gain,)
    assert found.speed == pytest.approx(speed, rel=0.02) and found.gain == gain and found.assumed == ()
    assert not any("assumed: 25" in note or "mV is assumed" in note for note in found.notes)
    assert found.summary()["printed"] == {"speeds": [speed], "gains": [gain]}


def test_what_was_given_or_measured_wins_and_the_print_is_reported(net, tmp_path):
    layout = layout_named("6x2").model_dump(mode="json")
    layout["texts"][0]["text"] = "25 mm/s   20 mm/mV"  # the pulses show 10 mm/mV
    (tmp_path / "layout.json").write_text(json.dumps(layout))
    drawn = RenderConfig(layout=str(tmp_path / "layout.json"), dpi=150)
    image = render_page(rhythm(0.85, 0.09), RATE, drawn).image
    found = digitize(image, net, RATE)
    assert found.printed.gains == (20,) and found.gain == 10 and found.assumed == ()
    assert "20 mm/mV is printed: 10 mm/mV is used" in found.notes
    found = digitize(image, net, RATE, speed=50, gain=5)
    assert found.speed == pytest.approx(50, rel=0.02) and found.gain == 5
    assert (
        "20 mm/mV is printed: 5 mm/mV is used" in found.notes and "25 mm/s is printed: 50 mm/s is used" in found.notes
    )


@pytest.mark.parametrize("around", ["a frame", "a long line"])
def test_scales_in_a_frame_or_at_the_end_of_a_long_line_are_read(around, net):
    drawn = RenderConfig(layout="6x2", dpi=150, gain=20, pulse=False, annotations=around == "a frame")
    page = render_page(rhythm(0.85, 0.09), RATE, drawn)
    picture, mm = page.image.copy(), page.dpi / 25.4
    height, width = picture.shape[:2]
    if around == "a frame":
        left, bottom = round(6 * mm), height - round(2 * mm)
        cv2.rectangle(picture, (left, bottom - round(7 * mm)), (width - left, bottom), (0, 0, 0), 2)
    else:
        text = "25 mm/s  20 mm/mV  0.15-40 Hz  AC 50  12SL 239 v17  Account 12345 678  Referred by: unknown  ID 990-17"
        cv2.putText(picture, 2 * text, (60, height - 30), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    found = digitize(picture, net, RATE)
    assert found.printed.gains == (20,) and found.gain == 20


def test_several_printed_scales_are_reported_and_one_of_them_is_used(net, tmp_path):
    layout = layout_named("6x2").model_dump(mode="json")
    layout["texts"][0]["text"] = "25 mm/s   Limb: 10 mm/mV   Chest: 5 mm/mV"
    (tmp_path / "layout.json").write_text(json.dumps(layout))
    drawn = RenderConfig(layout=str(tmp_path / "layout.json"), dpi=150, pulse=False)
    found = digitize(render_page(rhythm(0.85, 0.09), RATE, drawn).image, net, RATE)
    assert found.printed.gains == (5, 10) and found.gain == 10 and found.assumed == ()
    assert "5 and 10 mm/mV are printed: 10 mm/mV is used" in found.notes


def test_an_untrained_network_reads_nothing(net):
    picture = render_page(rhythm(0.85, 0.09), RATE, RenderConfig(layout="6x2", dpi=100)).image
    assert read_scales(picture, read_page(picture, net), TextNet().eval()) == PrintedScales()


@pytest.mark.parametrize("faint", ["the number", "everything"])
def test_pale_print_that_is_faint_on_the_map_is_read(faint, net):
    """At 5 pixels per mm; the other text is dark."""
    per_mm, (height, width) = 5, (200, 600)
    picture = np.full((height, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA
    cv2.putText(picture, "10 mm/mV", (60, 100), *font)
    cv2.putText(picture, "Unconfirmed", (350, 100), *font)
    ink = (255 - picture[..., 0]).astype(np.float32) / 255
    ink[:, : 82 if faint == "the number" else 300] *= 0.3
    maps = np.zeros((len(PIXEL_MAPS), height, width), np.float32)
    maps[PIXEL_MAPS.index("ink")] = ink
    unit = float(np.hypot(height, width) / 2)
    x, y = np.zeros(10), np.zeros(10)
    x[2] = y[1] = unit / per_mm
    geometry = PageGeometry(x, y, np.array([width, height]) / 2, unit, 0.0)
    assert np.allclose(geometry.to_page(np.array([[width, height]])), np.array([[width, height]]) / 2 / per_mm)
    reading = SimpleNamespace(maps=maps, geometry=geometry, scale=1.0)
    assert read_scales(picture, reading, net.text).gains == (10,)
