"""Sentences about saliency."""

import pytest

from ecgpipe.report.saliency import _brief


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "more"), (-0.1, 0.3, "not significantly more"), (None, None, "not significantly more"),
     (-0.3, -0.1, "less")],
)  # fmt: skip
def test_an_interval_that_includes_0_is_not_called_no_more(low, high, words):
    difference = {"value": 0.1, "low": low, "high": high}
    trained = {"value": 0.4, "above_chance": difference}
    rows = [{"measure": "trace", "common": {"trained": trained, "difference": difference}}]
    assert _brief(rows, "trace") == (
        f"lies on the traces {words} than chance predicts, and {words} than that of a network with random weights"
    )
