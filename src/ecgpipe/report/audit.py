"""The audit of a dataset: leaks between the parts of splits, and groups of duplicates with thumbnails."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.tables import DUPLICATES
from ecgpipe.report.figures import LEAK_KINDS
from ecgpipe.report.pictures import thumbnail

LARGEST, NEAR, CONFLICTS = 3, 3, 2
"""Groups shown: the largest, groups with near-identical records, groups with different statements."""
SHOWN = 3
"""Records shown per group."""
WIDTH = 300
"""Width of a thumbnail in pixels, about 10 KB each."""


def audit_view(summary: Path | str, leaks: Path | str) -> dict:
    """The audit's summary, and how many scored records have a duplicate in training.

    Args:
        summary: audit.json.
        leaks: leaks.json.

    Returns:
        The summary's keys and ``leaks``: rows of protocol, role, records, and mean shares (0 to 1) over seeds; None if
        patients are unknown. ``any_leak``: whether any share is above 0.
    """
    rows: dict[tuple[str, str], list[dict]] = {}
    for split in read_json(leaks):
        for role, counts in split["roles"].items():
            rows.setdefault((split["protocol"], role), []).append(counts)
    table = [
        {"protocol": protocol, "role": role, "records": round(np.mean([seed["records"] for seed in seeds]))}
        | {kind: _mean_share(seeds, kind) for kind, _ in LEAK_KINDS}
        for (protocol, role), seeds in rows.items()
    ]
    return read_json(summary) | {"leaks": table, "any_leak": any(row[kind] for row in table for kind, _ in LEAK_KINDS)}


def _mean_share(seeds: list[dict], kind: str) -> float | None:
    if any(seed[kind] is None for seed in seeds):
        return None
    return float(np.mean([seed[kind] / seed["records"] for seed in seeds]))


def duplicate_groups(duplicates: Path | str, records: pd.DataFrame, pages: PageSource) -> list[dict]:
    """Some groups of duplicates with the pages of their first records, for visual inspection.

    Args:
        duplicates: the audit's table.
        records: rows of records.parquet.
        pages: pages of the dataset.

    Returns:
        Per group: ``records`` (count), ``distinct`` (different files or signals), ``conflict`` (whether the source
        gives different statements), ``shown``: record_id, statements, thumbnail (a Picture).
    """
    table = DUPLICATES.read(duplicates)
    table = table[table.duplicated("near", keep=False)].sort_values("record_id")
    statements = records.set_index("record_id")["statements"].map(lambda text: ", ".join(json.loads(text)))
    groups = []
    for _, rows in table.groupby("near", sort=True):
        # one of each content first, to show both identical and near-identical records
        order = rows.assign(again=rows.duplicated("identical")).sort_values("again", kind="stable")
        groups.append(
            {
                "records": len(rows),
                "distinct": rows["identical"].nunique(),
                "conflict": statements.reindex(rows["record_id"]).nunique() > 1,
                "ids": order["record_id"].tolist()[:SHOWN],
            }
        )
    groups.sort(key=lambda group: -group["records"])
    chosen = [
        *[group for group in groups if group["conflict"]][:CONFLICTS],
        *[group for group in groups if group["distinct"] > 1][:NEAR],
        *groups[:LARGEST],
    ]
    chosen = list({tuple(group["ids"]): group for group in chosen}.values())
    stored = pages.find(record_id for group in chosen for record_id in group["ids"])  # type: ignore[attr-defined]
    for group in chosen:
        group["shown"] = [
            {"record_id": record_id, "statements": statements.get(record_id, ""), "thumbnail": picture}
            for record_id in group.pop("ids")  # type: ignore[attr-defined]
            if record_id in stored and (picture := thumbnail(stored[record_id].image, WIDTH))
        ]
    return [group for group in chosen if group["shown"]]
