"""Sections on comparisons and claims: figures of the files, words where there is none."""

from ecgpipe.report.statistics import Statistics, comparison_tables, pooled_cells, sentences

ROW = {"first": "swin", "second": "vit", "family": "reference", "test": "bootstrap", "difference": 0.1, "note": None}


def compared(**changes) -> dict:
    rows = [ROW | {"metric": "accuracy", "low": 0.02, "high": 0.2, "p_holm": 0.01} | changes]
    return {"dataset": "ptb-xl", "protocol": "folds", "reference": "swin", "confidence": 0.95, "comparisons": rows}


def test_the_summary_counts_what_is_significant_after_correction():
    names, titles = {"swin": "Swin"}, {"ptb-xl": "PTB-XL"}
    for changes, counted in (
        ({}, "1 show it better and 0 worse"),
        ({"difference": -0.1}, "0 show it better and 1 worse"),
    ):
        (told,) = sentences(comparison_tables(Statistics([compared(**changes)])), names, titles)
        assert told.startswith("PTB-XL, protocol folds: of 1 paired tests of Swin") and counted in told
    (told,) = sentences(comparison_tables(Statistics([compared(p_holm=0.2)])), names, titles)
    assert "0 show it better and 0 worse" in told
    assert sentences(comparison_tables(Statistics([compared(p_holm=None)])), names, titles) == []


def test_cells_keep_their_notes():
    cell = {"value": 1.0, "low": None, "high": None, "note": "every resample gives this value"}
    models = {"models": [{"model": "vit", "seeds": [0, 1], "scores": {"accuracy": cell}}]}
    cells = pooled_cells(models, (("accuracy", "Accuracy"), ("auc_macro", "Macro AUC")))["vit"]
    assert (cells["accuracy"].value, cells["accuracy"].seeds, cells["accuracy"].note) == (1.0, 2, cell["note"])
    assert (cells["auc_macro"].value, cells["auc_macro"].note) == (None, "not measured")
