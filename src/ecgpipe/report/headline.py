"""The report's first screen: a verdict for each dataset and protocol, four figures, a forest plot, more sentences."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ecgpipe.config.data import whole_protocol
from ecgpipe.report.collect import Cell
from ecgpipe.report.names import baseline_names
from ecgpipe.report.results import baseline_kind, pooled_cells
from ecgpipe.report.statistics import Statistics

FEW = 20
"""Scored records of a class below which its scores are called unreliable."""
TOO_FEW = 5
"""Scored records of a typical (median) class below which there is no verdict."""
NAMED = 6
"""Classes that a sentence names at most."""
REFERENCES = ("signal", "digitized")
"""Baselines that are networks on recordings: models are compared with them, but need not beat them."""
CONTROLS = ("shuffled",)
"""Baselines that show a fault of the data, not a score to beat."""
CHANCE = 0.5


def headlines(datasets: Sequence[dict], statistics: Statistics) -> list[dict]:
    """The first screen's content, one entry per dataset and protocol.

    Args:
        datasets: the report's datasets with their protocols.
        statistics: comparisons of models, and of models with baselines.

    Returns:
        ``dataset``, ``title``, ``protocol``, ``key`` (DATASET-PROTOCOL); ``role``, ``records``, ``groups`` scored;
        ``coverage`` of the intervals; ``judged``: whether the verdict is about a model; ``verdict`` (sentences) with
        ``tone``: good, fair or bad; ``caution``: a sentence about small classes, or None; ``models``: their number;
        ``model``: the one with the highest macro AUC, and ``baseline``: the same for the baselines (``name`` and cells
        ``auc_macro`` and ``accuracy``, or None); ``leaks`` (see ``_leaks``); ``smallest``: name and records of the
        smallest class; ``forest``: see ``_forest``.
    """
    return [_headline(dataset, view, statistics) for dataset in datasets for view in dataset["protocols"]]


def _headline(dataset: dict, view: dict, statistics: Statistics) -> dict:
    compared = statistics.of(dataset["name"], view["name"]) or {}
    cells = pooled_cells({"models": compared.get("baselines", [])})
    baselines = {
        kind: own
        for name, own in cells.items()
        if (kind := baseline_kind(name)) not in CONTROLS and own["auc_macro"].value is not None
    }
    models = [model for model in view["models"] if model["cells"]["auc_macro"].value is not None]
    best = next((model for model in models if model["variant"] == view["best"]), None)
    page_baselines = {kind: own for kind, own in baselines.items() if kind not in REFERENCES}
    best_baseline = max(page_baselines, key=lambda kind: page_baselines[kind]["auc_macro"].value, default=None)
    judged = np.median(list(view["support"].values())) >= TOO_FEW
    rows = _differences(compared, best["variant"]) if best else {}
    leaks = _leaks(dataset, view)
    if best is None:
        verdict, tone = "Macro AUC could not be computed for any model.", "bad"
    elif not judged:
        verdict, tone = f"Too few {view['role']} records to judge the models: {view['records']} in all.", "bad"
    else:
        verdict, tone = _verdict(best, len(models), rows, page_baselines)
    if leaks["share"] and judged:
        verdict += f" {_leak_words(leaks, view['role'])}, so the scores here can be too high."
        tone = "bad"
    smallest = min(view["support"].items(), key=lambda item: item[1])
    return {
        **{"dataset": dataset["name"], "title": dataset["title"], "protocol": view["name"], "key": view["key"]},
        **{"role": view["role"], "records": view["records"], "groups": view["groups"], "coverage": view["coverage"]},
        "judged": bool(judged and best),
        "verdict": verdict[0].upper() + verdict[1:],
        "tone": tone,
        "caution": _caution(view),
        "model": best and {"name": best["name"]} | {key: best["cells"][key] for key in ("auc_macro", "accuracy")},
        "models": len(models),
        "baseline": best_baseline
        and {"name": baseline_names(best_baseline).short}
        | {key: page_baselines[best_baseline][key] for key in ("auc_macro", "accuracy")},
        "leaks": leaks,
        "smallest": {"name": smallest[0], "records": int(smallest[1])},
        "forest": _forest(models, baselines),
    }


def _differences(compared: dict, model: str) -> dict[tuple[str, str], dict]:
    """Kind of baseline and metric -> the row of a model against it; ``above``: significantly above it, by the interval
    or, without one, by the p value (resamples of a perfect against a constant score have no spread)."""
    return {
        (baseline_kind(row["second"]), row["metric"]): row
        | {
            "above": row["low"] > 0
            if row["low"] is not None
            else row["difference"] > 0 and row["p"] is not None and row["p"] < 1 - compared["confidence"]
        }
        for row in compared.get("against_baselines", [])
        if row["first"] == model and row["difference"] is not None
    }


def _verdict(best: dict, models: int, rows: Mapping[tuple[str, str], dict], page_baselines: Mapping) -> tuple[str, str]:
    """A verdict on the best model from the paired differences in macro AUC, and its tone."""
    name, auc = best["name"], _interval(best["cells"]["auc_macro"])
    rank = f"{name} has a macro AUC of {auc}" if models == 1 else f"{name} has the highest macro AUC, {auc}"
    compared = {kind: row for (kind, metric), row in rows.items() if metric == "auc_macro" and kind in page_baselines}
    if not compared:
        return f"{rank}. No baseline was compared with it, so nothing shows whether that is good.", "fair"
    hardest = max(compared, key=lambda kind: compared[kind]["second_value"])
    row = compared[hardest]
    if row["difference"] <= 0:
        these = "this model" if models == 1 else "these models"
        return (
            f"No model beats {_text(hardest)}, whose macro AUC is {row['second_value']:.3f}; the best model, {name}, "
            f"has {auc}. Treat {these} as not working."
        ), "bad"
    unproven = [kind for kind, one in compared.items() if not one["above"]]
    if unproven:
        kind = max(unproven, key=lambda one: compared[one]["second_value"])
        return (
            f"{rank}, but that is not significantly above {_text(kind)} ({compared[kind]['second_value']:.3f}). "
            "Treat it as unproven."
        ), "bad"
    text = f"{rank}, significantly above {'every baseline' if len(compared) > 1 else _text(hardest)}"
    return text + _beside_references(rows) + _accuracy(rows, page_baselines), "good"


def _beside_references(rows: Mapping[tuple[str, str], dict]) -> str:
    """The end of the sentence: the model compared with the networks on recordings."""
    found: dict[str, list[str]] = {}
    for kind in REFERENCES:
        row = rows.get((kind, "auc_macro"))
        if row is None or row["low"] is None:
            continue
        relation = ", and not significantly different from"
        if row["low"] > 0:
            relation = " and above"
        elif row["high"] < 0:
            relation = ", and significantly below"
        found.setdefault(relation, []).append(f"{_text(kind)} ({row['second_value']:.3f})")
    return "".join(f"{relation} {' and '.join(values)}" for relation, values in sorted(found.items())) + "."


def _accuracy(rows: Mapping[tuple[str, str], dict], page_baselines: Mapping) -> str:
    """A warning if the model ranks records better than a baseline, but is not more often right."""
    own = {kind: row for (kind, metric), row in rows.items() if metric == "accuracy" and kind in page_baselines}
    kind = max(own, key=lambda one: own[one]["second_value"], default=None)
    if kind is None or own[kind]["difference"] > 0:
        return ""
    row = own[kind]
    return f" Its accuracy, {row['first_value']:.3f}, is not above that of {_text(kind)} ({row['second_value']:.3f})."


def _text(kind: str) -> str:
    return baseline_names(kind).in_text


def _interval(cell: Cell) -> str:
    return f"{cell.value:.3f}" + ("" if cell.low is None else f" ({cell.low:.3f}–{cell.high:.3f})")


def _caution(view: dict) -> str | None:
    """Names the classes with too few scored records for reliable scores."""
    few = sorted((count, name) for name, count in view["support"].items() if count < FEW)
    if not few:
        return None
    named = ", ".join(f"{name} {int(count)}" for count, name in few[:NAMED])
    if len(few) > NAMED:
        named += f", and {len(few) - NAMED} more"
    who = "Every class has" if len(few) == len(view["support"]) else "Some classes have"
    return (
        f"{who} fewer than {FEW} {view['role']} records ({named}). Their scores, and the averages over classes, can "
        "change a lot with other records."
    )


def _leaks(dataset: dict, view: dict) -> dict:
    """``share`` of the scored records (0 to 1) with a duplicate or with their patient in training (the larger of the
    two), None if unknown; ``kind``: near or patient, whichever is more frequent; ``patients``: whether patients are
    known."""
    rows = [
        row
        for row in (dataset["audit"] or {}).get("leaks", [])
        if (whole_protocol(row["protocol"]), row["role"]) == (view["name"], view["role"])
    ]
    if not rows:
        return {"share": None, "kind": None, "patients": None}
    records = sum(row["records"] for row in rows)
    shares = {
        kind: sum(row[kind] * row["records"] for row in rows) / records
        for kind in ("near", "patient")
        if all(row[kind] is not None for row in rows)
    }
    kind = max(shares, key=lambda one: shares[one])
    return {"share": shares[kind], "kind": kind, "patients": "patient" in shares}


def _leak_words(leaks: dict, role: str) -> str:
    what = "a duplicate" if leaks["kind"] == "near" else "their patient"
    return f"{100 * leaks['share']:.1f}% of the {role} records have {what} in training"


def _forest(models: Sequence[dict], baselines: Mapping[str, Mapping]) -> dict:
    """Macro AUC of models and baselines, each group from high to low.

    Returns:
        ``from`` and ``to`` (ends of the axis); ``ticks``, in percent of its length and as text; ``chance`` and
        ``beat`` (the best baseline), in percent or None; ``rows``: ``name``, ``kind`` (model, reference, baseline),
        ``cell``, and ``at``, ``low``, ``high`` in percent.
    """
    rows = [(model["name"], "model", model["cells"]["auc_macro"]) for model in models]
    rows += [
        (baseline_names(kind).short, "reference" if kind in REFERENCES else "baseline", own["auc_macro"])
        for kind, own in baselines.items()
    ]
    order = ("model", "reference", "baseline")
    rows.sort(key=lambda row: (order.index(row[1]), -row[2].value))
    least = min([CHANCE, *(cell.value if cell.low is None else cell.low for _, _, cell in rows)])
    start = math.floor(10 * least - 1e-9) / 10 if least < CHANCE else 0.4

    def percent(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - start) / (1 - start), 2)

    highest = max((cell.value for _, kind, cell in rows if kind == "baseline"), default=None)
    count = round(10 * (1 - start))
    step = 1 if count <= 6 else 2
    return {
        "ticks": [(percent(1 - tenth / 10), f"{1 - tenth / 10:.1f}") for tenth in range(0, count + 1, step)],
        "chance": percent(CHANCE),
        "beat": percent(highest),
        "rows": [
            {"name": name, "kind": kind, "cell": cell}
            | {"at": percent(cell.value), "low": percent(cell.low), "high": percent(cell.high)}
            for name, kind, cell in rows
        ],
    }


def summary(
    titles: Mapping[str, str],
    saliency: Sequence[dict],
    problems: int,
    claims: dict | None = None,
    comparisons: Sequence[tuple[str, str, str]] = (),
    views: Sequence[dict] = (),
) -> list[str]:
    """Sentences about tests between models, claims, saliency and records left out.

    Args:
        titles: titles of the datasets.
        saliency: from ``saliency_groups``.
        problems: number of records or files left out.
        claims: from ``claim_view``.
        comparisons: from ``comparison_sentences``.
        views: from ``headlines``. The sentences do not repeat the name of a single view; there are none about views
            with too few records to judge.
    """
    found = list(comparisons)
    for group in saliency:
        found += [
            (group["dataset"], group["protocol"], f"the saliency of {model['name']} {model['brief']}.")
            for model in group["models"]
            if model["brief"]
        ]
    unjudged = {(view["dataset"], view["protocol"]) for view in views if not view["judged"]}
    sentences = [
        text[0].upper() + text[1:] if len(views) == 1 else f"{titles[dataset]}, protocol {protocol}: {text}"
        for dataset, protocol, text in found
        if (dataset, whole_protocol(protocol)) not in unjudged
    ]
    if claims:
        counts = Counter(claim["verdict"] for claim in claims["claims"])
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        sentences.append(f"The paper's {sum(counts.values())} claims: {verdicts}.")
    sentences.append(
        f"{problems} {'records or files were' if problems > 1 else 'record or file was'} left out; see Problems."
        if problems
        else "No record was left out."
    )
    return sentences
