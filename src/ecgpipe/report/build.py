"""Build the report: report.json with the whole content, and from it one self-contained HTML page.

The Markdown page of ``ecgpipe publish`` is made from the same report.json (publish.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from ecgpipe.artifacts.files import atomic_folder, atomic_path, read_json, write_json, write_text
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.tables import RECORDS, Labels
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.config.data import whole_protocol
from ecgpipe.report import figures, pictures, tables
from ecgpipe.report.audit import audit_view, duplicate_groups
from ecgpipe.report.collect import (
    Run,
    first_seeds,
    p_text,
    provenance,
    read_problems,
    read_runs,
    runs_of,
    score_table,
    stage_times,
    trainings_table,
)
from ecgpipe.report.external import external_figures, external_sentences, external_table, external_views
from ecgpipe.report.headline import headlines, summary
from ecgpipe.report.learning import learning_curves, learning_figure
from ecgpipe.report.names import (
    COLUMNS,
    DATASET_TITLES,
    LABELS,
    MODEL_NAMES,
    PAPER_COLUMNS,
    PAPER_TABLES,
    TABLE_1,
    class_names,
    names_of_runs,
    report_title,
)
from ecgpipe.report.results import baseline_tables, best_model_view, nearest_by_protocol, protocol_view
from ecgpipe.report.saliency import saliency_groups
from ecgpipe.report.statistics import (
    Statistics,
    calibration_tables,
    claim_view,
    comparison_sentences,
    comparison_tables,
    first_seed_runs,
    protocol_tables,
    read_statistics,
)

FORMAT, VERSION = "ecgpipe report", 2
"""Identify report.json."""
PROBLEMS_SHOWN = 200
EXAMPLES = 1
"""Example pages per class."""


@dataclass(frozen=True)
class Inputs:
    """The files that the report is made from, in the order of the datasets and shards."""

    results: Path
    datasets: Sequence[str]
    records: Sequence[Path]
    label_tables: Sequence[Path]
    labels: Sequence[Path]
    problems: Sequence[Path]
    splits: Sequence[Path]
    pages: Mapping[str, PageSource]
    images: Sequence[Path]
    indices: Sequence[Path]
    metrics: Sequence[Path]
    overlays: Sequence[Path]
    baselines: Sequence[Path] = ()
    audits: Sequence[Path] = ()
    leaks: Sequence[Path] = ()
    duplicates: Sequence[Path] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of user-supplied datasets."""
    saliency: Sequence[Path] = ()
    comparisons: Sequence[Path] = ()
    protocols: Sequence[Path] = ()
    claims: Sequence[Path] = ()
    external: Sequence[Path] = ()
    configuration: dict = field(default_factory=dict)
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def of(self, dataset: str, files: Sequence[Path]) -> list[Path]:
        """The files of a dataset."""
        return [Path(file) for file in files if Path(file).relative_to(self.results).parts[0] == dataset]


