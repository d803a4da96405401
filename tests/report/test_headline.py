"""The verdict: every case, from scores that are given."""

import pytest

from ecgpipe.report.headline import headlines, summary
from ecgpipe.report.results import pooled_cells
from ecgpipe.report.statistics import Statistics

SUPPORT = {"NORM": 30, "MI": 25}


def scores(auc, accuracy=0.5):
    return {
        name: {"value": value, "low": value - 0.05, "high": value + 0.05, "note": None}
        for name, value in (("auc_macro", auc), ("accuracy", accuracy))
        if value is not None
    }


def against(second, difference, half=0.05, metric="auc_macro", first="a", value=0.8):
    row = {"first": first, "second": second, "metric": metric, "first_value": value, "second_value": value - difference}
    return row | {"difference": difference, "low": difference - half, "high": difference + half, "p": 0.5}


def headline(models, baselines=None, rows=(), support=None, audit=None, role="test"):
    support = SUPPORT if support is None else support
    compared = {"dataset": "d", "protocol": "patient", "confidence": 0.95, "against_baselines": list(rows)}
    compared["baselines"] = [
        {"model": f"baseline-{name}", "seeds": [0], "scores": scores(auc)} for name, auc in (baselines or {}).items()
    ]
    cells = pooled_cells({"models": [{"model": n, "seeds": [0], "scores": scores(*s)} for n, s in models.items()]})
    measured = {name: own["auc_macro"].value for name, own in cells.items() if own["auc_macro"].value is not None}
    view = {
        "name": "patient", "key": "d-patient", "role": role, "records": sum(support.values()), "groups": 9,
        "coverage": "95%", "support": support, "best": max(measured, key=measured.get, default=None),
        "models": [{"variant": name, "name": name.upper(), "cells": own} for name, own in cells.items()],
    }  # fmt: skip
    dataset = {"name": "d", "title": "D", "audit": audit, "protocols": [view]}
    (found,) = headlines([dataset], Statistics([compared]))
    return found


TWO = {"a": (0.8,), "b": (0.7,)}


def test_best_model_above_every_baseline_and_beside_the_signal_reference():
    rows = [against("baseline-nearest", 0.2), against("baseline-thumbnail", 0.1), against("baseline-signal", -0.02)]
    found = headline(TWO, {"nearest": 0.6, "thumbnail": 0.7, "signal": 0.82, "shuffled-1": 0.9}, rows)
    assert found["verdict"] == (
        "A has the highest macro AUC, 0.800 (0.750–0.850), significantly above every baseline, and not significantly "
        "different from the signal reference (0.820)."
    )
    assert found["tone"] == "good" and found["caution"] is None
    assert found["baseline"]["name"] == "Logistic regression on thumbnails"
    kinds = [(row["name"], row["kind"]) for row in found["forest"]["rows"]]
    assert kinds == [
        ("A", "model"), ("B", "model"), ("Signal reference", "reference"),
        ("Logistic regression on thumbnails", "baseline"), ("Nearest neighbour on thumbnails", "baseline"),
    ]  # fmt: skip
    first = found["forest"]["rows"][0]
    assert (first["at"], first["low"], first["high"]) == pytest.approx((66.67, 58.33, 75.0))  # from 0.4 to 1


@pytest.mark.parametrize(("difference", "words"), [(-0.2, "significantly below"), (0.2, "and above the signal")])
def test_signal_reference_may_be_better_or_worse(difference, words):
    rows = [against("baseline-nearest", 0.2), against("baseline-signal", difference)]
    assert words in headline(TWO, {"nearest": 0.6, "signal": 0.7}, rows)["verdict"]


def test_network_on_digitized_pages_is_a_reference_too():
    rows = [against("baseline-nearest", 0.2), against("baseline-digitized", -0.1)]
    found = headline({"a": (0.8,)}, {"nearest": 0.6, "digitized": 0.9, "signal": 0.82}, rows)
    assert found["tone"] == "good" and found["baseline"]["name"] == "Nearest neighbour on thumbnails"
    assert found["verdict"].endswith(", and significantly below the signal reference on digitized pages (0.900).")
    assert [row["kind"] for row in found["forest"]["rows"]] == ["model", "reference", "reference", "baseline"]
    both = headline({"a": (0.8,)}, {"nearest": 0.6}, [*rows, against("baseline-signal", -0.11)])["verdict"]
    assert both.endswith("below the signal reference (0.910) and the signal reference on digitized pages (0.900).")
    differ = headline({"a": (0.8,)}, {"nearest": 0.6}, [*rows, against("baseline-signal", 0.1)])["verdict"]
    assert " and above the signal reference (0.700), and significantly below the signal reference on" in differ


