"""A run made ready for training: run.json and items.npz. Needs no tables, only arrays read from them."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgpipe.artifacts.lookup import rows_of
from ecgpipe.artifacts.roles import ROLES
from ecgpipe.artifacts.runs import CHECKPOINTS, Items, RunConfig
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.preprocess import PreprocessConfig
from ecgpipe.config.train import TrainConfig
from ecgpipe.errors import DataError


def prepare_run(
    folder: Path,
    *,
    dataset: str,
    protocol: str,
    variant: str,
    seed: int,
    classes: Sequence[str],
    task: str,
    record_ids: Sequence[str] | np.ndarray,
    roles: Sequence[str] | np.ndarray,
    targets: np.ndarray,
    images: Mapping[Path, Sequence[str] | np.ndarray],
    windows: Mapping[Path, Sequence[str] | np.ndarray] | None = None,
    model: ModelConfig,
    train: TrainConfig,
    policy: str | None = None,
    preprocess: PreprocessConfig | None = None,
    drawing: Mapping[str, Any] | None = None,
    initial: Path | str | None = None,
) -> None:
    """Write run.json and items.npz into a run's folder.

    Args:
        folder: the run's folder.
        dataset, protocol, variant, seed: what the run is.
        classes: class names.
        task: single or multilabel.
        record_ids: (n,) strings, each once: the records of the split, in any order.
        roles: (n,) train, validation or test.
        targets: (n, classes) of 0 and 1.
        images: packed image file -> the record id of each of its rows; may hold further records.
        windows: the same for pages that begin later in the recordings; training records get an item for each.
        model, train: the settings.
        initial: weights that the training starts from, of another run; they need not be there yet.
        policy, preprocess, drawing: where targets, images and pages come from, for the model's card.

    Raises:
        DataError: a record of the split has no image.
        ValueError: a role is none of ROLES.
    """
    # Arrays throughout: a Python string, or a row of a table of its own, takes more room than all that is kept of it.
    record_ids, roles = np.asarray(record_ids, dtype=str), np.asarray(roles, dtype=str)
    order = np.argsort(record_ids, kind="stable")
    items = _items(record_ids[order], _numbers(roles)[order], targets[order], images, f"{dataset}/{protocol}")
    printed, learnt = items, items.indices("train")
    for number, (file, ids) in enumerate((windows or {}).items(), len(images)):
        drawn = learnt[np.isin(printed.record_ids[learnt], np.asarray(ids, dtype=str))]
        further = _items(printed.record_ids[drawn], printed.roles[drawn], printed.targets[drawn], {file: ids}, dataset)
        items = items.with_further(replace(further, files=np.full(len(drawn), number, np.int16)))
    # images may have changed under the same names: an interrupted training must not go on with other ones
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    items.write(folder)
    RunConfig(
        dataset=dataset,
        protocol=protocol,
        variant=variant,
        seed=seed,
        classes=tuple(classes),
        task=task,
        policy=policy,
        preprocess=preprocess,
        drawing=None if drawing is None else dict(drawing),
        images=tuple(Path(os.path.relpath(file, folder)).as_posix() for file in [*images, *(windows or {})]),
        initial=None if initial is None else Path(os.path.relpath(initial, folder)).as_posix(),
        model=model,
        train=train,
    ).write(folder)


def _items(
    record_ids: np.ndarray,
    roles: np.ndarray,
    targets: np.ndarray,
    images: Mapping[Path, Sequence[str] | np.ndarray],
    split: str,
) -> Items:
    """Where the images of records are; DataError for those that have none."""
    given = np.concatenate([np.empty(0, dtype=str), *(np.asarray(ids, dtype=str) for ids in images.values())])
    rows, found = rows_of(record_ids, given)
    if not found.all():
        missing = record_ids[~found]
        raise DataError(
            f"{len(missing)} records of the split {split} have no image, {missing[0]} first; "
            "run the preprocessing again"
        )
    starts = np.cumsum([0, *map(len, images.values())])
    files = np.searchsorted(starts, rows, side="right") - 1
    return Items(
        record_ids=record_ids,
        roles=roles,
        files=files.astype(np.int16),
        rows=(rows - starts[files]).astype(np.int32),
        targets=np.ascontiguousarray(targets, dtype=np.uint8),
    )


def _numbers(roles: np.ndarray) -> np.ndarray:
    """(n,) strings -> (n,) int8, index into ROLES."""
    numbers = np.full(len(roles), -1, np.int8)
    for number, role in enumerate(ROLES):
        numbers[roles == role] = number
    if (numbers < 0).any():
        raise ValueError(f"'{roles[numbers < 0][0]}' is none of the roles {', '.join(ROLES)}")
    return numbers
