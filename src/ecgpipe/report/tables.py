"""The report's tables as CSV and LaTeX, in a folder beside the page and as links within it."""

import base64
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.files import atomic_folder
from ecgpipe.report.collect import Cell

TYPES = {"csv": "text/csv", "tex": "text/x-tex"}


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path | str) -> dict[str, dict[str, str]]:
    """Write NAME.csv and NAME.tex of each table.

    Args:
        tables: by name; a column X may have its interval in columns "X low" and "X high".
        folder: a folder that this replaces.

    Returns:
        name -> {``csv``, ``tex``}: the same as data addresses.
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
    """A tabular with booktabs rules; an interval stands in its value's cell, what is missing is a dash."""
    plain = table.map(_plain)
    for column in table.columns:
        if f"{column} low" in plain:
            bounds = plain.pop(f"{column} low"), plain.pop(f"{column} high")
            plain[column] = [
                f"{value} [{low}, {high}]" if (low, high) != ("--", "--") else value
                for value, low, high in zip(plain[column], *bounds, strict=True)
            ]
    names = list(plain.columns)
    plain.columns = [_escape(str(column)) for column in plain.columns]
    align = "".join("r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in names)
    return plain.style.hide(axis="index").to_latex(hrules=True, column_format=align or "l")


def _plain(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "--"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"
    return _escape(str(value))


def _escape(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
    }
    return "".join(special.get(sign, sign) for sign in text).replace("–", "--")


def cell_table(cells: Mapping[str, Mapping[str, Cell]], names: Mapping[str, str], columns: tuple) -> pd.DataFrame:
    """A results table: a row per model, value, low and high of each metric."""
    rows = []
    for variant, own in cells.items():
        row: dict[str, object] = {"model": names.get(variant, variant), "seeds": max(c.seeds for c in own.values())}
        for metric, label in columns:
            cell = own[metric]
            row |= {label: cell.value, f"{label} low": cell.low, f"{label} high": cell.high}
        rows.append(row)
    return pd.DataFrame(rows)


def beside_paper(
    printed: Mapping[str, tuple[float, ...]],
    cells: Mapping[str, Mapping[str, Cell]],
    names: Mapping[str, str],
    columns: tuple,
) -> pd.DataFrame:
    """One of the paper's tables beside ours; what was not run is empty."""
    rows = []
    for variant, values in printed.items():
        row: dict[str, object] = {"model": names.get(variant, variant)}
        for (metric, label), value in zip(columns, values, strict=False):
            cell = cells.get(variant, {}).get(metric)
            row |= {f"{label} paper": value, f"{label} ours": cell.value if cell else None}
            row |= {f"{label} ours low": cell.low if cell else None, f"{label} ours high": cell.high if cell else None}
        rows.append(row)
    return pd.DataFrame(rows)
