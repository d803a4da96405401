"""The reported predictions of models, by seed, with the parts of a cross-validation together.

Resampled scores of several models at once: in every resample all models and seeds see the same patients.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.errors import DataError
from ecgpipe.evaluate.bootstrap import distinct_groups, group_counts
from ecgpipe.evaluate.scores import reported_role, resampling_groups
from ecgpipe.metrics import Scorer


@dataclass(frozen=True)
class Reported:
    """What one model of one seed says of the reported records.

    Args:
        predictions: sorted by record, each record once.
        parts: (n,) strings, the protocol's part that each record was reported in.
        groups: (n,) strings, what is resampled together.
    """

    predictions: Predictions
    parts: np.ndarray
    groups: np.ndarray

    def of_records(self, record_ids: np.ndarray) -> "Reported":
        """Only some records, which must be there, in this order."""
        rows = np.searchsorted(self.predictions.record_ids, record_ids)
        given = self.predictions
        chosen = Predictions(
            given.record_ids[rows],
            given.roles[rows],
            given.logits[rows],
            given.targets[rows],
            given.classes,
            given.task,
        )
        return Reported(chosen, self.parts[rows], self.groups[rows])


Models = Mapping[str, Mapping[int, Reported]]
"""Model -> seed -> what it says."""


def read_reported(files: Iterable[Path | str], records: pd.DataFrame | None) -> dict[str, dict[int, Reported]]:
    """Predictions of models of one data set and protocol, from their folders (protocol/model/seed-n).

    Args:
        files: predictions.parquet of every run, in the order that the models are told in.
        records: rows of records.parquet, for patients and copies; None: each record stands for itself.

    Raises:
        DataError: a file is broken, or two parts of a cross-validation report the same record, or runs disagree on
            classes.
    """
    found: dict[str, dict[int, list[tuple[str, Predictions]]]] = {}
    for file in map(Path, files):
        part, model, seed = file.parts[-4:-1]
        predictions = Predictions.read(file)
        number = int(seed.removeprefix("seed-"))
        found.setdefault(model, {}).setdefault(number, []).append((part, predictions))
    return {
        model: {seed: _join(f"{model}, seed {seed}", parts, records) for seed, parts in seeds.items()}
        for model, seeds in found.items()
    }


def _join(name: str, parts: list[tuple[str, Predictions]], records: pd.DataFrame | None) -> Reported:
    chosen = [(part, predictions.of_role(reported_role(predictions))) for part, predictions in parts]
    first = chosen[0][1]
    if any((given.classes, given.task) != (first.classes, first.task) for _, given in chosen):
        raise DataError(f"{name}: the parts of the cross-validation disagree on the classes; run them again")
    ids = np.concatenate([given.record_ids for _, given in chosen])
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if len(np.unique(ids)) < len(ids):
        twice = ids[:-1][ids[1:] == ids[:-1]][0]
        raise DataError(f"{name}: record {twice} is reported twice; make the splits again")
    joined = Predictions(
        ids,
        np.concatenate([given.roles for _, given in chosen])[order],
        np.concatenate([given.logits for _, given in chosen])[order],
        np.concatenate([given.targets for _, given in chosen])[order],
        first.classes,
        first.task,
    )
    where = np.concatenate([np.full(len(given.record_ids), part) for part, given in chosen])[order]
    return Reported(joined, where, ids if records is None else resampling_groups(ids, records))


CLASS_SCORES = ("auc", "recall", "specificity", "precision", "f1")


@dataclass(frozen=True)
class BootstrapScores:
    """Scores of one model and seed.

    Args:
        value: name -> score; ``auc:<class>`` and the like for a class.
        drawn: name -> (B,) its resamples.
        right: (n,) whether each record is right.
        missing: class -> why its scores say nothing.
    """

    value: dict[str, float]
    drawn: dict[str, np.ndarray]
    right: np.ndarray
    missing: dict[str, str]


def bootstrap_scores(
    models: Models, config: EvaluateConfig, seed: tuple[int, ...] | None = None
) -> dict[str, dict[int, BootstrapScores]]:
    """Resample.

    Args:
        models: what to score.
        config: resamples, seed, threshold.
        seed: of the draws; None: the configuration's.

    Returns:
        Model -> seed -> its scores.
    """
    every = [(model, number, given) for model, seeds in models.items() for number, given in seeds.items()]
    names = distinct_groups(*(given.groups for _, _, given in every))
    measures = [Scorer(given.predictions, config, given.parts, full=False) for _, _, given in every]
    members = [np.searchsorted(names, given.groups) for _, _, given in every]
    parts: list[list[dict]] = [[] for _ in every]
    most = max(map(len, members), default=0)
    for counts in group_counts(len(names), config.resamples, config.seed if seed is None else seed, most):
        for i, measure in enumerate(measures):
            # A resample may hold none of a small test set's groups; its scores are then NaN.
            with np.errstate(divide="ignore", invalid="ignore"):
                parts[i].append(_flat(*measure(counts[members[i]]), every[i][2]))
    result: dict[str, dict[int, BootstrapScores]] = {}
    for i, (model, number, given) in enumerate(every):
        value = _flat(*measures[i](np.ones((len(given.groups), 1))), given)
        drawn = {name: np.concatenate([part[name] for part in parts[i]]) for name in value}
        result.setdefault(model, {})[number] = BootstrapScores(
            {name: float(found[0]) for name, found in value.items()},
            drawn,
            measures[i].right,
            measures[i].missing(given.predictions.classes),
        )
    return result


def _flat(scores: Mapping[str, np.ndarray], per_class: Mapping[str, np.ndarray], given: Reported) -> dict:
    classes = given.predictions.classes
    return dict(scores) | {f"{name}:{c}": per_class[name][:, i] for name in CLASS_SCORES for i, c in enumerate(classes)}
