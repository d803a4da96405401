"""The page's tables of results, comparisons and protocols."""

from collections.abc import Sequence

import pandas as pd

from ecgpipe.report.collect import Cell, Run, whole_protocol
from ecgpipe.report.figures import (
    comparison_figure,
    confusion_figure,
    history_figure,
    reliability_figure,
    roc_figure,
)
from ecgpipe.report.names import name_of_run, names_of_runs
from ecgpipe.report.publish.finished import Finished
from ecgpipe.report.publish.page import Page
from ecgpipe.report.results import COLUMNS, baseline_tables, nearest_by_protocol
from ecgpipe.report.statistics import protocol_tables
from ecgpipe.report.summary import best_baseline
from ecgpipe.report.tables import cell_table

SHOWN = ("auc_macro", "accuracy", "f1_weighted")
"""What the page shows of COLUMNS; the files have all of them."""
LABELS = {**dict(COLUMNS), "f_max": "F-max"}
PER_CLASS = (
    ("auc", "AUC"),
    ("average_precision", "Average precision"),
    ("recall", "Recall"),
    ("precision", "Precision"),
    ("f1", "F1"),
)


def best_of(view: dict) -> str | None:
    """The model of a protocol with the highest macro AUC."""
    areas = {name: cells["auc_macro"].value for name, cells in view["cells"].items()}
    measured = {name: area for name, area in areas.items() if area is not None}
    return max(measured, key=lambda name: measured[name]) if measured else None


def overview(page: Page, finished: Finished, datasets: Sequence[dict]) -> None:
    """A line per data set and protocol: the highest model, and what a cheap classifier reaches."""
    controls = baseline_tables(finished.controls, finished.runs)
    rows, whole = [], []
    for dataset in datasets:
        for view in dataset["protocols"]:
            best = best_of(view)
            own = (
                table for table in controls if (table["dataset"], table["protocol"]) == (dataset["name"], view["name"])
            )
            control, reached = best_baseline(next(own, {"rows": []})) or (None, None)
            cells = view["cells"].get(best, {metric: Cell(None, None, None, 0) for metric in SHOWN})
            head = [
                dataset["title"],
                view["name"],
                f"{view['records']} {view['role']}",
                best and view["names"].get(best, best),
            ]
            told = "" if reached is None else f"{reached:.3f}"
            rows.append([*head, cells["auc_macro"], cells["accuracy"], control, told])
            ends = [getattr(cells[metric], end) for metric in SHOWN[:2] for end in ("value", "low", "high")]
            whole.append([*head, *ends, control, reached])
    head = [
        "Data set",
        "Protocol",
        "Reported",
        "Highest model",
        "Macro AUC",
        "Accuracy",
        "Best control",
        "Its accuracy",
    ]
    columns = [f"{head[place]}{end}" for place in (4, 5) for end in ("", " low", " high")]
    page.table(head, rows, "overview", pd.DataFrame(whole, columns=[*head[:4], *columns, *head[6:]]), words=4)


def results_section(page: Page, finished: Finished, datasets: Sequence[dict], comparisons: Sequence[dict]) -> None:
    """Every data set and protocol: scores with those of the controls, pairs, classes of the best model, figures."""
    controls = baseline_tables(finished.controls, finished.runs, [metric for metric, _ in COLUMNS])
    page.heading(2, "Results")
    if not finished.controls:
        page.text("No controls were run (baselines.enabled): what the scores are worth beside cheap ones is not known.")
    for dataset in datasets:
        for view in dataset["protocols"]:
            where = dataset["name"], view["name"]
            page.heading(3, f"{dataset['title']}, protocol {view['name']}")
            page.text(*_setting(view))
            tables = [table for table in controls if (table["dataset"], whole_protocol(table["protocol"])) == where]
            _scores(page, finished, dataset["name"], view, tables)
            own = [table for table in comparisons if (table["dataset"], table["protocol"]) == where]
            for table in own:
                _pairs(page, table, view["names"])
            if own:
                name = f"comparisons-{where[0]}-{where[1]}"
                page.link("All paired tests", name, finished.text(f"{where[0]}/comparisons/{where[1]}.csv"))
            else:
                page.text("One model alone: there are no pairs to compare.")
            runs = [run for run in finished.runs if (run.dataset, whole_protocol(run.protocol)) == where]
            _best(page, runs, view)


