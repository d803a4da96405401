"""Training of a prepared run, from its folder alone; goes on where an interrupted one stopped."""

import hashlib
import logging
import platform
import shutil
import time
import warnings
from pathlib import Path

import lightning
import numpy as np
import timm
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar

from ecgpipe import __version__
from ecgpipe.artifacts.atomic import atomic_path, write_json, write_text
from ecgpipe.artifacts.roles import ROLES
from ecgpipe.artifacts.runs import CHECKPOINTS, HISTORY_FILE, SUMMARY_FILE, WEIGHTS_FILE, Items, RunConfig
from ecgpipe.errors import DataError
from ecgpipe.fingerprint import fingerprint
from ecgpipe.models.stored import build_model
from ecgpipe.train.callbacks import BestWeights, History
from ecgpipe.train.data import PackedImages, batches
from ecgpipe.train.loss import class_weights
from ecgpipe.train.module import Classifier

logger = logging.getLogger(__name__)

PRECISION = {"fp16": "16-mixed", "bf16": "bf16-mixed", "fp32": "32-true"}


def train_run(folder: Path | str, *, threads: int | None = None, show_progress: bool = False) -> dict:
    """Train a prepared run.

    Args:
        folder: holds run.json and items.npz; receives weights.safetensors, history.csv and train.json.
        threads: CPU threads; None leaves PyTorch's choice.
        show_progress: draw a progress bar.

    Returns:
        What train.json holds.

    Raises:
        DataError: the run is not prepared, its images are missing, or a class has no training record.
        EcgpipeError: the loss is not a number.
    """
    folder = Path(folder)
    run, items = RunConfig.read(folder), Items.read(folder)
    _check(folder, run, items)
    if threads:
        torch.set_num_threads(threads)
    started = time.monotonic()
    code = fingerprint(__file__)  # a checkpoint of other code is not resumed
    _quiet()
    seed_everything(run.seed, verbose=False)

    train, validation = items.indices("train"), items.indices("validation")
    images = PackedImages(folder, run, items, run.train.translate)
    alpha = class_weights(items.targets[train], run.task, run.train.focal_alpha)
    classifier = Classifier(build_model(run), run, alpha, items.record_ids)

    checkpoints = folder / CHECKPOINTS
    last = _checkpoint_of(checkpoints, identity=_identity(run, items, code))
    history, best = History(folder / HISTORY_FILE, len(train)), BestWeights(checkpoints / WEIGHTS_FILE)
    callbacks = [
        best,
        EarlyStopping(
            "validation_loss", patience=run.train.patience, check_on_train_epoch_end=True, check_finite=False
        ),
        history,
        # last in the list and at the epoch's end, so that it holds the state of all others
        ModelCheckpoint(
            checkpoints, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
        ),
    ]
    if show_progress:
        callbacks.append(TQDMProgressBar(refresh_rate=1))
    on_gpu = torch.cuda.is_available()
    trainer = Trainer(
        default_root_dir=folder,
        max_epochs=run.train.epochs,
        accelerator="gpu" if on_gpu else "cpu",
        devices=1,
        precision=PRECISION[run.train.precision] if on_gpu else PRECISION["fp32"],
        gradient_clip_val=run.train.clip_norm,
        gradient_clip_algorithm="norm",
        deterministic="warn",
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=show_progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    size = run.train.batch_size
    trainer.fit(
        classifier,
        batches(images, train, size, run.seed),
        batches(images, validation, size, None),
        ckpt_path=last,
        weights_only=True if last else None,
    )
    if trainer.interrupted:
        raise KeyboardInterrupt

    summary = {
        "variant": run.variant,
        "model": run.model.model_dump(),
        "epochs": len(history.rows),
        "best_epoch": best.epoch,
        "best_validation_loss": best.loss,
        "stopped_early": len(history.rows) < run.train.epochs,
        "parameters": sum(parameter.numel() for parameter in classifier.model.parameters()),
        "training_records": len(train),
        "validation_records": len(validation),
        "seconds": round(sum(row["seconds"] for row in history.rows), 1),
        "seconds_this_time": round(time.monotonic() - started, 1),
        "resumed": last is not None,
        "precision": trainer.precision,
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads",
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "code": code,
        "versions": {
            "ecgpipe": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "timm": timm.__version__,
            "lightning": lightning.__version__,
            "numpy": np.__version__,
        },
    }
    with atomic_path(folder / WEIGHTS_FILE) as partial:
        shutil.copyfile(checkpoints / WEIGHTS_FILE, partial)
    write_json(folder / SUMMARY_FILE, summary)
    shutil.rmtree(checkpoints)
    return summary


def _check(folder: Path, run: RunConfig, items: Items) -> None:
    """Find before hours are spent what would spoil the training."""
    if items.targets.shape[1] != len(run.classes):
        raise DataError(
            f"{folder}: {items.targets.shape[1]} target columns, but {len(run.classes)} classes; prepare again"
        )
    for role in ROLES[:2]:
        chosen = items.targets[items.indices(role)]
        if not len(chosen):
            raise DataError(f"{folder}: no record to use for {role}; check the split {run.protocol!r}")
    counts = items.targets[items.indices("train")].sum(axis=0)
    empty = [name for name, count in zip(run.classes, counts, strict=True) if not count]
    if empty:
        raise DataError(f"{folder}: no training record of class {', '.join(empty)}; use more records")
    if len(run.classes) < 2 and run.task == "single":
        raise DataError(f"{folder}: a single class ({run.classes[0]}) leaves nothing to tell apart")


def _identity(run: RunConfig, items: Items, code: str) -> str:
    """Of the training: a checkpoint of another one must not be resumed."""
    digest = hashlib.sha256(f"{code}\n{run.model_dump_json()}".encode())
    for array in (items.record_ids, items.roles, items.files, items.rows, items.targets):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _checkpoint_of(folder: Path, identity: str) -> Path | None:
    """The checkpoint to resume from, if there is one of this very training; others are removed."""
    note, last = folder / "identity", folder / "last.ckpt"
    if note.is_file() and note.read_text() == identity and last.is_file() and (folder / WEIGHTS_FILE).is_file():
        logger.info("resuming from %s", last)
        return last
    if folder.exists():
        logger.info("starting anew: the checkpoint in %s is of another configuration, or incomplete", folder)
        shutil.rmtree(folder)
    write_text(note, identity)
    return None


def _quiet() -> None:
    """The trainer's hints are not for our users: they cannot act on them."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*number of training batches.*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")
