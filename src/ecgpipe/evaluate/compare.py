"""comparisons.json: the models of one data set and protocol, each with its interval, and every two of them compared.

protocols.json: what a protocol adds to each score, such as random splitting and copies to the paper's.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from ecgpipe.artifacts.predictions import COMPARISON, PROTOCOL
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.bootstrap import bootstrap_interval, distinct_groups, pool
from ecgpipe.evaluate.model_scores import CLASS_SCORES, BootstrapScores, Models, Reported, bootstrap_scores
from ecgpipe.evaluate.tests import bootstrap_p, delong, detectable_lead, holm, mcnemar, sign_flip

COMPARED = (
    "accuracy",
    "specificity_macro",
    "recall_weighted",
    "precision_weighted",
    "f1_weighted",
    "f1_macro",
    "auc_macro",
    "f_max",
)

POWER = 0.8
"""Power of the smallest difference that a data set can show."""


def compare_models(models: Models, config: EvaluateConfig) -> dict:
    """Compare models on the same records.

    Args:
        models: of one data set and protocol.
        config: resamples, confidence, reference, power.

    Returns:
        The content of comparisons.json without the names of data set and protocol (docs/formats.md).

    Raises:
        DataError: no models, or two that do not agree on the classes or on a record's labels.
    """
    if not models:
        raise DataError("no predictions to compare; run a model first")
    drawn = bootstrap_scores(models, config)
    example = next(iter(next(iter(models.values())).values()))
    seeds = sorted({seed for given in models.values() for seed in given})
    every = [given for of_model in models.values() for given in of_model.values()]
    rows = [
        row for first, second in _pairs(models, config.reference) for row in _rows(first, second, models, drawn, config)
    ]
    add_holm(rows)
    return {
        "task": example.predictions.task,
        "role": str(example.predictions.roles[0]),
        "classes": list(example.predictions.classes),
        "records": len(distinct_groups(*(given.predictions.record_ids for given in every))),
        "groups": len(distinct_groups(*(given.groups for given in every))),
        "seeds": seeds,
        "parts": len(np.unique(example.parts)),
        "confidence": config.confidence,
        "resamples": config.resamples,
        "reference": config.reference,
        "power": POWER,
        "models": [_model(name, drawn[name], example, seeds, config) for name in models],
        "comparisons": rows,
    }


def _model(
    name: str, draws: dict[int, BootstrapScores], example: Reported, seeds: list[int], config: EvaluateConfig
) -> dict:
    """One model's scores over its seeds."""
    absent = [seed for seed in seeds if seed not in draws]
    scores = {score: pooled_cell(draws, score, config, absent) for score in _names(draws) if ":" not in score}
    per_class = {
        label: {score: pooled_cell(draws, f"{score}:{label}", config, absent) for score in CLASS_SCORES}
        for label in example.predictions.classes
    }
    return {"model": name, "seeds": sorted(draws), "missing_seeds": absent, "scores": scores, "per_class": per_class}


def _names(draws: dict[int, BootstrapScores]) -> list[str]:
    return list(next(iter(draws.values())).value)


def pooled_cell(
    draws: dict[int, BootstrapScores], name: str, config: EvaluateConfig, absent: list[int] | None = None
) -> dict:
    """A score over seeds: ``value``, ``low``, ``high``, ``note``, ``between_seeds`` and ``by_seed``."""
    values = np.array([given.value.get(name, np.nan) for given in draws.values()])
    pooled = pool(values, np.stack([given.drawn[name] for given in draws.values()]), config.seed)
    label = name.partition(":")[2]
    why = {given.missing[label] for given in draws.values() if label in given.missing}
    cell = bootstrap_interval(pooled.value, pooled.drawn, config.confidence, "; ".join(sorted(why)) or "not measurable")
    if cell["low"] is not None:  # Student's t may reach past what a share can be
        cell |= {"low": max(0.0, cell["low"]), "high": min(1.0, cell["high"]) if name != "brier" else cell["high"]}
    notes = [cell["note"]] + ([f"seeds missing: {', '.join(map(str, absent))}"] if absent else [])
    if cell["value"] is not None:
        notes += [f"{reason}" for reason in sorted(why)]
        lost = [seed for seed, value in zip(draws, values, strict=True) if np.isnan(value)]
        notes += [f"not measurable with seeds {', '.join(map(str, lost))}"] if lost else []
    return cell | {
        "note": "; ".join(note for note in notes if note) or None,
        "between_seeds": pooled.between,
        "by_seed": {
            str(seed): None if np.isnan(value) else float(value) for seed, value in zip(draws, values, strict=True)
        },
    }


