"""What printed figures imply: an accuracy of n records is k/n for a whole k."""

from collections.abc import Iterable
from math import ceil

import numpy as np
from scipy.stats import beta, binom

from ecgpipe.paper import Paper, Table


def set_sizes(values: Iterable[float], limit: int, decimals: int = 4) -> list[int]:
    """All numbers of records, up to the limit, that the values can be shares of.

    By chance one value fits a size n with a probability of about n * 10**-decimals, so that only sizes far below
    10**decimals, or several values, tell anything.
    """
    records = np.arange(1, limit + 1)
    printed = np.array(list(values))[:, None]
    nearest = np.round(printed * records) / records
    fit = np.abs(nearest - printed) <= 0.5 * 10**-decimals + 1e-9  # 1e-9: a half is rounded either way
    return records[fit.all(axis=0)].tolist()


def exact_interval(share: float, records: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a printed share of so many independent records."""
    right, tail = round(share * records), (1 - confidence) / 2
    low = beta.ppf(tail, right, records - right + 1) if right else 0.0
    high = beta.ppf(1 - tail, right + 1, records - right) if right < records else 1.0
    return float(low), float(high)


def lead_significance(first: float, second: float, records: int, alpha: float) -> dict:
    """What a lead can mean, whatever the predictions were: McNemar's exact test at its best and its worst.

    The test needs to know on how many records the models differ. At best the second model is right on no record that
    the first gets wrong; at worst they share no error.

    Args:
        first: accuracy of the leading model.
        second: of the other.
        records: n.
        alpha: level.

    Returns:
        ``lead_records``, ``p_best``, ``p_worst``, ``significant_up_to`` (the largest number of differing records at
        which the lead is significant; None: at none).
    """
    right, other = round(first * records), round(second * records)
    ahead = right - other
    fewest, most = abs(ahead), min((records - right) + (records - other), records)
    differ = np.arange(fewest, most + 1, 2)
    chances = np.minimum(1, 2 * binom.cdf((differ - abs(ahead)) // 2, differ, 0.5))  # two-sided, exact at 1/2
    significant = differ[chances < alpha]
    return {
        "lead_records": ahead,
        "p_best": float(chances.min()),
        "p_worst": float(chances.max()),
        "significant_up_to": int(significant.max()) if len(significant) else None,
    }


def table_arithmetic(paper: Paper, confidence: float, reference: str = "swin_lgf_fpn") -> list[dict]:
    """What the accuracies of each table imply. Tables of one data set are taken to report the same records.

    Returns:
        A row per table: ``table``, ``dataset``, ``limit``, ``sizes`` (all that fit), ``records`` (the smallest, taken
        for the size of the set; None if none fits that is no larger than the share the paper reports), ``models``
        (``model``, ``accuracy``, ``right``, ``low``, ``high``), ``leads`` of the reference (``second`` and what
        ``lead`` gives).
    """
    found = []
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
            if model != reference and reference in accuracy:
                leads.append({"second": model} | lead_significance(accuracy[reference], value, records, 1 - confidence))
        found.append(
            {"table": table.id, "dataset": table.dataset, "limit": table.limit, "sizes": sizes, "records": records}
            | {"models": models, "leads": leads}
        )
    return found


def table_sizes(paper: Paper, table: Table) -> list[int]:
    """The set sizes that fit all accuracies of the table's data set."""
    values = {
        row["accuracy"] for other in paper.tables if other.dataset == table.dataset for row in other.rows.values()
    }
    return set_sizes(sorted(values), table.limit, int(paper.source["decimals"]))
