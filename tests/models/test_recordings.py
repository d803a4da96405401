"""What the signal network sees: pieces of leads in windows, gaps, and another sampling rate."""

import numpy as np
import pytest
import torch

from ecgpipe.errors import DataError
from ecgpipe.models.recording_folder import page_output
from ecgpipe.models.recordings import RATE, WINDOW, RecordingNet, at_network_rate, page_windows, piece_starts

NAN = np.nan


def counted(samples: int = 1000) -> np.ndarray:
    """(12, samples): lead k has the values k, k + 0.001, ..., so that every sample is known by its value."""
    return np.arange(12)[:, None] + np.arange(samples) / 1000


def three_by_four(strip: int | None = None) -> np.ndarray:
    signal, shown = counted(), np.zeros((12, 1000), bool)
    for lead in range(12):
        shown[lead, lead // 3 * 250 : lead // 3 * 250 + 250] = True
    if strip is not None:
        shown[strip] = True
    return np.where(shown, signal, NAN)


def test_all_leads_of_a_page_with_columns_meet_in_one_window():
    windows, starts = page_windows(three_by_four())
    assert windows.shape == (1, 12, WINDOW)
    assert np.isfinite(windows).all()
    assert starts.tolist() == [[lead // 3 * 250 for lead in range(12)]]
    np.testing.assert_allclose(windows[0, 11], 11 + np.arange(750, 1000) / 1000, rtol=1e-6)


def test_a_rhythm_strip_fills_several_windows_and_the_other_leads_repeat():
    windows, starts = page_windows(three_by_four(strip=1))
    assert starts[:, 1].tolist() == [0, 125, 250, 375, 500, 625, 750]
    assert (starts[:, 0] == 0).all()
    assert np.isfinite(windows).all()


def test_leads_that_are_shown_at_the_same_time_stay_together():
    _, starts = page_windows(counted())
    assert (starts == starts[:, :1]).all()


def test_a_missing_lead_is_blank_in_all_windows():
    signal = counted()
    signal[4] = NAN
    windows, starts = page_windows(signal)
    assert np.isnan(windows[:, 4]).all()
    assert (starts[:, 4] == -1).all()


def test_leads_of_a_column_stay_together_when_they_begin_at_slightly_different_samples():
    signal = three_by_four(strip=1)
    for lead in range(12):
        at = np.flatnonzero(np.isfinite(signal[lead]))
        signal[lead, at[: lead % 3 * 4]] = NAN
        signal[lead, at[len(at) - lead % 2 * 5 :]] = NAN
    _, starts = page_windows(signal)
    assert starts[0].tolist() == [0, 4, 0, 250, 250, 250, 500, 500, 500, 750, 750, 750]


@pytest.mark.parametrize(("shown", "pieces"), [(100, 1), (250, 1), (270, 1), (300, 2), (500, 3), (1000, 7)])
def test_pieces_cover_the_whole_of_a_lead(shown, pieces):
    starts = piece_starts(200, 200 + shown)
    assert len(starts) == pieces
    if shown > WINDOW + 25:
        assert (starts[0], starts[-1]) == (200, 200 + shown - WINDOW)
        assert np.diff(starts).max() <= 125


def test_a_lead_that_is_hardly_shown_is_missing():
    signal = counted()
    signal[3, 10:] = NAN
    assert (page_windows(signal)[1][:, 3] == -1).all()


def test_gaps_and_levels_do_not_reach_the_network_as_signal():
    net = RecordingNet(2, 1, 4, spread=0.5)
    window = torch.full((1, 12, WINDOW), NAN)
    window[0, 0, :100] = 3.0
    window[0, 0, 50] = 4.0
    inputs = net.inputs(window)
    assert inputs.shape == (1, 24, WINDOW)
    assert inputs[0, 0, 50] == 2.0  # 1 mV above the lead's median, in units of 0.5 mV
    assert inputs[0, :12].abs().sum() == 2.0
    assert inputs[0, 12, :100].eq(1).all()
    assert inputs[0, 12:].sum() == 100


def test_resampling_keeps_shape_and_gaps():
    at = np.arange(5000) / 500
    signal = np.tile(np.sin(2 * np.pi * 3 * at), (12, 1))
    signal[2, 1000:2000] = NAN
    result = at_network_rate(signal, 500)
    assert result.shape == (12, 1000)
    np.testing.assert_allclose(result[0, 20:-20], np.sin(2 * np.pi * 3 * np.arange(1000) / RATE)[20:-20], atol=0.01)
    assert np.flatnonzero(np.isnan(result[2])).tolist() == list(range(200, 400))


def test_a_recording_at_the_rate_of_the_network_is_unchanged():
    np.testing.assert_allclose(at_network_rate(counted(), 100), counted(), rtol=1e-6)
    odd = at_network_rate(np.ones((12, 12346)), 123456.789)  # used to take 20 GB of memory
    assert odd.shape == (12, 11) and odd[:, 2:-2] == pytest.approx(1, abs=0.01)


def test_the_logits_of_a_page_are_the_mean_over_its_windows_and_networks():
    torch.manual_seed(0)
    net = RecordingNet(3, 2, 4).eval()
    signal = np.random.default_rng(0).normal(size=(12, 1000))
    windows, _ = page_windows(signal)
    with torch.inference_mode():
        each = torch.stack([member(net.inputs(torch.from_numpy(windows))) for member in net.members])
    np.testing.assert_allclose(page_output(net, signal).logits, each.mean(dim=(0, 1)), atol=1e-5)


def test_a_page_without_leads_is_an_error():
    with pytest.raises(DataError, match="no lead is shown"):
        page_output(RecordingNet(2, 1, 4).eval(), np.full((12, 1000), NAN))
