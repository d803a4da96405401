"""Thumbnails of the copies that the audit found, so that people can look whether they are some."""

import json
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.twins import TWINS
from ecgpipe.report.examples import thumbnail

LARGEST, NEAR, CONFLICTS = 3, 3, 2
"""Groups shown: the largest, those that are not all identical, those of which the source says different things."""
SHOWN = 3
WIDTH = 300
"""Pages of a group, and pixels of a thumbnail: about 10 KB each."""


def copy_groups(twins: Path | str, records: pd.DataFrame, pages: PageSource) -> list[dict]:
    """Some groups of copies with the pages of their first records.

    Args:
        twins: the audit's table of copies.
        records: rows of records.parquet.
        pages: its pages.

    Returns:
        Per group ``records`` (how many), ``distinct`` (different files or signals among them), ``conflict`` (whether
        the source says different things of them) and ``shown``: record_id, statements, thumbnail (a data address).
    """
    table = TWINS.read(twins)
    table = table[table.duplicated("twin", keep=False)].sort_values("record_id")
    said = records.set_index("record_id")["statements"].map(lambda text: ", ".join(json.loads(text)))
    groups = []
    for _, rows in table.groupby("twin", sort=True):
        # one of each content first: of a group of identical and near-identical records both kinds are seen
        order = rows.assign(again=rows.duplicated("identical")).sort_values("again", kind="stable")
        statements = said.reindex(rows["record_id"])
        groups.append(
            {
                "records": len(rows),
                "distinct": rows["identical"].nunique(),
                "conflict": statements.nunique() > 1,
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
            {"record_id": record_id, "statements": said.get(record_id, ""), "thumbnail": picture}
            for record_id in group.pop("ids")  # type: ignore[attr-defined]
            if record_id in stored and (picture := thumbnail(stored[record_id].image, WIDTH))
        ]
    return [group for group in chosen if group["shown"]]