def _pairs(models: Models, reference: str) -> list[tuple[str, str]]:
    """The reference against each other model, then all other pairs."""
    names = list(models)
    if reference in names:
        names.remove(reference)
        return [(reference, name) for name in names] + list(combinations(names, 2))
    return list(combinations(names, 2))


def _rows(
    first: str, second: str, models: Models, drawn: dict[str, dict[int, BootstrapScores]], config: EvaluateConfig
) -> list:
    """All rows of one pair."""
    seeds = sorted(models[first].keys() & models[second].keys())
    family = "reference" if first == config.reference else "others"
    head = dict.fromkeys(COMPARISON) | {"first": first, "second": second, "family": family, "seeds": seeds}
    if not seeds:
        return [head | {"metric": "accuracy", "test": "bootstrap", "note": "the two have no seed in common"}]
    alike = [seed for seed in seeds if check_same_records(models[first][seed], models[second][seed], first, second)]
    if len(alike) < len(seeds):
        return [head | {"metric": "accuracy", "test": "bootstrap", "note": "they were not scored on the same records"}]
    example = models[first][seeds[0]]
    head |= {"records": len(example.groups), "groups": len(np.unique(example.groups))}
    mine, other = ({seed: drawn[name][seed] for seed in seeds} for name in (first, second))
    rows = [bootstrap_row(head, mine, other, metric, config) for metric in COMPARED if metric in mine[seeds[0]].value]
    for seed in seeds:
        pair = models[first][seed], models[second][seed]
        one = head | {"seeds": [seed], "records": len(pair[0].groups), "groups": len(np.unique(pair[0].groups))}
        rows += exact_rows(one, mine[seed], other[seed], pair[0].groups, config)
        rows += delong_rows(one, pair, mine[seed], config)
    return rows


def check_same_records(first: Reported, second: Reported, name: str, other: str) -> bool:
    """Whether two models were scored on the same records.

    Raises:
        DataError: they were, but do not agree on the classes or on labels.
    """
    if first.predictions.classes != second.predictions.classes or first.predictions.task != second.predictions.task:
        raise DataError(f"{name} and {other} have other classes; they cannot be compared")
    if not np.array_equal(first.predictions.record_ids, second.predictions.record_ids):
        return False
    differ = (first.predictions.targets != second.predictions.targets).any(axis=1)
    if differ.any():
        example = first.predictions.record_ids[differ][0]
        raise DataError(
            f"{name} and {other} have other labels for {differ.sum()} records, {example} first; they cannot be compared"
        )
    return True


def bootstrap_row(
    head: dict,
    first: dict[int, BootstrapScores],
    second: dict[int, BootstrapScores],
    metric: str,
    config: EvaluateConfig,
) -> dict:
    """The paired bootstrap of one metric over all seeds."""
    values = np.array([first[seed].value[metric] - second[seed].value[metric] for seed in first])
    drawn = np.stack([first[seed].drawn[metric] - second[seed].drawn[metric] for seed in first])
    pooled = pool(values, drawn, config.seed)
    cell = bootstrap_interval(pooled.value, pooled.drawn, config.confidence)
    note = cell["note"]
    if len(first) == 1:
        note = "; ".join(filter(None, (note, "one seed: the interval counts patients only")))
    same = not np.isnan(pooled.drawn).all() and not pooled.drawn[~np.isnan(pooled.drawn)].any()
    return head | {
        "metric": metric,
        "test": "bootstrap",
        "first_value": _number(np.mean([given.value[metric] for given in first.values()])),
        "second_value": _number(np.mean([given.value[metric] for given in second.values()])),
        "difference": cell["value"],
        "low": cell["low"],
        "high": cell["high"],
        "between_seeds": pooled.between,
        "p": (1.0 if same else bootstrap_p(pooled.drawn)) if cell["value"] is not None else None,
        "note": note,
    }


