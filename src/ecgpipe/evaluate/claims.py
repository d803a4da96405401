"""Verdicts on the paper's claims, from the comparisons of our runs and from the printed figures.

A claim is checked against runs under the paper's own protocol. ``finding`` is the result of these runs, ``by_print``
the result of the printed figures alone. ``verdict`` is ``contradicted`` if the paper contradicts itself, ``not run`` if
the runs depart from the paper's recipe, else the finding.
"""

from collections.abc import Iterable, Mapping

from ecgpipe.artifacts.predictions import CLAIM_COLUMNS
from ecgpipe.bootstrap import join_notes
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.evidence import PROTOCOL, Evidence
from ecgpipe.evaluate.granularity import exact_interval, lead_significance, table_arithmetic
from ecgpipe.paper import Claim, Paper

SUPPORTED, CONTRADICTED, UNDECIDED, NOT_RUN = "supported", "contradicted", "undecided", "not run"


def check_claims(paper: Paper, evidence: Evidence, config: EvaluateConfig) -> dict:
    """The content of report/claims.json (docs/formats.md).

    Args:
        paper: its tables and claims.
        evidence: results of our runs; if empty, only the printed figures are checked.
        config: confidence and margin.
    """
    arithmetic = table_arithmetic(paper, config.confidence)
    sizes = {table["dataset"]: table["records"] for table in arithmetic}
    rows = [_settle(row, evidence) for row in _cells(paper, evidence, sizes, config)]
    for claim in paper.claims:
        rows += _claim(claim, paper, evidence, sizes, config)
    return {
        "source": dict(paper.source),
        "margin": config.margin,
        "confidence": config.confidence,
        "departures": {name: list(found) for name, found in evidence.departures.items()},
        "arithmetic": arithmetic,
        "claims": rows,
    }


def _row(**values: object) -> dict:
    return dict.fromkeys(CLAIM_COLUMNS) | values


def _settle(row: dict, evidence: Evidence) -> dict:
    """Add the verdict to a finding."""
    departures = evidence.departures.get(row["dataset"], ())
    by_runs = NOT_RUN if departures else row["finding"]
    return row | {"verdict": CONTRADICTED if row["by_print"] == CONTRADICTED else by_runs}


def _cells(paper: Paper, evidence: Evidence, sizes: Mapping[str, int | None], config: EvaluateConfig) -> Iterable[dict]:
    """One row per cell of tables 2 to 4."""
    for table in paper.tables:
        compared = evidence.compared(table.dataset)
        models = {model["model"]: model for model in compared["models"]} if compared else {}
        for model, printed in table.rows.items():
            for metric, value in printed.items():
                records = sizes[table.dataset]
                ci = exact_interval(value, records, config.confidence) if records else (None, None)
                row = _row(
                    id=f"{table.id}/{model}/{metric}", kind="cell", place=table.place,
                    claim=f"{metric} of {model} is {value}", dataset=table.dataset, model=model, metric=metric,
                    printed=value, printed_low=ci[0], printed_high=ci[1],
                )  # fmt: skip
                cell = models.get(model, {}).get("scores", {}).get(metric)
                yield row | _against_cell(row, cell, config.margin, _why_not(compared, model, table.dataset))


def _why_not(compared: dict | None, model: str, dataset: str) -> str:
    return (
        f"{model} was not run on {dataset}, protocol {PROTOCOL}"
        if compared
        else f"no runs on {dataset}, protocol {PROTOCOL}"
    )


def _against_cell(row: dict, cell: dict | None, margin: float, why: str) -> dict:
    """Compare with the equivalence interval of the printed figure: its exact interval, at least +- margin."""
    if cell is None:
        return {"finding": NOT_RUN, "note": why}
    result = {"ours": cell["value"], "low": cell["low"], "high": cell["high"], "test": "interval", "note": cell["note"]}
    if cell["low"] is None:
        return result | {"finding": UNDECIDED if cell["value"] is not None else NOT_RUN}
    printed = row["printed"]
    low = min(printed - margin, printed if row["printed_low"] is None else row["printed_low"])
    high = max(printed + margin, printed if row["printed_high"] is None else row["printed_high"])
    return result | {"finding": _compare_intervals(cell["low"], cell["high"], low, high)}


