"""Which seconds of which leads support a class, and their place on the page."""

import numpy as np
import torch

from ecgpipe.explain.recordings import heat_of, lead_relevance, mark_traces
from ecgpipe.models.recording_folder import page_output
from ecgpipe.models.recordings import RecordingNet


def smooth_net() -> RecordingNet:
    torch.manual_seed(3)
    net = RecordingNet(2, 2, 4).eval()
    for member in net.members:
        member.head[1].weight.data *= 1000  # logits of the size of a trained network's
    return net


def test_relevance_sums_to_the_change_of_the_logit():
    """The completeness of integrated gradients (Sundararajan et al. 2017, proposition 1)."""
    net, generator = smooth_net(), np.random.default_rng(0)
    signal = generator.normal(0, 0.3, (12, 1000))
    signal[5] = np.nan
    signal[7, :400] = np.nan
    signal -= np.nanmedian(signal, axis=1, keepdims=True)
    relevance = lead_relevance(net, signal, 1)
    flat = np.where(np.isfinite(signal), 0.0, np.nan)
    change = page_output(net, signal).logits[1] - page_output(net, flat).logits[1]
    assert abs(change) > 0.1
    assert abs(relevance.sum() - change) < 0.1 * abs(change)
    assert not relevance[5].any()
    assert not relevance[7, :400].any()


def test_a_page_without_leads_has_no_relevance():
    assert not lead_relevance(smooth_net(), np.full((12, 1000), np.nan), 0).any()


def test_heat_shows_support_only():
    relevance = np.zeros((12, 1000))
    relevance[0, 500], relevance[1, 500] = 1.0, -1.0
    heat = heat_of(relevance)
    assert heat[0].argmax() == 500
    assert heat.max() <= 1
    assert not heat[1].any()
    assert not heat_of(np.zeros((12, 1000))).any()


def test_marks_follow_the_trace_and_leave_the_rest_of_the_page():
    page = np.full((200, 400, 3), 255, np.uint8)
    line = np.stack([np.arange(20.0, 380.0), np.full(360, 100.0)], axis=1)
    heat = np.where(np.arange(360) < 100, 1.0, 0.0)
    marked = mark_traces(page, [(line, heat)])
    assert (marked[100, 60] < 250).any()
    assert (marked[100, 300] == 255).all()
    assert (marked[10] == 255).all()
    black = mark_traces(np.zeros_like(page), [(line, heat)])
    assert not black.any()  # traces stay dark
