"""The report: one HTML page that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ecgpipe.artifacts.files import atomic_path, read_json, write_text
from ecgpipe.artifacts.pages import PageSource
from ecgpipe.artifacts.tables import RECORDS, Labels
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.report.audit import audit_view, duplicate_groups
from ecgpipe.report.collect import (
    Run,
    provenance,
    read_problems,
    read_runs,
    score_table,
    stage_seconds,
    whole_protocol,
)
from ecgpipe.report.figures import class_figure, comparison_figure, confusion_figure, history_figure, roc_figure
from ecgpipe.report.names import DATASET_TITLES, MODEL_NAMES, TABLE_1, names_of_runs
from ecgpipe.report.pictures import (
    RunFiles,
    encode,
    example_records,
    explorer_data,
    first_seeds,
    heat_maps,
    pictures,
    translated_images,
    with_pictures,
)
from ecgpipe.report.results import COLUMNS, baseline_tables, nearest_by_protocol, protocol_view, read_baselines
from ecgpipe.report.saliency import saliency_groups, saliency_table
from ecgpipe.report.statistics import (
    Statistics,
    calibration_tables,
    claim_view,
    comparison_tables,
    protocol_tables,
    read_statistics,
    sentences,
)
from ecgpipe.report.summary import summary
from ecgpipe.report.tables import beside_paper, cell_table, write_tables

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
    baselines: Sequence[Path] = ()
    audits: Sequence[Path] = ()
    leaks: Sequence[Path] = ()
    duplicates: Sequence[Path] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """What to call data sets of one's own."""
    saliency: Sequence[Path] = ()
    comparisons: Sequence[Path] = ()
    protocols: Sequence[Path] = ()
    claims: Sequence[Path] = ()
    configuration: dict = field(default_factory=dict)
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def own(self, dataset: str, files: Sequence[Path]) -> list[Path]:
        """Those of the files that are of a data set."""
        return [Path(file) for file in files if Path(file).relative_to(self.results).parts[0] == dataset]


def build_report(inputs: Inputs, config: ReportConfig, page: Path, scores: Path, problems: Path, tables: Path) -> None:
    """Write the page and its tables.

    Args:
        inputs: what to report.
        config: title, examples and pictures.
        page: the HTML file.
        scores: CSV, a row per run, class and metric.
        problems: CSV, a row per record or file that was left out.
        tables: folder, the page's tables as CSV and LaTeX.
    """
    runs = read_runs(inputs.metrics)
    problem_table = read_problems(inputs.problems, inputs.results)
    for table, path in ((score_table(runs), scores), (problem_table, problems)):
        with atomic_path(path) as partial:
            table.to_csv(partial, index=False)
    controls = baseline_tables(read_baselines(inputs.baselines), runs)
    names = names_of_runs(runs)
    saliency = saliency_groups(inputs.saliency, inputs.overlays, names)
    stages = stage_seconds(inputs.results)
    environment = Environment(
        loader=PackageLoader("ecgpipe.report"), autoescape=select_autoescape(("html.j2",)), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}"
    statistics = read_statistics(inputs.comparisons, inputs.protocols, inputs.claims)
    comparisons, claims = comparison_tables(statistics), claim_view(statistics)
    datasets = [_dataset(name, number, inputs, runs, config, statistics) for number, name in enumerate(inputs.datasets)]
    counts = pd.DataFrame(
        {"dataset": dataset["title"], "class": name, "records": count}
        for dataset in datasets
        for name, count in dataset["labels"]["classes"].items()
    )
    downloads = write_tables(_tables(datasets, saliency, stages, counts, names), tables)
    text = environment.get_template("report.html.j2").render(
        title=config.title,
        datasets=datasets,
        titles={dataset["name"]: dataset["title"] for dataset in datasets},
        summary=summary(
            datasets,
            controls,
            saliency,
            len(problem_table),
            claims,
            sentences(comparisons, names, DATASET_TITLES),
        ),
        comparisons=comparisons,
        protocol_tables=protocol_tables(statistics),
        calibration=calibration_tables(runs),
        claims=claims,
        class_figure=class_figure(counts),
        columns=COLUMNS,
        problems=problem_table.head(PROBLEMS_SHOWN).to_dict("records"),
        problem_count=len(problem_table),
        problem_kinds=problem_table.groupby(["dataset", "stage", "problem"])
        .size()
        .reset_index(name="count")
        .to_dict("records"),
        stages=stages.to_dict("records"),
        cost={
            "jobs": int(stages["jobs"].sum()),
            "hours": stages["seconds"].sum() / 3600,
            "cpu_hours": stages["cpu_seconds"].sum() / 3600,
        },
        runs=runs,
        controls=controls,
        control_sentences=nearest_by_protocol(controls),
        saliency=saliency,
        explorer=_explorer(inputs, datasets, config, names),
        downloads=downloads,
        names=names,
        paper_names=MODEL_NAMES,
        provenance=provenance(),
        configuration=yaml.safe_dump(inputs.configuration, sort_keys=False, allow_unicode=True, width=110),
    )
    write_text(page, text)


