"""Resamples, intervals, p values and means over seeds, against formulas."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.bootstrap import (
    NO_SPREAD,
    SHIFTED,
    bootstrap_interval,
    bootstrap_p,
    distinct_groups,
    group_counts,
    mean_over_seeds,
    resamples_for,
    resampling_groups,
)
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.scores import evaluate_predictions
from tests.evaluate.test_scores import CLASSES


def test_p_value_adds_one_to_both_counts():
    """Davison and Hinkley 1997, equation 4.11: never 0, at least 2 / (B + 1)."""
    assert bootstrap_p(np.ones(99)) == pytest.approx(2 / 100)
    assert bootstrap_p(np.r_[np.full(5, -1.0), np.ones(94)]) == pytest.approx(2 * 6 / 100)
    assert bootstrap_p(np.r_[np.full(94, -1.0), np.ones(5)]) == pytest.approx(2 * 6 / 100)
    assert bootstrap_p(np.r_[np.zeros(3), np.ones(96), np.nan]) == pytest.approx(2 * 4 / 100)
    assert bootstrap_p(np.r_[-np.ones(50), np.ones(50)]) == 1.0


def test_p_value_agrees_with_the_interval(rng):
    samples = rng.normal(1.0, 0.5, size=1999)
    p = bootstrap_p(samples)
    assert abs(np.quantile(samples, p / 2)) < 0.1  # the interval of level 1 - p just reaches 0
    assert bootstrap_p(np.zeros(99)) == 1.0
    assert bootstrap_p(np.full(99, np.nan)) is None


def test_resamples_make_the_corrected_p_value_small_enough():
    assert resamples_for(1, 0.05, 2000) == 2000
    assert resamples_for(66, 0.05, 2000) == 5280
    smallest = bootstrap_p(np.ones(resamples_for(66, 0.05, 100)))
    assert 66 * smallest <= 0.05 / 2


@pytest.mark.parametrize("seeds", [2, 4, 9])
def test_spread_of_the_mean_over_seeds_falls_with_their_number(rng, seeds):
    """Without patients the interval is Student's: mean +- t * sd / sqrt(S)."""
    values = rng.normal(0.7, 0.05, seeds)
    pooled = mean_over_seeds(values, np.tile(values[:, None], (1, 200_000)), 3)
    half = t.ppf(0.9, seeds - 1) * values.std(ddof=1) / np.sqrt(seeds)
    assert pooled.between == pytest.approx(values.std(ddof=1))
    assert np.quantile(pooled.samples, [0.1, 0.9]) == pytest.approx(
        [values.mean() - half, values.mean() + half], rel=0.02
    )


def test_samples_of_the_mean_keep_the_patients(rng):
    """If only the patients differ between resamples, the samples are the mean of the seeds' samples."""
    patients = rng.normal(0, 0.03, (1, 500))
    pooled = mean_over_seeds(np.array([0.6, 0.6]), 0.6 + np.repeat(patients, 2, axis=0), 0)
    assert pooled.between == 0 and pooled.samples == pytest.approx(0.6 + patients[0])


def test_groups_are_resampled_with_replacement():
    counts = np.concatenate(list(group_counts(30, 600, 4)), axis=1)
    assert counts.shape == (30, 600) and (counts.sum(axis=0) == 30).all()
    assert counts.mean(axis=1) == pytest.approx(np.ones(30), abs=0.2)
    assert counts.var() == pytest.approx(29 / 30, abs=0.05)  # binomial(30, 1 / 30)
    assert distinct_groups(np.array(["b", "a"]), np.array(["a", "c"])).tolist() == ["a", "b", "c"]


def test_records_of_a_patient_or_of_the_same_file_are_resampled_together():
    """Of the same file: if the patient is unknown."""
    patients, files = ["p", "p", None, None, None, None], ["x", "y", "x", "z", "z", ""]
    records = pd.DataFrame({"record_id": list("abcdef"), "patient_id": patients, "content": files})
    assert resampling_groups(np.array(list("fedcba")), records).tolist() == ["record f", "z", "z", "x", "p", "p"]


def test_a_record_without_a_patient_is_no_patient_of_the_same_number():
    records = pd.DataFrame({"record_id": list("123"), "patient_id": ["3", "3", None], "content": ""})
    groups = resampling_groups(np.array(list("123")), records)
    assert groups[0] == groups[1] != groups[2]


def test_records_that_are_no_longer_listed_are_named():
    records = pd.DataFrame({"record_id": ["a"], "patient_id": ["p"], "content": [""]})
    with pytest.raises(DataError, match="1 records, such as b, are not in records"):
        resampling_groups(np.array(["a", "b"]), records)


