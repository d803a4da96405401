"""Comparisons of the models of one dataset and protocol (comparisons.json)."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from ecgpipe.artifacts.predictions import COMPARISON_COLUMNS
from ecgpipe.bootstrap import (
    bootstrap_interval,
    bootstrap_p,
    distinct_groups,
    join_notes,
    mean_over_seeds,
    resamples_for,
)
from ecgpipe.config.analysis import DIGITIZED_BASELINE, SIGNAL_BASELINE, EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.model_scores import CLASS_SCORES, BootstrapScores, Models, Reported, bootstrap_scores
from ecgpipe.evaluate.significance import delong, detectable_lead, holm, mcnemar, sign_flip
from ecgpipe.metrics import metric_of, metrics_shown

COMPARED = tuple(metric.name for metric in metrics_shown("comparisons"))
POWER = 0.8
"""Power for which the smallest detectable difference is computed."""
AGAINST_BASELINES = ("auc_macro", "accuracy")
"""Scores in which models are compared with baselines."""
SeedScores = Mapping[int, BootstrapScores]


def compare_models(models: Models, config: EvaluateConfig, baselines: Models | None = None) -> dict:
    """Compare models with each other, and with baselines, on the same records.

    The bootstrap takes at least 4 x pairs / alpha resamples. With fewer, no p value could stay below alpha after
    Holm's correction.

    Args:
        models: models of one dataset and protocol.
        config: resamples, confidence, threshold, seed, reference.
        baselines: cheap classifiers; the one on the recordings (SIGNAL_BASELINE) also measures the cost of the image.

    Returns:
        The content of comparisons.json without the names of dataset and protocol (docs/formats.md).

    Raises:
        DataError: no models, or two that disagree on the classes or on a record's labels.
    """
    if not models:
        raise DataError("no predictions to compare; run a model first")
    pairs, baselines = _pairs(models, config), baselines or {}
    resamples = resamples_for(len(pairs), 1 - config.confidence, config.resamples)
    scores = bootstrap_scores({**models, **baselines}, config, resamples)
    runs = [run for of_model in models.values() for run in of_model.values()]
    seeds = sorted({seed for of_model in models.values() for seed in of_model})
    rows = [row for first, second in pairs for row in _model_rows(first, second, models, scores, config)]
    add_holm(rows)
    example = runs[0]
    return {
        "task": example.predictions.task,
        "role": str(example.predictions.roles[0]),
        "classes": list(example.predictions.classes),
        "records": len(distinct_groups(*(run.predictions.record_ids for run in runs))),
        "groups": len(distinct_groups(*(run.groups for run in runs))),
        "seeds": seeds,
        "parts": len(np.unique(example.parts)),
        "confidence": config.confidence,
        "resamples": resamples,
        "reference": config.reference,
        "power": POWER,
        "models": [_model(name, scores[name], example, seeds, config) for name in models],
        "comparisons": rows,
        "baselines": [_model(name, scores[name], example, seeds, config) for name in baselines],
        "against_baselines": [
            row
            for model in models
            for baseline in baselines
            for row in _baseline_rows(model, baseline, {**models, **baselines}, scores, config)
        ],
        "image_cost": image_cost(models, baselines[SIGNAL_BASELINE], config) if SIGNAL_BASELINE in baselines else None,
        "digitizing_cost": digitizing_cost(baselines, config),
    }


def _baseline_rows(
    model: str, baseline: str, runs: Models, scores: Mapping[str, SeedScores], config: EvaluateConfig
) -> list[dict]:
    """A model minus a baseline, for each of AGAINST_BASELINES; no rows without a common seed and the same records."""
    first, second = runs[model], runs[baseline]
    seeds = [
        seed for seed in first if seed in second and check_same_records(first[seed], second[seed], model, baseline)
    ]
    if not seeds:
        return []
    head = pair_head(model, baseline, "baselines", {seed: first[seed] for seed in seeds})
    own = [{seed: scores[name][seed] for seed in seeds} for name in (model, baseline)]
    return [bootstrap_row(head, own[0], own[1], metric, config) for metric in AGAINST_BASELINES]


def image_cost(models: Models, signal: Mapping[int, Reported], config: EvaluateConfig) -> dict | None:
    """Macro AUC of the baseline on the recordings minus the macro AUC of the best image model.

    The best model is the one with the highest mean macro AUC on the validation records, so that the choice does not
    favour it on the scored records. A protocol without a test set has only the scored records to choose on.

    Returns:
        A row as in ``comparisons`` and ``chosen_on``; None if no model shares seeds and records with the baseline.
    """
    usable = {
        model: {seed: run for seed, run in runs.items() if seed in signal and _same_ids(run, signal[seed])}
        for model, runs in models.items()
    }
    usable = {model: runs for model, runs in usable.items() if runs}
    if not usable:
        return None
    chosen_on = "validation"
    means = {model: [run.validation_auc for run in runs.values()] for model, runs in usable.items()}
    if any(value is None for values in means.values() for value in values):
        chosen_on = "the scored records"
        once = bootstrap_scores(usable, config, 1)
        means = {model: [own.value["auc_macro"] for own in runs.values()] for model, runs in once.items()}
    best = max(means, key=lambda model: np.nan_to_num(np.mean(means[model])))
    pair = {SIGNAL_BASELINE: {seed: signal[seed] for seed in usable[best]}, best: usable[best]}
    scores = bootstrap_scores(pair, config)
    head = pair_head(SIGNAL_BASELINE, best, None, pair[best])
    return bootstrap_row(head, scores[SIGNAL_BASELINE], scores[best], "auc_macro", config) | {"chosen_on": chosen_on}


def digitizing_cost(baselines: Models, config: EvaluateConfig) -> dict | None:
    """Macro AUC of the baseline on the recordings minus that of the same network on digitized pages.

    Returns:
        A row as in ``comparisons``; None without both baselines, or if they share no seed and records.
    """
    whole, digitized = baselines.get(SIGNAL_BASELINE, {}), baselines.get(DIGITIZED_BASELINE, {})
    seeds = [seed for seed in whole if seed in digitized and _same_ids(whole[seed], digitized[seed])]
    if not seeds:
        return None
    pair = {name: {seed: baselines[name][seed] for seed in seeds} for name in (SIGNAL_BASELINE, DIGITIZED_BASELINE)}
    scores = bootstrap_scores(pair, config)
    head = pair_head(SIGNAL_BASELINE, DIGITIZED_BASELINE, None, pair[SIGNAL_BASELINE])
    return bootstrap_row(head, scores[SIGNAL_BASELINE], scores[DIGITIZED_BASELINE], "auc_macro", config)


def _model(name: str, scores: SeedScores, example: Reported, seeds: list[int], config: EvaluateConfig) -> dict:
    """One model's scores over its seeds."""
    missing = [seed for seed in seeds if seed not in scores]
    names = [score for score in next(iter(scores.values())).value if ":" not in score]
    return {
        "model": name,
        "seeds": sorted(scores),
        "missing_seeds": missing,
        "scores": {score: pooled_cell(scores, score, config, missing) for score in names},
        "per_class": {
            label: {score: pooled_cell(scores, f"{score}:{label}", config, missing) for score in CLASS_SCORES}
            for label in example.predictions.classes
        },
    }


