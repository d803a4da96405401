"""Predictions of the classes that two datasets share.

Softmax and sigmoid outputs are made comparable as one logit per shared class, for the class against the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from ecgpipe.artifacts.predictions import ExternalLogits, Predictions
from ecgpipe.artifacts.tables import Labels
from ecgpipe.config.external import SharedClass


@dataclass(frozen=True)
class SharedPredictions:
    """Predictions of one model and seed for the shared classes, multi-label.

    Args:
        external: for records of the other dataset.
        source: for records of the model's own dataset.
        internal: of the same model trained on the other dataset, for that dataset's records; None without such a model.
    """

    external: Predictions
    source: Predictions
    internal: Predictions | None


def one_versus_rest(
    logits: np.ndarray, task: str, classes: Sequence[str], groups: Sequence[Sequence[str]]
) -> np.ndarray:
    """For each group of classes, a logit that a record has any of them.

    Softmax: the log odds of the sum of their probabilities, which is exact, since its classes exclude each other.
    Sigmoid: the largest of their logits, a lower bound, since they can occur together.

    Args:
        logits: (n, classes).
        task: ``single`` (softmax) or ``multilabel`` (sigmoid).
        classes: names of the columns.
        groups: classes of each group; for a softmax, no group may have all classes.

    Returns:
        (n, groups) float64.
    """
    logits, columns = np.asarray(logits, np.float64), []
    for group in groups:
        inside = np.isin(classes, group)
        if task == "multilabel":
            columns.append(logits[:, inside].max(axis=1))
        else:
            columns.append(logsumexp(logits[:, inside], axis=1) - logsumexp(logits[:, ~inside], axis=1))
    return np.stack(columns, axis=1)


def shared_targets(targets: np.ndarray, classes: Sequence[str], groups: Sequence[Sequence[str]]) -> np.ndarray:
    """(n, groups) uint8: whether a record has any class of a group; from (n, classes) of 0 and 1."""
    return np.stack([targets[:, np.isin(classes, group)].any(axis=1) for group in groups], axis=1).astype(np.uint8)


def share_own(predictions: Predictions, shared: Sequence[SharedClass], side: str) -> Predictions:
    """Predictions of a model for its own dataset, for the shared classes.

    Args:
        predictions: predictions of a run.
        shared: the classes.
        side: ``source`` or ``target``: which of the entry's datasets it is.
    """
    groups = [getattr(one, side) for one in shared]
    return replace(
        predictions,
        logits=one_versus_rest(predictions.logits, predictions.task, predictions.classes, groups),
        targets=shared_targets(predictions.targets, predictions.classes, groups),
        classes=tuple(one.name for one in shared),
        task="multilabel",
    )


def share_external(logits: ExternalLogits, labels: Labels, shared: Sequence[SharedClass]) -> Predictions:
    """Predictions of a model for another dataset, for the shared classes.

    Args:
        logits: logits of the model.
        labels: labels of the other dataset.
        shared: the classes.
    """
    sources, targets = ([one.source for one in shared], [one.target for one in shared])
    return Predictions(
        record_ids=logits.record_ids,
        roles=logits.roles,
        logits=one_versus_rest(logits.logits, logits.task, logits.classes, sources),
        targets=shared_targets(labels.of_records(logits.record_ids), labels.classes, targets),
        classes=tuple(one.name for one in shared),
        task="multilabel",
    )


def read_shared(
    external: Iterable[Path | str],
    source: Iterable[Path | str],
    internal: Iterable[Path | str],
    labels: Labels,
    shared: Sequence[SharedClass],
) -> dict[str, dict[int, SharedPredictions]]:
    """Read the predictions of an entry of `benchmark.external`: model -> seed -> predictions.

    Args:
        external: MODEL/seed-N/external/DATASET/PROTOCOL.parquet of every model and seed.
        source: MODEL/seed-N/predictions.parquet of the same models.
        internal: the same for those also trained on the other dataset.
        labels: labels of the other dataset.
        shared: the classes.

    Raises:
        DataError: a file is damaged.
    """
    source_files, internal_files = _by_run(source), _by_run(internal)
    runs: dict[str, dict[int, SharedPredictions]] = {}
    for file in map(Path, external):
        run = file.parents[2]
        key = (run.parent.name, run.name)
        internal_file = internal_files.get(key)
        runs.setdefault(key[0], {})[int(key[1].removeprefix("seed-"))] = SharedPredictions(
            share_external(ExternalLogits.read(file), labels, shared),
            share_own(Predictions.read(source_files[key]), shared, "source"),
            None if internal_file is None else share_own(Predictions.read(internal_file), shared, "target"),
        )
    return runs


def _by_run(files: Iterable[Path | str]) -> Mapping[tuple[str, str], Path]:
    """Model and seed's folder -> file."""
    return {(file.parents[1].name, file.parent.name): file for file in map(Path, files)}