def build_report(inputs: Inputs, config: ReportConfig, folder: Path) -> None:
    """Write index.html, report.json, scores.csv, problems.csv, tables/ (CSV and LaTeX) and figures/ (SVG).

    Args:
        inputs: what to report.
        config: title and number of pictures.
        folder: for the files.
    """
    runs = read_runs(inputs.metrics)
    baseline_runs = read_runs(inputs.baselines, trained=False)
    statistics = read_statistics(inputs.comparisons, inputs.protocols, inputs.claims)
    problems = read_problems(inputs.problems, inputs.results)
    for table, name in ((score_table(runs), "scores.csv"), (problems, "problems.csv")):
        with atomic_path(folder / name) as partial:
            table.to_csv(partial, index=False)
    names = names_of_runs(runs)
    datasets = [_dataset(name, number, inputs, runs, statistics) for number, name in enumerate(inputs.datasets)]
    titles = {dataset["name"]: dataset["title"] for dataset in datasets}
    baselines = baseline_tables(baseline_runs, runs, statistics=statistics)
    saliency = saliency_groups(inputs.saliency, names)
    external = external_views(inputs.external, titles, names)
    paper = any(name in TABLE_1 for name in inputs.datasets)
    comparisons, claims = comparison_tables(statistics), claim_view(statistics) if paper else None
    first = headlines(datasets, statistics)
    stages, trainings = stage_times(inputs.results), trainings_table(runs)
    kinds = problems.groupby(["dataset", "stage", "problem"]).size().reset_index(name="records")
    overview = tables.overview_table(first)
    own_tables = tables.report_tables(datasets, runs, baselines, statistics, saliency)
    own_tables |= {"overview": overview, "trainings": trainings, "times": stages, "problems": kinds}
    curves = _learning_curves(datasets, runs)
    own_tables |= {f"learning-{key}": table for key, table in curves.items()}
    own_tables |= {"external": external_table(external)} if external else {}
    content = plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "title": report_title(config.title, titles),
            "paper": paper,
            "written": datetime.now(UTC).date().isoformat(),
            "configuration": inputs.configuration,
            "provenance": provenance(),
            "titles": titles,
            "names": names,
            "paper_names": MODEL_NAMES,
            "columns": COLUMNS,
            "paper_columns": PAPER_COLUMNS,
            "labels": LABELS,
            "class_names": {dataset["name"]: dataset["class_names"] for dataset in datasets},
            "headlines": first,
            "summary": summary(titles, saliency, len(problems), claims, comparison_sentences(comparisons, names), first)
            + external_sentences(external),
            "overview": overview,
            "datasets": datasets,
            "baselines": baselines,
            "baseline_sentences": nearest_by_protocol(baselines, titles),
            "comparisons": comparisons,
            "protocol_comparisons": protocol_tables(statistics),
            "calibration": calibration_tables(runs),
            "external": external,
            "claims": claims,
            "saliency": saliency,
            "trainings": trainings,
            "times": stages,
            "total": {
                "jobs": int(stages["jobs"].sum()),
                "hours": stages["seconds"].sum() / 3600,
                "cpu_hours": stages["cpu_seconds"].sum() / 3600,
            },
            "problems": {"count": len(problems), "kinds": kinds, "first": problems.head(PROBLEMS_SHOWN)},
            "tables": list(own_tables),
        }
    )
    downloads = tables.write_tables(own_tables, folder / "tables")
    svgs = _figures(datasets, runs) | external_figures(external)
    svgs |= {f"learning-{key}": learning_figure(table, names) for key, table in curves.items()}
    with atomic_folder(folder / "figures") as partial:
        for name, svg in svgs.items():
            (partial / f"{name}.svg").write_text(figures.standalone(svg), encoding="utf-8")
    write_json(folder / "report.json", content)
    settings = yaml.safe_dump(inputs.configuration, sort_keys=False, allow_unicode=True, width=110)
    page = html_environment().get_template("report.html.j2")
    explorer = _explorer(inputs, runs, config, titles, names)
    write_text(
        folder / "index.html",
        page.render(
            **content,
            downloads=downloads,
            figure=svgs,
            pictures=_pictures(inputs),
            explorer=explorer,
            settings=settings,
        ),
    )


def _learning_curves(datasets: Sequence[dict], runs: list[Run]) -> dict[str, pd.DataFrame]:
    """Key of each dataset and protocol with learning curves -> the curves."""
    curves = {
        view["key"]: learning_curves(runs_of(runs, dataset["name"], view["name"]))
        for dataset in datasets
        for view in dataset["protocols"]
    }
    return {key: table for key, table in curves.items() if len(table)}


def html_environment() -> Environment:
    """Jinja environment of the HTML templates."""
    environment = Environment(
        loader=PackageLoader("ecgpipe.report"), autoescape=select_autoescape(("html.j2",)), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:z.3f}"
    environment.filters["p_value"] = p_text
    environment.filters["slug"] = slug
    environment.filters["spelled"] = spelled
    return environment


def spelled(name: str, full: Mapping[str, str]) -> Markup:
    """A class as an abbreviation with its full name, if that is known."""
    if name not in full:
        return escape(name)
    return Markup('<abbr title="{}">{}</abbr>').format(full[name], name)


def slug(variant: str) -> str:
    """A variant's name in file names."""
    return variant.replace("+", "-")


