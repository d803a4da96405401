"""Gain and paper speed of a page, from its pulses and its waves."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ecgpipe.cli.main import main
from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.network import PIXEL_MAPS
from ecgpipe.reader.page import understand_page
from ecgpipe.reader.scales import Pulses, find_pulses, is_fast, waves_of
from ecgpipe.render.layout import layout_named
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats

RATE = 500


def rhythm(between: float, width: float, seconds: float = 10) -> np.ndarray:
    """(12, samples) mV: triangular complexes of ``width`` s, ``between`` s apart, and low T waves."""
    time = np.arange(round(seconds * RATE)) / RATE
    phase = (time + 0.2) % between - between / 2
    wave = np.clip(1 - np.abs(phase) / (width / 2), 0, None) + 0.2 * np.exp(-(((phase - 0.25 * between) / 0.06) ** 2))
    return np.linspace(0.5, 1.5, 12)[:, None] * wave


@pytest.mark.parametrize("between", [0.5, 0.8, 1.6])
def test_beats_are_measured(between):
    found, width = waves_of(rhythm(between, 0.08), RATE)
    assert found == pytest.approx(between, abs=0.01) and 0.02 < width < 0.08


def test_at_half_the_speed_complexes_are_broader():
    assert waves_of(rhythm(1.6, 0.16), RATE)[1] > 1.5 * waves_of(rhythm(0.8, 0.08), RATE)[1]


def test_unknown_samples_and_flat_leads_do_not_matter():
    signal = rhythm(0.8, 0.08)
    for column in range(4):
        signal[3 * column : 3 * column + 3, : 1250 * column] = np.nan
        signal[3 * column : 3 * column + 3, 1250 * (column + 1) :] = np.nan
    signal[5] = 0
    assert waves_of(signal, RATE)[0] == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("signal", [np.full((12, 5000), np.nan), np.zeros((12, 5000)), rhythm(0.8, 0.08, 1.5)])
def test_without_beats_nothing_is_measured(signal):
    assert waves_of(signal, RATE) is None and not is_fast(signal, RATE, None)


@pytest.mark.parametrize(
    ("between", "width", "wide", "fast"),
    [
        (0.8, 0.08, False, False),
        (1.6, 0.2, False, True),
        (1.6, 0.05, False, False),  # a slow heart with narrow complexes
        (0.7, 0.2, False, False),  # a broad complex at a usual rate
        (1.1, 0.2, False, False),
        (1.1, 0.2, True, True),
    ],
)
def test_slow_beats_and_broad_complexes_mean_50_mm_per_s(between, width, wide, fast):
    assert is_fast(rhythm(between, width), RATE, Pulses(10, wide)) == fast


@pytest.mark.parametrize("gain", [5, 20])
def test_the_gain_comes_from_the_pulses(net, gain):
    page = render_page(beats() * 5 / gain, RATE, RenderConfig(layout="6x2", dpi=130, gain=gain))
    assert find_pulses(understand_page(page.image, net)) == Pulses(gain, False)


def test_pulses_of_10_mm_are_wide(net, tmp_path):
    layout = layout_named("6x2").model_dump(mode="json")
    for slot in layout["slots"]:
        if slot["pulse"]:
            slot["pulse"] |= {"x": slot["pulse"]["x"] - 5, "width": 10}
    (tmp_path / "wide.json").write_text(json.dumps(layout))
    page = render_page(beats(), RATE, RenderConfig(layout=str(tmp_path / "wide.json"), dpi=130))
    assert find_pulses(understand_page(page.image, net)) == Pulses(10, True)


@pytest.mark.parametrize("broken", [False, True])
def test_pulses_of_two_heights_are_found(broken):
    """10 mm/mV in rows 1 to 3, as for limb leads, and 5 mm/mV in rows 4 to 6; also if their thin lines have gaps."""
    rows, mm = [20.0 + 25 * row for row in range(6)], 4
    maps = np.zeros((len(PIXEL_MAPS), 700, 400), np.float32)
    pulse = maps[PIXEL_MAPS.index("pulse")]
    for row, baseline in enumerate(rows):
        top, bottom = round(mm * (baseline - (10 if row < 3 else 5))) - 1, round(mm * baseline) + 1
        pulse[top:bottom, 40:42] = pulse[top:bottom, 60:62] = pulse[top : top + 2, 40:62] = 1
    if broken:
        pulse[::9] = 0
    page = SimpleNamespace(
        frame=SimpleNamespace(pixels_per_mm=mm, warp=lambda picture, *_: picture),
        reading=SimpleNamespace(maps=maps, scale=1.0, grid_found=True),
        leads=SimpleNamespace(rows=rows),
    )
    assert find_pulses(page) == Pulses(10, False, (5,))


@pytest.fixture(scope="module")
def fast_page():
    """Without printed scales."""
    drawn = RenderConfig(layout="6x2", dpi=150, paper_speed=50, annotations=False)
    return render_page(rhythm(0.85, 0.09), RATE, drawn)


def test_a_page_at_50_mm_per_s_is_recognized(net, fast_page):
    found = digitize(fast_page.image, net, RATE)
    assert found.speed == pytest.approx(50, rel=0.02) and found.signal.shape == (12, 2500)
    assert found.assumed == ("speed",) and "no printed speed was read" in found.notes[0]
    known = np.s_[100:1150]
    assert np.corrcoef(found.signal[0, known], rhythm(0.85, 0.09)[0, known])[0, 1] > 0.95


def test_the_speed_does_not_depend_on_the_sampling_rate(net, fast_page):
    found = digitize(fast_page.image, net, 50)
    assert found.speed == pytest.approx(50, rel=0.02) and found.signal.shape == (12, 250)


@pytest.mark.parametrize(("between", "width", "speed"), [(0.8, 0.08, 25), (1.6, 0.2, 50)])
def test_the_waves_show_the_speed_of_long_rows(between, width, speed, net, tmp_path):
    """Two columns of 10 s at 25 mm/s are as long as two of 5 s at 50 mm/s."""
    layout = layout_named("6x2").model_dump(mode="json")
    layout |= {"width": 2 * layout["width"], "grid": layout["grid"] | {"box": None}, "separators": [], "texts": []}
    for slot in layout["slots"]:
        slot |= {"x": 2 * slot["x"], "width": 2 * slot["width"]}
    (tmp_path / "long.json").write_text(json.dumps(layout))
    page = render_page(rhythm(between, width, 20), RATE, RenderConfig(layout=str(tmp_path / "long.json"), dpi=100))
    assert digitize(page.image, net, RATE).speed == pytest.approx(speed, rel=0.02)


def test_a_given_speed_is_used(fast_page, tmp_path, capsys):
    Image.fromarray(fast_page.image).save(tmp_path / "page.png")
    options = ["--speed", "25", "--gain", "20", "--json"]
    assert main(["digitize", str(tmp_path / "page.png"), "-o", str(tmp_path / "out"), *options]) == 0
    (summary,) = json.loads(capsys.readouterr().out)["pages"]
    assert summary == json.loads((tmp_path / "out" / f"{summary['stem']}.json").read_text())
    assert summary["speed_mm_per_s"] == pytest.approx(25, rel=0.02) and summary["gain_mm_per_mv"] == 20
    assert summary["assumed"] == [] and not any("50 mm/s" in note for note in summary["notes"])


def test_the_document_lists_pages_that_failed(tmp_path, capsys):
    Image.new("RGB", (300, 300), "white").save(tmp_path / "empty.png")
    for command in ("read", "digitize"):
        assert main([command, str(tmp_path / "empty.png"), "-o", str(tmp_path / "out"), "--json"]) == 1
        printed = json.loads(capsys.readouterr().out)
        assert printed["pages"] == [] and "empty.png: no ECG" in printed["errors"][0]
