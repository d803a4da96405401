"""The page's sections on claims, data, saliency, trainings, times and what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ecgpipe.report.audit import leak_figure
from ecgpipe.report.collect import Run, whole_protocol
from ecgpipe.report.names import names_of_runs
from ecgpipe.report.publish.finished import Finished
from ecgpipe.report.publish.page import Page
from ecgpipe.report.saliency import saliency_table
from ecgpipe.report.statistics import claim_view

NOT_RUN = "not run"
BY_PRINT = {"contradicted": "contradicted by the printed figures alone"}
"""How a verdict that needs no runs is told."""


def claims_section(page: Page, finished: Finished) -> None:
    """The paper's claims that were run as it describes; the others counted."""
    claims = claim_view(finished.statistics)
    page.heading(2, "The paper's claims")
    if claims is None:
        page.text("The paper's claims were not looked at: there is no report/claims.json.")
        return
    for dataset, told in claims["departures"].items():
        page.text(f"{finished.titles.get(dataset, dataset)}, not the paper's recipe: {'; '.join(told)}.")
    run = [row for row in claims["claims"] if _in_full(row, claims["departures"])]
    others = Counter(row["verdict"] for row in claims["claims"] if row not in run)
    page.text(
        f"{len(run)} of {len(claims['claims'])} claims were run as the paper describes."
        + (f" The others: {_counted(others, BY_PRINT)}." if others else "")
        + f" Single cells of its tables: {_counted(claims['counts']['verdict'])}."
    )
    rows = [
        [row["claim"], row["place"], row["by_print"], row["finding"], row["verdict"], _claimed(row), row["note"]]
        for row in run
    ]
    head = ["Claim", "Place", "By print", "These runs", "Verdict", "Ours", "Why"]
    page.table(head, rows, "claims", finished.text("report/claims.csv"), words=len(head))


def _in_full(row: dict, departures: dict) -> bool:
    """Whether runs as the paper describes them say something of the claim."""
    changed = any(departures.get(dataset) for dataset in (row["dataset"] or "").split())
    return not changed and NOT_RUN not in (row["finding"], row["verdict"])


def _counted(counts: Mapping[str, int], words: Mapping[str, str] | None = None) -> str:
    return ", ".join(f"{count} {(words or {}).get(verdict, verdict)}" for verdict, count in counts.items() if count)


def _claimed(row: dict) -> str:
    if row["ours"] is None:
        return ""
    reach = f" ({row['low']:.4f} to {row['high']:.4f})" if row["low"] is not None else ""
    return f"{row['ours']:.4f}{reach}"


def data_section(page: Page, finished: Finished) -> None:
    """Records, classes, copies, patients, and what of them is on two sides of a split."""
    page.heading(2, "Data and audit")
    page.text("Copies, near-copies and patients of the raw files, and the classes of the records that are used.")
    rows, counts = [], []
    for name, title in finished.titles.items():
        labels, audit = finished.labels.get(name, {}), finished.audits.get(name, {})
        counts += [
            {"data set": name, "class": label, "records": count} for label, count in labels.get("classes", {}).items()
        ]
        records = labels["kept"] + sum(labels["dropped"].values()) if labels else None
        told = [audit.get(key) for key in ("distinct", "distinct_groups", "patients", "patients_with_several")]
        conflicts = len(audit["conflicts"]) if audit else None
        rows.append([title, records, labels.get("kept"), labels.get("policy"), *told, conflicts])
    head = ["Data set", "Records", "Used", "Label policy", "Distinct", "Distinct, near-copies once", "Patients"]
    head += ["Patients with several records", "Groups of copies with different statements"]
    page.table(head, rows, "data", pd.DataFrame(rows, columns=head))
    page.bullets(
        f"{finished.titles[name]}: {', '.join(f'{label} {count:,}' for label, count in labels['classes'].items())}"
        for name, labels in finished.labels.items()
    )
    page.link("Records of each class", "classes", pd.DataFrame(counts, columns=["data set", "class", "records"]))
    lacking = [title for name, title in finished.titles.items() if name not in finished.audits]
    if lacking:
        page.text(f"Not audited: {', '.join(lacking)}.")
    leaks = [{"dataset": name} | row for name, audit in finished.audits.items() for row in audit["leaks"]]
    if leaks:
        page.text("Share of the reported records that have a copy, or their patient, in training (mean over seeds):")
        page.table(
            ["Data set", "Protocol", "Records", "Number", "Identical", "Identical or near-identical", "Same patient"],
            [
                [finished.titles[row["dataset"]], row["protocol"], row["role"], row["records"]]
                + ["unknown" if row[kind] is None else f"{row[kind]:.1%}" for kind in ("identical", "near", "patient")]
                for row in leaks
            ],
            "leaks",
            pd.DataFrame(leaks),
            words=3,
        )
    for name, audit in finished.audits.items():
        if audit["leaks"]:
            says = f"{finished.titles[name]}: share of reported records with a copy or their patient in training"
            page.figure(f"leaks-{name}", leak_figure(audit["leaks"]), says)


