"""Reads a results folder whose report is written."""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import Any

import pandas as pd
import yaml

from ecgpipe.artifacts.files import read_json
from ecgpipe.config.analysis import BaselinesConfig
from ecgpipe.config.data import protocol_parts
from ecgpipe.config.schema import DatasetRuns
from ecgpipe.errors import DataError
from ecgpipe.report.audit import audit_view
from ecgpipe.report.collect import Run, read_runs, stage_seconds
from ecgpipe.report.names import DATASET_TITLES, names_of_runs
from ecgpipe.report.results import read_baselines
from ecgpipe.report.saliency import saliency_groups
from ecgpipe.report.statistics import Statistics, read_statistics

PAGE = "report/index.html"
CONFIGURATION = re.compile(r'<pre[^>]* aria-label="Configuration">(.*?)</pre>', re.S)
PROVENANCE = re.compile(r'<tr><th scope="row">([^<]*)</th><td>([^<]*)</td></tr>')
MACHINE = "<caption>Software and machine"
"""How the page's table of versions begins, and its rows."""


@dataclass(frozen=True)
class Finished:
    """What a finished run left behind, of the trainings that its report's configuration asks for.

    Attributes:
        results: its folder.
        configuration: as the report states it, with the last part of absolute paths alone.
        provenance: of the report: name -> version, commit, machine.
        written: day (UTC) of the report, 2026-11-24.
        titles: data set -> what people call it, in the order of the configuration.
        runs: scored models.
        absent: trainings that are asked for and have no scores.
        controls: scored controls.
        statistics: comparisons and claims.
        saliency: groups of measured saliency.
        audits: data set -> its audit, where there is one.
        labels: data set -> labels.json, where there is one.
        problems: rows of report/problems.csv.
        stages: time per rule.
    """

    results: Path
    configuration: dict[str, Any]
    provenance: dict[str, str]
    written: str
    titles: dict[str, str]
    runs: list[Run]
    absent: list[str]
    controls: list[Run]
    statistics: Statistics
    saliency: list[dict]
    audits: dict[str, dict]
    labels: dict[str, dict]
    problems: pd.DataFrame
    stages: pd.DataFrame

    def text(self, file: str) -> str:
        """A text file of the results, as it is.

        Raises:
            DataError: it is not there.
        """
        try:
            return (self.results / file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.results / file}: cannot be read ({error}); delete the JSON file beside it and run again"
            ) from error


def read_finished(results: Path) -> Finished:
    """Read the folder.

    Raises:
        DataError: it has no report, no scores, or a file in it is damaged.
    """
    if not results.is_dir():
        raise DataError(f"{results}: no such folder of results")
    page = results / PAGE
    if not page.is_file():
        raise DataError(
            f"{page}: not there; run `snakemake all` first, or, if all but the report is done, `snakemake {page}`"
        )
    text = page.read_text(encoding="utf-8")
    configuration = _configuration(text, page)
    datasets = configuration["datasets"]
    # a data set of one's own may leave its trainings to the defaults
    asked = {name: DatasetRuns().model_dump() | configuration["benchmark"].get(name, {}) for name in datasets}
    folders = [
        results / dataset / part / variant / f"seed-{seed}"
        for dataset in datasets
        for part in _parts(asked[dataset])
        for variant in asked[dataset]["models"]
        for seed in asked[dataset]["seeds"]
    ]
    scored = [folder / "metrics.json" for folder in folders if (folder / "metrics.json").is_file()]
    if not scored:
        raise DataError(f"{results}: no scores (metrics.json) of the models in its configuration; run `snakemake all`")
    own = configuration.get("own", {})
    runs = read_runs(scored)
    return Finished(
        results=results,
        configuration=without_paths(configuration),
        provenance={
            html.unescape(name): html.unescape(value)
            for name, value in PROVENANCE.findall(text.rpartition(MACHINE)[2].partition("</table>")[0])
        },
        written=datetime.fromtimestamp(page.stat().st_mtime, UTC).date().isoformat(),
        titles={name: (own.get(name) or {}).get("title") or DATASET_TITLES.get(name, name) for name in datasets},
        runs=runs,
        absent=[
            folder.relative_to(results).as_posix() for folder in folders if not (folder / "metrics.json").is_file()
        ],
        controls=read_baselines(_controls(results, configuration, asked)),
        statistics=_statistics(results, datasets, asked),
        saliency=saliency_groups(_explained(scored, configuration, asked), [], names_of_runs(runs)),
        audits={name: audit_view(*files) for name, files in _audits(results, datasets)},
        labels={
            name: read_json(results / name / "labels.json")
            for name in datasets
            if (results / name / "labels.json").is_file()
        },
        problems=_problems(results / "report/problems.csv"),
        stages=stage_seconds(results),
    )


def _configuration(text: str, page: Path) -> dict[str, Any]:
    """What the page states at its end."""
    found = CONFIGURATION.findall(text)
    stated = yaml.safe_load(html.unescape(found[-1])) if found else None
    if not isinstance(stated, dict) or not {"datasets", "benchmark"} <= set(stated):
        raise DataError(f"{page}: states no configuration; write it again with `snakemake --force {page}`")
    return stated


def _parts(runs: Mapping[str, Any]) -> list[str]:
    """A data set's protocols, each part of a cross-validation by itself."""
    return [part for name in runs["protocols"] for part in protocol_parts(name)]


def _controls(results: Path, configuration: Mapping[str, Any], asked: Mapping[str, Any]) -> list[Path]:
    names = BaselinesConfig(**configuration.get("baselines", {})).names
    files = [
        results / dataset / part / name / f"seed-{seed}" / "metrics.json"
        for dataset in configuration["datasets"]
        for part in _parts(asked[dataset])
        for name in names
        for seed in asked[dataset]["seeds"]
    ]
    return [file for file in files if file.is_file()]


def _statistics(results: Path, datasets: list[str], asked: Mapping[str, Any]) -> Statistics:
    compared = [results / name / f"comparisons/{one}.json" for name in datasets for one in asked[name]["protocols"]]
    across = [results / name / "comparisons/protocols.json" for name in datasets]
    claims = results / "report/claims.json"
    return read_statistics(*([file for file in files if file.is_file()] for files in (compared, across, [claims])))


def _explained(scored: list[Path], configuration: Mapping[str, Any], asked: Mapping[str, Any]) -> list[Path]:
    """The measures of those runs that the configuration has explained: of each data set the first seed."""
    variants = configuration.get("explain", {}).get("variants", ())
    files = [
        file.with_name("saliency.json")
        for file in scored
        if file.parts[-3] in variants and file.parts[-2] == f"seed-{asked[file.parts[-5]]['seeds'][0]}"
    ]
    return [file for file in files if file.is_file()]


def _audits(results: Path, datasets: list[str]) -> Iterator[tuple[str, tuple[Path, Path]]]:
    for name in datasets:
        files = results / name / "audit/audit.json", results / name / "audit/leaks.json"
        if all(file.is_file() for file in files):
            yield name, files


def _problems(file: Path) -> pd.DataFrame:
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=["dataset", "stage", "problem"])


def without_paths(value: Any) -> Any:
    """A configuration without what only its machine has: of an absolute path the last part, of an address no user."""
    if isinstance(value, dict):
        return {key: without_paths(own) for key, own in value.items()}
    if isinstance(value, list):
        return [without_paths(own) for own in value]
    if not isinstance(value, str):
        return value
    if value.startswith("file:") or re.match(r"[/~\\]|[A-Za-z]:[/\\]", value):
        return PureWindowsPath(value.rstrip("/\\")).name or "..."  # knows both kinds of slashes
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", value)