def exact_rows(
    head: dict, first: BootstrapScores, second: BootstrapScores, groups: np.ndarray, config: EvaluateConfig
) -> list[dict]:
    """McNemar's exact test of one seed, and the same by groups where groups hold several records."""
    records = len(groups)
    values = float(first.right.mean()), float(second.right.mean())
    found = mcnemar(first.right, second.right)
    discordant = (found.first_only + found.second_only) / records
    lead = detectable_lead(records, discordant, 1 - config.confidence, POWER)
    grouped = len(np.unique(groups)) < records
    notes = []
    if not discordant:
        notes.append("the two are right and wrong on the same records")
    elif lead is None:
        notes.append("too few records differ for the test to find any lead")
    if grouped:
        notes.append("takes records of one patient, or copies, for independent; see sign-flip")
    told = head | {
        "metric": "accuracy", "first_value": values[0], "second_value": values[1], "difference": values[0] - values[1],
    }  # fmt: skip
    rows = [
        told
        | {"test": "mcnemar", "first_only": found.first_only, "second_only": found.second_only, "p": found.p}
        | {"detectable": lead, "detectable_records": None if lead is None else int(np.ceil(lead * records - 1e-6))}
        | {"note": "; ".join(notes) or None}
    ]
    if grouped:
        flipped = sign_flip(first.right, second.right, groups)
        rows.append(
            told
            | {"test": "sign-flip", "first_only": flipped.first_only, "second_only": flipped.second_only}
            | {"p": flipped.p, "note": "first_only and second_only count groups"}
        )
    return rows


def delong_rows(
    head: dict, pair: tuple[Reported, Reported], first: BootstrapScores, config: EvaluateConfig
) -> list[dict]:
    """DeLong's test of one seed, a row per class."""
    rows = []
    for i, label in enumerate(pair[0].predictions.classes):
        row = head | {"metric": f"auc:{label}", "test": "delong"}
        if len(np.unique(pair[0].parts)) > 1:
            rows.append(row | {"note": "not over the parts of a cross-validation; see the bootstrap of auc_macro"})
            continue
        scores = [given.predictions.probabilities[:, i] for given in pair]
        found = delong(*scores, pair[0].predictions.targets[:, i])  # type: ignore[call-arg]
        if found is None:
            rows.append(row | {"note": first.missing.get(label, "fewer than two records with it, or without")})
            continue
        row |= {"first_value": found.first, "second_value": found.second, "difference": found.first - found.second}
        if found.p is None:
            rows.append(row | {"note": "no variance: both order the records alike, or do so perfectly"})
            continue
        low, high = found.reach(config.confidence)
        note = "takes records of one patient, or copies, for independent" if head["groups"] < head["records"] else None
        rows.append(row | {"low": low, "high": high, "p": found.p, "note": note})
    return rows


def add_holm(rows: list[dict]) -> None:
    """Adds p_holm to rows: over all pairs of a family, for each metric and test (and seed, of exact tests) alone."""
    families: dict[tuple, list[dict]] = {}
    for row in rows:
        one_seed = () if row["test"] == "bootstrap" else tuple(row["seeds"])
        families.setdefault((row["family"], row["metric"], row["test"], one_seed), []).append(row)
    for family in families.values():
        for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = p


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


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
        drawn = {name: bootstrap_scores(protocols[name], config, (config.seed, 2 + i)) for i, name in enumerate(names)}
        for second in others:
            for model in dict.fromkeys([*protocols[first], *protocols[second]]):
                rows += _protocol_rows(model, first, second, protocols, drawn, config)
    return {"confidence": config.confidence, "resamples": config.resamples, "rows": rows}


def _protocol_rows(
    model: str,
    first: str,
    second: str,
    protocols: Mapping[str, Models],
    drawn: Mapping[str, Mapping[str, Mapping[int, BootstrapScores]]],
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
        cell = bootstrap_interval(
            pooled[0].value - pooled[1].value, pooled[0].drawn - pooled[1].drawn, config.confidence
        )
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
