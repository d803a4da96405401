"""Figures as SVG text, in colours for colour-blind readers (Okabe and Ito 2008), and training curves as a file."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgpipe.artifacts.files import atomic_path, verify
from ecgpipe.errors import DataError
from ecgpipe.report.collect import Run
from ecgpipe.report.names import model_name, name_of_run

INK, FAINT = "#010203", "#848586"
"""Placeholders for the page's colours: text and axes, and background elements."""
ON_WHITE = "#222222"
"""The ink of figures outside a page."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#A5694F", "#999999")
STYLE = {
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": FAINT,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "ecgpipe",  # for reproducible files
    "legend.frameon": False,
    "text.parse_math": False,  # class names may contain dollars
}


def to_svg(figure: Figure) -> str:
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    return _inline(text.getvalue().partition("<!DOCTYPE")[2].partition(">")[2].strip())


def _inline(svg: str) -> str:
    """Prepare a figure for an HTML page: text in the page's colour, and ids that are unique in the page."""
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: f' id="{own}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{own}-", svg)
    return svg.replace(INK, "currentColor")


def standalone(svg: str) -> str:
    """An inline figure as a separate file, dark on white."""
    head, _, rest = svg.partition(">")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'{head} color="{ON_WHITE}">\n <rect width="100%" height="100%" fill="#ffffff"/>{rest}\n'
    )


def class_style(number: int) -> dict[str, str]:
    """Colour and line style of a class; the line styles distinguish classes of the same colour."""
    styles = ("-", "--", "-.", ":")
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": styles[number // len(COLOURS) % len(styles)]}


def roc_figure(run: Run) -> str:
    """ROC curves of a run, one line per class (figure 12)."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.8))
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
        for number, (label, curve) in enumerate(run.metrics["roc"].items()):
            area = run.metrics["per_class"][label]["auc"]
            interval = f" ({area['low']:.2f}-{area['high']:.2f})" if area["low"] is not None else ""
            name = f"{label}: {area['value']:.2f}{interval}"
            axes.plot(curve["fpr"], curve["tpr"], linewidth=1.4, label=name, **class_style(number))
        axes.set(xlabel="False positive rate", ylabel="True positive rate", title=name_of_run(run))
        axes.set_aspect("equal")
        axes.legend(
            loc="lower right",
            title=f"AUC ({100 * run.metrics['confidence']:.4g}% interval)",
            fontsize=7,
            title_fontsize=7,
        )
    return to_svg(figure)


def reliability_figure(runs: Sequence[Run]) -> str:
    """Reliability curves, one panel per run: a line per class, and the predicted class with its intervals."""
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.8 * columns, 2.7 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, run in zip(panels, runs, strict=False):
            panel.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
            for number, (label, curve) in enumerate(run.metrics["calibration"].items()):
                points = [row["predicted"] for row in curve], [row["observed"] for row in curve]
                panel.plot(*points, linewidth=0.9, marker=".", markersize=3, label=label, **class_style(number))
            top = run.metrics.get("calibration_top", ())
            for row in top:
                panel.plot([row["predicted"]] * 2, [row["low"], row["high"]], color=INK, linewidth=0.8)
            if top:
                points = [row["predicted"] for row in top], [row["observed"] for row in top]
                panel.plot(*points, color=INK, linewidth=1.6, marker="o", markersize=4, label="predicted class")
            panel.set(
                xlabel="Mean predicted probability",
                ylabel="Observed frequency",
                xlim=(0, 1),
                ylim=(0, 1),
                aspect="equal",
            )
            panel.set_title(name_of_run(run), fontsize=8)
        for panel in panels[len(runs) :]:
            panel.set_axis_off()
        panels[0].legend(fontsize=6)
    return to_svg(figure)


def history_figure(runs: Sequence[Run]) -> str:
    """Training (dashed) and validation (solid) loss of several runs."""
    with matplotlib.rc_context(STYLE):
        lines = -(-len(runs) // 3)
        figure = Figure(figsize=(8.4, 3.0 + 0.18 * lines), layout="constrained")
        losses, accuracies = figure.subplots(1, 2)
        for number, run in enumerate(runs):
            # markers distinguish reused colours, and make a single epoch visible
            marker = "." if len(run.history) == 1 else ("", "o", "s", "^")[number // len(COLOURS) % 4]
            style = {"color": COLOURS[number % len(COLOURS)], "marker": marker, "markersize": 4}
            label = name_of_run(run) + (f", seed {run.seed}" if run.seed else "")
            losses.plot(run.history["epoch"], run.history["train_loss"], linestyle="--", linewidth=1, **style)
            losses.plot(run.history["epoch"], run.history["validation_loss"], linewidth=1.4, label=label, **style)
            accuracies.plot(run.history["epoch"], run.history["validation_accuracy"], linewidth=1.4, **style)
        losses.set(xlabel="Epoch", ylabel="Loss (dashed: training)")
        accuracies.set(xlabel="Epoch", ylabel="Validation accuracy", ylim=(0, 1))
        for axes in (losses, accuracies):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower center", ncols=3, fontsize=7)
    return to_svg(figure)


def comparison_figure(models: Sequence[dict], paper: Mapping[str, tuple[float, ...]]) -> str:
    """Accuracy and F1 with their intervals, the paper's as open diamonds (figures 10, 11, 13).

    Args:
        models: from ``protocol_view``.
        paper: variant -> printed accuracy, specificity, recall, precision, F1.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.7 + 0.32 * len(models)))
        panels = (("accuracy", "Accuracy", 0), ("f1_weighted", "F1 (weighted)", 4))
        for axes, (metric, title, column) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
            for row, model in enumerate(models):
                cell = model["cells"][metric]
                if cell.value is not None:
                    axes.plot(cell.value, row, "o", color=COLOURS[0])
                    if cell.low is not None:
                        axes.plot([cell.low, cell.high], [row, row], color=COLOURS[0], linewidth=1.6)
                if model["variant"] in paper:
                    axes.plot(paper[model["variant"]][column], row, "D", color=COLOURS[1], fillstyle="none")
            axes.set(xlabel=title, yticks=range(len(models)), yticklabels=[model["name"] for model in models])
            axes.set_ylim(len(models) - 0.5, -0.5)  # the first model on top
            axes.xaxis.set_major_locator(MaxNLocator(6))
        figure.tight_layout()
    return to_svg(figure)


