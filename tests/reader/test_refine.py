"""Correcting digitized lines with the line network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgpipe.artifacts.signals import LEADS
from ecgpipe.config.pages import RenderConfig
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.lead_line import read_lines
from ecgpipe.reader.line_network import CHANNELS, MEASURES, OFFSETS, LineNet, flipped
from ecgpipe.reader.quality import challenge_score, compare_lead
from ecgpipe.reader.read import load_reader
from ecgpipe.reader.refine import corrections, view_line
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