def saliency_section(page: Page, finished: Finished) -> None:
    """What the measures say of the drawn method's maps; the file has all methods."""
    page.heading(2, "Saliency")
    if not finished.saliency:
        page.text("No saliency was measured (explain.variants).")
        return
    page.text(
        "Measures of the maps with their intervals, beside chance and the difference to an untrained network; at the "
        "common resolution, insertion and deletion at the maps' own."
    )
    rows = []
    for group in finished.saliency:
        for model in group["models"]:
            where = [finished.titles.get(group["dataset"], group["dataset"]), group["protocol"], model["name"]]
            for row in model["methods"][0]["rows"]:
                own = row["raw" if row["measure"] in ("insertion", "deletion") else "common"]
                if own["trained"]:
                    chance = "" if row["chance"] is None else f"{row['chance']:.3f}"
                    rows.append([*where, row["name"], _entry(own["trained"]), chance, _entry(own["beats"], "+")])
    head = ["Data set", "Protocol", "Model", "Measure", "Value", "Chance", "Above the untrained network by"]
    page.table(head, rows, "saliency", saliency_table(finished.saliency), words=4)


def _entry(entry: dict | None, sign: str = "") -> str:
    if not entry or entry["value"] is None:
        return ""
    reach = ""
    if entry["low"] is not None:
        reach = f" ({format(entry['low'], sign + '.3f')} – {format(entry['high'], sign + '.3f')})"
    return format(entry["value"], sign + ".3f") + reach


def trainings_table(runs: Iterable[Run]) -> pd.DataFrame:
    """A row per training: how long, how fast, on what, of which commit."""
    rows = []
    for run in runs:
        summary, history = run.summary, run.history
        hardware = summary.get("hardware") or {}
        rows.append(
            {"dataset": run.dataset, "protocol": run.protocol, "model": run.variant, "seed": run.seed}
            | {key: (summary.get("model") or {}).get(key) for key in ("image_size", "pretrained")}
            | {key: summary.get(key) for key in ("parameters", "training_records", "epochs", "best_epoch", "seconds")}
            | {
                column: float(history[name].median()) if name in history else None
                for column, name in (("seconds_per_epoch", "seconds"), ("images_per_second", "images_per_second"))
            }
            | {key: summary.get(key) for key in ("device", "precision", "processes", "peak_gpu_bytes")}
            | {key: hardware.get(key) for key in ("processor", "cores", "memory_gb")}
            | {"system": system_name(hardware.get("system"))}
            | {"gpus": ", ".join(hardware.get("gpus") or []), "commit": commit_of_run(run)}
        )
    return pd.DataFrame(rows)


def system_name(system: object) -> str:
    """The operating system's name without its kernel, which is a machine's own affair: Linux-6.1-x86 -> Linux."""
    return str(system or "not known").partition("-")[0]


def commit_of_run(run: Run) -> str | None:
    """The commit of the code that trained, if it was in a repository."""
    git = run.summary.get("git")
    return f"{git['commit'][:12]}{'-dirty' if git['changed'] else ''}" if git else None


def trainings_section(page: Page, finished: Finished) -> None:
    """Trainings, seeds and parts together, and the time of each rule."""
    page.heading(2, "Trainings")
    if finished.absent:
        page.text(f"Asked for, but without scores: {', '.join(finished.absent)}.")
    data, names = trainings_table(finished.runs), names_of_runs(finished.runs)
    page.text("Ranges are over seeds and parts; seconds an epoch and images a second are medians over epochs.")
    head = ["Data set", "Protocol", "Model", "Device", "Precision", "Trainings", "Epochs", "Best epoch"]
    head += ["Seconds", "Seconds an epoch", "Images a second"]
    rows = []
    whole = data.assign(protocol=data["protocol"].map(whole_protocol))
    for (dataset, protocol, model), own in whole.groupby(["dataset", "protocol", "model"], sort=False):
        rows.append(
            [
                finished.titles[dataset],
                protocol,
                names.get(model, model),
                _each(own["device"]),
                _each(own["precision"]),
                len(own),
            ]
            + [_range(own[name], 0) for name in ("epochs", "best_epoch", "seconds")]
            + [_range(own[name], 1) for name in ("seconds_per_epoch", "images_per_second")]
        )
    page.table(head, rows, "trainings", data, words=5)
    stages = finished.stages
    page.heading(2, "Times")
    if stages.empty:
        page.text("No times were kept: the folder has no benchmarks/.")
        return
    page.text(
        f"Per rule, summed over its jobs: in all {int(stages['jobs'].sum())} jobs, "
        f"{stages['seconds'].sum() / 3600:.2f} hours, {stages['cpu_seconds'].sum() / 3600:.2f} processor hours."
    )
    rows = [
        [row.stage, row.jobs, f"{row.seconds:,.1f}", _number(row.cpu_seconds, 1), _number(row.peak_mb, 0)]
        for row in stages.itertuples()
    ]
    page.table(["Rule", "Jobs", "Seconds", "Processor seconds", "Peak MB"], rows, "times", stages)


def _each(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values.dropna().astype(str)))


def _range(values: pd.Series, decimals: int) -> str:
    known = pd.to_numeric(values).dropna()
    if known.empty:
        return ""
    ends = dict.fromkeys(f"{end:,.{decimals}f}" for end in (known.min(), known.max()))
    return " – ".join(ends)


def _number(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else f"{value:,.{decimals}f}"


def problems_section(page: Page, finished: Finished) -> None:
    """How much was left out, by stage and kind."""
    page.heading(2, "Problems")
    kinds = finished.problems.groupby(["dataset", "stage", "problem"]).size().reset_index(name="records")
    if kinds.empty:
        page.text("No record was left out for a fault.")
        return
    rows: Sequence = kinds.astype(str).to_numpy().tolist()
    page.table(["Data set", "Stage", "Problem", "Records"], rows, "problems", kinds, words=3)
