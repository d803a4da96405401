"""What the paper's printed figures imply, against facts that were found by hand (docs/paper.md)."""

from fractions import Fraction

import pytest
from scipy.stats import binomtest

from ecgpipe.evaluate.granularity import exact_interval, lead_significance, set_sizes, table_arithmetic
from ecgpipe.paper import load_paper

TABLES = {row["table"]: row for row in table_arithmetic(load_paper(), 0.95)}


def test_table_2_was_made_on_183_images_and_its_lead_is_one():
    table = TABLES["table-2"]
    assert table["sizes"] == [183, 366, 549, 732, 915] and table["records"] == 183
    assert {m["model"]: m["right"] for m in table["models"]} == {
        "resnet34": 177, "vit": 178, "mobilevit": 179, "swin": 181, "convnext": 181, "swin_lgf_fpn": 182,
    }  # fmt: skip
    leads = {found["second"]: found for found in table["leads"]}
    assert leads["swin"]["lead_records"] == leads["convnext"]["lead_records"] == 1
    assert leads["swin"]["p_best"] == 1.0
    assert all(found["significant_up_to"] is None for found in table["leads"])  # no lead can be significant


def test_tables_3_and_4_were_made_on_3467_records():
    for name, leads in (
        ("table-3", {"resnet34": 68, "vit": 63, "mobilevit": 58, "swin": 40, "convnext": 45}),
        ("table-4", {"swin": 40, "swin_lgf_fpn_no_lgf": 18, "swin_lgf_fpn_no_fpn": 26, "swin_lgf_fpn_no_refine": 12}),
    ):
        assert TABLES[name]["sizes"] == [3467]
        assert {found["second"]: found["lead_records"] for found in TABLES[name]["leads"]} == leads


def test_set_sizes_by_whole_numbers(rng):
    """Against exact fractions, for accuracies of a random set."""
    size = int(rng.integers(20, 300))
    values = [round(k / size, 4) for k in rng.integers(0, size, 4)]
    half = Fraction(1, 20000)
    by_hand = [
        n
        for n in range(1, 400)
        if all(
            any(abs(Fraction(k, n) - Fraction(str(v))) <= half for k in (int(v * n), int(v * n) + 1)) for v in values
        )
    ]
    assert set_sizes(values, 399) == by_hand
    assert size in by_hand


@pytest.mark.parametrize(("lowest", "highest"), [(0, 30), (20, 40), (30, 61)])
def test_best_and_worst_p_of_a_lead_against_all_possible_results(rng, lowest, highest):
    records = 60
    first, second = (int(right) for right in rng.integers(lowest, highest, 2))
    found = lead_significance(first / records, second / records, records, 0.05)
    tried = {
        mine + other: binomtest(mine, mine + other).pvalue if mine + other else 1.0
        for mine in range(min(first, records - second) + 1)  # right where the second is wrong
        for other in range(min(second, records - first) + 1)
        if mine - other == first - second and mine + other <= records
    }
    assert found["lead_records"] == first - second
    assert found["p_best"] == pytest.approx(min(tried.values()))
    assert found["p_worst"] == pytest.approx(max(tried.values()))
    assert found["significant_up_to"] == max((n for n, p in tried.items() if p < 0.05), default=None)


@pytest.mark.parametrize("right", [0, 7, 182, 183])
def test_exact_interval_agrees_with_scipy(right):
    ci = binomtest(right, 183).proportion_ci(0.95, method="exact")
    assert exact_interval(right / 183, 183, 0.95) == pytest.approx((ci.low, ci.high))