def _setting(view: dict) -> list[str]:
    """What is reported, and what to mind."""
    seeds = f"{'seed' if len(view['seeds']) == 1 else 'seeds'} {', '.join(map(str, view['seeds']))}"
    told = [
        f"{view['meaning'][0].upper()}{view['meaning'][1:]}.",
        f"Reported: {view['records']} {view['role']} records in {view['groups']} groups (patients, where known), "
        f"{seeds}.",
    ]
    if view["role"] == "validation":
        told.append("The records reported here also decided when training stopped: these figures are optimistic.")
    return told


def _scores(page: Page, finished: Finished, dataset: str, view: dict, controls: Sequence[dict]) -> None:
    """A row per model and, of a protocol in one part, per control."""
    head = ["Model", "Parameters", "Seeds", *(LABELS[metric] for metric in SHOWN)]
    printed = {model: row[0] for model, row in view["printed"].items()}
    sizes = {run.variant: run.summary.get("parameters") for run in reversed(finished.runs) if run.dataset == dataset}
    rows = [
        [
            view["names"].get(model, model),
            _count(sizes.get(model)),
            cells["accuracy"].seeds,
            *(cells[metric] for metric in SHOWN),
        ]
        + ([printed.get(model)] if printed else [])
        for model, cells in view["cells"].items()
    ]
    scored = dict(view["cells"])
    for table in controls:
        part = f" ({table['protocol']})" if view["parts"] else ""
        for row in table["rows"]:
            name = f"Control: {row['name'][0].lower()}{row['name'][1:]}{part}"
            scored[name] = {metric: row[metric] for metric, _ in COLUMNS}
            if not part:
                cells = [row[metric] for metric in SHOWN]
                rows.append([name, "", row["accuracy"].seeds, *cells] + ([""] if printed else []))
    data = cell_table(scored, view["names"], COLUMNS)
    data.insert(1, "parameters", pd.array([sizes.get(model) for model in scored], dtype="Int64"))
    shown = ", ".join(LABELS[metric].lower() for metric, _ in COLUMNS if metric not in SHOWN)
    page.text(
        f"Mean over seeds with its {view['coverage']} interval, which counts patients and seeds"
        + (f"; the {view['parts']} parts of the cross-validation pooled" if view["parts"] else "")
        + f". The file also has {shown}"
        + (", and the controls of each part." if view["parts"] and controls else ".")
    )
    page.table([*head, "Accuracy in the paper"] if printed else head, rows, f"results-{dataset}-{view['name']}", data)
    notes = _notes(view["cells"], view["names"])
    if notes:
        page.bullets(notes)
    if view["altered"]:
        page.text(f"Not built as the variant's name says: {' '.join(view['altered'])}")
    if view["missing"]:
        page.text(f"Not there, though other runs of this protocol are: {'; '.join(view['missing'])}.")
    for sentence in [] if view["parts"] else [finding for table in controls for finding in table["findings"]]:
        page.text(sentence)
    page.figure(
        f"comparison-{dataset}-{view['name']}",
        comparison_figure(view["cells"], view["printed"], view["names"]),
        "Accuracy and F1 of the models with their intervals"
        + ("; open diamonds: the paper's figures" if printed else ""),
    )


def _notes(cells: dict[str, dict[str, Cell]], names: dict[str, str]) -> list[str]:
    """What to mind of the cells that are shown, each thing once."""
    notes: dict[str, list[str]] = {}
    for model, own in cells.items():
        for metric in SHOWN:
            if own[metric].note:
                notes.setdefault(str(own[metric].note), []).append(f"{LABELS[metric]} of {names.get(model, model)}")
    return [f"{'; '.join(places)}: {note}." for note, places in notes.items()]


