"""The implications of printed accuracies: an accuracy on n records is k / n for an integer k.

This is the GRIM test (granularity-related inconsistency of means, Brown and Heathers 2017), applied to accuracies.
"""

from collections.abc import Iterable
from math import ceil

import numpy as np
from scipy.stats import beta, binom

from ecgpipe.paper import Paper, Table

REFERENCE = "swin_lgf_fpn"
"""The model that the paper proposes."""


def set_sizes(values: Iterable[float], limit: int, decimals: int = 4) -> list[int]:
    """All numbers of records, up to the limit, that can give all printed values.

    A random value fits a size n with a probability of about n * 10**-decimals, so that only sizes far below
    10**decimals, or several values, are informative.
    """
    records = np.arange(1, limit + 1)
    printed = np.array(list(values))[:, None]
    nearest = np.round(printed * records) / records
    fit = np.abs(nearest - printed) <= 0.5 * 10**-decimals + 1e-9  # 1e-9: a half is rounded either way
    return records[fit.all(axis=0)].tolist()


def exact_interval(share: float, records: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a printed share of independent records."""
    right, tail = round(share * records), (1 - confidence) / 2
    low = beta.ppf(tail, right, records - right + 1) if right else 0.0
    high = beta.ppf(1 - tail, right + 1, records - right) if right < records else 1.0
    return float(low), float(high)


def lead_significance(first: float, second: float, records: int, alpha: float) -> dict:
    """The smallest and largest p value that McNemar's exact test can give for two printed accuracies.

    The test depends on how many records the two models differ on (exactly one of them is right). That number is
    smallest if the better model is right wherever the other is, and largest if as few records as possible are right, or
    wrong, in both.

    Args:
        first: accuracy of the leading model.
        second: accuracy of the other.
        records: n.
        alpha: level.

    Returns:
        ``lead_records``, ``p_best``, ``p_worst``, ``significant_up_to`` (the largest number of differing records at
        which the lead is significant; None: never).
    """
    right, other = round(first * records), round(second * records)
    lead = right - other
    most = min(right + other, 2 * records - right - other)
    differ = np.arange(abs(lead), most + 1, 2)
    p_values = np.minimum(1, 2 * binom.cdf((differ - abs(lead)) // 2, differ, 0.5))  # two-sided, exact at 1/2
    significant = differ[p_values < alpha]
    return {
        "lead_records": lead,
        "p_best": float(p_values.min()),
        "p_worst": float(p_values.max()),
        "significant_up_to": int(significant.max()) if len(significant) else None,
    }


def table_arithmetic(paper: Paper, confidence: float) -> list[dict]:
    """The implications of each table's accuracies, if all tables of a dataset report the same records.

    Returns:
        One row per table: ``table``, ``dataset``, ``limit``, ``sizes`` (all that fit), ``records`` (the smallest, used
        as the size of the set; None if it is larger than the share that the paper says it reports), ``models``
        (``model``, ``accuracy``, ``right``, ``low``, ``high``), ``leads`` of REFERENCE (``second`` and the fields
        of ``lead_significance``).
    """
    rows = []
    for table in paper.tables:
        sizes = table_sizes(paper, table)
        largest = ceil(paper.recipe["validation"] * paper.recipe["records"][table.dataset])
        records = sizes[0] if sizes and sizes[0] <= largest else None
        accuracy = {model: row["accuracy"] for model, row in table.rows.items()}
        models, leads = [], []
        for model, value in accuracy.items() if records else ():
            low, high = exact_interval(value, records, confidence)
            models.append(
                {"model": model, "accuracy": value, "right": round(value * records), "low": low, "high": high}
            )
            if model != REFERENCE and REFERENCE in accuracy:
                lead = lead_significance(accuracy[REFERENCE], value, records, 1 - confidence)
                leads.append({"second": model} | lead)
        rows.append(
            {"table": table.id, "dataset": table.dataset, "limit": table.limit, "sizes": sizes, "records": records}
            | {"models": models, "leads": leads}
        )
    return rows


def table_sizes(paper: Paper, table: Table) -> list[int]:
    """The set sizes that fit all accuracies of the table's dataset."""
    values = {
        row["accuracy"] for other in paper.tables if other.dataset == table.dataset for row in other.rows.values()
    }
    return set_sizes(sorted(values), table.limit, int(paper.source["decimals"]))
