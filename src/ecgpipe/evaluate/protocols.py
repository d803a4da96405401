"""protocols.json: what a protocol adds to each score, such as random splitting and copies to the paper's."""

from collections.abc import Mapping

import numpy as np

from ecgpipe.artifacts.predictions import PROTOCOL
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.compare import COMPARED
from ecgpipe.evaluate.draws import Draws, draw
from ecgpipe.evaluate.reported import Models
from ecgpipe.evaluate.resample import interval
from ecgpipe.evaluate.seeds import pool

FIRST = "paper"


def compare_protocols(protocols: Mapping[str, Models], config: EvaluateConfig) -> dict:
    """Scores under the paper's protocol less those under each other one.

    Unpaired: each protocol reports other records and trains on others. The records of either are resampled by
    themselves, which makes the interval a little too wide where some are reported under both.

    Args:
        protocols: protocol -> its models.
        config: resamples, confidence, seed.

    Returns:
        The content of protocols.json without the data set's name. No rows if there is only one protocol.
    """
    names = list(protocols)
    first = FIRST if FIRST in protocols else names[0] if names else None
    others = [name for name in names if name != first]
    rows = []
    if others:
        drawn = {name: draw(protocols[name], config, (config.seed, 2 + i)) for i, name in enumerate(names)}
        for second in others:
            for model in dict.fromkeys([*protocols[first], *protocols[second]]):
                rows += _rows(model, first, second, protocols, drawn, config)
    return {"confidence": config.confidence, "resamples": config.resamples, "rows": rows}


def _rows(
    model: str,
    first: str,
    second: str,
    protocols: Mapping[str, Models],
    drawn: Mapping[str, Mapping[str, Mapping[int, Draws]]],
    config: EvaluateConfig,
) -> list[dict]:
    """A row per metric of one model under two protocols."""
    head = dict.fromkeys(PROTOCOL) | {"model": model, "first": first, "second": second}
    sides = []
    for side, protocol in (("first", first), ("second", second)):
        given = protocols[protocol].get(model)
        if given is None:
            return [head | {"metric": "accuracy", "note": f"not run under {protocol}"}]
        head |= {f"{side}_seeds": sorted(given), f"{side}_records": len(next(iter(given.values())).groups)}
        sides.append(drawn[protocol][model])
    rows = []
    for metric in COMPARED:
        if metric not in next(iter(sides[0].values())).value:
            continue
        pooled = [
            pool(
                np.array([draws.value[metric] for draws in side.values()]),
                np.stack([draws.drawn[metric] for draws in side.values()]),
                config.seed + number,
            )
            for number, side in enumerate(sides)
        ]
        cell = interval(pooled[0].value - pooled[1].value, pooled[0].drawn - pooled[1].drawn, config.confidence)
        alone = [name for name, side in zip((first, second), sides, strict=True) if len(side) == 1]
        note = [
            cell["note"],
            f"one seed under {' and '.join(alone)}: its training's share is not counted" if alone else "",
        ]
        rows.append(
            head
            | {"metric": metric, "difference": cell["value"], "low": cell["low"], "high": cell["high"]}
            | {
                f"{side}_value": None if np.isnan(found.value) else found.value
                for side, found in zip(("first", "second"), pooled, strict=True)
            }
            | {"note": "; ".join(filter(None, note)) or None}
        )
    return rows
