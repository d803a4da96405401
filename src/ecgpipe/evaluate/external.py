"""External validation: scores of models on another dataset and on their own, and of models trained on the other."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from ecgpipe.artifacts.model_folder import Calibration
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.bootstrap import join_notes, resampling_groups
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.calibration import fit_calibration, reliability_curve
from ecgpipe.evaluate.compare import SeedScores, bootstrap_row, pooled_cell
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores
from ecgpipe.evaluate.protocols import unpaired_difference
from ecgpipe.evaluate.shared import SharedPredictions

CLASS_SCORES = ("auc", "f1", "recall", "specificity")
CALIBRATIONS = ("uncalibrated", "before", "after")
"""``before``: calibrated on the validation records of the model's own dataset; ``after``: on the other dataset's."""


def best_f1_threshold(logits: np.ndarray, truth: np.ndarray) -> float:
    """The decision threshold with the highest F1, the largest one in a tie; 0 without positive records.

    Args:
        logits: (n,).
        truth: (n,) 0/1.
    """
    if not truth.any():
        return 0.0
    precision, recall, thresholds = precision_recall_curve(truth, logits)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[::-1][f1[-2::-1].argmax()])  # the last value has no threshold


def evaluate_external(
    runs: Mapping[str, Mapping[int, SharedPredictions]],
    records: pd.DataFrame,
    source_records: pd.DataFrame,
    config: EvaluateConfig,
) -> dict:
    """Score the models of an entry of `benchmark.external`.

    Args:
        runs: model -> seed -> predictions.
        records: rows of records.parquet of the dataset that they are scored on.
        source_records: the same for their own dataset.
        config: resamples, confidence, seed.

    Returns:
        The scores in the file of results (docs/formats.md), without names.

    Raises:
        DataError: no records, or logits that are not finite.
    """
    if not runs:
        raise DataError("no models to score; check benchmark.external")
    config = config.model_copy(update={"threshold": 0.5})  # of logits minus the threshold
    example = next(iter(next(iter(runs.values())).values()))
    reported, own = (part.reported() for part in (example.external, example.source))
    return {
        "role": str(reported.roles[0]),
        "source_role": str(own.roles[0]),
        "confidence": config.confidence,
        "resamples": config.resamples,
        "records": len(reported.record_ids),
        "groups": len(np.unique(resampling_groups(reported.record_ids, records))),
        "without": int((~reported.targets.any(axis=1)).sum()),
        "support": _support(reported),
        "source_records": len(own.record_ids),
        "source_support": _support(own),
        "models": [_model(name, seeds, records, source_records, config) for name, seeds in runs.items()],
    }


def _support(predictions: Predictions) -> dict[str, int]:
    return {name: int(count) for name, count in zip(predictions.classes, predictions.targets.sum(axis=0), strict=True)}


class _Fitted:
    """The fits for one model and seed, and the predictions that are scored with them."""

    def __init__(self, run: SharedPredictions, records: pd.DataFrame, source_records: pd.DataFrame) -> None:
        def reported(part: Predictions, table: pd.DataFrame, logits: np.ndarray | None = None) -> Reported:
            chosen = (part if logits is None else replace(part, logits=logits)).reported()
            chosen = chosen.select(np.argsort(chosen.record_ids, kind="stable"))
            groups = resampling_groups(chosen.record_ids, table)
            return Reported(chosen, np.full(len(groups), part.reported_role), groups)

        # thresholds and the first calibration never see the other dataset
        source_fit, external_fit = _fit_part(run.source), _fit_part(run.external)
        self.thresholds, external_thresholds = _thresholds(source_fit), _thresholds(external_fit)
        self.before = fit_calibration(source_fit, f"{source_fit.roles[0]} records of the model's own dataset")
        self.after = fit_calibration(external_fit, f"{external_fit.roles[0]} records of the other dataset")
        external = run.external.logits
        self.scored: dict[str, Reported] = {
            "external": reported(run.external, records),
            "external_called": reported(run.external, records, external - self.thresholds),
            "external_recalled": reported(run.external, records, external - external_thresholds),
            "before": reported(run.external, records, self.before.logits(external)),
            "after": reported(run.external, records, self.after.logits(external)),
        }
        if run.internal is not None:
            inside = run.internal.logits - _thresholds(_fit_part(run.internal))
            self.scored |= {
                "internal": reported(run.internal, records),
                "internal_called": reported(run.internal, records, inside),
            }
        self.scored_source: dict[str, Reported] = {
            "source": reported(run.source, source_records),
            "source_called": reported(run.source, source_records, run.source.logits - self.thresholds),
        }


def _fit_part(predictions: Predictions) -> Predictions:
    """The validation records; under a protocol without a test set these are also the scored ones."""
    validation = predictions.of_role("validation")
    return validation if len(validation.record_ids) else predictions


def _thresholds(part: Predictions) -> np.ndarray:
    """(classes,) logits."""
    return np.array([best_f1_threshold(*pair) for pair in zip(part.logits.T, part.targets.T, strict=True)])


def _model(
    name: str,
    seeds: Mapping[int, SharedPredictions],
    records: pd.DataFrame,
    source_records: pd.DataFrame,
    config: EvaluateConfig,
) -> dict:
    """The scores of one model over its seeds."""
    fitted = {seed: _Fitted(run, records, source_records) for seed, run in seeds.items()}
    scores = bootstrap_scores(_by_kind({seed: one.scored for seed, one in fitted.items()}), config)
    scores |= bootstrap_scores(
        _by_kind({seed: one.scored_source for seed, one in fitted.items()}), config, seed=(config.seed, 2)
    )
    classes, kinds = next(iter(seeds.values())).external.classes, ("external", "source", "internal")
    first = next(iter(fitted.values()))

    def cell(kind: str, metric: str) -> dict | None:
        called = metric.partition(":")[0].removesuffix("_macro") in ("f1", "recall", "specificity")
        own = scores.get(f"{kind}_called" if called else kind)
        return None if own is None else pooled_cell(own, metric, config, [])

    def recalled(metric: str) -> dict:
        return pooled_cell(scores["external_recalled"], metric, config, [])

    return {
        "model": name,
        "seeds": sorted(seeds),
        "internal_seeds": sorted(scores.get("internal", {})),
        "scores": {kind: {m: cell(kind, m) for m in ("auc_macro", "f1_macro")} for kind in kinds}
        | {"recalled": {"f1_macro": recalled("f1_macro")}},
        "per_class": {
            label: {kind: {metric: cell(kind, f"{metric}:{label}") for metric in CLASS_SCORES} for kind in kinds}
            | {"recalled": {metric: recalled(f"{metric}:{label}") for metric in CLASS_SCORES[1:]}}
            for label in classes
        },
        "differences": [
            row
            for metric in ("auc_macro", *(f"auc:{label}" for label in classes))
            for row in _differences(metric, scores, fitted, config)
        ],
        "calibration": {
            when: _calibration(scores["external" if when == "uncalibrated" else when], fitted, when, config)
            for when in CALIBRATIONS
        },
        "brier_change": _row("before", bootstrap_row({}, scores["after"], scores["before"], "brier", config), True),
        "fitted": {
            str(seed): {
                "thresholds": dict(zip(classes, one.thresholds.tolist(), strict=True)),
                "before": _facts(one.before),
                "after": _facts(one.after),
            }
            for seed, one in fitted.items()
        },
        "curves": {when: _curves(first.scored[when].predictions, config) for when in CALIBRATIONS[1:]},
    }


def _by_kind(fitted: Mapping[int, Mapping[str, Reported]]) -> dict[str, dict[int, Reported]]:
    """Kind -> seed -> predictions, from seed -> kind -> predictions."""
    kinds: dict[str, dict[int, Reported]] = {}
    for seed, own in fitted.items():
        for kind, one in own.items():
            kinds.setdefault(kind, {})[seed] = one
    return kinds


def _facts(fit: Calibration) -> dict:
    return fit.model_dump(mode="json", exclude={"method"})


def _differences(
    metric: str, scores: Mapping[str, SeedScores], fitted: Mapping[int, _Fitted], config: EvaluateConfig
) -> list[dict]:
    """External minus internal, paired by record, and external minus source, which has other records."""
    rows, external = [], scores["external"]
    paired = [
        seed
        for seed in scores.get("internal", {})
        if np.array_equal(*(fitted[seed].scored[kind].predictions.record_ids for kind in ("external", "internal")))
    ]
    if paired:
        first, second = ({seed: scores[kind][seed] for seed in paired} for kind in ("external", "internal"))
        rows.append(_row("internal", bootstrap_row({}, first, second, metric, config), True))
    change = unpaired_difference(external, scores["source"], metric, config)
    note = "one seed: the interval omits the variance between runs" if len(external) == 1 else None
    change |= {"p": None, "note": join_notes([change["note"], note])}
    return [*rows, _row("source", change, False)]


def _row(against: str, row: Mapping, paired: bool) -> dict:
    names = ("metric", "first_value", "second_value", "difference", "low", "high", "p", "note")
    return {"against": against, "paired": paired} | {name: row[name] for name in names}


def _calibration(scores: SeedScores, fitted: Mapping[int, _Fitted], when: str, config: EvaluateConfig) -> dict:
    """Brier score and calibration error, means over classes; and the mean probability of each class and its gap."""
    kind = "external" if when == "uncalibrated" else when
    parts = [one.scored[kind].predictions for one in fitted.values()]
    return {metric: pooled_cell(scores, metric, config, []) for metric in ("brier", "ece")} | {
        "predicted": {
            label: float(np.mean([part.probabilities[:, i].mean() for part in parts]))
            for i, label in enumerate(parts[0].classes)
        },
        "observed": {
            label: float(np.mean([part.targets[:, i].mean() for part in parts]))
            for i, label in enumerate(parts[0].classes)
        },
    }


def _curves(predictions: Predictions, config: EvaluateConfig) -> dict[str, list[dict]]:
    return {
        label: reliability_curve(predictions.probabilities[:, i], predictions.targets[:, i], config.confidence)
        for i, label in enumerate(predictions.classes)
    }
