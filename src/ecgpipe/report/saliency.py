"""Saliency: what the measures of the maps show, per dataset, protocol and model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ecgpipe.artifacts.files import read_json

MEASURES = {
    "trace": "share on the traces",
    "finding_leads": "share on the leads with the finding",
    "finding": "share on the samples with the finding",
    "finding_of_trace": "share of the saliency on the traces that is on the finding's samples",
    "pointing": "maximum on the finding (pointing game)",
    "iou": "overlap with the finding (IoU)",
    "insertion": "insertion, area under the curve",
    "deletion": "deletion, area under the curve (lower is better)",
}
CURVES = ("insertion", "deletion")
IN_VERDICTS = ("trace", "finding_of_trace", "pointing", *CURVES)
VERDICTS = {1: "better than", 0: "not significantly different from", -1: "worse than"}
FIGURES = {"swin": "figure 14", "swin_lgf_fpn": "figure 15"}
PLACES = {"finding_of_trace": "findings", "trace": "traces"}
ENTRIES = ("trained", "randomised", "difference")


def saliency_groups(summaries: Sequence[Path], names: Mapping[str, str]) -> list[dict]:
    """One group per dataset and protocol.

    Args:
        summaries: saliency.json of the explained runs.
        names: variant -> display name.

    Returns:
        ``dataset``, ``protocol``, ``models`` (see ``_model``).
    """
    groups: dict[tuple[str, str], dict] = {}
    for file in summaries:
        summary = read_json(file)
        key = summary["dataset"], summary["protocol"]
        group = groups.setdefault(key, {"dataset": key[0], "protocol": key[1], "models": []})
        group["models"].append(_model(summary, names))
    return list(groups.values())


def _model(summary: dict, names: Mapping[str, str]) -> dict:
    """The tables of a run.

    ``variant``; ``name``; ``figure`` of the paper, in words; ``methods``: per method ``rows`` of ``name``, ``measure``,
    ``chance``, and for ``raw`` and ``common`` the ENTRIES, each {value, low, high} or None; ``leads``, ``classes``,
    ``cascade``, ``seeds``; ``class_measure``: the measure of ``classes``; ``notes``: what is missing and why;
    ``verdicts``: sentences; ``brief``: the end of a sentence on the main measure, or None; ``summary``: the other keys
    of saliency.json.
    """
    rows = {(r["method"], r["maps"], r["resolution"], r["measure"], r["class"]): r for r in summary["rows"]}
    differences = {(r["method"], r["resolution"], r["measure"]): r for r in summary["differences"]}
    shown = summary["methods"][0]
    methods = []
    for method in summary["methods"]:
        table = []
        for measure, name in MEASURES.items():
            entries = {
                resolution: {
                    "trained": rows.get((method, "trained", resolution, measure, "all")),
                    "randomised": rows.get((method, "randomised", resolution, measure, "all")),
                    "difference": differences.get((method, resolution, measure)),
                }
                for resolution in ("raw", "common")
            }
            if entries["raw"]["trained"]:
                chance = entries["raw"]["trained"]["chance"]
                table.append({"name": name, "measure": measure, "chance": chance, **entries})
        methods.append({"name": method, "rows": table})
    target = "finding_of_trace" if summary["with_truth"] else "trace"
    return {
        "variant": summary["variant"],
        "name": names.get(summary["variant"], summary["variant"]),
        "figure": FIGURES.get(summary["variant"], ""),
        "summary": {key: value for key, value in summary.items() if key not in ("rows", "differences")},
        "methods": methods,
        "leads": [
            {"lead": key[3].removeprefix("lead:"), "row": row}
            for key, row in rows.items()
            if key[:3] == (shown, "trained", "common") and key[3].startswith("lead:") and key[4] == "all"
        ],
        "classes": [
            {"name": name, "row": rows.get((shown, "trained", "common", target, name)), "records": records}
            for name, records in summary["classes"].items()
        ],
        "class_measure": MEASURES[target],
        "cascade": [
            {"stage": stage, "row": rows.get((shown, stage, "common", "cascade_rank", "all"))}
            for stage in summary["cascade"]
        ],
        "seeds": rows.get((shown, "trained", "common", "seed_rank", "all")),
        "notes": _notes(summary),
        "verdicts": _verdicts(methods[0]["rows"]),
        "brief": _brief(methods[0]["rows"], target),
    }


def _notes(summary: dict) -> list[str]:
    """Sentences on what the tables lack, and why."""
    notes = []
    if summary["with_truth"] is None:
        notes.append("The positions of findings are known for simulated records only.")
    elif not summary["with_truth"]:
        notes.append("No explained record has a finding of its class.")
    if not summary["with_boxes"]:
        notes.append("The pages have no lead boxes: no measures per lead.")
    if not summary["trained_on"]:
        notes.append("One seed: agreement between seeds is unknown.")
    notes += [
        f"{count} of {summary['records']} maps by {method} of the {network} network are empty (nothing supports the "
        "class); they are excluded from means and differences."
        for network, counts in (("trained", summary["empty_maps"]), ("randomised", summary["empty_randomised"]))
        for method, count in counts.items()
        if count
    ]
    if not any(row["measure"] == "insertion" for row in summary["rows"]):
        notes.append("Insertion and deletion were not measured (explain.curve_steps: 0).")
    absent = [name for name, records in summary["classes"].items() if not records]
    if absent:
        notes.append(f"No scored record of {', '.join(absent)}.")
    return notes


def _brief(rows: Sequence[dict], target: str) -> str | None:
    """``lies on the traces more than chance predicts, and not significantly more than that of a network with random
    weights``."""
    entries = next((row["common"] for row in rows if row["measure"] == target), None)
    if entries is None or entries["trained"]["value"] is None:
        return None
    trained, difference = entries["trained"], entries["difference"]
    amount = {1: "more", 0: "not significantly more", -1: "less"}
    place, sign = PLACES[target], _sign(trained["above_chance"])
    text = f"lies on the {place} {amount[sign]}" if sign else f"does not lie on the {place} significantly more"
    text += " than chance predicts"
    if difference and difference["value"] is not None:
        other = _sign(difference)
        text += (
            f", {'but' if sign == 0 and other else 'and'} {amount[other]} than that of a network with random weights"
        )
    return text


def _verdicts(rows: Sequence[dict]) -> list[str]:
    """One sentence per measure of the first method, from its intervals."""
    verdicts = []
    for row in rows:
        entries = row["raw" if row["measure"] in CURVES else "common"]
        trained, difference = entries["trained"], entries["difference"]
        if row["measure"] not in IN_VERDICTS or trained["value"] is None:
            continue
        sign = -1 if row["measure"] == "deletion" else 1
        text = f"{row['name'][0].upper()}{row['name'][1:]}: {trained['value']:.3f} ({_interval(trained)})"
        if trained["chance"] is not None:
            text += f"; {VERDICTS[_sign(trained['above_chance']) * sign]} chance ({trained['chance']:.3f})"
        if difference and difference["value"] is not None:
            text += (
                f"; {VERDICTS[_sign(difference) * sign]} the randomised network "
                f"(difference {difference['value']:z.3f}, {_interval(difference)})"
            )
        verdicts.append(text + ".")
    return verdicts


def _interval(entry: dict) -> str:
    return "no interval" if entry["low"] is None else f"{entry['low']:z.3f} – {entry['high']:z.3f}"


def _sign(entry: dict) -> int:
    """1 or -1 if the interval excludes 0, else 0."""
    if entry["value"] is None or entry["low"] is None:
        return 0
    return 1 if entry["low"] > 0 else -1 if entry["high"] < 0 else 0


def saliency_table(groups: Sequence[dict]) -> pd.DataFrame:
    """One row per run, method, resolution and measure."""
    return pd.DataFrame(
        {"dataset": group["dataset"], "protocol": group["protocol"], "model": model["variant"]}
        | {"method": method["name"], "resolution": resolution, "measure": row["measure"], "chance": row["chance"]}
        | {
            entry if part == "value" else f"{entry}_{part}": (row[resolution][entry] or {}).get(part)
            for entry in ENTRIES
            for part in ("value", "low", "high")
        }
        for group in groups
        for model in group["models"]
        for method in model["methods"]
        for row in method["rows"]
        for resolution in ("raw", "common")
        if row[resolution]["trained"]
    )
