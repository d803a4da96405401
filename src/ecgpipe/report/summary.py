"""Further sentences of the report's first section; every one is computed from the results."""

from collections import Counter
from collections.abc import Mapping, Sequence


def summary(
    titles: Mapping[str, str],
    saliency: Sequence[dict],
    problems: int,
    claims: dict | None = None,
    comparisons: Sequence[tuple[str, str, str]] = (),
    views: int = 2,
) -> list[str]:
    """Sentences about tests between models, claims, saliency and records left out.

    Args:
        titles: of the datasets.
        saliency: of ``saliency_groups``.
        problems: number of records or files left out.
        claims: of ``claim_view``.
        comparisons: of ``comparison_sentences``.
        views: datasets times protocols in the report; of a single one, the sentences do not repeat its name.
    """
    found = list(comparisons)
    for group in saliency:
        found += [
            (group["dataset"], group["protocol"], f"the saliency of {model['name']} {model['brief']}.")
            for model in group["models"]
            if model["brief"]
        ]
    sentences = [
        f"{titles[dataset]}, protocol {protocol}: {text}" if views > 1 else text[0].upper() + text[1:]
        for dataset, protocol, text in found
    ]
    if claims:
        counts = Counter(claim["verdict"] for claim in claims["claims"])
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        sentences.append(f"The paper's {sum(counts.values())} claims: {verdicts}.")
    sentences.append(
        f"{problems} records or files were left out; the reasons are listed under Problems."
        if problems
        else "No record was left out."
    )
    return sentences
