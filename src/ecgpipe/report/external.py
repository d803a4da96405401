"""External validation in the report: models of one dataset on another, compared with models trained there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ecgpipe.artifacts.files import read_json
from ecgpipe.report.collect import score_text
from ecgpipe.report.figures import FAINT, STYLE, class_style, to_svg

SIDES = ("source", "external", "internal")
"""A model on its own dataset, the same model on the other dataset, and a model trained there on the other dataset."""


def external_views(files: Sequence[Path], titles: Mapping[str, str], names: Mapping[str, str]) -> list[dict]:
    """The content of the section.

    Args:
        files: results of every entry of `benchmark.external`.
        titles: dataset -> title.
        names: model -> name.

    Returns:
        For each entry the content of its file, and ``key`` of its figures; ``source_title``, ``target_title``;
        ``notes``: sentences; and for each model ``name``, ``against``: rows of differences by (side, metric),
        ``figure``.
    """
    views = []
    for content in map(read_json, files):
        title, target_title = (titles.get(content[side], content[side]) for side in ("dataset", "target"))
        key = "-".join(content[side] for side in ("dataset", "protocol", "target", "target_protocol"))
        models = [
            model
            | {
                "name": names.get(model["model"], model["model"]),
                "figure": f"external-{key}-{model['model'].replace('+', '-')}",
                "against": {
                    side: {row["metric"]: row for row in model["differences"] if row["against"] == side}
                    for side in ("internal", "source")
                },
            }
            for model in content["models"]
        ]
        views.append(content | {"key": key, "source_title": title, "target_title": target_title, "models": models})
        views[-1]["notes"] = list(_notes(views[-1]))
    return views


def _notes(view: dict) -> list[str]:
    """Notes on an entry: classes, records, the data of each fit, and differences between the images."""
    title, target_title = view["source_title"], view["target_title"]
    meanings = "; ".join(
        f"{one['name']} ({' or '.join(one['source'])} in {title}, {' or '.join(one['target'])} in {target_title})"
        for one in view["classes"]
    )
    exclusive = {"single": "exclusive classes, a softmax", "multilabel": "independent classes, a sigmoid for each"}
    notes = [
        f"Classes that count as the same: {meanings}. Each is scored against all other records; {view['without']} of "
        f"{view['records']} records have none of these classes.",
        f"Outputs of the models: {exclusive[view['source_task']]}. Labels of {target_title}: "
        f"{'exactly one' if view['target_task'] == 'single' else 'any number'} per record.",
        f"Before: calibration and F1 thresholds are fitted on the validation records of {title}. After: on the "
        f"validation records of {target_title}."
        + (
            ""
            if view["role"] == "test"
            else " These are also the scored ones, so the scores after recalibration are optimistic."
        ),
    ]
    stopped = "since these validation records also decided when its training stopped."
    if view["source_role"] != "test":
        notes.append(f"The model's scores on its own dataset, {title}, are optimistic, {stopped}")
    if view["role"] != "test" and any(model["scores"]["internal"]["auc_macro"] for model in view["models"]):
        notes.append(f"The scores of the model trained there, on {target_title}, are optimistic, {stopped}")
    images = view["images"]
    if images["source"] != images["target"]:
        own, other = (_made(images[side]) for side in ("source", "target"))
        notes.append(
            f"Both use the same preprocess settings, but their images have different sources: those of {title} "
            f"are {own}, those of {target_title} are {other}. This is part of the difference."
        )
    return notes


def _made(image: Mapping[str, Any]) -> str:
    rate = f" of {image['sampling_rate']:g} Hz" if image["sampling_rate"] else ""
    return image["made"] + rate + (", with leads derived from I and II" if image["derive_leads"] else "")


def external_sentences(views: Sequence[dict]) -> list[str]:
    """A sentence for the report's summary about each model of each entry."""
    sentences = []
    for view in views:
        for model in view["models"]:
            source, external, internal = (model["scores"][side]["auc_macro"] for side in SIDES)
            if external["value"] is None:
                continue
            classes = ", ".join(one["name"] for one in view["classes"])
            text = f"{model['name']} of {view['source_title']} has a macro AUC of {_text(external)} "
            text += f"on {view['target_title']} ({classes})"
            text += "" if source["value"] is None else f"; on its own dataset it has {_text(source)}"
            text += "" if internal is None or internal["value"] is None else f"; trained there it has {_text(internal)}"
            sentences.append(f"{text}.")
    return sentences


