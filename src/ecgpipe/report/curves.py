"""Losses and scores by epoch, as a picture."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ecgpipe.artifacts.atomic import atomic_path
from ecgpipe.artifacts.runs import check_history
from ecgpipe.errors import DataError
from ecgpipe.report.figures import COLOURS, STYLE
from ecgpipe.report.names import model_name

PANELS = (
    ("train_loss", "Loss, training"),
    ("validation_loss", "Loss, validation"),
    ("validation_accuracy", "Accuracy, validation"),
    ("validation_auc_macro", "Macro AUC, validation"),
    ("learning_rate", "Learning rate"),
    ("images_per_second", "Images a second"),
)


def draw_curves(histories: Mapping[str, Path], picture: Path) -> None:
    """Draw a line per training.

    Args:
        histories: name -> history.csv.
        picture: PNG, SVG or PDF.

    Raises:
        DataError: a history cannot be read.
    """
    tables = {}
    for name, file in histories.items():
        try:
            check_history(file.parent)
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
