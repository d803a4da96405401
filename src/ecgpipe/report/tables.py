"""The report's tables as CSV and LaTeX: in a folder, and as links within the page."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecgpipe.artifacts.files import atomic_folder
from ecgpipe.artifacts.predictions import CLAIM_COLUMNS, COMPARISON_COLUMNS, PROTOCOL_COLUMNS, flat_table
from ecgpipe.config.data import whole_protocol
from ecgpipe.report.collect import Cell, Run
from ecgpipe.report.names import COLUMNS, PAPER_COLUMNS
from ecgpipe.report.saliency import saliency_table
from ecgpipe.report.statistics import Statistics

TYPES = {"csv": "text/csv", "tex": "text/x-tex"}


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path | str) -> dict[str, dict[str, str]]:
    """Write NAME.csv and NAME.tex for each table.

    Args:
        tables: by name; a column X may have its interval in columns "X low" and "X high".
        folder: is replaced.

    Returns:
        name -> {``csv``, ``tex``}: the same files as data URIs.
    """
    addresses: dict[str, dict[str, str]] = {}
    with atomic_folder(folder) as partial:
        for name, table in tables.items():
            texts = {"csv": table.to_csv(index=False, lineterminator="\n"), "tex": latex(table)}
            for kind, text in texts.items():
                (partial / f"{name}.{kind}").write_text(text, encoding="utf-8")
            addresses[name] = {
                kind: f"data:{TYPES[kind]};base64,{base64.b64encode(text.encode()).decode()}"
                for kind, text in texts.items()
            }
    return addresses


def latex(table: pd.DataFrame) -> str:
    """A booktabs tabular; an interval goes into its value's cell, a missing value becomes a dash."""
    plain = table.map(_plain)
    for column in table.columns:
        if f"{column} low" in plain:
            bounds = plain.pop(f"{column} low"), plain.pop(f"{column} high")
            plain[column] = [
                f"{value} [{low}, {high}]" if (low, high) != ("--", "--") else value
                for value, low, high in zip(plain[column], *bounds, strict=True)
            ]
    align = "".join("r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in plain.columns)
    plain.columns = [_escape(str(column)) for column in plain.columns]
    return plain.style.hide(axis="index").to_latex(hrules=True, column_format=align or "l")


def _plain(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "--"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 5e-5 <= abs(value) < 1 else f"{value:.4g}"  # a tiny p is not 0.0000
    return _escape(str(value))


SPECIAL = {"\\": r"\textbackslash{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"}}


def _escape(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in text).replace("–", "--")


def _spread(label: str, cell: Cell | None) -> dict[str, float | None]:
    """Value, low and high as three columns."""
    cell = cell or Cell(None, None, None, 0)
    return {label: cell.value, f"{label} low": cell.low, f"{label} high": cell.high}


def results_table(view: dict, baselines: Sequence[dict]) -> pd.DataFrame:
    """All scores of a protocol: one row per model and baseline.

    Args:
        view: from ``protocol_view``.
        baselines: from ``baseline_tables``, for this protocol or its parts.
    """
    rows: list[dict[str, Any]] = [
        {"model": model["name"], "parameters": model["parameters"], "seeds": model["seeds"]}
        | {key: value for metric, label in COLUMNS for key, value in _spread(label, model["cells"][metric]).items()}
        for model in view["models"]
    ]
    for table in baselines:
        part = f" ({table['protocol']})" if view["parts"] else ""
        rows += [
            {"model": f"Baseline: {row['name'].lower()}{part}", "parameters": None, "seeds": row["accuracy"].seeds}
            | {key: value for metric, label in COLUMNS for key, value in _spread(label, row[metric]).items()}
            for row in table["rows"]
        ]
    return pd.DataFrame(rows).astype({"parameters": "Int64"})


def paper_table(table: dict) -> pd.DataFrame:
    """One of the paper's tables with our results; empty cells for models that were not run."""
    rows = []
    for row in table["rows"]:
        cells: dict[str, Any] = {"model": row["name"]}
        for (_, label), (printed, ours) in zip(PAPER_COLUMNS, row["cells"], strict=True):
            cells |= {f"{label} paper": printed} | _spread(f"{label} ours", ours)
        rows.append(cells)
    return pd.DataFrame(rows)


def overview_table(headlines: Iterable[dict]) -> pd.DataFrame:
    """The model and the baseline with the highest macro AUC of each dataset and protocol (see ``headlines``)."""
    rows = []
    for one in headlines:
        row: dict[str, Any] = {"dataset": one["title"], "protocol": one["protocol"]}
        row |= {"role": one["role"], "records": one["records"]}
        for who in ("model", "baseline"):
            row[who] = one[who] and one[who]["name"]
            for metric in ("auc_macro", "accuracy"):
                label = dict(COLUMNS)[metric]
                row |= _spread(label if who == "model" else f"{label} of baseline", one[who] and one[who][metric])
        rows.append(row | {"leaks": one["leaks"]["share"]})
    return pd.DataFrame(rows)


def class_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run and class: records, and value, low and high of each score."""
    return pd.DataFrame(
        {"protocol": run.protocol, "model": run.variant, "seed": run.seed, "class": label}
        | {"records": run.metrics["support"].get(label)}
        | {
            f"{metric}{end}": entry.get(part)
            for metric, entry in scores.items()
            for end, part in (("", "value"), (" low", "low"), (" high", "high"))
        }
        for run in runs
        for label, scores in run.metrics["per_class"].items()
    )


def class_counts(datasets: list[dict]) -> pd.DataFrame:
    """Records per class of each dataset."""
    return pd.DataFrame(
        {"dataset": dataset["title"], "class": name, "records": count}
        for dataset in datasets
        for name, count in dataset["labels"]["classes"].items()
    )


def report_tables(
    datasets: list[dict], runs: list[Run], baselines: list[dict], statistics: Statistics, saliency: list[dict]
) -> dict[str, pd.DataFrame]:
    """The tables of the datasets and models, by the names of their files."""
    found = {"classes": class_counts(datasets), "data": data_table(datasets)}
    leaks = [
        {"dataset": dataset["name"]} | row for dataset in datasets for row in (dataset["audit"] or {}).get("leaks", ())
    ]
    if leaks:
        found["leaks"] = pd.DataFrame(leaks)
    for dataset in datasets:
        for view in dataset["protocols"]:
            where = dataset["name"], view["name"]
            own = [run for run in runs if (run.dataset, whole_protocol(run.protocol)) == where]
            beside = [table for table in baselines if (table["dataset"], whole_protocol(table["protocol"])) == where]
            found[f"results-{view['key']}"] = results_table(view, beside)
            found[f"classes-{view['key']}"] = class_table(own)
            found |= {table["file"]: paper_table(table) for table in view["paper_tables"]}
            compared = (statistics.of(*where) or {}).get("comparisons")
            if compared:
                found[f"comparisons-{view['key']}"] = flat_table(compared, COMPARISON_COLUMNS)
    for compared in statistics.protocols:
        if compared["rows"]:
            found[f"protocols-{compared['dataset']}"] = flat_table(compared["rows"], PROTOCOL_COLUMNS)
    if statistics.claims and any(dataset["paper"] for dataset in datasets):
        found["claims"] = flat_table(statistics.claims["claims"], CLAIM_COLUMNS)
    if saliency:
        found["saliency"] = saliency_table(saliency)
    return found


def data_table(datasets: list[dict]) -> pd.DataFrame:
    """Records, classes and audit of each dataset, with the paper's table 1 if it lists one of them."""
    printed = ("classes", "records") if any(dataset["paper"] for dataset in datasets) else ()
    audited = ("distinct", "distinct_groups", "patients", "patients_with_several")
    return pd.DataFrame(
        {"dataset": dataset["title"]}
        | {f"{key} paper": (dataset["paper"] or {}).get(key) for key in printed}
        | {
            "records": dataset["records"],
            "used": dataset["labels"]["kept"],
            "label policy": dataset["labels"]["policy"],
        }
        | {key: (dataset["audit"] or {}).get(key) for key in audited}
        | {"conflicts": len(dataset["audit"]["conflicts"]) if dataset["audit"] else None}
        for dataset in datasets
    ).convert_dtypes()  # integers stay integers despite missing values