def _text(cell: Mapping) -> str:
    return score_text(cell["value"], cell["low"], cell["high"])


def external_table(views: Sequence[dict]) -> pd.DataFrame:
    """One row per entry, model and class ("all" for the means over classes)."""
    rows = []
    for view in views:
        head = {"trained on": view["source_title"], "protocol": view["protocol"], "scored on": view["target_title"]}
        head |= {"protocol there": view["target_protocol"]}
        for model in view["models"]:
            own = head | {"model": model["name"], "seeds": len(model["seeds"])}
            before, after = (model["calibration"][when] for when in ("before", "after"))
            row = own | {"class": "all", "records": view["records"], "positive": None}
            row |= _scores(model["scores"], "auc_macro", "f1_macro", model["against"], "auc_macro")
            for metric, label in (("brier", "Brier score"), ("ece", "Calibration error")):
                row |= _spread(f"{label} before", before[metric]) | _spread(f"{label} after", after[metric])
            rows.append(row)
            for label, cells in model["per_class"].items():
                row = own | {"class": label, "records": view["records"], "positive": view["support"][label]}
                rows.append(row | _scores(cells, "auc", "f1", model["against"], f"auc:{label}"))
    return pd.DataFrame(rows).astype({"positive": "Int64"})


def _scores(cells: Mapping, auc: str, f1: str, against: Mapping, metric: str) -> dict[str, float | None]:
    labels = {"source": "AUC on own dataset", "external": "AUC", "internal": "AUC of model trained there"}
    row: dict[str, float | None] = {}
    for side in SIDES:
        row |= _spread(labels[side], cells[side][auc])
    for side, label in (("source", "own dataset"), ("internal", "model trained there")):
        row |= _spread(f"AUC minus {label}", against[side].get(metric), "difference")
    return row | _spread("F1 before", cells["external"][f1]) | _spread("F1 after", cells["recalled"][f1])


def _spread(label: str, cell: Mapping | None, value: str = "value") -> dict[str, float | None]:
    cell = cell or {}
    return {label: cell.get(value), f"{label} low": cell.get("low"), f"{label} high": cell.get("high")}


def external_figures(views: Sequence[dict]) -> dict[str, str]:
    """Reliability before and after recalibration, of each model's first seed, as SVG by name."""
    return {model["figure"]: _reliability(model, view) for view in views for model in view["models"]}


def _reliability(model: dict, view: dict) -> str:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.5), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        titles = (f"Before: calibrated on {view['source_title']}", f"After: recalibrated on {view['target_title']}")
        for panel, when, title in zip(panels, ("before", "after"), titles, strict=True):
            panel.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
            for number, (label, curve) in enumerate(model["curves"][when].items()):
                style = class_style(number)
                for row in curve:
                    panel.plot([row["predicted"]] * 2, [row["low"], row["high"]], color=style["color"], linewidth=0.8)
                points = [row["predicted"] for row in curve], [row["observed"] for row in curve]
                # markers at 0 and 1 are not cut
                panel.plot(*points, linewidth=1.4, marker="o", markersize=3.5, label=label, clip_on=False, **style)
            panel.set(xlabel="Mean predicted probability", xlim=(0, 1), ylim=(0, 1), aspect="equal")
            panel.set_title(title, fontsize=8)
        panels[0].set_ylabel("Observed frequency")
        panels[0].legend(fontsize=7, loc="upper left")
    return to_svg(figure)