def _compare_intervals(low: float, high: float, equivalent_low: float, equivalent_high: float) -> str:
    """Inside the equivalence interval: supported. Outside: contradicted. Across its border: undecided."""
    if equivalent_low <= low and high <= equivalent_high:
        return SUPPORTED
    return CONTRADICTED if high < equivalent_low or low > equivalent_high else UNDECIDED


def _claim(claim: Claim, paper: Paper, evidence: Evidence, sizes: Mapping, config: EvaluateConfig) -> list[dict]:
    """The rows of the claim's parts, then the claim's own row."""
    head = {"place": claim.place, "claim": claim.claim}
    if claim.kind == "unmeasured":
        row = _row(id=claim.id, kind="claim", finding=NOT_RUN, note=claim.reason, dataset=claim.datasets[0], **head)
        return [_settle(row, evidence)]
    if claim.kind == "saliency":
        saliency = evidence.saliency.get(claim.id)
        row = _row(
            id=claim.id, kind="claim", dataset=claim.datasets[0], model=claim.first[0], metric=claim.metrics[0], **head
        )
        if saliency is None:
            return [
                row
                | {"finding": NOT_RUN, "verdict": NOT_RUN, "note": "the saliency of the two models was not measured"}
            ]
        low, high = saliency["low"], saliency["high"]
        finding = UNDECIDED if low is None else SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDECIDED
        return [_settle(row | saliency | {"finding": finding}, evidence)]
    parts = list(_parts(claim, paper, evidence, sizes, config))
    if len(parts) == 1:
        return [_settle(parts[0] | {"id": claim.id, "kind": "claim", "claim": claim.claim}, evidence)]
    parts = [_settle(part, evidence) for part in parts]
    summary = _row(
        id=claim.id, kind="claim", dataset=" ".join(claim.datasets), model=" ".join(claim.first),
        metric=" ".join(claim.metrics), finding=_all(part["finding"] for part in parts),
        by_print=_all_printed(part["by_print"] for part in parts), note=_count(parts), **head,
    )  # fmt: skip
    return [*parts, summary | {"verdict": _all(part["verdict"] for part in parts)}]


def _parts(claim: Claim, paper: Paper, evidence: Evidence, sizes: Mapping, config: EvaluateConfig) -> Iterable[dict]:
    for dataset in claim.datasets:
        compared = evidence.compared(dataset)
        if claim.kind == "range":
            yield from _range_parts(claim, dataset, compared)
            continue
        for metric in claim.metrics:
            for first in claim.first:
                for second in claim.second:
                    printed = [paper.printed(dataset, model, metric) for model in (first, second)]
                    row = _row(
                        id=f"{claim.id}/{dataset}/{first}/{second}/{metric}", kind="part", place=claim.place,
                        claim=f"{metric}: {first} above {second}", dataset=dataset, model=first, metric=metric,
                    )  # fmt: skip
                    if None not in printed:
                        row["printed"] = round(printed[0] - printed[1], int(paper.source["decimals"]))
                        row |= _by_print(claim, metric, *printed, sizes.get(dataset), config)  # type: ignore[call-arg]
                    difference = _difference(compared, first, second, metric)
                    found = _against_lead(claim, difference, compared, dataset, config)
                    yield row | found | {"note": join_notes([row["note"], found.get("note")])}


def _by_print(
    claim: Claim, metric: str, first: float, second: float, records: int | None, config: EvaluateConfig
) -> dict:
    """The verdict of the printed figures alone on a lead."""
    if claim.kind == "better" and first <= second:
        return {"by_print": CONTRADICTED, "note": f"the paper prints {first} and {second}"}
    if not (claim.significant and metric == "accuracy" and records):
        return {}
    lead = lead_significance(first, second, records, 1 - config.confidence)
    if lead["significant_up_to"] is None:
        note = (
            f"a lead of {lead['lead_records']} of {records} records: McNemar's exact test gives at least "
            f"p = {lead['p_best']:.3g}"
        )
        return {"by_print": CONTRADICTED, "note": note}
    note = (
        f"a lead of {lead['lead_records']} of {records} records: significant only if the two differ on at most "
        f"{lead['significant_up_to']} records"
    )
    return {"by_print": UNDECIDED, "note": note}