def _pairs(page: Page, table: dict, names: dict[str, str]) -> None:
    """The reference against the others; of other pairs how many differ."""
    count = f"{table['significant']} of {table['tests']} differences are significant at {table['level']:.2g}"
    if table["first"] is None:
        which = "the models" if table["alone"] else "the other models"
        page.text(f"Between {which} {count} after Holm's correction. {table['limit']}".rstrip())
        return
    first = names.get(table["first"], table["first"])
    page.heading(4, f"{first} against the others")
    page.text(
        f"Differences on the same records, {first} minus the other, with paired "
        f"{table['confidence']:.0%} intervals that count patients and seeds; p is Holm-corrected over the table. "
        f"{count}. {table['limit']}".rstrip()
    )
    columns = [part for metric in table["metrics"] for part in (LABELS[metric], "p")]
    rows = [
        [
            names.get(row["second"], row["second"]),
            *(text for cell in row["cells"] for text in (_lead(cell), _chance(cell))),
        ]
        for row in table["rows"]
    ]
    page.plain_table(["Against", *columns], rows)


def _lead(cell: dict | None) -> str:
    if cell is None or cell["difference"] is None:
        return ""
    reach = f" ({cell['low']:+.3f} to {cell['high']:+.3f})" if cell["low"] is not None else ""
    return f"{cell['difference']:+.3f}{reach}"


def _chance(cell: dict | None) -> str:
    p = cell["p_holm"] if cell else None
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _best(page: Page, runs: Sequence[Run], view: dict) -> None:
    """Classes and curves of the model with the highest macro AUC: of its first seed and part."""
    best = best_of(view)
    own = [run for run in runs if run.variant == best]
    name = f"{runs[0].dataset}-{view['name']}"
    if own:
        run = own[0]
        page.heading(4, f"By class: {name_of_run(run)}, the highest macro AUC")
        part = f", {run.protocol}" if view["parts"] else ""
        scores = [
            f"{label} {_cell(run.score.get(key))}"
            for key, label in (("ece", "Calibration error"), ("brier", "Brier score"))
        ]
        page.text(f"Seed {run.seed}{part}. {', '.join(scores)}. The file has every model and seed.")
        rows = [
            [label, run.metrics["support"].get(label), *(_cell(cells.get(metric)) for metric, _ in PER_CLASS)]
            for label, cells in run.metrics["per_class"].items()
        ]
        page.table(["Class", "Records", *(label for _, label in PER_CLASS)], rows, f"classes-{name}", per_class(runs))
        about = f"of {name_of_run(run)}, seed {run.seed}"
        page.figure(f"roc-{name}", roc_figure(run), f"ROC curves {about}")
        if "confusion" in run.metrics:
            page.figure(f"confusion-{name}", confusion_figure(run), f"Confusion matrix {about}")
        page.figure(
            f"reliability-{name}", reliability_figure([run]), f"Reliability curves {about}: promised and found shares"
        )
    page.figure(f"history-{name}", history_figure(view["shown"]), "Losses and validation accuracies by epoch")


def _cell(entry: dict | None) -> Cell:
    return Cell(entry["value"], entry["low"], entry["high"], 1) if entry else Cell(None, None, None, 0)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def per_class(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and class: its records, value, low and high of each score."""
    return pd.DataFrame(
        {"protocol": run.protocol, "model": run.variant, "seed": run.seed, "class": label}
        | {"records": run.metrics["support"].get(label)}
        | {
            f"{metric}{end}": entry.get(part)
            for metric, entry in cells.items()
            for end, part in (("", "value"), (" low", "low"), (" high", "high"))
        }
        for run in runs
        for label, cells in run.metrics["per_class"].items()
    )


def protocols_section(page: Page, finished: Finished) -> None:
    """What one protocol's scores are above another's."""
    tables = protocol_tables(finished.statistics)
    page.heading(2, "Protocol against protocol")
    if not tables:
        page.text("No model was run under two protocols of a data set.")
    told = nearest_by_protocol(baseline_tables(finished.controls, finished.runs))
    names = names_of_runs(finished.runs)
    if told:
        page.bullets(told)
    for table in tables:
        page.heading(3, finished.titles.get(table["dataset"], table["dataset"]))
        page.text(
            "Score under the first protocol less that under the second: what copies and relatives in training, and the "
            "size of the parts, add. Unpaired intervals."
        )
        page.table(
            ["Model", "Protocols", *(LABELS[metric] for metric in table["metrics"])],
            [
                [
                    names.get(row["model"], row["model"]),
                    f"{row['first']} less {row['second']}",
                    *map(_lead, row["cells"]),
                ]
                for row in table["rows"]
            ],
            f"protocols-{table['dataset']}",
            finished.text(f"{table['dataset']}/comparisons/protocols.csv"),
            words=2,
        )
