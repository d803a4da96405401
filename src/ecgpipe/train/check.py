"""What would spoil a training, found before hours are spent on it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.roles import ROLES
from ecgpipe.artifacts.runs import Items, RunConfig
from ecgpipe.errors import DataError, EcgpipeError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_run(folder: Path, run: RunConfig, items: Items) -> None:
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


def check_space(folder: Path, weights: int, averaged: bool) -> None:
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
def full_disk_is_told(folder: Path) -> Iterator[None]:
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
