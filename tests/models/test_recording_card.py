"""The card of a signal model."""

from ecgpipe.artifacts.recording_model import RecordingModel
from ecgpipe.models.recording_card import card_text

SCORE = {"value": 0.9, "low": 0.85, "high": 0.95}


def look(records: int, error: float, mean: float, high: float) -> dict:
    return {
        "records": records, "refused": 1, "unusual": 0.02, "scores": {"auc_macro": SCORE},
        "per_class": {"NORM": {"auc": SCORE}}, "support": {"NORM": 12},
        "calibration_error": {"before": 0.2, "after": error, "calibrated_model": {"mean": mean, "high": high}},
    }  # fmt: skip


def test_a_calibration_error_stands_beside_that_of_a_perfect_model():
    saved = RecordingModel(
        variant="box", classes=("NORM",), members=6, width=16,
        training={"records": {"train": 100, "validation": 20, "test": 30}, "recipe": {}, "command": "make it"},
    )  # fmt: skip
    metrics = {
        "looks": {"recording": look(30, 0.031, 0.024, 0.041), "kit/none": look(30, 0.05, 0.026, 0.045)},
        "differences": {"signal reference": SCORE | {"records": 30}},
        "confidence": 0.95,
    }
    text = card_text(saved, metrics)
    assert "| recording | 30 | 1 | 0.900 (0.850 to 0.950) |  | 0.031 (0.024; 0.041) | 2.0% |" in text
    assert "| kit/none | 30 | 1 | 0.900 (0.850 to 0.950) |  | 0.050 (0.026; 0.045) | 2.0% |" in text
    assert "6 networks of 0.5 million" in " ".join(text.split())
