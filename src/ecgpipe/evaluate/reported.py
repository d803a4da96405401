"""The reported predictions of models, by seed, with the parts of a cross-validation together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.errors import DataError
from ecgpipe.evaluate.run import reported_role, resampling_groups


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
