"""The scored predictions of models by seed, and their scores in the same bootstrap resamples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.bootstrap import distinct_groups, group_counts, resampling_groups
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.metrics import CLASS_METRICS, Scorer, metrics_shown

CLASS_SCORES = tuple(metric.name for metric in metrics_shown("comparisons", CLASS_METRICS))


@dataclass(frozen=True)
class Reported:
    """Predictions of one model and seed for the scored records.

    Args:
        predictions: sorted by record, each record once.
        parts: (n,) strings, the split or fold on which each record was scored.
        groups: (n,) strings, records that are resampled together.
        validation_auc: macro AUC on the validation records, mean over folds; None if these are the scored records.
    """

    predictions: Predictions
    parts: np.ndarray
    groups: np.ndarray
    validation_auc: float | None = None

    def select(self, record_ids: np.ndarray) -> "Reported":
        """Only these records, all of which must exist, in this order."""
        rows = np.searchsorted(self.predictions.record_ids, record_ids)
        return Reported(self.predictions.select(rows), self.parts[rows], self.groups[rows], self.validation_auc)


Models = Mapping[str, Mapping[int, Reported]]
"""Model -> seed -> its scored predictions."""


@dataclass(frozen=True)
class BootstrapScores:
    """Scores of one model and seed.

    Args:
        value: name -> score; ``auc:<class>`` and the like for one class.
        samples: name -> (B,) the same in the resamples.
        correct: (n,) bool, whether each record is right.
        notes: class -> why its scores are undefined or meaningless.
    """

    value: dict[str, float]
    samples: dict[str, np.ndarray]
    correct: np.ndarray
    notes: dict[str, str]


def read_reported(files: Iterable[Path | str], records: pd.DataFrame | None) -> dict[str, dict[int, Reported]]:
    """Read the predictions of models of one dataset and protocol from their folders (protocol/model/seed-n).

    Args:
        files: predictions.parquet of every run, in the order of the models in tables.
        records: rows of records.parquet, for patients and duplicates; None: every record is its own group.

    Raises:
        DataError: a file is damaged, two folds of a cross-validation score the same record, or folds disagree on the
            classes.
    """
    found: dict[str, dict[int, list[tuple[str, Predictions]]]] = {}
    for file in map(Path, files):
        part, model, seed = file.parts[-4:-1]
        number = int(seed.removeprefix("seed-"))
        found.setdefault(model, {}).setdefault(number, []).append((part, Predictions.read(file)))
    return {
        model: {seed: _join(f"{model}, seed {seed}", parts, records) for seed, parts in seeds.items()}
        for model, seeds in found.items()
    }


def bootstrap_scores(
    models: Models, config: EvaluateConfig, resamples: int | None = None, seed: int | tuple[int, ...] | None = None
) -> dict[str, dict[int, BootstrapScores]]:
    """Score models; in every resample all models and seeds have the same patients.

    Args:
        models: predictions.
        config: threshold, resamples, seed.
        resamples: B; None: the configuration's.
        seed: seed of the resampling; None: the configuration's.

    Returns:
        Model -> seed -> its scores.
    """
    runs = [(model, number, run) for model, seeds in models.items() for number, run in seeds.items()]
    names = distinct_groups(*(run.groups for _, _, run in runs))
    scorers = [Scorer(run.predictions, config.threshold, run.parts, single_run=False) for _, _, run in runs]
    members = [np.searchsorted(names, run.groups) for _, _, run in runs]
    resamples = config.resamples if resamples is None else resamples
    seed = config.seed if seed is None else seed
    parts: list[list[dict]] = [[] for _ in runs]
    for counts in group_counts(len(names), resamples, seed, max(map(len, members))):
        for i, scorer in enumerate(scorers):
            # A resample can lack all groups of a small test set; its scores are then NaN.
            with np.errstate(divide="ignore", invalid="ignore"):
                parts[i].append(_flat(*scorer(counts[members[i]]), runs[i][2]))
    result: dict[str, dict[int, BootstrapScores]] = {}
    for (model, number, run), scorer, own in zip(runs, scorers, parts, strict=True):
        value = _flat(*scorer(np.ones((len(run.groups), 1))), run)
        result.setdefault(model, {})[number] = BootstrapScores(
            {name: float(score[0]) for name, score in value.items()},
            {name: np.concatenate([part[name] for part in own]) for name in value},
            scorer.correct,
            scorer.class_notes(run.predictions.classes),
        )
    return result


def _flat(scores: Mapping[str, np.ndarray], per_class: Mapping[str, np.ndarray], run: Reported) -> dict:
    classes = run.predictions.classes
    return dict(scores) | {f"{name}:{c}": per_class[name][:, i] for name in CLASS_SCORES for i, c in enumerate(classes)}


def _join(name: str, parts: list[tuple[str, Predictions]], records: pd.DataFrame | None) -> Reported:
    """Join the folds of a cross-validation."""
    first = parts[0][1]
    if any((predictions.classes, predictions.task) != (first.classes, first.task) for _, predictions in parts):
        raise DataError(f"{name}: the folds of the cross-validation disagree on the classes; run them again")
    reported = [predictions.reported() for _, predictions in parts]
    joined = Predictions.joined(reported)
    order = np.argsort(joined.record_ids, kind="stable")
    joined = joined.select(order)
    ids = joined.record_ids
    if len(np.unique(ids)) < len(ids):
        twice = ids[:-1][ids[1:] == ids[:-1]][0]
        raise DataError(f"{name}: record {twice} is scored twice; make the splits again")
    sizes = [len(predictions.record_ids) for predictions in reported]
    origin = np.repeat([part for part, _ in parts], sizes)[order]
    groups = ids if records is None else resampling_groups(ids, records)
    return Reported(joined, origin, groups, _validation_auc([predictions for _, predictions in parts]))


def _validation_auc(parts: list[Predictions]) -> float | None:
    chosen = [part.of_role("validation") for part in parts if part.reported_role == "test"]
    chosen = [part for part in chosen if len(part.record_ids)]
    if not chosen:
        return None
    scores = [Scorer(part, 0.5)(np.ones((len(part.record_ids), 1)))[0]["auc_macro"][0] for part in chosen]
    return None if np.isnan(scores).all() else float(np.nanmean(scores))
