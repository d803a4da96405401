"""The schedule of equation 27, as meant."""

import pytest

from ecgpipe.train.recipe import lr_ratio


def paper(epoch):
    return lr_ratio(epoch, 100, 30, 0.001)


def test_the_papers_schedule():
    assert paper(0) == pytest.approx(0.001)
    assert paper(15) == pytest.approx(0.5005)
    assert paper(30) == pytest.approx(1)
    assert paper(65) == pytest.approx(0.5005)  # half way down the cosine
    assert paper(100) == pytest.approx(0.001)
    rates = [paper(epoch) for epoch in range(101)]
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)


def test_no_warm_up_and_beyond_the_end():
    assert lr_ratio(0, 10, 0, 0.1) == pytest.approx(1)
    assert lr_ratio(11, 10, 0, 0.1) == pytest.approx(0.1)
