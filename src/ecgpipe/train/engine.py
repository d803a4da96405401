"""Training of a prepared run, from its folder alone; goes on where an interrupted one stopped."""

import logging
import platform
import shutil
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import timm
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only

from ecgpipe import __version__
from ecgpipe.artifacts.files import atomic_path, file_crc32, read_json, write_json
from ecgpipe.artifacts.runs import CHECKPOINTS, HISTORY_FILE, SUMMARY_FILE, WEIGHTS_FILE, RunConfig, RunIndex
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.fingerprint import file_hash, fingerprint
from ecgpipe.models.factory import build_model
from ecgpipe.models.weights import load_init_weights
from ecgpipe.train.callbacks import BestWeights, EndAgain, History, LastState, find_last, identity_of
from ecgpipe.train.data import RunData
from ecgpipe.train.hardware import Energy, TrainerOptions, git_state, hardware_info
from ecgpipe.train.module import Classifier
from ecgpipe.train.prepare import check_disk_space, check_run, explain_disk_full
from ecgpipe.train.recipe import class_weights

logger = logging.getLogger(__name__)

PRECISION = {"fp16": "16-mixed", "bf16": "bf16-mixed", "fp32": "32-true"}
TENSORBOARD = "tensorboard"  # a folder below the run's


def train_run(folder: Path | str, machine: TrainerOptions | None = None, *, show_progress: bool = False) -> dict:
    """Train a prepared run; one that is trained already is left as it is.

    Args:
        folder: holds run.json and run_index.npz; receives weights.safetensors, history.csv and train.json.
        machine: where it runs; None: one GPU if there is one, else the CPU.
        show_progress: draw a progress bar.

    Returns:
        What train.json holds.

    Raises:
        DataError: the run is not prepared, its images are missing, its targets cannot be learnt, its checkpoint is
            broken, or the disk is too small.
        EcgpipeError: the loss is not a number, or the disk is full.
        Stopped: a signal ended it.
    """
    folder, machine = Path(folder), machine or TrainerOptions()
    run, items = RunConfig.read(folder), RunIndex.read(folder)
    check_run(folder, run, items)
    if machine.threads:
        torch.set_num_threads(machine.threads)
    code = fingerprint(__file__) + file_hash(run.model.plugin)  # a checkpoint of other code is not resumed
    init_from = None if run.init_from is None else folder / run.init_from
    identity = identity_of(run, items, code, init_from)
    if (summary := _finished(folder, identity)) is not None:
        logger.info("%s is trained already; delete its %s to train it again", folder, SUMMARY_FILE)
        return summary
    _quiet()
    seed_everything(run.seed, verbose=False)
    with explain_disk_full(folder):
        return _train(folder, run, items, machine, identity, init_from, show_progress)


