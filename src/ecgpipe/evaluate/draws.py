"""Resampled scores of several models at once: in every resample all models and seeds see the same patients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.measures import Measures
from ecgpipe.evaluate.reported import Models, Reported
from ecgpipe.evaluate.resample import distinct_groups, group_counts

CLASS_SCORES = ("auc", "recall", "specificity", "precision", "f1")


@dataclass(frozen=True)
class Draws:
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


def draw(models: Models, config: EvaluateConfig, seed: tuple[int, ...] | None = None) -> dict[str, dict[int, Draws]]:
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
    measures = [Measures(given.predictions, config, given.parts, full=False) for _, _, given in every]
    members = [np.searchsorted(names, given.groups) for _, _, given in every]
    parts: list[list[dict]] = [[] for _ in every]
    most = max(map(len, members), default=0)
    for counts in group_counts(len(names), config.resamples, config.seed if seed is None else seed, most):
        for i, measure in enumerate(measures):
            # A resample may hold none of a small test set's groups; its scores are then NaN.
            with np.errstate(divide="ignore", invalid="ignore"):
                parts[i].append(_flat(*measure(counts[members[i]]), every[i][2]))
    result: dict[str, dict[int, Draws]] = {}
    for i, (model, number, given) in enumerate(every):
        value = _flat(*measures[i](np.ones((len(given.groups), 1))), given)
        drawn = {name: np.concatenate([part[name] for part in parts[i]]) for name in value}
        result.setdefault(model, {})[number] = Draws(
            {name: float(found[0]) for name, found in value.items()},
            drawn,
            measures[i].right,
            measures[i].missing(given.predictions.classes),
        )
    return result


def _flat(scores: Mapping[str, np.ndarray], per_class: Mapping[str, np.ndarray], given: Reported) -> dict:
    classes = given.predictions.classes
    return dict(scores) | {f"{name}:{c}": per_class[name][:, i] for name in CLASS_SCORES for i, c in enumerate(classes)}
