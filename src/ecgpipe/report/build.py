"""The report: one HTML page that needs nothing else."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ecgpipe import __version__
from ecgpipe.artifacts.atomic import atomic_path, write_text
from ecgpipe.artifacts.labels import Labels
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.config.report import ReportConfig
from ecgpipe.report import paper
from ecgpipe.report.audit import audit_view
from ecgpipe.report.collect import (
    CROSS_VALIDATION,
    Run,
    over_parts,
    over_seeds,
    read_json,
    read_problems,
    read_runs,
    score_table,
    stage_seconds,
    whole_protocol,
)
from ecgpipe.report.controls import across_protocols, control_tables, read_controls
from ecgpipe.report.examples import embed_file, example_records
from ecgpipe.report.figures import class_figure, comparison_figure, confusion_figure, history_figure, roc_figure

COLUMNS = (
    ("accuracy", "Accuracy"),
    ("specificity_macro", "Specificity"),
    ("recall_weighted", "Recall"),
    ("precision_weighted", "Precision"),
    ("f1_weighted", "F1"),
    ("auc_macro", "Macro AUC"),
)
LIBRARIES = (
    "torch",
    "timm",
    "lightning",
    "numpy",
    "opencv-python-headless",
    "scikit-learn",
    "wfdb",
    "grad-cam",
    "snakemake",
)
PROBLEMS_SHOWN = 200


@dataclass(frozen=True)
class Inputs:
    """What the report is made from: files in the order of the data sets and shards, and each data set's pages."""

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
    controls: Sequence[Path] = ()
    audits: Sequence[Path] = ()
    leaks: Sequence[Path] = ()


def build_report(inputs: Inputs, config: ReportConfig, page: Path, scores: Path, problems: Path) -> None:
    """Write the page and its two tables.

    Args:
        inputs: what to report.
        config: title and examples.
        page: the HTML file.
        scores: CSV, a row per run, class and metric.
        problems: CSV, a row per record or file that was left out.
    """
    runs = read_runs(inputs.metrics)
    problem_table = read_problems(inputs.problems, inputs.results)
    for table, path in ((score_table(runs), scores), (problem_table, problems)):
        with atomic_path(path) as partial:
            table.to_csv(partial, index=False)
    controls = control_tables(read_controls(inputs.controls), runs)
    environment = Environment(
        loader=PackageLoader("ecgpipe.report"), autoescape=select_autoescape(), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}"
    datasets = [_dataset(name, number, inputs, runs, config) for number, name in enumerate(inputs.datasets)]
    counts = pd.DataFrame(
        {"dataset": dataset["title"], "class": name, "records": count}
        for dataset in datasets
        for name, count in dataset["labels"]["classes"].items()
    )
    text = environment.get_template("report.html.j2").render(
        title=config.title,
        datasets=datasets,
        class_figure=class_figure(counts),
        columns=COLUMNS,
        problems=problem_table.head(PROBLEMS_SHOWN).to_dict("records"),
        problem_count=len(problem_table),
        problem_kinds=problem_table.groupby(["dataset", "stage", "problem"])
        .size()
        .reset_index(name="count")
        .to_dict("records"),
        stages=stage_seconds(inputs.results).to_dict("records"),
        runs=runs,
        controls=controls,
        control_sentences=across_protocols(controls),
        names=paper.NAMES,
        versions={"ecgpipe": __version__, "python": platform.python_version()} | _versions(),
    )
    write_text(page, text)


def _dataset(name: str, number: int, inputs: Inputs, runs: list[Run], config: ReportConfig) -> dict:
    """Everything that the page says of one data set."""

    def own(files: Sequence[Path]) -> list[Path]:
        return [Path(file) for file in files if Path(file).relative_to(inputs.results).parts[0] == name]

    protocols = list(dict.fromkeys(whole_protocol(run.protocol) for run in runs if run.dataset == name))
    return {
        "name": name,
        "title": paper.DATASETS[name],
        "paper": paper.TABLE_1.get(name),
        "labels": read_json(inputs.labels[number]),
        "records": len(pd.read_parquet(inputs.records[number], columns=["record_id"])),
        "splits": [
            {"protocol": file.parent.name, "seed": file.stem.removeprefix("seed-"), **read_json(file)}
            for file in own(inputs.splits)
        ],
        "examples": example_records(
            Labels.read(inputs.label_tables[number]),
            inputs.pages[name],
            own(inputs.images),
            own(inputs.indices),
            config.examples,
        ),
        "audit": audit_view(inputs.audits[number], inputs.leaks[number]) if inputs.audits else None,
        "protocols": [_protocol(name, protocol, runs, own(inputs.overlays)) for protocol in protocols],
    }


def _protocol(dataset: str, protocol: str, all_runs: list[Run], overlays: list[Path]) -> dict:
    """The results of a data set under one protocol; the parts of a cross-validation together."""
    runs = [run for run in all_runs if (run.dataset, whole_protocol(run.protocol)) == (dataset, protocol)]
    variants = list(dict.fromkeys(run.variant for run in runs))
    parts = list(dict.fromkeys(run.protocol for run in runs))
    match = CROSS_VALIDATION.fullmatch(parts[0])
    cell = over_parts if match else over_seeds
    cells = {
        variant: {metric: cell([run for run in runs if run.variant == variant], metric) for metric, _ in COLUMNS}
        for variant in variants
    }
    tables = paper.TABLES.get(dataset, ()) if protocol == "paper" else ()
    printed = {variant: row for _, table in tables for variant, row in table.items()}
    first_seed = min(run.seed for run in runs)
    shown = [run for run in runs if (run.protocol, run.seed) == (parts[0], first_seed)]
    scored = [run for run in runs if (run.variant, run.seed) == (runs[0].variant, first_seed)]  # one of each part
    meaning = paper.PROTOCOLS[match["base"] if match else protocol]
    return {
        "name": protocol,
        "meaning": f"cross-validation in {match['parts']} parts, each reported once; {meaning}" if match else meaning,
        "parts": len(parts) if match else 0,
        "role": runs[0].metrics["role"],
        "records": sum(run.metrics["records"] for run in scored),
        "groups": sum(run.metrics["groups"] for run in scored),
        "task": runs[0].metrics["task"],
        "coverage": f"{runs[0].metrics['confidence']:.0%}",
        "seeds": sorted({run.seed for run in runs}),
        "cells": cells,
        "paper_tables": tables,
        "comparison": comparison_figure(cells, printed),
        "history": history_figure(shown),
        "roc": [roc_figure(run) for run in shown],
        "confusion": [confusion_figure(run) for run in shown if "confusion" in run.metrics],
        "overlays": [
            {"variant": file.parts[-3], "image": embed_file(file)} for file in overlays if file.parts[-4] == parts[0]
        ],
    }


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found
