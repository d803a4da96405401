"""The state of an unfinished training on disk: when it is written, whose it is, and what signals do."""

import hashlib
import logging
import os
import pickle
import shutil
import signal
import subprocess
import threading
import time
import zipfile
import zlib
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from ecgpipe.artifacts.atomic import file_crc32, read_json, write_json
from ecgpipe.artifacts.runs import Items, RunConfig
from ecgpipe.errors import DataError, EcgpipeError

logger = logging.getLogger(__name__)

LAST, IDENTITY = "last.ckpt", "identity.json"
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
BATCHES_BETWEEN_QUESTIONS = 16  # among several processes, whether one got a signal


class Stopped(EcgpipeError):
    """A signal ended the training; its state is saved.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the state is saved, and the next start goes on")
        self.exit_status = 128 + number


class LastState(Checkpoint):
    """Saves everything that a resumed training needs, after every epoch, within long ones, and before the end.

    SIGTERM and SIGUSR1 (SLURM's warnings before it takes a node away) end the training after the step that is being
    computed. In a SLURM job SIGUSR1 also puts it back into the queue.

    Args:
        folder: of the checkpoints.
        minutes: also within an epoch, so long after the last time.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.seconds = folder, minutes * 60
        self._saved = time.monotonic()
        self._signal = 0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Listen to signals, where Python allows it; after the trainer, whose own handlers would lose the state."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Save if it is time, and stop if asked to; only between steps, never between parts of one."""
        done = batch_idx + 1
        if done % trainer.accumulate_grad_batches or done == trainer.num_training_batches:
            return  # the end of the epoch is near, and saves by itself
        due = time.monotonic() - self._saved > self.seconds
        if trainer.world_size > 1:
            if done // trainer.accumulate_grad_batches % BATCHES_BETWEEN_QUESTIONS:
                return
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        stop = self._agree(trainer)
        if due or stop:
            self._save(trainer)
        if stop:
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save; the trainer calls this after all other callbacks, so their state is that of the epoch's end."""
        self._save(trainer)
        if self._agree(trainer):
            self._stop(trainer)

    def _agree(self, trainer: Trainer) -> bool:
        """Whether any process got a signal."""
        if trainer.world_size == 1:
            return bool(self._signal)
        return trainer.strategy.reduce_boolean_decision(bool(self._signal), all=False)

    def _save(self, trainer: Trainer) -> None:
        partial = self.folder / f"{LAST}.partial"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            os.replace(partial, self.folder / LAST)
        self._saved = time.monotonic()

    def _stop(self, trainer: Trainer) -> None:
        number = self._signal or signal.SIGTERM
        job = os.environ.get("SLURM_JOB_ID")
        if number == signal.SIGUSR1 and job and trainer.is_global_zero:
            _requeue(job)
        raise Stopped(number)


def _requeue(job: str) -> None:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array and task else job
    try:
        subprocess.run(["scontrol", "requeue", name], check=True, timeout=60)
        logger.info("job %s is back in the queue", name)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("job %s could not be put back into the queue (%s); submit it again", name, error)


def identity_of(run: RunConfig, items: Items, code: str, initial: Path | None = None) -> dict[str, str]:
    """Of a training, by parts: a checkpoint of another one must not be resumed.

    Args:
        run, items: what is trained.
        code: fingerprint of the code.
        initial: the weights that it starts from.

    Raises:
        DataError: these are not there.
    """
    if initial is not None and not initial.is_file():
        raise DataError(f"{initial}: no such file; the training starts from these weights: train that run first")
    digest = hashlib.sha256()
    for array in (items.record_ids, items.roles, items.files, items.rows, items.targets):
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = run.model_dump_json(exclude={"drawing"})  # it is for the model's card; the images are what counts
    return {
        "variant": run.variant,
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
        "records": digest.hexdigest(),
        "initial": "" if initial is None else file_crc32(initial),
        "code": code,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
    }


def _check(last: Path) -> None:
    """Refuse a checkpoint that is damaged, by the checksums in it, or that holds more than tensors and plain values.

    Raises:
        DataError: so it is.
    """
    try:
        with zipfile.ZipFile(last) as file:
            damaged = file.testzip()
        problem = f"{damaged} in it is damaged" if damaged else None
        if problem is None:
            torch.load(last, weights_only=True, mmap=True, map_location="cpu")
    except pickle.UnpicklingError:
        problem = "it holds objects that no checkpoint of ours does, which are not loaded"
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        problem = str(error)
    if problem:
        raise DataError(f"{last}: not a readable checkpoint ({problem}); delete the folder {last.parent} to train anew")


def find_last(folder: Path, identity: dict[str, str], *, first: bool) -> Path | None:
    """The checkpoint to resume from, if there is one of this very training; others are removed.

    Args:
        folder: of the checkpoints.
        identity: of the training.
        first: whether this is the first of several processes, which alone changes files.

    Raises:
        DataError: it is of this training, but damaged, or holds code.
    """
    last = folder / LAST
    try:
        found = read_json(folder / IDENTITY)
    except DataError:
        found = None
    if found == identity and last.is_file():
        _check(last)
        logger.info("resuming from %s", last)
        return last
    if first:
        if last.is_file():
            other = [key for key in identity if (found or {}).get(key) != identity[key]]
            logger.warning(
                "starting anew: the checkpoint in %s %s",
                folder,
                f"is of another training (it differs in: {', '.join(other)})" if other else "is incomplete",
            )
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / IDENTITY, identity, checksum=False)
    return None