def confusion_figure(run: Run) -> str:
    """Confusion matrix of a single-label run: counts, shaded by the share of each true class."""
    counts = np.array(run.metrics["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = run.metrics["classes"]
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(0.9 + 0.75 * len(labels), 0.7 + 0.6 * len(labels)))
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            shade = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, count, ha="center", va="center", color=shade, fontsize=8)
        positions = range(len(labels))
        short = [label if len(label) < 9 else label[:8] + "." for label in labels]
        axes.set(xlabel="Predicted", ylabel="True", xticks=positions, yticks=positions)
        axes.set_xticklabels(short, rotation=30, ha="right", fontsize=7)
        axes.set_yticklabels(short, fontsize=7)
        axes.set_title(name_of_run(run), fontsize=9)
    return to_svg(figure)


def class_figure(counts: pd.DataFrame) -> str:
    """Records per class of each dataset (columns: dataset, class, records)."""
    groups = list(counts.groupby("dataset", sort=False))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.9))
        for axes, (dataset, rows) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
            axes.barh(rows["class"], rows["records"], color=COLOURS[0])
            axes.set(title=dataset, xlabel="records")
            axes.invert_yaxis()
        figure.tight_layout()
    return to_svg(figure)


LEAK_KINDS = (("identical", "identical"), ("near", "identical or near-identical"), ("patient", "same patient"))


def leak_figure(rows: Sequence[dict]) -> str:
    """Share of each protocol's validation and test records with a duplicate, or the patient, in training."""
    names = [f"{row['protocol']}, {row['role']}" for row in rows]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.9 + 0.42 * len(rows)))
        axes = figure.subplots()
        for number, (kind, label) in enumerate(LEAK_KINDS):
            if all(row[kind] is None for row in rows):  # unknown, which is not 0
                continue
            shares = [100 * (row[kind] or 0) for row in rows]
            axes.barh(np.arange(len(rows)) + 0.26 * (number - 1), shares, 0.24, color=COLOURS[number], label=label)
        axes.set(xlabel="% with a duplicate or the patient in training", xlim=(0, 100), yticks=range(len(rows)))
        axes.set_yticklabels(names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.legend(fontsize=7, loc="lower right")
        figure.tight_layout()
    return to_svg(figure)


PANELS = (
    ("train_loss", "Loss, training"),
    ("validation_loss", "Loss, validation"),
    ("validation_accuracy", "Accuracy, validation"),
    ("validation_auc_macro", "Macro AUC, validation"),
    ("learning_rate", "Learning rate"),
    ("images_per_second", "Images per second"),
)


def draw_curves(histories: Mapping[str, Path], picture: Path) -> None:
    """Draw losses and scores by epoch, one line per training.

    Args:
        histories: name -> history.csv.
        picture: PNG, SVG or PDF.

    Raises:
        DataError: a history cannot be read.
    """
    tables = {}
    for name, file in histories.items():
        try:
            verify(file)
            tables[name] = pd.read_csv(file)
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read ({error}); train the run first") from error
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 5.2), dpi=110)
        panels = figure.subplots(2, 3, sharex=True).flat
        for axes, (column, title) in zip(panels, PANELS, strict=True):
            for number, (name, table) in enumerate(tables.items()):
                if column in table:
                    style = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.3, "label": model_name(name)}
                    axes.plot(table["epoch"], table[column], marker="." if len(table) < 15 else None, **style)
            axes.set_title(title, fontsize=9)
        for axes in figure.axes[3:]:
            axes.set_xlabel("Epoch")
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5), fontsize=8)
        figure.tight_layout(rect=(0, 0.04 + 0.03 * ((len(names) - 1) // 5), 1, 1))
        with atomic_path(picture) as partial:
            figure.savefig(partial)
