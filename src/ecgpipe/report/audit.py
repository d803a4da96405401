"""What the report says of the audit of a data set.

Thumbnails of the copies that the audit found, so that people can look whether they are some.
"""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgpipe.artifacts.files import read_json
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.tables import DUPLICATES
from ecgpipe.report.figures import COLOURS, STYLE, to_svg
from ecgpipe.report.pictures import thumbnail

KINDS = (("identical", "identical"), ("near", "identical or near-identical"), ("patient", "same patient"))


def audit_view(summary: Path | str, leaks: Path | str) -> dict:
    """The audit's summary, the mean share of reported records with a copy in training, and a figure of it.

    Args:
        summary: audit.json.
        leaks: leaks.json.

    Returns:
        The summary's keys, ``leaks``: rows of protocol, role, records and shares (0 to 1; None where patients are
        not known), and ``leak_figure``: SVG, or None without a split.
    """
    rows: dict[tuple[str, str], list[dict]] = {}
    for split in read_json(leaks):
        for role, counts in split["roles"].items():
            rows.setdefault((split["protocol"], role), []).append(counts)
    table = [
        {"protocol": protocol, "role": role, "records": round(np.mean([seed["records"] for seed in seeds]))}
        | {name: _mean_share(seeds, name) for name, _ in KINDS}
        for (protocol, role), seeds in rows.items()
    ]
    return read_json(summary) | {"leaks": table, "leak_figure": leak_figure(table) if table else None}


def _mean_share(seeds: list[dict], name: str) -> float | None:
    if any(seed[name] is None for seed in seeds):
        return None
    return float(np.mean([seed[name] / seed["records"] for seed in seeds]))


def leak_figure(table: list[dict]) -> str:
    """Bars: the share of each protocol's validation and test records with a copy, or the patient, in training."""
    names = [f"{row['protocol']}, {row['role']}" for row in table]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.9 + 0.42 * len(table)))
        axes = figure.subplots()
        for number, (name, label) in enumerate(KINDS):
            shares = [100 * (row[name] or 0) for row in table]
            axes.barh(np.arange(len(table)) + 0.26 * (number - 1), shares, 0.24, color=COLOURS[number], label=label)
        axes.set(xlabel="% with a copy or the patient in training", xlim=(0, 100), yticks=range(len(table)))
        axes.set_yticklabels(names)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.legend(fontsize=7, loc="lower right")
        figure.tight_layout()
    return to_svg(figure)


LARGEST, NEAR, CONFLICTS = 3, 3, 2
"""Groups shown: the largest, those that are not all identical, those of which the source says different things."""
SHOWN = 3
WIDTH = 300
"""Pages of a group, and pixels of a thumbnail: about 10 KB each."""


def duplicate_groups(duplicates: Path | str, records: pd.DataFrame, pages: PageSource) -> list[dict]:
    """Some groups of copies with the pages of their first records.

    Args:
        duplicates: the audit's table of copies.
        records: rows of records.parquet.
        pages: its pages.

    Returns:
        Per group ``records`` (how many), ``distinct`` (different files or signals among them), ``conflict`` (whether
        the source says different things of them) and ``shown``: record_id, statements, thumbnail (a data address).
    """
    table = DUPLICATES.read(duplicates)
    table = table[table.duplicated("near", keep=False)].sort_values("record_id")
    said = records.set_index("record_id")["statements"].map(lambda text: ", ".join(json.loads(text)))
    groups = []
    for _, rows in table.groupby("near", sort=True):
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