def _train(
    folder: Path,
    run: RunConfig,
    items: RunIndex,
    machine: TrainerOptions,
    identity: dict[str, str],
    init_from: Path | None,
    show_progress: bool,
) -> dict:
    started, energy = time.monotonic(), Energy()
    data = RunData(folder, run, items, machine)
    alpha = class_weights(items.targets[data.train], run.task, run.train.focal_alpha)
    model = build_model(run)
    start = None if init_from is None else load_init_weights(model, init_from)
    model = model.to(memory_format=torch.channels_last)  # convolutions: a fifth less time on a CPU, and faster on a GPU
    classifier = Classifier(model, run, alpha, items.record_ids, data.stored)
    size = sum(tensor.nbytes for tensor in classifier.model.state_dict().values())
    check_disk_space(folder, size, run.train.ema_decay is not None)

    checkpoints = folder / CHECKPOINTS
    last = find_last(checkpoints, identity, first=rank_zero_only.rank == 0)  # type: ignore[attr-defined]
    history, best = History(folder / HISTORY_FILE, len(data.train)), BestWeights(checkpoints / WEIGHTS_FILE)
    patience = EarlyStopping(
        "validation_loss", patience=run.train.patience, check_on_train_epoch_end=True, check_finite=False
    )
    callbacks: list[Callback] = [best, patience, history, EndAgain(patience)]
    callbacks.append(LastState(checkpoints, machine.save_minutes))
    if show_progress:
        callbacks.append(TQDMProgressBar(refresh_rate=1))
    trainer = Trainer(
        default_root_dir=folder,
        max_epochs=run.train.epochs,
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.nodes,
        strategy=machine.strategy,
        plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
        sync_batchnorm=machine.on_gpu and machine.devices * machine.nodes > 1,
        use_distributed_sampler=False,
        precision=PRECISION[run.train.precision if machine.on_gpu else run.train.cpu_precision],
        gradient_clip_val=run.train.clip_norm,
        gradient_clip_algorithm="norm",
        accumulate_grad_batches=run.train.accumulate,
        deterministic="warn",
        callbacks=callbacks,
        logger=_tensorboard(folder, machine, anew=last is None),
        log_every_n_steps=1,
        enable_progress_bar=show_progress,
        enable_model_summary=False,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
    )
    trainer.fit(classifier, datamodule=data, ckpt_path=last, weights_only=True if last else None)
    if trainer.interrupted:
        raise KeyboardInterrupt

    summary = {
        "variant": run.variant,
        "model": run.model.model_dump(),
        "train": run.train.model_dump(),
        "init_from": start,
        "epochs": len(history.rows),
        "best_epoch": best.epoch,
        "best_validation_loss": best.loss,
        "stopped_early": len(history.rows) < run.train.epochs,
        "parameters": sum(parameter.numel() for parameter in classifier.model.parameters()),
        "training_records": len(items.records("train")),
        "validation_records": len(data.validation),
        "seconds": round(sum(row["seconds"] for row in history.rows), 1),
        "seconds_this_time": round(time.monotonic() - started, 1),
        "joules_this_time": energy.used(),
        "resumed": last is not None,
        "precision": trainer.precision,
        "device": torch.cuda.get_device_name() if machine.on_gpu else f"CPU, {torch.get_num_threads()} threads",
        "processes": trainer.world_size,
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if machine.on_gpu else None,
        "images_on_device": data.stored is not None,
        "hardware": hardware_info(),
        "git": git_state(),
        "code": identity["code"],
        "identity": identity,
        "versions": {
            "ecgpipe": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "timm": timm.__version__,
            "lightning": lightning.__version__,
            "numpy": np.__version__,
        },
    }
    if trainer.is_global_zero:
        with atomic_path(folder / WEIGHTS_FILE) as partial:
            shutil.copyfile(checkpoints / WEIGHTS_FILE, partial)
        summary["history_crc32"] = file_crc32(folder / HISTORY_FILE)
        write_json(folder / SUMMARY_FILE, summary)
        shutil.rmtree(checkpoints)
    return summary


def _finished(folder: Path, identity: dict[str, str]) -> dict[str, Any] | None:
    """The summary of this very training, if it is done."""
    try:
        summary = read_json(folder / SUMMARY_FILE)
    except DataError:
        return None
    done = summary.get("identity") == identity and (folder / WEIGHTS_FILE).is_file()
    return summary if done and (folder / HISTORY_FILE).is_file() else None


def _tensorboard(folder: Path, machine: TrainerOptions, *, anew: bool) -> TensorBoardLogger | bool:
    """Logs for TensorBoard in the run's folder, where it is installed; history.csv is always written."""
    there = any(find_spec(name) for name in ("tensorboard", "tensorboardX"))
    if machine.tensorboard and not there:
        raise ConfigError("TensorBoard logs are asked for, but it is not installed: pip install tensorboard")
    if not there or machine.tensorboard is False:
        return False
    if anew and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    return TensorBoardLogger(folder, name=TENSORBOARD, version="", default_hp_metric=False)


def _quiet() -> None:
    """The trainer's hints are not for our users: they cannot act on them."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*number of training batches.*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")
    warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
