"""Tables of comparisons and scores."""

import pytest

from ecgpipe.report.build import html_environment
from ecgpipe.report.collect import p_text
from ecgpipe.report.names import LABELS
from ecgpipe.report.results import pooled_cells
from ecgpipe.report.statistics import Statistics, comparison_sentences, comparison_tables, protocol_tables

ROW = {"first": "swin", "second": "vit", "family": "reference", "test": "bootstrap", "difference": 0.1, "note": None}
ROW |= {"seeds": [0, 1, 2]}


def compared(**changes) -> dict:
    rows = [ROW | {"metric": "accuracy", "low": 0.02, "high": 0.2, "p": 0.005, "p_holm": 0.01} | changes]
    named = {"dataset": "ptb-xl", "protocol": "folds", "reference": "swin"}
    return named | {"confidence": 0.95, "comparisons": rows}


def test_summary_counts_significant_differences():
    """With a single pair there is nothing to correct, so the sentence does not speak of a correction."""
    names = {"swin": "Swin", "vit": "ViT"}
    for changes, counted in (
        ({}, "Swin is significantly better than ViT in 1 of 1 scores and worse in 0."),
        ({"difference": -0.1}, "Swin is significantly better than ViT in 0 of 1 scores and worse in 1."),
        ({"p_holm": 0.2}, "Swin and ViT do not differ significantly in any of 1 scores."),
        (
            {"seeds": [0]},
            "Swin is significantly better than ViT in 1 of 1 scores and worse in 0; with one seed, the tests cover "
            "patients only.",
        ),
    ):
        (sentence,) = comparison_sentences(comparison_tables(Statistics([compared(**changes)])), names)
        assert sentence == ("ptb-xl", "folds", counted)
    both = compared()
    both["comparisons"] = [*both["comparisons"], both["comparisons"][0] | {"second": "resnet34", "p_holm": 0.2}]
    (sentence,) = comparison_sentences(comparison_tables(Statistics([both])), names)
    assert "2 paired tests against 2 other models (Holm-corrected), Swin is significantly better in 1" in sentence[2]
    assert comparison_sentences(comparison_tables(Statistics([compared(p_holm=None)])), names) == []


def test_summary_counts_the_planned_comparisons():
    """It used to count those of the reference model alone, which are then secondary."""
    (sentence,) = comparison_sentences(comparison_tables(Statistics([compared(family="planned")])), {})
    planned = "of the comparisons planned before the results, 1 of 1 differences is significant."
    assert sentence == ("ptb-xl", "folds", planned)
    both = compared(family="planned")
    both["comparisons"] = [*both["comparisons"], both["comparisons"][0] | {"second": "resnet34", "p_holm": 0.2}]
    (sentence,) = comparison_sentences(comparison_tables(Statistics([both])), {})
    assert sentence[2].endswith("results, 1 of 2 differences is significant after Holm's correction.")
    assert comparison_sentences(comparison_tables(Statistics([compared(family="others")])), {}) == []


def test_cells_keep_their_notes():
    cell = {"value": 1.0, "low": None, "high": None, "note": "every resample gives this value"}
    models = {"models": [{"model": "vit", "seeds": [0, 1], "scores": {"accuracy": cell}}]}
    cells = pooled_cells(models)["vit"]
    assert (cells["accuracy"].value, cells["accuracy"].seeds, cells["accuracy"].note) == (1.0, 2, cell["note"])
    assert (cells["auc_macro"].value, cells["auc_macro"].note) == (None, "not measured")


def test_pairs_with_one_seed_are_marked_among_others():
    """Their intervals leave out the variance between runs, and look narrower than those of pairs with three seeds."""
    both = compared()
    both["comparisons"] = [*both["comparisons"], both["comparisons"][0] | {"second": "resnet34", "seeds": [0]}]
    (table,) = comparison_tables(Statistics([both]))
    assert {row["second"]: row["one_seed"] for row in table["rows"]} == {"vit": False, "resnet34": True}
    ((_, _, sentence),) = comparison_sentences([table], {})
    assert sentence.endswith("; with one seed for 1 of the pairs, the tests cover patients only.")
    row = {"first": "paper", "second": "unique", "metric": "accuracy", "difference": 0.1, "low": 0.0, "high": 0.2}
    rows = [
        row | {"model": "vit", "first_seeds": [0, 1], "second_seeds": [0], "note": "one seed under unique"},
        row | {"model": "swin", "first_seeds": [0, 1], "second_seeds": [0, 1], "note": None},
        row | {"model": "x", "first_seeds": [0, 1], "second_seeds": None, "note": "not run", "difference": None},
    ]
    protocols = [{"dataset": "ptb-xl", "confidence": 0.975, "rows": rows}]
    tables = protocol_tables(Statistics(protocols=protocols))
    assert {row["model"]: row["one_seed"] for row in tables[0]["rows"]} == {"vit": True, "swin": False, "x": False}
    page = html_environment().get_template("comparisons.html.j2")
    text = page.render(
        comparisons=[table], protocol_comparisons=tables, calibration=[], titles={}, names={}, labels=LABELS
    )
    assert text.count("one seed: intervals over patients only") == 2
    assert "Unpaired 97.5% intervals" in text


def test_pairs_are_alone_without_a_reference():
    both = compared()
    both["comparisons"] = both["comparisons"] + [
        ROW | {"family": "pairs", "metric": "accuracy", "p": 0.3, "p_holm": 0.3}
    ]
    assert [table["alone"] for table in comparison_tables(Statistics([both]))] == [False, False]
    assert [table["alone"] for table in comparison_tables(Statistics([compared(family="pairs")]))] == [True]


@pytest.mark.parametrize(
    ("p", "confidence", "text"),
    [
        (0.0496, 0.95, "0.0496"), (0.0504, 0.95, "0.0504"), (0.04999, 0.95, "0.04999"), (0.05, 0.95, "0.050"),
        (0.0123, 0.95, "0.012"), (0.0004, 0.95, "< 0.001"), (1.0, 0.95, "1.000"), (None, 0.95, "–"),
        (0.0249, 0.975, "0.0249"), (0.0252, 0.975, "0.0252"), (0.0496, 0.975, "0.050"),
        (0.0006, 0.9995, "0.001"), (0.0004, 0.9995, "< 0.0005"),
    ],
)  # fmt: skip
def test_p_values_near_the_level_show_on_which_side_they_are(p, confidence, text):
    assert p_text(p, 1 - confidence) == text


def test_tables_say_that_intervals_are_not_corrected():
    one = compared(p_holm=0.0496)
    several = compared(p_holm=0.0496)
    several["comparisons"] = [*several["comparisons"], several["comparisons"][0] | {"second": "resnet34"}]
    template = html_environment().get_template("comparisons.html.j2")
    words = "The intervals are not corrected for multiple comparisons; the p values are (Holm)"
    for content, expected in ((one, False), (several, True)):
        tables = comparison_tables(Statistics([content]))
        text = template.render(
            comparisons=tables, protocol_comparisons=(), calibration=(), titles={}, names={}, labels=LABELS
        )
        assert (words in text) == expected and ">0.0496<" in text