def _difference(compared: dict | None, first: str, second: str, metric: str) -> dict | None:
    """The bootstrap row of first minus second, with its signs changed if it is stored the other way round."""
    for row in compared["comparisons"] if compared else ():
        if row["metric"] == metric and row["test"] == "bootstrap":
            if (row["first"], row["second"]) == (first, second):
                return row
            if (row["first"], row["second"]) == (second, first):
                negated = {
                    "difference": _minus(row["difference"]),
                    "low": _minus(row["high"]),
                    "high": _minus(row["low"]),
                }
                return row | negated
    return None


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _against_lead(claim: Claim, row: dict | None, compared: dict | None, dataset: str, config: EvaluateConfig) -> dict:
    if row is None:
        return {"finding": NOT_RUN, "note": f"the two models were not both run on {dataset}, protocol {PROTOCOL}"}
    result = {"ours": row["difference"], "low": row["low"], "high": row["high"], "test": "paired bootstrap, Holm"}
    result |= {"p": row["p_holm"], "note": row["note"]}
    if row["difference"] is None:
        return result | {"finding": NOT_RUN}
    if row["low"] is None:
        return result | {"finding": UNDECIDED}
    if claim.kind == "difference":
        finding = _compare_intervals(row["low"], row["high"], claim.value - config.margin, claim.value + config.margin)
        return result | {"finding": finding}
    if row["high"] < 0:
        return result | {"finding": CONTRADICTED}
    significant = row["p_holm"] is not None and row["p_holm"] < 1 - config.confidence
    if row["low"] > 0 and (significant or not claim.significant):
        return result | {"finding": SUPPORTED}
    return result | {"finding": UNDECIDED, "note": join_notes([row["note"], _detectable(compared, row)])}


def _detectable(compared: dict, row: dict) -> str | None:
    """The smallest detectable difference in accuracy."""
    if row["metric"] != "accuracy":
        return None
    for exact in compared["comparisons"]:
        same = (exact["first"], exact["second"]) == (row["first"], row["second"])
        if same and exact["test"] == "mcnemar" and exact["detectable"] is not None:
            return (
                f"undecided at this size: {exact['records']} records can show a difference of "
                f"{exact['detectable_records']} records ({100 * exact['detectable']:.1f} points) with a power of "
                f"{compared['power']:.0%}"
            )
    return "undecided at this size"


def _range_parts(claim: Claim, dataset: str, compared: dict | None) -> Iterable[dict]:
    """One part per class."""
    low, high = claim.value
    models = {model["model"]: model for model in compared["models"]} if compared else {}
    head = {
        "place": claim.place,
        "dataset": dataset,
        "model": claim.first[0],
        "metric": claim.metrics[0],
        "kind": "part",
    }
    head |= {"printed_low": low, "printed_high": high}
    if claim.first[0] not in models:
        why = _why_not(compared, claim.first[0], dataset)
        yield _row(id=f"{claim.id}/{dataset}", claim=claim.claim, finding=NOT_RUN, note=why, **head)
        return
    for label, scores in models[claim.first[0]]["per_class"].items():
        cell = scores[claim.metrics[0]]
        row = _row(
            id=f"{claim.id}/{dataset}/{label}", claim=f"{claim.metrics[0]} of {label} from {low} to {high}", **head
        )
        row |= {
            "ours": cell["value"],
            "low": cell["low"],
            "high": cell["high"],
            "test": "interval",
            "note": cell["note"],
        }
        if cell["low"] is None:
            yield row | {"finding": NOT_RUN if cell["value"] is None else UNDECIDED}
        else:
            yield row | {"finding": _compare_intervals(cell["low"], cell["high"], low, high)}


def _all(findings: Iterable[str]) -> str:
    """Verdict on all parts: contradicted, not run or undecided if any part is, in this order; else supported."""
    findings = list(findings)
    for word in (CONTRADICTED, NOT_RUN, UNDECIDED):
        if word in findings:
            return word
    return SUPPORTED


def _all_printed(findings: Iterable[str | None]) -> str | None:
    known = [finding for finding in findings if finding]
    return _all(known) if known else None


def _count(parts: list[dict]) -> str:
    words = [part["verdict"] for part in parts]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    printed = sum(part["by_print"] == CONTRADICTED for part in parts)
    return f"{len(parts)} parts: {counts}" + (
        f"; {printed} contradicted by the printed figures alone" if printed else ""
    )
