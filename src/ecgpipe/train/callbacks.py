"""What happens beside the steps: the history, the best weights, the log.

The state of an unfinished training on disk: when it is written, whose it is, and what signals do.
"""

import csv
import hashlib
import io
import logging
import math
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
from statistics import mean
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping

from ecgpipe.artifacts.files import atomic_path, file_crc32, read_json, write_json, write_text
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models.weights import write_weights
from ecgpipe.train.hardware import gpu_utilisation

logger = logging.getLogger(__name__)
HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "validation_auc_macro",
    "learning_rate",
    "images_per_second",
    "seconds",
    "gpu_memory_mb",
    "gpu_utilisation",
)
HEADER = "epoch  train loss  val. loss  accuracy  macro AUC       rate  images/s      left"
STEPS_BETWEEN_LOOKS = 50  # at the GPU's utilisation


class History(Callback):
    """A row per epoch, written to history.csv as it grows; its rows survive an interruption with the checkpoint."""

    def __init__(self, path: Path, images: int) -> None:
        self.path, self.images = path, images
        self.rows: list[dict[str, float]] = []
        self._before = 0.0  # seconds of this epoch before an interruption
        self._start = time.monotonic()
        self._train_seconds = 0.0
        self._utilisation: list[float] = []

    def state_dict(self) -> dict:
        """For the checkpoint."""
        return {"rows": self.rows, "seconds": self._elapsed()}

    def load_state_dict(self, state: dict) -> None:
        """From the checkpoint."""
        self.rows, self._before = list(state["rows"]), state["seconds"]
        self._start = time.monotonic()

    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._start

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock."""
        self._before, self._start = 0.0, time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Look at the GPU now and then."""
        if batch_idx % STEPS_BETWEEN_LOOKS == 0 and (found := gpu_utilisation(module.device)) is not None:
            self._utilisation.append(found)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop the clock of training proper."""
        self._train_seconds = self._elapsed()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add the epoch's row."""
        on_gpu = module.device.type == "cuda"
        row = {
            "epoch": trainer.current_epoch + 1,
            **module.scores,
            "learning_rate": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "images_per_second": round(self.images / max(self._train_seconds, 1e-9), 3),
            "seconds": round(self._elapsed(), 3),
            "gpu_memory_mb": round(torch.cuda.max_memory_allocated(module.device) / 1e6, 1) if on_gpu else "",
            "gpu_utilisation": round(mean(self._utilisation), 3) if self._utilisation else "",
        }
        row["validation_auc_macro"] = "" if math.isnan(row["validation_auc_macro"]) else row["validation_auc_macro"]
        self._before, self._start, self._utilisation = 0.0, time.monotonic(), []
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
        if len(self.rows) == 1:
            logger.info(HEADER)
        logger.info(epoch_line(row, trainer.max_epochs))


def epoch_line(row: dict, epochs: int) -> str:
    """A row of the table that is printed while training goes on; HEADER names its columns."""
    area = row["validation_auc_macro"]
    left = int((epochs - row["epoch"]) * row["seconds"])
    cells = (
        f"{row['epoch']:5d}",
        f"{row['train_loss']:10.4f}",
        f"{row['validation_loss']:9.4f}",
        f"{row['validation_accuracy']:8.3f}",
        f"{area if area == '' else format(area, '.3f'):>9}",
        f"{row['learning_rate']:9.2e}",
        f"{row['images_per_second']:8.1f}",
        f"{left // 3600:2d}:{left // 60 % 60:02d}:{left % 60:02d}",
    )
    return "  ".join(cells)


class BestWeights(Callback):
    """Keeps the weights with the lowest validation loss, as safetensors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loss = math.inf
        self.epoch = -1

    def state_dict(self) -> dict:
        """For the checkpoint."""
        return {"loss": self.loss, "epoch": self.epoch}

    def load_state_dict(self, state: dict) -> None:
        """From the checkpoint."""
        self.loss, self.epoch = state["loss"], state["epoch"]
        if self.epoch > 0 and not self.path.is_file():
            raise DataError(f"{self.path}: missing, though the checkpoint counts on it; delete {self.path.parent}")

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save the weights if they are better than any before."""
        loss = module.scores["validation_loss"]
        if not loss < self.loss:
            return
        self.loss, self.epoch = loss, trainer.current_epoch + 1
        if not trainer.is_global_zero:
            return
        weights: dict[str, torch.Tensor] = {
            name: tensor.detach().cpu().contiguous() for name, tensor in module.result.state_dict().items()
        }
        with atomic_path(self.path) as partial:
            write_weights(weights, partial)


class EndAgain(Callback):
    """Ends a resumed training that had already run out of patience when it was killed."""

    def __init__(self, patience: EarlyStopping) -> None:
        self.patience = patience

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Before the first epoch."""
        if self.patience.wait_count >= self.patience.patience:
            trainer.should_stop = True


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


def identity_of(run: RunConfig, items: RunIndex, code: str, init_from: Path | None = None) -> dict[str, str]:
    """Of a training, by parts: a checkpoint of another one must not be resumed.

    Args:
        run, items: what is trained.
        code: fingerprint of the code.
        init_from: the weights that it starts from.

    Raises:
        DataError: these are not there.
    """
    if init_from is not None and not init_from.is_file():
        raise DataError(f"{init_from}: no such file; the training starts from these weights: train that run first")
    digest = hashlib.sha256()
    for array in (items.record_ids, items.roles, items.files, items.rows, items.targets):
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = run.model_dump_json(exclude={"drawing"})  # it is for the model's card; the images are what counts
    return {
        "variant": run.variant,
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
        "records": digest.hexdigest(),
        "init_from": "" if init_from is None else file_crc32(init_from),
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
