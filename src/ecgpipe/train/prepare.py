"""A run made ready for training: run.json and items.npz. Needs no tables, only what the caller read from them."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
    roles: Mapping[str, str],
    targets: Mapping[str, np.ndarray],
    images: Mapping[Path, Sequence[str]],
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
        roles: record id -> train, validation or test.
        targets: record id -> (classes,) uint8.
        images: packed image file -> the record id of each of its rows.
        model, train: the settings.
        initial: weights that the training starts from, of another run; they need not be there yet.
        policy, preprocess, drawing: where targets, images and pages come from, for the model's card.

    Raises:
        DataError: a record of the split has no image.
    """
    place = {
        record_id: (number, row) for number, ids in enumerate(images.values()) for row, record_id in enumerate(ids)
    }
    missing = [record_id for record_id in roles if record_id not in place]
    if missing:
        raise DataError(
            f"{len(missing)} records of the split {dataset}/{protocol} have no image, {missing[0]} first; "
            "run the preprocessing again"
        )
    record_ids = sorted(roles)
    items = Items(
        record_ids=np.array(record_ids, dtype=str),
        roles=np.array([ROLES.index(roles[record_id]) for record_id in record_ids], dtype=np.int8),
        files=np.array([place[record_id][0] for record_id in record_ids], dtype=np.int16),
        rows=np.array([place[record_id][1] for record_id in record_ids], dtype=np.int32),
        targets=np.stack([targets[record_id] for record_id in record_ids]).astype(np.uint8),
    )
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
        images=tuple(Path(os.path.relpath(file, folder)).as_posix() for file in images),
        initial=None if initial is None else Path(os.path.relpath(initial, folder)).as_posix(),
        model=model,
        train=train,
    ).write(folder)
