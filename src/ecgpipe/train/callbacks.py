"""Trainer callbacks: history and log, best weights, and the checkpoint of an interrupted run."""

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

from ecgpipe.artifacts.files import atomic_path, file_sha256, read_json, verify, write_checksums, write_json, write_text
from ecgpipe.artifacts.runs import STATE_FILE, WEIGHTS_FILE, RunConfig, RunIndex
from ecgpipe.errors import DataError, EcgpipeError
from ecgpipe.models.weights import write_weights
from ecgpipe.train.hardware import gpu_utilisation

logger = logging.getLogger(__name__)

HISTORY_COLUMNS = (
    "epoch", "train_loss", "validation_loss", "validation_accuracy", "validation_auc_macro", "learning_rate",
    "images", "images_per_second", "seconds", "processor_seconds", "gpu_memory_mb", "gpu_utilisation",
)  # fmt: skip
LOG_HEADER = "epoch  train loss  val. loss  accuracy  macro AUC         lr  images/s      left"
STEPS_BETWEEN_GPU_READS = 50
LAST, IDENTITY = "last.ckpt", "identity.json"
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
BATCHES_BETWEEN_SIGNAL_CHECKS = 16  # with several processes, which must agree


class History(Callback):
    """Writes history.csv, one row per epoch, and logs it; the checkpoint keeps its rows.

    Args:
        path: of history.csv.
        images: training images per epoch.
    """

    def __init__(self, path: Path, images: int) -> None:
        self.path, self.images = path, images
        self.rows: list[dict[str, float]] = []
        self._before = self._processor_before = 0.0  # seconds of this epoch before an interruption
        self._start, self._processor_start = time.monotonic(), time.process_time()
        self._train_seconds = self._processor_seconds = 0.0
        self._utilisation: list[float] = []

    def state_dict(self) -> dict:
        return {"rows": self.rows, "seconds": self._elapsed(), "processor": self._processor()}

    def load_state_dict(self, state: dict) -> None:
        self.rows, self._before, self._processor_before = list(state["rows"]), state["seconds"], state["processor"]
        self._start, self._processor_start = time.monotonic(), time.process_time()

    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._start

    def _processor(self) -> float:
        """Of all threads of this process."""
        return self._processor_before + time.process_time() - self._processor_start

    def _restart(self) -> None:
        self._before, self._start = 0.0, time.monotonic()
        self._processor_before, self._processor_start = 0.0, time.process_time()

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._restart()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        if batch_idx % STEPS_BETWEEN_GPU_READS == 0 and (share := gpu_utilisation(module.device)) is not None:
            self._utilisation.append(share)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        self._train_seconds, self._processor_seconds = self._elapsed(), self._processor()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        on_gpu = module.device.type == "cuda"
        row = {
            "epoch": trainer.current_epoch + 1,
            **module.scores,
            "learning_rate": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "images": self.images,
            "images_per_second": round(self.images / max(self._train_seconds, 1e-9), 3),
            "seconds": round(self._elapsed(), 3),
            "processor_seconds": round(self._processor_seconds, 3),
            "gpu_memory_mb": round(torch.cuda.max_memory_allocated(module.device) / 1e6, 1) if on_gpu else "",
            "gpu_utilisation": round(mean(self._utilisation), 3) if self._utilisation else "",
        }
        row["validation_auc_macro"] = "" if math.isnan(row["validation_auc_macro"]) else row["validation_auc_macro"]
        self._restart()
        self._utilisation = []
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        self.write()
        if len(self.rows) == 1:
            logger.info(LOG_HEADER)
        logger.info(log_line(row, trainer.max_epochs))

    def write(self) -> None:
        """Write history.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


def log_line(row: dict, epochs: int) -> str:
    """Format a row of the history under LOG_HEADER, with the time left."""
    auc = row["validation_auc_macro"]
    left = int((epochs - row["epoch"]) * row["seconds"])
    cells = (
        f"{row['epoch']:5d}",
        f"{row['train_loss']:10.4f}",
        f"{row['validation_loss']:9.4f}",
        f"{row['validation_accuracy']:8.3f}",
        f"{auc if auc == '' else format(auc, '.3f'):>9}",
        f"{row['learning_rate']:9.2e}",
        f"{row['images_per_second']:8.1f}",
        f"{left // 3600:2d}:{left // 60 % 60:02d}:{left % 60:02d}",
    )
    return "  ".join(cells)


class BestWeights(Callback):
    """Saves the weights with the lowest validation loss as safetensors.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loss = math.inf
        self.epoch = -1

    def state_dict(self) -> dict:
        return {"loss": self.loss, "epoch": self.epoch}

    def load_state_dict(self, state: dict) -> None:
        self.loss, self.epoch = state["loss"], state["epoch"]
        if self.epoch > 0 and not self.path.is_file():
            raise DataError(f"{self.path}: missing, although a checkpoint exists; delete the folder {self.path.parent}")

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        loss = module.scores["validation_loss"]
        if not loss < self.loss:
            return
        self.loss, self.epoch = loss, trainer.current_epoch + 1
        if not trainer.is_global_zero:
            return
        weights = {name: tensor.detach().cpu() for name, tensor in module.kept_model.state_dict().items()}
        with atomic_path(self.path) as partial:
            write_weights(weights, partial)
        write_checksums([self.path])


class StopAgain(Callback):
    """Stops a resumed run that early stopping had already ended when it was killed.

    Args:
        early_stopping: of the same trainer.
    """

    def __init__(self, early_stopping: EarlyStopping) -> None:
        self.early_stopping = early_stopping

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if self.early_stopping.wait_count >= self.early_stopping.patience:
            trainer.should_stop = True


