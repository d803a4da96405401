"""Tables of comparisons and scores."""

from ecgpipe.report.results import pooled_cells
from ecgpipe.report.statistics import Statistics, comparison_sentences, comparison_tables

ROW = {"first": "swin", "second": "vit", "family": "reference", "test": "bootstrap", "difference": 0.1, "note": None}


def compared(**changes) -> dict:
    rows = [ROW | {"metric": "accuracy", "low": 0.02, "high": 0.2, "p": 0.005, "p_holm": 0.01} | changes]
    named = {"dataset": "ptb-xl", "protocol": "folds", "reference": "swin"}
    return named | {"confidence": 0.95, "resamples": 2000, "comparisons": rows}


def test_summary_counts_significant_differences():
    """With a single pair there is nothing to correct, so the sentence does not speak of a correction."""
    names = {"swin": "Swin", "vit": "ViT"}
    for changes, counted in (
        ({}, "Swin is significantly better than ViT in 1 of 1 scores and worse in 0."),
        ({"difference": -0.1}, "Swin is significantly better than ViT in 0 of 1 scores and worse in 1."),
        ({"p_holm": 0.2}, "Swin and ViT do not differ significantly in any of 1 scores."),
    ):
        (sentence,) = comparison_sentences(comparison_tables(Statistics([compared(**changes)])), names)
        assert sentence == ("ptb-xl", "folds", counted)
    both = compared()
    both["comparisons"] = [*both["comparisons"], both["comparisons"][0] | {"second": "resnet34", "p_holm": 0.2}]
    (sentence,) = comparison_sentences(comparison_tables(Statistics([both])), names)
    assert "2 paired tests against 2 other models (Holm-corrected), Swin is significantly better in 1" in sentence[2]
    assert comparison_sentences(comparison_tables(Statistics([compared(p_holm=None)])), names) == []


def test_cells_keep_their_notes():
    cell = {"value": 1.0, "low": None, "high": None, "note": "every resample gives this value"}
    models = {"models": [{"model": "vit", "seeds": [0, 1], "scores": {"accuracy": cell}}]}
    cells = pooled_cells(models)["vit"]
    assert (cells["accuracy"].value, cells["accuracy"].seeds, cells["accuracy"].note) == (1.0, 2, cell["note"])
    assert (cells["auc_macro"].value, cells["auc_macro"].note) == (None, "not measured")


def test_too_few_resamples_are_reported():
    """By hand: 66 tests at the smallest p of 2,000 resamples, 2 / 2001, give 0.066; 2,640 resamples give 0.04998."""
    smallest = 2 / 2001
    (table,) = comparison_tables(Statistics([compared(p=smallest, p_holm=66 * smallest)]))
    assert table["significant"] == 0 and "at least 2,640" in table["limit"] and "1 more have" in table["limit"]
    for p, p_holm in (
        (smallest, 40 * smallest),
        (0.3, 0.9),
    ):
        (table,) = comparison_tables(Statistics([compared(p=p, p_holm=p_holm)]))
        assert table["limit"] == ""


def test_pairs_are_alone_without_a_reference():
    both = compared()
    both["comparisons"] = both["comparisons"] + [
        ROW | {"family": "pairs", "metric": "accuracy", "p": 0.3, "p_holm": 0.3}
    ]
    assert [table["alone"] for table in comparison_tables(Statistics([both]))] == [False, False]
    assert [table["alone"] for table in comparison_tables(Statistics([compared(family="pairs")]))] == [True]
