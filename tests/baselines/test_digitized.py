"""Digitized recordings for the signal reference: resampled where the page shows them, zero elsewhere."""

import numpy as np
import pytest

from ecgpipe.artifacts.baselines import SIGNALS_SHAPE
from ecgpipe.artifacts.digitized import DigitizedRecord, write_digitized
from ecgpipe.baselines.features import as_reference, digitized_signals, gaps_as_zero

TIME = np.arange(5000) / 500
WHOLE = 0.4 + np.sin(2 * np.pi * (1 + np.arange(12)[:, None] / 4) * TIME)


@pytest.fixture
def shown() -> np.ndarray:
    """Two columns of 5 s, and no lead V6."""
    signal = WHOLE.copy()
    signal[:6, 2500:] = np.nan
    signal[6:, :2500] = np.nan
    signal[11] = np.nan
    return signal


def test_what_is_shown_equals_the_recording_and_the_rest_is_zero(shown):
    found, expected = gaps_as_zero(shown, 500), as_reference(WHOLE, 500)
    inner = np.s_[:6, 10:490]
    # each has its own median
    assert np.abs((found - found[:, 250:251])[inner] - (expected - expected[:, 250:251])[inner]).max() < 0.02
    assert not found[:6, 500:].any() and not found[6:, :500].any() and not found[11].any()
    assert np.abs(np.median(found[0, :500])) < 0.01


def test_a_short_page_is_filled_with_zeros():
    found = gaps_as_zero(WHOLE[:, :2000], 500)
    assert found.shape == SIGNALS_SHAPE and found[:, :390].any(axis=1).all() and not found[:, 400:].any()


def test_every_record_of_the_shard_has_a_signal(shown, tmp_path):
    write_digitized([DigitizedRecord("b", shown, {}), DigitizedRecord("elsewhere", shown, {})], tmp_path / "0.npz")
    signals = digitized_signals(["a", "b"], tmp_path / "0.npz")
    assert signals.record_ids.tolist() == ["a", "b"]
    assert not signals.signals[0].any() and signals.signals[1].any()