def pooled_cell(scores: SeedScores, name: str, config: EvaluateConfig, missing_seeds: list[int]) -> dict:
    """A score over seeds: ``value``, ``low``, ``high``, ``note``, ``between_seeds`` and ``by_seed``."""
    metric = metric_of(name)
    values = np.array([own.value.get(name, np.nan) for own in scores.values()])
    pooled = mean_over_seeds(values, np.stack([own.samples[name] for own in scores.values()]), config.seed)
    label = name.partition(":")[2]
    reasons = "; ".join(sorted({own.notes[label] for own in scores.values() if label in own.notes}))
    cell = bootstrap_interval(
        pooled.value, pooled.samples, config.confidence, reasons or "not measurable", metric.biased
    )
    if cell["low"] is not None:  # Student's t can exceed the possible values
        cell |= {"low": max(0.0, cell["low"]), "high": min(metric.maximum, cell["high"])}
    missing = f"seeds missing: {', '.join(map(str, missing_seeds))}" if missing_seeds else None
    if missing and len(scores) == 1 and cell["low"] is not None:
        missing += ", so the interval covers patients only"
    notes = [cell["note"], missing]
    if cell["value"] is not None:
        undefined = [str(seed) for seed, value in zip(scores, values, strict=True) if np.isnan(value)]
        notes += [reasons, f"not measurable with seeds {', '.join(undefined)}" if undefined else None]
    return cell | {
        "note": join_notes(notes),
        "between_seeds": pooled.between,
        "by_seed": {str(seed): number_or_none(value) for seed, value in zip(scores, values, strict=True)},
    }


