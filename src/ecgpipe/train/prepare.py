"""Prepare a run (run.json and run_index.npz), and pre-flight checks of a prepared run."""

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

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
    continue_from: Path | str | None = None,
) -> None:
    """Write run.json and run_index.npz into a run's folder.

    Args:
        folder: the run's folder.
        dataset, protocol, variant, seed: names and seed of the run.
        classes: class names.
        task: single or multilabel.
        record_ids: (n,) unique records of the split, in any order.
        roles: (n,) train, validation or test.
        targets: (n, classes) 0/1.
        images: packed image file -> record id of each row; other records are ignored.
        windows: the same for pages that begin later in the recordings; used only for training records.
        model, train: settings.
        policy, preprocess, drawing: origin of the targets, images and pages, for the model card.
        init_from: weights file of another run to start from; it may not exist yet.
        continue_from: folder of another run to continue; it may not exist yet.

    Raises:
        DataError: a record of the split has no image.
        ValueError: an unknown role.
    """
    # NumPy strings, because Python strings take ten times the memory
    record_ids, roles = np.asarray(record_ids, dtype=str), np.asarray(roles, dtype=str)
    order = np.argsort(record_ids, kind="stable")
    split = f"{dataset}/{protocol}"
    first = index = index_images(record_ids[order], role_numbers(roles)[order], targets[order], images, split)
    training = first.indices("train")
    for number, (file, ids) in enumerate((windows or {}).items(), len(images)):
        positions = training[np.isin(first.record_ids[training], np.asarray(ids, dtype=str))]
        window = index_images(
            first.record_ids[positions], first.roles[positions], first.targets[positions], {file: ids}, split
        )
        index = index.append(replace(window, files=np.full(len(positions), number, np.int16)))
    # the images may have changed, so a checkpoint must not be resumed
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    index.write(folder)
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
        images=tuple(_relative(file, folder) for file in [*images, *(windows or {})]),
        init_from=None if init_from is None else _relative(init_from, folder),
        continue_from=None if continue_from is None else _relative(continue_from, folder),
        model=model,
        train=train,
    ).write(folder)


def _relative(file: Path | str, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def index_images(
    record_ids: np.ndarray,
    roles: np.ndarray,
    targets: np.ndarray,
    images: Mapping[Path, Sequence[str] | np.ndarray],
    split: str,
) -> RunIndex:
    """Find the image of each record.

    Args:
        record_ids: (n,) strings.
        roles: (n,) int8, positions in ROLES.
        targets: (n, classes) 0/1.
        images: packed image file -> record id of each row.
        split: name of the split, for messages.

    Raises:
        DataError: a record has no image.
    """
    available = np.concatenate([np.empty(0, dtype=str), *(np.asarray(ids, dtype=str) for ids in images.values())])
    rows, found = find_rows(record_ids, available)
    if not found.all():
        missing = record_ids[~found]
        raise DataError(
            f"{len(missing)} records of the split {split} have no image, the first is {missing[0]}; "
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


def role_numbers(roles: np.ndarray) -> np.ndarray:
    """Convert (n,) role names to (n,) int8 positions in ROLES; ValueError for an unknown role."""
    numbers = np.full(len(roles), -1, np.int8)
    for number, role in enumerate(ROLES):
        numbers[roles == role] = number
    if (numbers < 0).any():
        raise ValueError(f"'{roles[numbers < 0][0]}' is not one of the roles {', '.join(ROLES)}")
    return numbers


def check_run(folder: Path, run: RunConfig, index: RunIndex) -> None:
    """Check targets, roles and classes of a prepared run before training.

    Raises:
        DataError: the targets do not fit the classes or the task, or a role or class has no records.
    """
    targets = index.targets
    if targets.ndim != 2 or targets.shape[1] != len(run.classes):
        raise DataError(
            f"{folder}: the targets have shape {targets.shape}, but the run has {len(run.classes)} classes; "
            "prepare the run again"
        )
    if targets.max(initial=0) > 1:
        raise DataError(f"{folder}: targets must be 0 or 1, found {targets.max()}; prepare the run again")
    if run.task == "single" and (wrong := np.flatnonzero(targets.sum(axis=1) != 1)).size:
        raise DataError(
            f"{folder}: the task is single, but {len(wrong)} records do not have exactly one class, the first is "
            f"{index.record_ids[wrong[0]]}; use labels.policy multilabel, or prepare the run again"
        )
    for role in ROLES[:2]:
        if not len(index.indices(role)):
            raise DataError(f"{folder}: no {role} records; check the split {run.protocol!r}")
    counts = targets[index.indices("train")].sum(axis=0)
    empty = [name for name, count in zip(run.classes, counts, strict=True) if not count]
    if empty:
        raise DataError(f"{folder}: no training record of class {', '.join(empty)}; use more records")
    if len(run.classes) < 2 and run.task == "single":
        raise DataError(f"{folder}: the run has only one class ({run.classes[0]}); a classifier requires two or more")


def check_disk_space(folder: Path, weights: int, averaged: bool) -> None:
    """Check that weights and checkpoints will fit on the disk.

    Args:
        folder: the run's folder.
        weights: size of the model's weights in bytes.
        averaged: whether a moving average of them is also kept.

    Raises:
        DataError: they will not fit.
    """
    # two checkpoints of weights and two moments each; best weights, the partial file that replaces them, final copy
    needed = weights * (2 * (3 + averaged) + 3)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: training requires {needed / 1e6:.0f} MB for weights and checkpoints, but the disk has only "
            f"{free / 1e6:.0f} MB free; free disk space, or move `results` to another disk"
        )


@contextmanager
def explain_disk_full(folder: Path) -> Iterator[None]:
    """Convert errors of a full disk, quota or file size limit into an EcgpipeError with a remedy."""
    try:
        yield
    except EcgpipeError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            # safetensors reports it only as text
            if getattr(cause, "errno", None) in DISK_FULL or any(
                text in str(cause) for text in ("No space left", "File too large", "quota exceeded")
            ):
                raise EcgpipeError(
                    f"{folder}: disk full ({cause}); free disk space and start again: training resumes from its "
                    "last checkpoint"
                ) from error
            cause = cause.__cause__ or cause.__context__
        raise
