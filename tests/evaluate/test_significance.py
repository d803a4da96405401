"""Paired tests against SciPy, brute force and O(n^2) definitions, on data that are new each time."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from ecgpipe.evaluate.significance import delong, holm, mcnemar, sign_flip


def test_mcnemar_is_scipys_binomial_test_and_sign_flip_is_the_same_for_single_records(rng):
    first, second = rng.random(90) < 0.7, rng.random(90) < 0.6
    mine, other = (first & ~second).sum(), (second & ~first).sum()
    found = mcnemar(first, second)
    assert (found.first_only, found.second_only) == (mine, other)
    assert found.p_value == pytest.approx(binomtest(int(mine), int(mine + other)).pvalue)
    assert sign_flip(first, second, np.arange(90)).p_value == pytest.approx(found.p_value)


def test_sign_flip_agrees_with_all_exchanges_of_groups(rng):
    groups = rng.integers(0, 9, 30)
    first, second = rng.random(30) < 0.8, rng.random(30) < 0.5
    per_group = [first[groups == g].sum() - second[groups == g].sum() for g in np.unique(groups)]
    sums = [abs(np.dot(signs, per_group)) for signs in product((-1, 1), repeat=len(per_group))]
    expected = np.mean(np.array(sums) >= abs(sum(per_group)))
    assert sign_flip(first, second, groups).p_value == pytest.approx(expected)


def test_ten_duplicates_of_a_record_are_no_more_evidence_than_one():
    first, second = np.array([1, 1, 1, 1, 0], bool), np.array([0, 0, 0, 1, 1], bool)
    groups = np.arange(5)
    once = sign_flip(first, second, groups).p_value
    assert sign_flip(first.repeat(10), second.repeat(10), groups.repeat(10)).p_value == pytest.approx(once)
    assert mcnemar(first.repeat(10), second.repeat(10)).p_value < once / 10


def test_models_that_never_differ_have_p_1():
    right = np.array([True, False, True])
    for found in (mcnemar(right, right), sign_flip(right, right, np.array(["a", "a", "b"]))):
        assert (found.first_only, found.second_only, found.p_value) == (0, 0, 1.0)


def slow_delong(first, second, positive):
    """DeLong's covariance from all pairs, as the 1988 paper defines it."""
    above, below = [], []
    for scores in (first, second):
        pairs = scores[positive == 1][:, None] - scores[positive == 0][None, :]
        wins = (pairs > 0) + 0.5 * (pairs == 0)
        above.append(wins.mean(axis=1))
        below.append(wins.mean(axis=0))
    s = np.cov(np.stack(above)) / len(above[0]) + np.cov(np.stack(below)) / len(below[0])
    return above[0].mean(), above[1].mean(), np.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])


def test_delong_agrees_with_the_definition_over_all_pairs(rng):
    positive = (rng.random(120) < 0.3).astype(int)
    base = rng.normal(size=120) + positive
    first, second = (base + rng.normal(size=120)).round(1), (base + rng.normal(size=120)).round(1)  # ties
    found = delong(first, second, positive)
    assert (found.first, found.second, found.error) == pytest.approx(slow_delong(first, second, positive))
    assert found.p_value == pytest.approx(2 * norm.sf(abs(found.first - found.second) / found.error))
    low, high = found.ci(0.95)
    assert (low + high) / 2 == pytest.approx(found.first - found.second)
    assert high - low == pytest.approx(2 * 1.959964 * found.error)


def test_delong_keeps_its_level_and_is_undefined_without_variance(rng):
    rejected = []
    for _ in range(400):
        positive = np.repeat([0, 1], 60)
        base = rng.normal(size=120) + positive
        rejected.append(delong(base + rng.normal(size=120), base + rng.normal(size=120), positive).p_value < 0.05)
    assert 0.015 < np.mean(rejected) < 0.095
    positive = np.array([0, 0, 1, 1])
    assert delong(np.zeros(4), np.zeros(4), positive).p_value is None
    assert delong(np.arange(4), np.arange(4), np.array([0, 0, 0, 1])) is None
    assert delong(np.arange(4), np.arange(4), np.array([0, 1, 1, 1])) is None
    assert delong(np.arange(4), np.arange(4), positive) is not None


def test_holm_by_hand():
    assert holm([0.01, 0.04, None, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), None, pytest.approx(0.06)]
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
