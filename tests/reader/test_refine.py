"""Correcting digitized lines with the line network."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.signals import LEADS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.lead_line import FINE, read_lines
from ecgpipe.reader.leads import FoundLead
from ecgpipe.reader.line_network import CHANNELS, MEASURES, OFFSETS, LineNet, flipped
from ecgpipe.reader.quality import challenge_score, compare_lead
from ecgpipe.reader.read import load_reader
from ecgpipe.reader.refine import corrections, view_line, with_tips
from ecgpipe.reader.timing import PageTime
from ecgpipe.render.page import render_page
from tests.preprocess.pages import beats

SIGNAL = beats() + np.random.default_rng(0).normal(0, 0.02, (12, 5000))  # noise that is faster than a page's pixels


@pytest.fixture(scope="module")
def picture():
    return render_page(SIGNAL, 500, RenderConfig(layout="6x2", dpi=150)).image


@pytest.fixture(scope="module")
def lines(picture, net):
    return read_lines(picture, net)


def quality(signal: np.ndarray) -> float:
    shown = SIGNAL.copy()
    shown[:6, 2500:] = shown[6:, :2500] = np.nan
    return challenge_score([compare_lead(*pair, 500) for pair in zip(shown, signal, strict=True)])


def test_corrected_lines_are_closer_to_the_recording(picture, net):
    plain = load_reader()
    plain.liner = LineNet().eval()  # untrained
    before, after = digitize(picture, plain), digitize(picture, net)
    assert quality(after.signal) > quality(before.signal) + 1
    assert (np.isnan(after.signal) == np.isnan(before.signal)).all()


def test_the_overlay_shows_the_corrected_lines(picture, net, lines):
    recording = digitize(picture, net)
    for line, (x, y) in zip(lines.lines, (line.T for line in recording.lines), strict=True):
        row = recording.signal[LEADS.index(line.lead.name.upper())]
        shown = (line.lead.baseline - y / lines.mm) / recording.gain
        values = np.interp(lines.seconds(replace(line, x=x, y=y)), np.arange(len(row)) / 500, row)
        known = ~np.isnan(values)
        assert np.median(np.abs(shown - values)[known]) < 0.004  # mV; between samples both are straight


def test_a_view_shows_the_strokes_of_the_line(lines):
    line = lines.lines[0]
    view = view_line(line, lines)
    assert view.channels.shape == (CHANNELS, len(view.heights) // 2) and np.isfinite(view.channels).all()
    middle, far = np.abs(OFFSETS).argmin(), 0
    assert np.median(view.channels[middle]) > 0.8 and np.median(view.channels[far]) < 0.2
    height = 10 * view.channels[len(OFFSETS) + MEASURES.index("height")]
    assert np.nanmax(np.abs(height - view.heights[::2])) < 0.2  # mm


def test_flipping_exchanges_what_is_above_and_below_the_line(lines):
    channels = view_line(lines.lines[0], lines).channels
    assert np.array_equal(flipped(flipped(channels)), channels)
    other, ink = flipped(channels), len(OFFSETS)
    assert np.array_equal(other[:ink], channels[:ink][::-1])
    above, below = (ink + MEASURES.index(name) for name in ("above", "below"))
    assert np.array_equal(other[above], channels[below])


def test_a_very_short_line_stays_as_it_is(lines, net):
    line = lines.lines[0]
    short = replace(line, x=line.x[:20], y=line.y[:20])
    assert view_line(short, lines) is None
    assert corrections(short, lines, net.liner)[1].tolist() == [0]


def test_the_network_returns_two_samples_per_column():
    net = LineNet()
    torch.nn.init.constant_(net.last.bias, 1.0)
    net.last.bias.data[1] = 2.0
    assert net.eval()(torch.zeros(1, CHANNELS, 5))[0].tolist() == [1, 2] * 5


def stroke_with_a_spike(at: float, height: float) -> tuple[SimpleNamespace, SimpleNamespace]:
    """A level line at 50 mm with 5 pixels per mm and a pen of 0.4 mm, and its page; the spike has half of its width."""
    columns = np.arange(100, 600, 1 / FINE)
    top = np.where(np.abs(columns - 5 * at) <= 0.5, 249.0 - 5 * height, 249.0)
    stroke = SimpleNamespace(columns=columns, edges=np.stack([top, np.full(len(top), 251.0)], axis=1))
    line = SimpleNamespace(lead=FoundLead("V1", 0, 20, 120, 50.0), stroke=stroke, pen=2.0)
    rows = np.full((400, 700), -1, np.int8)
    rows[250] = 0
    page = SimpleNamespace(leads=SimpleNamespace(row_of=rows))
    return line, SimpleNamespace(page=page, mm=5.0, unit=1.0, time=PageTime(np.array([20.0]), np.array([25.0]), 4.0))


@pytest.mark.parametrize("found", [0.0, 4.0, 7.5])
def test_a_line_reaches_the_tips_of_narrow_waves(found):
    """A spike of 8 mm, of which the line shows this height."""
    line, read = stroke_with_a_spike(70, 8)
    seconds = np.arange(2000) / 500
    heights = np.where(np.abs(seconds - 2) < 0.002, found, 0.0)
    tips = with_tips(heights, seconds, line, read)
    assert tips.max() == pytest.approx(8 if found < 7 else found, abs=0.7)
    assert np.abs(tips - heights)[np.abs(seconds - 2) > 0.02].max() == 0


def test_separators_and_other_rows_are_no_tips():
    seconds, level = np.arange(2000) / 500, np.zeros(2000)
    np.testing.assert_array_equal(with_tips(level, seconds, *stroke_with_a_spike(119, 8)), level)
    line, read = stroke_with_a_spike(70, 8)
    read.page.leads.row_of[210] = 1  # a trace that crosses the tip
    np.testing.assert_array_equal(with_tips(level, seconds, line, read), level)
    line, read = stroke_with_a_spike(70, 8)
    gap = np.where(np.abs(seconds - 2) < 0.1, np.nan, level)
    np.testing.assert_array_equal(with_tips(gap, seconds, line, read), gap)