def test_percentile_interval():
    samples = np.linspace(0, 1, 1001)
    assert bootstrap_interval(0.4, samples, 0.9) == {
        "value": 0.4, "low": pytest.approx(0.05), "high": pytest.approx(0.95), "note": None
    }  # fmt: skip


def test_biased_scores_have_the_basic_interval_that_contains_the_value():
    samples = np.linspace(0.2, 0.3, 1001)
    assert bootstrap_interval(0.22, samples, 0.9, biased=True) == {
        "value": 0.22, "low": pytest.approx(0.44 - 0.295), "high": pytest.approx(0.44 - 0.205), "note": None
    }  # fmt: skip
    for value in (0.1, 0.35):  # no resample is as small, or as large: the interval would not contain the value
        outside = bootstrap_interval(value, samples, 0.9, biased=True)
        assert outside == {"value": value, "low": None, "high": None, "note": SHIFTED}


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_in_its_interval(seed):
    """Resampling inflates the calibration error: here the model is calibrated, and some scores have no interval.

    The resamples lie above the value, so the basic interval, which reflects them, lies below.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (400, 4)).astype(np.float32)
    targets = np.stack([rng.multinomial(1, p / p.sum()) for p in np.exp(logits.astype(float))]).astype(np.uint8)
    ids = np.arange(400).astype(str)
    predictions = Predictions(ids, np.full(400, "test"), logits, targets, CLASSES, "single")
    found = evaluate_predictions(predictions, ids, EvaluateConfig(resamples=300))
    cells = [found["scores"]["ece"], *(scores["ece"] for scores in found["per_class"].values())]
    known = [cell for cell in cells if cell["note"] != SHIFTED]
    assert all(cell["high"] - cell["value"] < min(cell["value"], 0.7 * (cell["value"] - cell["low"])) for cell in known)
    assert known


def test_undefined_intervals_have_a_note():
    assert bootstrap_interval(np.nan, np.array([1.0]), 0.95, "no record of MI") == {
        "value": None, "low": None, "high": None, "note": "no record of MI"
    }  # fmt: skip
    assert bootstrap_interval(1.0, np.ones(50), 0.95)["note"] == NO_SPREAD
    few = bootstrap_interval(0.5, np.r_[np.full(51, np.nan), np.linspace(0, 1, 49)], 0.95)
    assert few["low"] is None and few["note"] == "no interval: undefined in 51 of 100 resamples"
    some = bootstrap_interval(0.5, np.r_[np.full(50, np.nan), np.linspace(0, 1, 50)], 0.95)
    assert some["low"] is not None and some["note"] == "interval from 50 of 100 resamples; undefined in the others"


def test_interval_covers_patients_and_seeds(rng):
    """Coverage where a score is truth + effect of the patients, the same for all seeds, + effect of the training."""
    inside, patients_only = [], []
    for _ in range(300):
        patients, trainings = rng.normal(0, 0.02), rng.normal(0, 0.04, 3)
        values = 0.7 + patients + trainings
        samples = values[:, None] + rng.normal(0, 0.02, 1000)[None, :]
        low, high = np.quantile(mean_over_seeds(values, samples, 0).samples, [0.025, 0.975])
        inside.append(low < 0.7 < high)
        low, high = np.quantile(samples.mean(axis=0), [0.025, 0.975])
        patients_only.append(low < 0.7 < high)
    assert np.mean(inside) > 0.9
    assert np.mean(patients_only) < 0.87


def test_patients_that_differ_between_seeds_are_not_counted_twice(rng):
    """If every seed has other patients, the seeds differ because of them; the trainings' part is then small."""
    values = 0.7 + rng.normal(0, 0.05, 200)
    samples = values[:, None] + rng.normal(0, 0.05, (200, 400))
    # of 0.05; the variance of 200 values is known to a tenth, so up to 0.036 at five standard errors
    assert mean_over_seeds(values, samples, 0).between < 0.036
    assert mean_over_seeds(values, samples * 0 + values[:, None], 0).between == pytest.approx(values.std(ddof=1))


def test_one_seed_and_no_seed():
    one = mean_over_seeds(np.array([0.5, np.nan]), np.array([[0.4, 0.6], [np.nan, np.nan]]), 0)
    assert one.between is None and one.value == 0.5 and one.samples.tolist() == [0.4, 0.6]
    none = mean_over_seeds(np.array([np.nan]), np.full((1, 3), np.nan), 0)
    assert np.isnan(none.value) and np.isnan(none.samples).all()
