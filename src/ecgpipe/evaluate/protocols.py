"""Differences of each score between protocols, such as splits by record and by patient (protocols.json)."""

from collections.abc import Mapping

import numpy as np

from ecgpipe.artifacts.predictions import PROTOCOL_COLUMNS
from ecgpipe.bootstrap import bootstrap_interval, join_notes, mean_over_seeds
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.compare import COMPARED, SeedScores, number_or_none
from ecgpipe.evaluate.model_scores import Models, bootstrap_scores

PAPER_PROTOCOL = "paper"


def compare_protocols(protocols: Mapping[str, Models], config: EvaluateConfig) -> dict:
    """Scores under the paper's protocol, or else the first one, minus those under each other protocol.

    Unpaired: each protocol trains and reports on different records, and is resampled independently. The interval is
    slightly too wide where two protocols report some of the same records.

    Args:
        protocols: protocol -> its models.
        config: resamples, confidence, threshold, seed.

    Returns:
        The content of protocols.json without the dataset's name. No rows if there is only one protocol.
    """
    names = list(protocols)
    rows = []
    if len(names) > 1:
        first = PAPER_PROTOCOL if PAPER_PROTOCOL in protocols else names[0]
        scores = {
            name: bootstrap_scores(protocols[name], config, seed=(config.seed, 2 + i)) for i, name in enumerate(names)
        }
        for second in names:
            if second != first:
                models = dict.fromkeys([*protocols[first], *protocols[second]])
                rows += [
                    row for model in models for row in _protocol_rows(model, (first, second), protocols, scores, config)
                ]
    return {"confidence": config.confidence, "resamples": config.resamples, "rows": rows}


def _protocol_rows(
    model: str,
    pair: tuple[str, str],
    protocols: Mapping[str, Models],
    scores: Mapping[str, Mapping[str, SeedScores]],
    config: EvaluateConfig,
) -> list[dict]:
    """One row per metric of one model under two protocols."""
    head = dict.fromkeys(PROTOCOL_COLUMNS) | {"model": model, "first": pair[0], "second": pair[1]}
    for side, protocol in zip(("first", "second"), pair, strict=True):
        runs = protocols[protocol].get(model)
        if runs is None:
            return [head | {"metric": "accuracy", "note": f"not run under {protocol}"}]
        head |= {f"{side}_seeds": sorted(runs), f"{side}_records": len(next(iter(runs.values())).groups)}
    sides = [scores[protocol][model] for protocol in pair]
    alone = [protocol for protocol, side in zip(pair, sides, strict=True) if len(side) == 1]
    rows = []
    for metric in COMPARED:
        if metric not in next(iter(sides[0].values())).value:
            continue
        row = unpaired_difference(sides[0], sides[1], metric, config)
        note = f"one seed under {' and '.join(alone)}: the interval omits the variance of its training"
        rows.append(head | row | {"note": join_notes([row["note"], note if alone else None])})
    return rows


def unpaired_difference(first: SeedScores, second: SeedScores, metric: str, config: EvaluateConfig) -> dict:
    """The difference of one metric over all seeds between models with different records, resampled independently."""
    one, other = (
        mean_over_seeds(
            np.array([own.value[metric] for own in side.values()]),
            np.stack([own.samples[metric] for own in side.values()]),
            config.seed + number,
        )
        for number, side in enumerate((first, second))
    )
    cell = bootstrap_interval(one.value - other.value, one.samples - other.samples, config.confidence)
    return {
        "metric": metric,
        "first_value": number_or_none(one.value),
        "second_value": number_or_none(other.value),
        "difference": cell["value"],
        "low": cell["low"],
        "high": cell["high"],
        "note": cell["note"],
    }
