"""Publish a report as a few small files for a repository: a Markdown page, its tables and its figures.

The page is made from report.json; the tables and figures are copied from the report.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path, PureWindowsPath
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup

from ecgpipe import metrics
from ecgpipe.artifacts.files import read_json, write_text
from ecgpipe.config.data import whole_protocol
from ecgpipe.errors import DataError
from ecgpipe.metrics import metrics_shown
from ecgpipe.report.build import FORMAT, VERSION, slug
from ecgpipe.report.collect import p_text, score_text, system_name
from ecgpipe.report.names import PUBLISHED

INDEX, SETTINGS = "index.md", "configuration.yaml"
MARK = re.compile(r"<!-- made by ecgpipe publish:\n(.*?)-->", re.S)
"""The list of written files, at the end of the page."""
OWN_FILES = re.compile(r"index\.md|configuration\.yaml|tables/[\w.-]+\.csv|figures/[\w.-]+\.svg")
CLASS_METRICS = tuple((metric.name, metric.label) for metric in metrics_shown("page", metrics.CLASS_METRICS))


def publish(results: Path, folder: Path) -> list[Path]:
    """Write FOLDER/index.md, configuration.yaml, tables/*.csv and figures/*.svg.

    The same report gives the same bytes. Files of an earlier call are replaced, or removed if they are not needed now.

    Args:
        results: a results folder with its report.
        folder: is created if necessary.

    Returns:
        The files.

    Raises:
        DataError: the results have no report, or a file that ``publish`` did not write is in the way.
    """
    content = read_report(results)
    settings = without_paths(content["configuration"])
    page = render_markdown(content | {"configuration": settings})
    files = {INDEX: "", SETTINGS: yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=110)}
    for name in dict.fromkeys(re.findall(r"\]\(((?:tables|figures)/[^)]+)\)", page)):
        try:
            files[name] = (results / "report" / name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{results / 'report' / name}: cannot be read ({error}); "
                f"write the report again: snakemake --force {results}/report/report.json"
            ) from error
    files[INDEX] = page + "\n<!-- made by ecgpipe publish:\n" + "\n".join(sorted(files)) + "\n-->\n"
    earlier = _earlier(folder)
    for name in files:
        if (folder / name).exists() and name not in earlier:
            raise DataError(
                f"{folder / name}: exists, and was not written by ecgpipe publish; move it or name another folder"
            )
    # the page first: it lists the files, so that an interrupted run can be repeated
    for name in sorted(files, key=lambda name: name != INDEX):
        write_text(folder / name, files[name])
    for name in earlier - set(files):
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in files]


def read_report(results: Path) -> dict:
    """The content of RESULTS/report/report.json.

    Raises:
        DataError: missing, damaged, or of another version.
    """
    if not results.is_dir():
        raise DataError(f"{results}: no such results folder")
    file = results / "report" / "report.json"
    if not file.is_file():
        raise DataError(f"{file}: does not exist; run `snakemake all`, or only the report: `snakemake {file}`")
    content = read_json(file)
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise DataError(f"{file}: not a report of this version; write it again: `snakemake --force {file}`")
    return content


def _earlier(folder: Path) -> set[str]:
    """Files of an earlier call, as its page lists them."""
    index = folder / INDEX
    match = MARK.search(index.read_text(encoding="utf-8", errors="replace")) if index.is_file() else None
    return {name for name in match[1].splitlines() if OWN_FILES.fullmatch(name)} if match else set()


def without_paths(value: Any) -> Any:
    """A configuration without machine-specific parts: only the last part of absolute paths, no users in URLs."""
    if isinstance(value, dict):
        return {key: without_paths(own) for key, own in value.items()}
    if isinstance(value, list):
        return [without_paths(own) for own in value]
    if not isinstance(value, str):
        return value
    if value.startswith("file:") or re.match(r"[/~\\]|[A-Za-z]:[/\\]", value):
        return PureWindowsPath(value.rstrip("/\\")).name or "..."  # handles both kinds of slashes
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", value)


def render_markdown(content: dict) -> str:
    """The Markdown page of a report. Every value is escaped."""
    environment = Environment(
        loader=PackageLoader("ecgpipe.report"), autoescape=True, undefined=StrictUndefined, finalize=_finalize,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "line": line, "cell": cell, "columns": _columns, "number": _number, "change": _change, "p_value": p_text,
        "notes": _notes, "ours": _ours, "device": _device, "by_model": _by_model, "range_of": _range_of,
        "machines": _machines, "system": system_name, "slug": slug, "whole_protocol": whole_protocol,
    }  # fmt: skip
    text = environment.get_template("index.md.j2").render(**content, published=PUBLISHED, class_metrics=CLASS_METRICS)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.M)).strip() + "\n"


SPECIAL = re.compile(r"[&\\`*<>\[\]{}|#$~^]|(?<![^\W_])_|_(?![^\W_])")
"""Markdown's marks, and underscores at the edge of a word."""
START = re.compile(r"^(\d*)([-+=.)])(?=\s|$)|^()([-=]+)$")
"""Characters that start a list or underline a heading."""


def escape(text: object) -> str:
    """Text without Markdown's special marks, which become entities; safe in a table of any viewer."""
    plain = re.sub(r"\s+", " ", str(text))
    return SPECIAL.sub(lambda match: _entity(match[0]), plain)


def line(text: object) -> Markup:
    """The same, at the start of a line."""
    return Markup(START.sub(lambda match: (match[1] or "") + _entity(match[2] or match[4]), escape(text).strip()))


def _entity(signs: str) -> str:
    return "".join(f"&#{ord(sign)};" for sign in signs)


def _finalize(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    if isinstance(value, Undefined):  # the missing branch of an inline if
        return ""
    return Markup("–" if value is None else escape(value))


def cell(entry: dict | None, sign: str = "") -> str:
    """``score_text`` of a table's entry."""
    value, low, high = ((entry or {}).get(key) for key in ("value", "low", "high"))
    return score_text(value, low, high, sign)


def _columns(row: dict, label: str) -> dict:
    """A cell from a table's columns."""
    return {"value": row[label], "low": row[f"{label} low"], "high": row[f"{label} high"]}


def _number(value: float | None, decimals: int) -> str | None:
    return None if value is None else f"{value:,.{decimals}f}"


def _change(row: dict | None) -> str:
    if row is None or row["difference"] is None:
        return "–"
    interval = f" ({row['low']:+z.3f} to {row['high']:+z.3f})" if row["low"] is not None else ""
    return f"{row['difference']:+z.3f}{interval}"


def _ours(claim: dict) -> str:
    if claim["ours"] is None:
        return "–"
    interval = f" ({claim['low']:.4f} to {claim['high']:.4f})" if claim["low"] is not None else ""
    return f"{claim['ours']:.4f}{interval}"


def _notes(view: dict, metrics: Sequence[str], labels: dict[str, str]) -> list[tuple[str, str]]:
    """The notes of the cells shown, each with its places."""
    notes: dict[str, list[str]] = {}
    for model in view["models"]:
        for metric in metrics:
            if note := model["cells"][metric]["note"]:
                notes.setdefault(note, []).append(f"{labels[metric]} of {model['name']}")
    return [(note, "; ".join(places)) for note, places in notes.items()]


def _device(training: dict) -> str:
    """A GPU by its name; for a CPU, also the processor."""
    device = training["device"] or "an unknown device"
    if device.startswith("CPU") and training["processor"]:
        device = f"{device}, {training['processor']}"
    return f"{device} ({training['precision']})"


def _by_model(trainings: Sequence[dict]) -> list[list[dict]]:
    """Runs grouped by dataset, protocol and model, in their order."""

    def key(row: dict) -> tuple[str, str, str]:
        return row["dataset"], whole_protocol(row["protocol"]), row["model"]

    order = {group: number for number, group in enumerate(dict.fromkeys(map(key, trainings)))}
    ordered = sorted(trainings, key=lambda row: order[key(row)])
    return [list(rows) for _, rows in groupby(ordered, key)]


def _range_of(rows: Sequence[dict], column: str, decimals: int) -> str:
    known = [row[column] for row in rows if row[column] is not None]
    ends = dict.fromkeys(f"{end:,.{decimals}f}" for end in (min(known), max(known))) if known else ()
    return " – ".join(ends) or "–"


def _machines(trainings: Iterable[dict]) -> str:
    machines = [
        f"{row['processor']}, {row['cores']} logical cores, {row['memory_gb']} GB, {row['gpus'] or 'no GPU'}, "
        f"{row['system']}"
        for row in trainings
        if row["processor"]
    ]
    return "; ".join(dict.fromkeys(machines)) or "unknown"
