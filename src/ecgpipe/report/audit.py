"""What the report says of the audit of a data set."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ecgpipe.artifacts.atomic import read_json
from ecgpipe.report.figures import COLOURS, STYLE, _svg

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
    return _svg(figure)
