"""The first lines of the report: what a reader should know after a minute. Every sentence is computed."""

from collections import Counter
from collections.abc import Sequence


def summary(
    datasets: Sequence[dict],
    controls: Sequence[dict],
    saliency: Sequence[dict],
    problems: int,
    claims: dict | None = None,
    tests: Sequence[str] = (),
) -> list[str]:
    """Sentences, at most a few per data set and protocol.

    Args:
        datasets: the report's data sets with their protocols and results.
        controls: tables of controls.
        saliency: groups of measured saliency.
        problems: records or files left out.
        claims: the paper's claims with their verdicts, if they were looked at.
        tests: sentences on paired tests.
    """
    told = []
    for dataset in datasets:
        for protocol in dataset["protocols"]:
            told.append(_best(dataset, protocol, controls))
        told += _leaks(dataset)
    told += tests
    if claims:
        counts = Counter(claim["verdict"] for claim in claims["claims"])
        told.append(
            f"Of the paper's {sum(counts.values())} claims: {', '.join(f'{n} {v}' for v, n in counts.items())}."
        )
    told += _saliency(saliency, {dataset["name"]: dataset["title"] for dataset in datasets})
    told.append(
        f"{problems} records or files were left out, each with its reason (Problems)."
        if problems
        else "No record was left out for a fault."
    )
    return told


def _best(dataset: dict, protocol: dict, controls: Sequence[dict]) -> str:
    where = f"{dataset['title']}, protocol {protocol['name']}"
    measured = {name: cells for name, cells in protocol["cells"].items() if cells["auc_macro"].value is not None}
    if not measured:
        return f"{where}: no model could be scored by macro AUC (no class with records both in and out of it)."
    name = max(measured, key=lambda variant: measured[variant]["auc_macro"].value)
    auc, accuracy = measured[name]["auc_macro"], measured[name]["accuracy"]
    count = "the only model" if len(measured) == 1 else f"the highest of {len(measured)} models"
    text = (
        f"{where}: {protocol['names'].get(name, name)} reaches a macro AUC of {auc} and an accuracy of {accuracy} on "
        f"{protocol['records']} {protocol['role']} records; it is {count}."
    )
    others = [
        cells["auc_macro"]
        for variant, cells in measured.items()
        if variant != name and cells["auc_macro"].high is not None
    ]
    reached = sum(auc.low is not None and auc.low <= other.high for other in others)
    if reached:
        text += f" The intervals of {reached} other{'s' if reached > 1 else ''} overlap its own."
    table = next((t for t in controls if (t["dataset"], t["protocol"]) == (dataset["name"], protocol["name"])), None)
    control = best_baseline(table) if table else None
    if control:
        text += f" The best control ({control[0]}) has an accuracy of {control[1]:.3f}."
    return text


def best_baseline(table: dict) -> tuple[str, float] | None:
    """Name and accuracy of the control with the highest accuracy in one of ``control_tables``."""
    scored = [
        (row["name"][0].lower() + row["name"][1:], row["accuracy"].value)
        for row in table["rows"]
        if row["accuracy"].value is not None
    ]
    return max(scored, key=lambda one: one[1], default=None)


def _leaks(dataset: dict) -> list[str]:
    """How much of what is reported also trains, where that is known and not nothing."""
    rows = (dataset["audit"] or {}).get("leaks", [])
    told = []
    for row in rows:
        for name, what in (("near", "a copy"), ("patient", "their patient")):
            if row[name]:
                told.append(
                    f"{dataset['title']}, protocol {row['protocol']}: {100 * row[name]:.0f}% of the {row['role']} "
                    f"records have {what} in training; scores under it are too good."
                )
    return told


def _saliency(groups: Sequence[dict], titles: dict[str, str]) -> list[str]:
    told = []
    for group in groups:
        for model in group["models"]:
            if model["verdicts"]:
                first = next((v for v in model["verdicts"] if "finding" in v), model["verdicts"][0])
                told.append(f"Saliency of {model['name']} ({titles[group['dataset']]}, {group['protocol']}): {first}")
    return told