def plain(value: Any) -> Any:
    """A value in JSON's types: tables become lists of rows, dataclasses objects, NaN null."""
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [plain(own) for own in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is pd.NA or (isinstance(value, float) and value != value):
        return None
    return value


def _dataset(name: str, number: int, inputs: Inputs, runs: list[Run], statistics: Statistics) -> dict:
    """The content about one dataset."""
    protocols = list(dict.fromkeys(whole_protocol(run.protocol) for run in runs if run.dataset == name))
    views = []
    for protocol in protocols:
        own = runs_of(runs, name, protocol)
        view = protocol_view(name, protocol, runs, statistics)
        views.append(view | {"key": f"{name}-{protocol}", "best_model": best_model_view(own, view)})
        views[-1]["shown"] = [
            {"variant": run.variant, "confusion": "confusion" in run.metrics}
            for run in first_seed_runs(own, name, own[0].protocol)
        ]
    labels = read_json(inputs.labels[number])
    return {
        "name": name,
        "title": inputs.titles.get(name) or DATASET_TITLES.get(name, name),
        "paper": TABLE_1.get(name),
        "labels": labels,
        "class_names": class_names(name, labels["classes"]),
        "records": len(RECORDS.read(inputs.records[number], ["record_id"])),
        "splits": [
            {"protocol": file.parent.name, "seed": file.stem.removeprefix("seed-"), **read_json(file)}
            for file in inputs.of(name, inputs.splits)
        ],
        "audit": audit_view(inputs.audits[number], inputs.leaks[number]) if inputs.audits else None,
        "protocols": views,
    }


def _figures(datasets: list[dict], runs: list[Run]) -> dict[str, str]:
    """Figures as inline SVG, by the names of their files."""
    svgs = {"classes": figures.class_figure(tables.class_counts(datasets))}
    for dataset in datasets:
        if dataset["audit"] and dataset["audit"]["any_leak"]:
            svgs[f"leaks-{dataset['name']}"] = figures.leak_figure(dataset["audit"]["leaks"])
        for view in dataset["protocols"]:
            key = view["key"]
            own = runs_of(runs, dataset["name"], view["name"])
            shown = first_seed_runs(own, dataset["name"], own[0].protocol)
            best = next((run for run in own if run.variant == view["best"]), None)
            printed = {v: row for _, table in PAPER_TABLES.get(dataset["name"], ()) for v, row in table.items()}
            svgs[f"comparison-{key}"] = figures.comparison_figure(
                view["models"], printed if view["paper_tables"] else {}
            )
            svgs[f"history-{key}"] = figures.history_figure(shown)
            for run in shown if best is None else [*shown, best]:
                svgs[f"roc-{key}-{slug(run.variant)}"] = figures.roc_figure(run)
                if "confusion" in run.metrics:
                    svgs[f"confusion-{key}-{slug(run.variant)}"] = figures.confusion_figure(run)
            if best is not None:
                svgs[f"reliability-{key}"] = figures.reliability_figure([best])
    for dataset_name, protocol in dict.fromkeys((run.dataset, run.protocol) for run in runs):
        svgs[f"calibration-{dataset_name}-{protocol}"] = figures.reliability_figure(
            first_seed_runs(runs, dataset_name, protocol)
        )
    return svgs


def _pictures(inputs: Inputs) -> dict[str, dict]:
    """Pictures of the HTML page: by dataset ``examples``, ``translated``, ``duplicates``; ``sheets`` by run."""
    limit = inputs.configuration.get("train", {}).get("translate", 0)
    by_kind: dict[str, dict] = {"examples": {}, "translated": {}, "duplicates": {}, "sheets": {}}
    for number, name in enumerate(inputs.datasets):
        labels, pages = Labels.read(inputs.label_tables[number]), inputs.pages[name]
        examples = pictures.example_records(
            labels, pages, inputs.of(name, inputs.images), inputs.of(name, inputs.indices), EXAMPLES
        )
        by_kind["examples"][name] = examples
        by_kind["translated"][name] = pictures.translated_images(examples[:1], limit)
        if inputs.duplicates:
            records = RECORDS.read(inputs.records[number], ["record_id", "statements"])
            by_kind["duplicates"][name] = duplicate_groups(inputs.duplicates[number], records, pages)
    for file in inputs.overlays:
        dataset, protocol, variant = file.parts[-5:-2]
        by_kind["sheets"][f"{dataset}/{protocol}/{variant}"] = pictures.overlay_sheet(file)
    return by_kind


def _explorer(
    inputs: Inputs, runs: list[Run], config: ReportConfig, titles: dict[str, str], names: dict[str, str]
) -> dict:
    """The explorer's data as JSON, and how many records and pictures it has."""
    maps = {file.parent: file.with_suffix(".npz") for file in inputs.saliency}
    shown = first_seeds(runs)
    data = pictures.explorer_data(shown, inputs.configuration.get("evaluate", {}).get("threshold", 0.5))
    chosen = pictures.choose_pictured(data, shown, maps, config.explorer_pictures)
    indices = {name: inputs.of(name, inputs.indices) for name in chosen}
    data |= {
        "titles": titles,
        "names": names,
        "class_names": {view["dataset"]: class_names(view["dataset"], view["classes"]) for view in data["views"]},
        "margins": dict.fromkeys(inputs.datasets, inputs.margins),
        "pictures": {
            name: pictures.record_pictures(ids, inputs.pages[name], inputs.of(name, inputs.images), indices[name])
            for name, ids in chosen.items()
        },
        "heats": pictures.heat_maps(shown, maps, chosen, indices),
    }
    return {
        "json": pictures.script_json(data),
        "records": len({(view["dataset"], record_id) for view in data["views"] for record_id in view["ids"]}),
        "pictured": sum(map(len, chosen.values())),
    }
