"""The report's section on saliency: pictures side by side, and what the measures say of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.files import read_json
from ecgpipe.report.pictures import embed_file

MEASURES = {
    "trace": "share on the traces",
    "finding_leads": "share on the leads that carry the finding",
    "finding": "share on the samples that carry the finding",
    "finding_of_trace": "of the share on the traces, that on the finding's samples",
    "pointing": "highest place on the finding (pointing game)",
    "iou": "overlap with the finding (IoU)",
    "insertion": "insertion, area under the curve",
    "deletion": "deletion, area under the curve (less is better)",
}
TRUTH = ("finding_leads", "finding", "finding_of_trace", "pointing", "iou")
CURVES = ("insertion", "deletion")
VERDICTS = {1: "better than", 0: "not shown to differ from", -1: "worse than"}
FIGURES = {"swin": "figure 14", "swin_lgf_fpn": "figure 15"}


def saliency_groups(summaries: Sequence[Path], overlays: Sequence[Path], names: Mapping[str, str]) -> list[dict]:
    """One group per data set and protocol.

    Args:
        summaries: saliency.json of the explained runs.
        overlays: saliency.png of the same.
        names: variant -> what to call it.

    Returns:
        ``dataset``, ``protocol``, ``sheets`` (``variant``, ``figure``, ``image``) and ``models`` (see ``_model``).
    """
    pictures = {file.parent: file for file in overlays}
    groups: dict[tuple[str, str], dict] = {}
    for file in summaries:
        summary = read_json(file)
        key = summary["dataset"], summary["protocol"]
        group = groups.setdefault(key, {"dataset": key[0], "protocol": key[1], "sheets": [], "models": []})
        variant = summary["variant"]
        if file.parent in pictures:
            sheet = {"variant": variant, "figure": FIGURES.get(variant, ""), "image": embed_file(pictures[file.parent])}
            group["sheets"].append(sheet)
        group["models"].append(_model(summary, names))
    return list(groups.values())


def _model(summary: dict, names: Mapping[str, str]) -> dict:
    """A run's tables.

    ``methods``: for each method ``rows`` of ``name``, ``measure``, ``chance``, and for ``raw`` and ``common``
    ``trained``, ``randomised``, ``beats``, each {value, low, high} or None; ``leads``, ``classes``, ``cascade``,
    ``seeds``; ``notes``, what could not be measured and why; ``verdicts``, sentences.
    """
    rows = {(r["method"], r["maps"], r["resolution"], r["measure"], r["class"]): r for r in summary["rows"]}
    beats = {(r["method"], r["resolution"], r["measure"]): r for r in summary["differences"]}
    drawn = summary["methods"][0]
    methods = []
    for method in summary["methods"]:
        table = []
        for measure, name in MEASURES.items():
            own = {
                resolution: {
                    "trained": rows.get((method, "trained", resolution, measure, "all")),
                    "randomised": rows.get((method, "randomised", resolution, measure, "all")),
                    "beats": beats.get((method, resolution, measure)),
                }
                for resolution in ("raw", "common")
            }
            if own["raw"]["trained"]:
                table.append({"name": name, "measure": measure, "chance": own["raw"]["trained"]["chance"], **own})
        methods.append({"name": method, "rows": table})
    leads = [
        {"lead": key[3].removeprefix("lead:"), "row": row}
        for key, row in rows.items()
        if key[:3] == (drawn, "trained", "common") and key[3].startswith("lead:") and key[4] == "all"
    ]
    target = "finding_of_trace" if summary["with_truth"] else "trace"
    classes = [
        {"name": name, "row": rows.get((drawn, "trained", "common", target, name)), "records": records}
        for name, records in summary["classes"].items()
    ]
    return {
        "variant": summary["variant"],
        "name": names.get(summary["variant"], summary["variant"]),
        "summary": summary,
        "methods": methods,
        "leads": leads,
        "classes": classes,
        "class_measure": MEASURES[target],
        "cascade": [
            {"part": part, "row": rows.get((drawn, part, "common", "cascade_rank", "all"))}
            for part in summary["cascade"]
        ],
        "seeds": rows.get((drawn, "trained", "common", "seed_rank", "all")),
        "notes": _notes(summary),
        "verdicts": _verdicts(methods[0]["rows"], summary),
    }


def _notes(summary: dict) -> list[str]:
    """What is missing from the tables, and why."""
    notes = []
    if summary["with_truth"] is None:
        notes.append("Where the findings are is not known in this data set; only simulated records tell.")
    elif not summary["with_truth"]:
        notes.append("No explained record carries a finding of its class.")
    if not summary["with_boxes"]:
        notes.append("The pages come without boxes of their leads: nothing is said per lead.")
    if not summary["trained_on"]:
        notes.append("One seed: whether seeds agree is not known.")
    notes += [
        f"{count} of {summary['records']} maps by {method} of the {whose} network are empty (nothing speaks for the "
        "class): they are in no mean, and their records in no difference."
        for whose, counts in (("trained", summary["empty_maps"]), ("untrained", summary["empty_randomised"]))
        for method, count in counts.items()
        if count
    ]
    if not any(row["measure"] == "insertion" for row in summary["rows"]):
        notes.append("Insertion and deletion were not measured (explain.curve_steps: 0).")
    absent = [name for name, records in summary["classes"].items() if not records]
    if absent:
        notes.append(f"No reported record of {', '.join(absent)}.")
    return notes


def _verdicts(rows: Sequence[dict], summary: dict) -> list[str]:
    """Sentences from the drawn method's intervals."""
    told = []
    for row in rows:
        if row["measure"] not in ("trace", "finding_of_trace", "pointing", "insertion", "deletion"):
            continue
        side = "raw" if row["measure"] in CURVES else "common"
        trained, beats = row[side]["trained"], row[side]["beats"]
        if trained["value"] is None:
            continue
        sign = -1 if row["measure"] == "deletion" else 1
        text = f"{row['name'][0].upper()}{row['name'][1:]}: {trained['value']:.3f} ({_reach(trained)})"
        if trained["chance"] is not None:
            text += f"; {VERDICTS[_sign(trained['above_chance']) * sign]} chance ({trained['chance']:.3f})"
        if beats and beats["value"] is not None:
            text += (
                f"; {VERDICTS[_sign(beats) * sign]} the untrained network (by {beats['value']:.3f}, {_reach(beats)})"
            )
        told.append(text + ".")
    return told


def _reach(entry: dict) -> str:
    return "no interval" if entry["low"] is None else f"{entry['low']:.3f} – {entry['high']:.3f}"


def _sign(entry: dict) -> int:
    """1 or -1 where the interval lies on one side of 0, else 0."""
    if entry["value"] is None or entry["low"] is None:
        return 0
    return 1 if entry["low"] > 0 else -1 if entry["high"] < 0 else 0


def saliency_table(groups: Sequence[dict]) -> pd.DataFrame:
    """A row per run, method, resolution and measure, for the report's files."""
    lines = [
        {
            "dataset": group["dataset"],
            "protocol": group["protocol"],
            "model": model["variant"],
            "method": method["name"],
            "resolution": resolution,
            "measure": row["measure"],
            "chance": row["chance"],
            **{
                f"{what}_{part}" if part != "value" else what: (row[resolution][what] or {}).get(part)
                for what in ("trained", "randomised", "beats")
                for part in ("value", "low", "high")
            },
        }
        for group in groups
        for model in group["models"]
        for method in model["methods"]
        for row in method["rows"]
        for resolution in ("raw", "common")
        if row[resolution]["trained"]
    ]
    return pd.DataFrame(lines)
