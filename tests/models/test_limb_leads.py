"""The limb leads of recordings agree with each other; those of other curves do not."""

import numpy as np
import pytest

from ecgpipe.models.limb_leads import LIMIT, limb_error


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def recording(rng) -> np.ndarray:
    """(12, 1000) mV, smooth, with limb leads that obey the law."""
    one, two, *chest = np.cumsum(rng.normal(0, 0.1, (8, 1000)), axis=1)
    return np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *chest])


def columns(signal: np.ndarray, rhythm: bool = True) -> np.ndarray:
    """What a page of 3 x 4 leads shows, with a strip of lead II."""
    shown = np.zeros(signal.shape, bool)
    for lead in range(12):
        shown[lead, lead // 3 * 250 : lead // 3 * 250 + 250] = True
    shown[1] |= rhythm
    return np.where(shown, signal, np.nan)


@pytest.mark.parametrize("cut", [lambda signal: signal, columns, lambda signal: columns(signal, rhythm=False)])
def test_a_recording_obeys_the_law_and_other_curves_do_not(rng, recording, cut):
    assert limb_error(cut(recording)) < 1e-9
    offsets = rng.normal(0, 1, (12, 1))
    noisy = recording + offsets + rng.normal(0, 0.1, recording.shape)
    assert 0 < limb_error(cut(noisy)) < LIMIT
    unrelated = [limb_error(cut(rng.normal(0, 1, (12, 1000)))) for _ in range(10)]
    assert np.mean(unrelated) == pytest.approx(1, abs=0.1)


def test_leads_with_wrong_names_contradict_each_other(recording):
    wrong = recording[[1, 0, 2, *range(3, 12)]]  # I and II exchanged
    assert limb_error(columns(wrong)) > LIMIT


def test_two_leads_at_a_time_and_flat_leads_say_nothing(recording):
    assert limb_error(np.full((12, 1000), np.nan)) is None
    assert limb_error(np.zeros((12, 1000))) is None
    recording[2:] = np.nan
    assert limb_error(recording) is None