def _pairs(models: Models, config: EvaluateConfig) -> list[tuple[str, str]]:
    """The planned pairs, then the reference against every other model, then all other pairs."""
    planned = [pair for pair in config.planned if set(pair) <= set(models)]
    names = sorted(models, key=lambda name: name != config.reference)
    return [*planned, *(pair for pair in combinations(names, 2) if not {pair, pair[::-1]} & set(planned))]


def _model_rows(
    first: str, second: str, models: Models, scores: Mapping[str, SeedScores], config: EvaluateConfig
) -> list[dict]:
    """All rows of one pair of models."""
    seeds = sorted(models[first].keys() & models[second].keys())
    family = "reference" if first == config.reference else "others"
    family = "planned" if (first, second) in config.planned else family
    note = None if seeds else "the two have no seed in common"
    if not all(check_same_records(models[first][seed], models[second][seed], first, second) for seed in seeds):
        note = "they were not scored on the same records"
    sides = tuple({seed: models[name][seed] for seed in seeds} for name in (first, second))
    if note:
        head = pair_head(first, second, family, {}) | {"seeds": seeds}
        return [head | {"metric": "accuracy", "test": "bootstrap", "note": note}]
    own = tuple({seed: scores[name][seed] for seed in seeds} for name in (first, second))
    return pair_rows(pair_head(first, second, family, sides[0]), sides, own, config)


def pair_rows(
    head: dict,
    sides: tuple[Mapping[int, Reported], Mapping[int, Reported]],
    scores: tuple[SeedScores, SeedScores],
    config: EvaluateConfig,
) -> list[dict]:
    """The rows of one pair: for each metric the bootstrap over seeds; for each seed the exact tests and DeLong's test.

    Args:
        head: the fields that all rows share.
        sides: predictions of the two for the same seeds and records.
        scores: their scores.
        config: confidence, seed.
    """
    metrics = [metric for metric in COMPARED if metric in next(iter(scores[0].values())).value]
    rows = [bootstrap_row(head, *scores, metric, config) for metric in metrics]
    for seed in sides[0]:
        pair, own = (sides[0][seed], sides[1][seed]), (scores[0][seed], scores[1][seed])
        one = head | _sizes({seed: pair[0]})
        rows += exact_rows(one, *own, pair[0].groups, config)
        rows += delong_rows(one, pair, own[0], config)
    return rows


def pair_head(first: str, second: str, family: str | None, runs: Mapping[int, Reported]) -> dict:
    """The fields that all rows of a pair share."""
    return dict.fromkeys(COMPARISON_COLUMNS) | {"first": first, "second": second, "family": family} | _sizes(runs)


def _sizes(runs: Mapping[int, Reported]) -> dict:
    if not runs:
        return {}
    example = next(iter(runs.values()))
    return {"seeds": list(runs), "records": len(example.groups), "groups": len(np.unique(example.groups))}


def _same_ids(first: Reported, second: Reported) -> bool:
    return np.array_equal(first.predictions.record_ids, second.predictions.record_ids)


def check_same_records(first: Reported, second: Reported, name: str, other: str) -> bool:
    """Whether two models were scored on the same records.

    Raises:
        DataError: they disagree on the classes, or on labels of the same records.
    """
    if first.predictions.classes != second.predictions.classes or first.predictions.task != second.predictions.task:
        raise DataError(f"{name} and {other} have different classes, so they cannot be compared")
    if not _same_ids(first, second):
        return False
    differ = (first.predictions.targets != second.predictions.targets).any(axis=1)
    if differ.any():
        example = first.predictions.record_ids[differ][0]
        raise DataError(
            f"{name} and {other} have different labels for {differ.sum()} records, {example} first, so they cannot be "
            "compared"
        )
    return True


