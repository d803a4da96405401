"""Learning curves of all models by images seen and by CPU time."""

from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ecgpipe.report.collect import Run
from ecgpipe.report.figures import COLOURS, STYLE, to_svg

NEEDED = {"images", "processor_seconds", "validation_auc_macro"}


def learning_curves(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean validation score of each model after each epoch, over the seeds that reached it.

    Args:
        runs: runs of one dataset and protocol.

    Returns:
        One row per model and epoch: ``model``, ``epoch``, ``seeds``, ``images`` and ``processor_seconds`` since the
        start, without validation and without earlier runs that gave the initial weights, ``auc_macro``. Empty if
        a history lacks a column. A model is left out if another run continues it.
    """
    if any(run.history is None or not set(run.history) >= NEEDED for run in runs):
        return pd.DataFrame()
    continued = {
        f"{run.variant.partition('+')[0]}+{(run.summary.get('train') or {}).get('continue_from')}" for run in runs
    }
    rows = [
        pd.DataFrame(
            {
                "model": run.variant,
                "epoch": run.history["epoch"],
                "images": run.history["images"].cumsum(),
                "processor_seconds": run.history["processor_seconds"].cumsum(),
                "auc_macro": run.history["validation_auc_macro"],
            }
        )
        for run in runs
        if run.variant not in continued
    ]
    grouped = pd.concat(rows).groupby(["model", "epoch"], sort=False)
    return grouped.mean().assign(seeds=grouped.size()).reset_index()


def learning_figure(curves: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Two panels: by images, and by CPU time.

    Args:
        curves: from ``learning_curves``, not empty.
        names: model -> display name.
    """
    with matplotlib.rc_context(STYLE):
        models = list(dict.fromkeys(curves["model"]))
        figure = Figure(figsize=(8.4, 3.2 + 0.18 * -(-len(models) // 3)), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for number, model in enumerate(models):
            own = curves[curves["model"] == model]
            style = {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.4, "markersize": 3}
            style["marker"] = (".", "o", "s", "^")[number // len(COLOURS) % 4]
            panels[0].plot(own["images"], own["auc_macro"], label=names.get(model, model), **style)
            panels[1].plot(own["processor_seconds"] / 60, own["auc_macro"], **style)
        panels[0].set(xlabel="Images seen", ylabel="Validation macro AUC")
        panels[1].set(xlabel="CPU time, minutes")
        figure.legend(loc="outside lower center", ncols=3, fontsize=7)
    return to_svg(figure)