def _explorer(inputs: Inputs, datasets: list[dict], config: ReportConfig, names: dict[str, str]) -> dict:
    """The explorer's data as JSON, and how much of it there is."""
    maps = {file.parent: file.with_suffix(".npz") for file in inputs.saliency}
    runs = first_seeds([RunFiles(file.parent, maps.get(file.parent)) for file in inputs.metrics])
    settings = inputs.configuration
    data = explorer_data(runs, settings.get("evaluate", {}).get("threshold", 0.5))
    chosen = with_pictures(data, runs, config.explorer_pictures)
    shown = {
        name: pictures(ids, inputs.pages[name], inputs.own(name, inputs.images), inputs.own(name, inputs.indices))
        for name, ids in chosen.items()
    }
    data |= {
        "titles": {dataset["name"]: dataset["title"] for dataset in datasets},
        "names": names,
        "margins": dict.fromkeys(inputs.datasets, inputs.margins),
        "pictures": shown,
        "heats": heat_maps(runs, chosen, {name: inputs.own(name, inputs.indices) for name in chosen}),
    }
    return {
        "json": encode(data),
        "records": len({(view["dataset"], record_id) for view in data["views"] for record_id in view["ids"]}),
        "pictured": sum(map(len, chosen.values())),
    }


def _tables(
    datasets: list[dict], saliency: list[dict], stages: pd.DataFrame, counts: pd.DataFrame, names: dict[str, str]
) -> dict:
    """The page's tables by the names of their files."""
    tables = {
        "table-1": pd.DataFrame(
            {
                "data set": dataset["title"],
                "classes paper": (dataset["paper"] or {}).get("classes"),
                "records paper": (dataset["paper"] or {}).get("records"),
                "records here": dataset["records"],
                "used": dataset["labels"]["kept"],
                "label policy": dataset["labels"]["policy"],
            }
            for dataset in datasets
        ),
        "classes": counts,
        "times": stages,
    }
    for dataset in datasets:
        for protocol in dataset["protocols"]:
            cells = protocol["cells"]
            tables[f"results-{dataset['name']}-{protocol['name']}"] = cell_table(cells, names, COLUMNS)
            for caption, printed in protocol["paper_tables"]:
                name = caption.partition(":")[0].lower().replace(" ", "-")
                tables[name] = beside_paper(printed, cells, names, COLUMNS)
    if saliency:
        tables["saliency"] = saliency_table(saliency)
    return tables


def _dataset(
    name: str, number: int, inputs: Inputs, runs: list[Run], config: ReportConfig, statistics: Statistics
) -> dict:
    """Everything that the page says of one data set."""

    def own(files: Sequence[Path]) -> list[Path]:
        return inputs.own(name, files)

    labels, shards = Labels.read(inputs.label_tables[number]), (own(inputs.images), own(inputs.indices))
    examples = example_records(labels, inputs.pages[name], *shards, config.examples)
    reach = inputs.configuration.get("train", {}).get("translate", 0)
    protocols = list(dict.fromkeys(whole_protocol(run.protocol) for run in runs if run.dataset == name))
    return {
        "name": name,
        "title": inputs.titles.get(name) or DATASET_TITLES.get(name, name),
        "paper": TABLE_1.get(name),
        "labels": read_json(inputs.labels[number]),
        "records": len(RECORDS.read(inputs.records[number], ["record_id"])),
        "splits": [
            {"protocol": file.parent.name, "seed": file.stem.removeprefix("seed-"), **read_json(file)}
            for file in own(inputs.splits)
        ],
        "examples": examples,
        "translated": translated_images(examples[:1], reach),
        "audit": _audit(number, inputs, inputs.pages[name]) if inputs.audits else None,
        "protocols": [_protocol(name, protocol, runs, statistics) for protocol in protocols],
    }


def _audit(number: int, inputs: Inputs, pages: PageSource) -> dict:
    """The audit of a data set, with thumbnails of copies."""
    records = RECORDS.read(inputs.records[number], ["record_id", "statements"])
    copies = duplicate_groups(inputs.duplicates[number], records, pages) if inputs.duplicates else []
    return audit_view(inputs.audits[number], inputs.leaks[number]) | {"copies": copies}


def _protocol(dataset: str, protocol: str, all_runs: list[Run], statistics: Statistics) -> dict:
    """The results of a data set under one protocol, with their figures."""
    view = protocol_view(dataset, protocol, all_runs, statistics)
    shown = view["shown"]
    return view | {
        "comparison": comparison_figure(view["cells"], view["printed"], view["names"]),
        "history": history_figure(shown),
        "roc": [(run.variant, roc_figure(run)) for run in shown],
        "confusion": [(run.variant, confusion_figure(run)) for run in shown if "confusion" in run.metrics],
    }
