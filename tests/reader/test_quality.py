"""The measures of digitized recordings, against cases computed by hand."""

import numpy as np
import pytest

from ecgpipe.reader.quality import challenge_score, compare_lead, kaggle_ratio

RATE = 4.0
TRUE = np.array([1.0, -1.0, 1.0, -1.0, 3.0, -3.0, 1.0, -1.0])  # mean 0, power 1+1+1+1+9+9+1+1 = 24


def test_half_of_the_amplitude_gives_six_decibels():
    lead = compare_lead(TRUE, TRUE / 2, RATE)
    assert lead.power == pytest.approx(24) and lead.error == pytest.approx(6)
    assert lead.decibels == pytest.approx(10 * np.log10(4)) and lead.correlation == pytest.approx(1)
    assert lead.rmse == pytest.approx(np.sqrt(6 / 8))


def test_up_to_one_millivolt_of_offset_is_free():
    assert compare_lead(TRUE, TRUE / 2 + 0.9, RATE).error == pytest.approx(6)
    assert compare_lead(TRUE, TRUE / 2 - 1.5, RATE).error == pytest.approx(6 + 8 * 0.25)


def test_a_shift_costs_only_the_samples_that_it_loses():
    pulse = np.array([0, 0, 4.0, 0, 0, 0, 0, -4.0, 0, 0])
    late = np.roll(pulse, 2)
    lead = compare_lead(pulse, late, RATE)
    assert lead.power == pytest.approx(32) and lead.error == pytest.approx(0) and lead.correlation == pytest.approx(1)
    assert compare_lead(pulse, np.roll(pulse, 4), RATE).error > 10  # 1 s is more than allowed


def test_only_what_the_page_shows_counts():
    true = np.concatenate([[np.nan] * 4, TRUE, [np.nan] * 4])
    found = np.concatenate([[9.0] * 4, TRUE / 2, [9.0] * 4])
    assert compare_lead(true, found, RATE).error == pytest.approx(6)


def test_a_missing_lead_counts_zero_and_a_gap_counts_as_zero_volts():
    missing = compare_lead(TRUE, np.full(8, np.nan), RATE)
    assert missing.decibels == 0 and missing.correlation == 0
    gap = TRUE.copy()
    gap[4:6] = np.nan
    assert compare_lead(TRUE, gap, 0.4).error == pytest.approx(18)  # at this rate no shift is tried
    with pytest.raises(ValueError, match="constant"):
        compare_lead(np.ones(8), TRUE, RATE)


def test_scores_of_a_page():
    leads = [compare_lead(TRUE, TRUE / 2, RATE), compare_lead(10 * TRUE, 9 * TRUE, RATE)]  # errors 6 and 24
    assert challenge_score(leads) == pytest.approx((10 * np.log10(4) + 20) / 2)
    assert kaggle_ratio(leads) == pytest.approx((24 + 2400) / 30)
    assert kaggle_ratio([compare_lead(TRUE, TRUE, RATE)]) == 384