class Stopped(EcgpipeError):
    """A signal stopped the training, and its state is saved.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name}; the state is saved, and the next start resumes the training"
        )
        self.exit_status = 128 + number


class ResumeCheckpoint(Checkpoint):
    """Saves the whole state after each epoch, at intervals within long ones, and on SIGTERM and SIGUSR1.

    The signals (Slurm's warnings before the end of a job) stop the training after the current step. In a Slurm job
    SIGUSR1 also requeues the job.

    Args:
        folder: of the checkpoint.
        minutes: interval within an epoch.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.seconds = folder, minutes * 60
        self._saved = time.monotonic()
        self._signal = 0
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Replace the trainer's signal handlers, which would lose the state."""
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            self._handlers = {number: signal.signal(number, self._note) for number in SIGNALS}

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Save if a save is due or a signal came; only between optimizer steps."""
        done = batch_idx + 1
        if done % trainer.accumulate_grad_batches or done == trainer.num_training_batches:
            return  # the end of the epoch saves anyway
        due = time.monotonic() - self._saved > self.seconds
        if trainer.world_size > 1:
            if done // trainer.accumulate_grad_batches % BATCHES_BETWEEN_SIGNAL_CHECKS:
                return
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        stop = self._any_signal(trainer)
        if due or stop:
            self._save(trainer)
        if stop:
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save; the trainer calls checkpoint callbacks last, so the state of the others is complete."""
        self._save(trainer)
        if self._any_signal(trainer):
            self._stop(trainer)

    def _any_signal(self, trainer: Trainer) -> bool:
        """Whether any process received a signal."""
        if trainer.world_size == 1:
            return bool(self._signal)
        return trainer.strategy.reduce_boolean_decision(bool(self._signal), all=False)

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.folder / LAST)  # atomically: engine.train_run sets how
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
        logger.info("requeued job %s", name)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("job %s could not be requeued (%s); submit it again", name, error)


def training_identity(
    run: RunConfig, index: RunIndex, code: str, init_from: Path | None, continue_from: Path | None
) -> dict[str, str]:
    """Identify a run by everything that determines its result; a checkpoint of another one is not resumed.

    Args:
        run: its configuration.
        index: its index.
        code: fingerprint of the code.
        init_from: initial weights.
        continue_from: folder of the run that this one continues.

    Raises:
        DataError: the initial weights, or those of the first run, do not exist.
    """
    earlier = init_from if continue_from is None else continue_from / WEIGHTS_FILE
    if earlier is not None and not earlier.is_file():
        raise DataError(f"{earlier}: no such file, but this run starts from it; train that run first")
    digest = hashlib.sha256()
    for array in (index.record_ids, index.roles, index.files, index.rows, index.targets):
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = run.model_dump_json(exclude={"drawing"})  # only for the model card; the images already depend on it
    return {
        "variant": run.variant,
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
        "records": digest.hexdigest(),
        "init_from": "" if earlier is None else file_sha256(earlier),
        "code": code,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
    }


def find_checkpoint(folder: Path, identity: dict[str, str], *, first: bool) -> Path | None:
    """Return the checkpoint of this run to resume from, if any; remove the checkpoint of another run.

    Args:
        folder: of the checkpoint.
        identity: of the run.
        first: whether this is the first of several processes; only that one changes files.

    Raises:
        DataError: the checkpoint is damaged or contains code.
    """
    last = folder / LAST
    try:
        stored = read_json(folder / IDENTITY)
    except DataError:
        stored = None
    if stored == identity and last.is_file():
        _check_readable(last)
        logger.info("resuming from %s", last)
        return last
    if first:
        if last.is_file():
            other = [key for key in identity if (stored or {}).get(key) != identity[key]]
            logger.warning(
                "starting over: the checkpoint in %s %s",
                folder,
                f"belongs to another run (different: {', '.join(other)})" if other else "is incomplete",
            )
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / IDENTITY, identity)
    return None


def continue_checkpoint(folder: Path, first: Path, *, copy: bool) -> Path:
    """Copy the state of a finished run into the checkpoints of the one that continues it.

    Args:
        folder: of the checkpoint.
        first: folder of the finished run.
        copy: false in all but the first of several processes, which would disturb each other.

    Returns:
        The checkpoint; without a copy, the state itself.

    Raises:
        DataError: the finished run has no state, or its files are damaged.
    """
    if not (first / STATE_FILE).is_file():
        raise DataError(f"{first / STATE_FILE}: no such file; set keep_state in that run's recipe, and train it again")
    if not copy:
        return first / STATE_FILE
    for source, target in ((first / WEIGHTS_FILE, folder / WEIGHTS_FILE), (first / STATE_FILE, folder / LAST)):
        verify(source)
        with atomic_path(target) as partial:
            shutil.copyfile(source, partial)
        if target.name == WEIGHTS_FILE:
            write_checksums([target])
    _check_readable(folder / LAST)
    return folder / LAST


def _check_readable(last: Path) -> None:
    """Raise DataError for a checkpoint that is damaged or contains more than tensors and plain values."""
    try:
        with zipfile.ZipFile(last) as file:
            damaged = file.testzip()
        problem = f"{damaged} is damaged" if damaged else None
        if problem is None:
            torch.load(last, weights_only=True, mmap=True, map_location="cpu")
    except pickle.UnpicklingError:
        problem = "it contains objects that ecgpipe never writes, so it is not loaded"
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        problem = str(error)
    if problem:
        raise DataError(f"{last}: not a readable checkpoint ({problem}); delete the folder {last.parent} to start over")
