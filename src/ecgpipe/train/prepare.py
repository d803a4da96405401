"""A run made ready for training: run.json and run_index.npz. Needs no tables, only arrays read from them.

What would spoil a training, found before hours are spent on it.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgpipe.artifacts import ROLES, find_rows
from ecgpipe.artifacts.runs import CHECKPOINTS, RunConfig, RunIndex
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.pages import PreprocessConfig
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import DataError, EcgpipeError


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
    init_from: Path | str | None = None,
) -> None:
    """Write run.json and run_index.npz into a run's folder.

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
        init_from: weights that the training starts from, of another run; they need not be there yet.
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
        init_from=None if init_from is None else Path(os.path.relpath(init_from, folder)).as_posix(),
        model=model,
        train=train,
    ).write(folder)


def _items(
    record_ids: np.ndarray,
    roles: np.ndarray,
    targets: np.ndarray,
    images: Mapping[Path, Sequence[str] | np.ndarray],
    split: str,
) -> RunIndex:
    """Where the images of records are; DataError for those that have none."""
    given = np.concatenate([np.empty(0, dtype=str), *(np.asarray(ids, dtype=str) for ids in images.values())])
    rows, found = find_rows(record_ids, given)
    if not found.all():
        missing = record_ids[~found]
        raise DataError(
            f"{len(missing)} records of the split {split} have no image, {missing[0]} first; "
            "run the preprocessing again"
        )
    starts = np.cumsum([0, *map(len, images.values())])
    files = np.searchsorted(starts, rows, side="right") - 1
    return RunIndex(
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


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_run(folder: Path, run: RunConfig, items: RunIndex) -> None:
    """Look at a prepared run.

    Raises:
        DataError: targets that do not fit the classes or the task, a role or a class without records.
    """
    targets = items.targets
    if targets.ndim != 2 or targets.shape[1] != len(run.classes):
        raise DataError(
            f"{folder}: the targets have shape {targets.shape}, but there are {len(run.classes)} classes and so many "
            "outputs; prepare the run again"
        )
    if targets.max(initial=0) > 1:
        raise DataError(f"{folder}: targets must be 0 or 1, found {targets.max()}; prepare the run again")
    if run.task == "single" and (wrong := np.flatnonzero(targets.sum(axis=1) != 1)).size:
        raise DataError(
            f"{folder}: {len(wrong)} records do not have exactly one class, {items.record_ids[wrong[0]]} first; the "
            "task is single; use labels.policy multilabel, or prepare the run again"
        )
    for role in ROLES[:2]:
        if not len(items.indices(role)):
            raise DataError(f"{folder}: no record to use for {role}; check the split {run.protocol!r}")
    counts = targets[items.indices("train")].sum(axis=0)
    empty = [name for name, count in zip(run.classes, counts, strict=True) if not count]
    if empty:
        raise DataError(f"{folder}: no training record of class {', '.join(empty)}; use more records")
    if len(run.classes) < 2 and run.task == "single":
        raise DataError(f"{folder}: a single class ({run.classes[0]}) leaves nothing to tell apart")


def check_disk_space(folder: Path, weights: int, averaged: bool) -> None:
    """Whether the weights and checkpoints will fit.

    Args:
        folder: of the run.
        weights: bytes of the model's weights.
        averaged: whether their average is kept too.

    Raises:
        DataError: they will not.
    """
    # weights and two moments, written beside the last ones; the best weights, their copy, and one while it is written
    needed = weights * (2 * (3 + averaged) + 3)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: the training needs {needed / 1e6:.0f} MB for its weights and checkpoints, but the disk has "
            f"{free / 1e6:.0f} MB left; free some, or put `results` elsewhere"
        )


@contextmanager
def explain_disk_full(folder: Path) -> Iterator[None]:
    """Turn the errors of a full disk into one that says so.

    Raises:
        EcgpipeError: the disk is full, a quota or a limit on file sizes is reached.
    """
    try:
        yield
    except EcgpipeError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            # safetensors' writer, in Rust, reports it as text only
            if getattr(cause, "errno", None) in FULL or any(
                text in str(cause) for text in ("No space left", "File too large", "quota exceeded")
            ):
                raise EcgpipeError(
                    f"{folder}: no more can be written there ({cause}); free some space and start again: the training "
                    "goes on from its last saved state"
                ) from error
            cause = cause.__cause__ or cause.__context__
        raise
