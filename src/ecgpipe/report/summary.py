"""Additional sentences of the report's first section, all computed from the results."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ecgpipe.report.collect import whole_protocol


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
