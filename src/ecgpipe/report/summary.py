"""The first lines of the report; every sentence is computed from the results."""

from collections import Counter
from collections.abc import Sequence


def summary(
    datasets: Sequence[dict],
    baselines: Sequence[dict],
    saliency: Sequence[dict],
    problems: int,
    claims: dict | None = None,
    comparisons: Sequence[str] = (),
) -> list[str]:
    """Sentences, a few per dataset and protocol.

    Args:
        datasets: the report's datasets with their protocols.
        baselines: of ``baseline_tables``.
        saliency: of ``saliency_groups``.
        problems: number of records or files left out.
        claims: of ``claim_view``.
        comparisons: of ``comparison_sentences``.
    """
    sentences = []
    for dataset in datasets:
        sentences += [_best(dataset, protocol, baselines) for protocol in dataset["protocols"]]
        sentences += _leaks(dataset)
    sentences += comparisons
    if claims:
        counts = Counter(claim["verdict"] for claim in claims["claims"])
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        sentences.append(f"The paper's {sum(counts.values())} claims: {verdicts}.")
    titles = {dataset["name"]: dataset["title"] for dataset in datasets}
    for group in saliency:
        for model in group["models"]:
            if model["verdicts"]:
                verdict = next((v for v in model["verdicts"] if "finding" in v), model["verdicts"][0])
                where = f"{titles[group['dataset']]}, protocol {group['protocol']}"
                sentences.append(f"{where}: saliency of {model['name']}: {verdict}")
    sentences.append(
        f"{problems} records or files were left out; the reasons are listed under Problems."
        if problems
        else "No record was left out."
    )
    return sentences


def _best(dataset: dict, protocol: dict, baselines: Sequence[dict]) -> str:
    where = f"{dataset['title']}, protocol {protocol['name']}"
    measured = [model for model in protocol["models"] if model["cells"]["auc_macro"].value is not None]
    best = next((model for model in measured if model["variant"] == protocol["best"]), None)
    if best is None:
        return f"{where}: macro AUC could not be computed for any model."
    auc = best["cells"]["auc_macro"]
    rank = "the only model" if len(measured) == 1 else f"the highest of {len(measured)} models"
    text = (
        f"{where}: {best['name']} has a macro AUC of {auc} and an accuracy of {best['cells']['accuracy']} on "
        f"{protocol['records']} {protocol['role']} records ({rank})."
    )
    others = [model["cells"]["auc_macro"] for model in measured if model is not best]
    overlapping = sum(None not in (auc.low, other.high) and auc.low <= other.high for other in others)
    if overlapping:
        text += f" The intervals of {overlapping} other model{'s' if overlapping > 1 else ''} overlap with it."
    for table in baselines:
        if (table["dataset"], table["protocol"]) == (dataset["name"], protocol["name"]) and table["best"]:
            text += f" The best baseline ({table['best'][0].lower()}) has an accuracy of {table['best'][1]:.3f}."
    return text


def _leaks(dataset: dict) -> list[str]:
    """Shares of reported records with a duplicate, or their patient, in training."""
    return [
        f"{dataset['title']}, protocol {row['protocol']}: {100 * row[kind]:.0f}% of the {row['role']} records have "
        f"{what} in training; scores under this protocol are too high."
        for row in (dataset["audit"] or {}).get("leaks", [])
        for kind, what in (("near", "a duplicate"), ("patient", "their patient"))
        if row[kind]
    ]