def bootstrap_row(head: dict, first: SeedScores, second: SeedScores, metric: str, config: EvaluateConfig) -> dict:
    """The paired bootstrap of one metric over all seeds; both means omit seeds without the score."""
    values = np.array([first[seed].value[metric] - second[seed].value[metric] for seed in first])
    samples = np.stack([first[seed].samples[metric] - second[seed].samples[metric] for seed in first])
    pooled = mean_over_seeds(values, samples, config.seed)
    cell = bootstrap_interval(pooled.value, pooled.samples, config.confidence)
    p_value = None if cell["value"] is None else bootstrap_p(pooled.samples)
    seeds = [seed for seed, value in zip(first, values, strict=True) if not np.isnan(value)] or list(first)
    means = [np.mean([side[seed].value[metric] for seed in seeds]) for side in (first, second)]
    return head | {
        "metric": metric,
        "test": "bootstrap",
        "first_value": number_or_none(means[0]),
        "second_value": number_or_none(means[1]),
        "difference": cell["value"],
        "low": cell["low"],
        "high": cell["high"],
        "between_seeds": pooled.between,
        "p": p_value,
        "note": join_notes(
            [cell["note"], "one seed: the interval covers patients only, not runs" if len(seeds) == 1 else None]
        ),
    }


def exact_rows(
    head: dict, first: BootstrapScores, second: BootstrapScores, groups: np.ndarray, config: EvaluateConfig
) -> list[dict]:
    """McNemar's exact test of one seed, and the grouped version where groups have several records."""
    records = len(groups)
    result = mcnemar(first.correct, second.correct)
    discordant = (result.first_only + result.second_only) / records
    lead = detectable_lead(records, discordant, 1 - config.confidence, POWER)
    grouped = len(np.unique(groups)) < records
    notes = []
    if not discordant:
        notes.append("both models are right on the same records")
    elif lead is None:
        notes.append("too few records differ for the test to detect any difference")
    if grouped:
        notes.append("assumes independent records, though some share a patient or are duplicates; see sign-flip")
    values = float(first.correct.mean()), float(second.correct.mean())
    shared = head | {"metric": "accuracy", "first_value": values[0], "second_value": values[1]}
    shared["difference"] = values[0] - values[1]
    rows = [
        shared
        | {"test": "mcnemar", "first_only": result.first_only, "second_only": result.second_only, "p": result.p_value}
        | {"detectable": lead, "detectable_records": None if lead is None else int(np.ceil(lead * records - 1e-6))}
        | {"note": join_notes(notes)}
    ]
    if grouped:
        flipped = sign_flip(first.correct, second.correct, groups)
        rows.append(
            shared
            | {"test": "sign-flip", "first_only": flipped.first_only, "second_only": flipped.second_only}
            | {"p": flipped.p_value, "note": "counts patients or groups of duplicates, not records"}
        )
    return rows


def delong_rows(
    head: dict, pair: tuple[Reported, Reported], first: BootstrapScores, config: EvaluateConfig
) -> list[dict]:
    """DeLong's test of one seed, one row per class."""
    rows = []
    for i, label in enumerate(pair[0].predictions.classes):
        row = head | {"metric": f"auc:{label}", "test": "delong"}
        if any(len(np.unique(side.parts)) > 1 for side in pair):
            rows.append(row | {"note": "not valid across cross-validation folds; see the bootstrap of auc_macro"})
            continue
        one, other = (run.predictions.probabilities[:, i] for run in pair)
        result = delong(one, other, pair[0].predictions.targets[:, i])
        if result is None:
            rows.append(row | {"note": first.notes.get(label, "fewer than two records with the class, or without")})
            continue
        row |= {"first_value": result.first, "second_value": result.second, "difference": result.first - result.second}
        if result.p_value is None:
            rows.append(row | {"note": "no variance: both models rank the records alike, or perfectly"})
            continue
        low, high = result.ci(config.confidence)
        grouped = head["groups"] < head["records"]
        note = "assumes independent records, though some share a patient or are duplicates" if grouped else None
        rows.append(row | {"low": low, "high": high, "p": result.p_value, "note": note})
    return rows


def add_holm(rows: list[dict]) -> None:
    """Add p_holm: corrected over all pairs of a family, for each metric and test (exact tests: also for each seed)."""
    families: dict[tuple, list[dict]] = {}
    for row in rows:
        one_seed = () if row["test"] == "bootstrap" else tuple(row["seeds"])
        families.setdefault((row["family"], row["metric"], row["test"], one_seed), []).append(row)
    for family in families.values():
        for row, p_value in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = p_value


def number_or_none(value: float) -> float | None:
    """None for NaN."""
    return None if np.isnan(value) else float(value)