def test_no_model_beats_a_baseline():
    rows = [against("baseline-thumbnail", -0.05), against("baseline-nearest", 0.2)]
    found = headline(TWO, {"thumbnail": 0.85, "nearest": 0.6}, rows)
    assert found["verdict"].startswith("No model beats logistic regression on thumbnails, whose macro AUC is 0.850; ")
    assert found["verdict"].endswith("Treat these models as not working.") and found["tone"] == "bad"
    assert "this model as not working" in headline({"a": (0.8,)}, {"thumbnail": 0.85}, rows[:1])["verdict"]


def test_a_lead_that_is_not_significant_is_unproven():
    rows = [against("baseline-thumbnail", 0.04), against("baseline-nearest", 0.2)]
    found = headline(TWO, {"thumbnail": 0.76, "nearest": 0.6}, rows)
    assert "not significantly above logistic regression on thumbnails (0.760). Treat it as unproven" in found["verdict"]


@pytest.mark.parametrize(("p", "tone"), [(0.001, "good"), (0.2, "bad"), (None, "bad")])
def test_a_difference_without_spread_is_judged_by_its_p_value(p, tone):
    """A perfect model against constant scores: every resample has the same difference, so there is no interval."""
    row = against("baseline-majority", 0.5, value=1.0) | {"low": None, "high": None, "p": p}
    found = headline({"a": (1.0,)}, {"majority": 0.5}, [row])
    assert found["tone"] == tone and ("not significantly above" in found["verdict"]) == (tone == "bad")


def test_accuracy_below_a_baseline_is_told():
    rows = [against("baseline-thumbnail", 0.2), against("baseline-thumbnail", -0.1, metric="accuracy", value=0.3)]
    verdict = headline(TWO, {"thumbnail": 0.6}, rows)["verdict"]
    assert "Its accuracy, 0.300, is not above that of logistic regression on thumbnails (0.400)." in verdict


def test_without_baselines_nothing_is_claimed():
    found = headline({"a": (0.8,)})
    assert found["verdict"].startswith("A has a macro AUC of 0.800") and "No baseline was compared" in found["verdict"]
    assert found["baseline"] is None and found["tone"] == "fair"


def test_without_a_measurable_model():
    found = headline({"a": (None,)})
    assert "could not be computed" in found["verdict"] and found["model"] is None and not found["judged"]


def test_too_few_records_give_no_figure():
    """It used to say "macro AUC of 0.000" of four test records."""
    found = headline({"a": (0.05,)}, {"nearest": 0.6}, [against("baseline-nearest", -0.55)], {"NORM": 3, "MI": 1})
    assert found["verdict"] == "Too few test records to judge the models: 4 in all." and not found["judged"]
    assert found["caution"].startswith("Every class has fewer than 20 test records (MI 1, NORM 3).")


def test_summary_has_no_sentence_about_a_view_that_cannot_be_judged():
    tested, titles = [("d", "patient", "a and b do not differ.")], {"d": "D"}
    view = {"dataset": "d", "protocol": "patient", "judged": True}
    assert summary(titles, [], 0, None, tested, [view]) == ["A and b do not differ.", "No record was left out."]
    assert summary(titles, [], 0, None, tested, [view | {"judged": False}]) == ["No record was left out."]
    two = summary(titles, [], 3, None, tested, [view, view | {"protocol": "folds"}])
    assert two[0] == "D, protocol patient: a and b do not differ." and two[1].startswith("3 records or files")


def test_small_and_absent_classes_are_named():
    found = headline(TWO, support={"NORM": 30, "MI": 19, "HYP": 0})
    assert "(HYP 0, MI 19)" in found["caution"] and found["judged"]
    many = headline(TWO, support={f"c{i}": 10 for i in range(9)})
    assert "c5 10, and 3 more)" in many["caution"]


def test_leaks_spoil_the_verdict():
    leaks = [
        {"protocol": "patient", "role": "test", "records": 40, "identical": 0.1, "near": 0.25, "patient": None},
        {"protocol": "patient", "role": "validation", "records": 9, "identical": 1.0, "near": 1.0, "patient": None},
    ]
    rows = [against("baseline-nearest", 0.2)]
    found = headline(TWO, {"nearest": 0.6}, rows, audit={"leaks": leaks})
    assert found["leaks"] == {"share": 0.25, "kind": "near", "patients": False}
    assert "25.0% of the test records have a duplicate in training, so the scores here can be" in found["verdict"]
    assert found["tone"] == "bad"
    none = headline(TWO, {"nearest": 0.6}, rows, audit={"leaks": [row | {"near": 0.0} for row in leaks]})
    assert "training" not in none["verdict"] and none["leaks"]["share"] == 0
    assert headline(TWO, {"nearest": 0.6}, rows)["leaks"]["share"] is None
