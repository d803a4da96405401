"""Train a prepared run, or resume an interrupted one."""

import fcntl
import io
import logging
import os
import platform
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import lightning
import numpy as np
import timm
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, EarlyStopping, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only

from ecgpipe import __version__
from ecgpipe.artifacts.files import atomic_path, checksum_file, read_json, verify, write_checksums, write_json
from ecgpipe.artifacts.runs import (
    CHECKPOINTS,
    HISTORY_FILE,
    METRICS_FILE,
    STATE_FILE,
    SUMMARY_FILE,
    WEIGHTS_FILE,
    RunConfig,
    RunIndex,
)
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.fingerprint import file_hash, fingerprint
from ecgpipe.models.factory import build_model
from ecgpipe.models.swin_lgf_fpn import use_plain_window_attention
from ecgpipe.models.weights import load_init_weights
from ecgpipe.train.callbacks import (
    LAST,
    BestWeights,
    History,
    ResumeCheckpoint,
    StopAgain,
    continue_checkpoint,
    find_checkpoint,
    training_identity,
)
from ecgpipe.train.data import RunData
from ecgpipe.train.hardware import EnergyMeter, TrainerOptions, git_state, hardware_info, peak_memory_mb
from ecgpipe.train.module import Classifier
from ecgpipe.train.prepare import check_disk_space, check_run, explain_disk_full
from ecgpipe.train.recipe import class_weights

logger = logging.getLogger(__name__)

PRECISION = {"fp16": "16-mixed", "bf16": "bf16-mixed", "fp32": "32-true"}
TENSORBOARD = "tensorboard"  # folder in the run's folder


class _InPlace(TorchCheckpointIO):
    """Writes checkpoints directly to their folder, not first to the system's temporary folder, which may be small."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        buffer = io.BytesIO()  # torch.save into a file does not say why it cannot write
        torch.save(checkpoint, buffer)
        with atomic_path(path) as partial:
            partial.write_bytes(buffer.getbuffer())


def train_run(folder: Path | str, options: TrainerOptions | None = None, *, show_progress: bool = False) -> dict:
    """Train a prepared run, unless it is already trained.

    Args:
        folder: contains run.json and run_index.npz; receives weights.safetensors, history.csv and train.json, with
            ``train.keep_state`` also state.ckpt.
        options: where it runs; None: one GPU if there is one, else the CPU.
        show_progress: show a progress bar.

    Returns:
        The content of train.json.

    Raises:
        DataError: the run is not prepared, its images are missing, its targets are not valid, its checkpoint is
            damaged, another process is training it, or the disk is too small.
        EcgpipeError: the loss is not finite, or the disk is full.
        Stopped: a signal stopped the training.
    """
    folder, options = Path(folder), options or TrainerOptions()
    run, index = RunConfig.read(folder), RunIndex.read(folder)
    check_run(folder, run, index)
    init_from = None if run.init_from is None else folder / run.init_from
    first = None if run.continue_from is None else folder / run.continue_from
    code = fingerprint(__file__) + file_hash(run.model.plugin) + file_hash(run.model.weights)
    identity = training_identity(run, index, code, init_from, first)
    if (summary := _finished(folder, identity)) is not None:
        logger.info("%s is already trained; delete its %s to train it again", folder, SUMMARY_FILE)
        return summary
    if options.threads:
        torch.set_num_threads(options.threads)
    _silence_lightning()
    seed_everything(run.seed, verbose=False)
    with explain_disk_full(folder), _alone(folder):
        return _train(folder, run, index, options, identity, init_from, show_progress)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a run's folder: two trainings would delete each other's checkpoints."""
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{folder}: another process is training this run; wait for it, or stop it") from error
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(opened)


def _train(
    folder: Path,
    run: RunConfig,
    index: RunIndex,
    options: TrainerOptions,
    identity: dict[str, str],
    init_from: Path | None,
    show_progress: bool,
) -> dict:
    started, energy = time.monotonic(), EnergyMeter()
    data = RunData(folder, run, index, options)
    model = build_model(run)
    init_report = None if init_from is None else load_init_weights(model, init_from)
    model = model.to(memory_format=torch.channels_last)  # convolutions are a fifth faster on a CPU, also on a GPU
    if not options.on_gpu:
        use_plain_window_attention(model)
    alpha = class_weights(index.targets[data.train], run.task, run.train.focal_alpha)
    classifier = Classifier(model, run, alpha, index.record_ids)
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    check_disk_space(folder, size, run.train.ema_decay is not None)

    checkpoints = folder / CHECKPOINTS
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    checkpoint = find_checkpoint(checkpoints, identity, first=first)
    if checkpoint is None and run.continue_from is not None:
        checkpoint = continue_checkpoint(checkpoints, folder / run.continue_from, copy=first)
    images = run.train.epoch_images or len(data.train)
    history, best = History(folder / HISTORY_FILE, images), BestWeights(checkpoints / WEIGHTS_FILE)
    early_stopping = EarlyStopping(
        "validation_loss", patience=run.train.patience, check_on_train_epoch_end=True, check_finite=False
    )
    callbacks: list[Callback] = [best, early_stopping, history, StopAgain(early_stopping)]
    callbacks.append(ResumeCheckpoint(checkpoints, options.save_minutes))
    trainer = _make_trainer(
        folder, run.train, options, callbacks, fresh=checkpoint is None, show_progress=show_progress
    )
    trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    if trainer.interrupted:
        raise KeyboardInterrupt

    summary = {
        "variant": run.variant,
        "model": run.model.model_dump(),
        "train": run.train.model_dump(),
        "init_from": init_report,
        "epochs": len(history.rows),
        "best_epoch": best.epoch,
        "best_validation_loss": best.loss,
        "stopped_early": len(history.rows) < run.train.epochs,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training_records": len(index.records("train")),
        "validation_records": len(data.validation),
        "seconds": round(sum(row["seconds"] for row in history.rows), 1),
        "seconds_this_time": round(time.monotonic() - started, 1),
        "joules_this_time": energy.joules(),
        "resumed": checkpoint is not None,
        "precision": trainer.precision,
        "device": torch.cuda.get_device_name() if options.on_gpu else f"CPU, {torch.get_num_threads()} threads",
        "processes": trainer.world_size,
        "peak_memory_mb": peak_memory_mb(),
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if options.on_gpu else None,
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
        history.write()  # Snakemake deletes the file of a failed job, and no epoch may have been left to write it again
        _store_result(folder, summary, keep_state=run.train.keep_state)
    return summary


def _make_trainer(
    folder: Path,
    recipe: TrainConfig,
    options: TrainerOptions,
    callbacks: list[Callback],
    *,
    fresh: bool,
    show_progress: bool,
) -> Trainer:
    if show_progress:
        callbacks = [*callbacks, TQDMProgressBar(refresh_rate=1)]
    return Trainer(
        default_root_dir=folder,
        max_epochs=recipe.epochs,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.nodes,
        strategy=options.strategy,
        plugins=[_InPlace(), *([SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else [])],
        sync_batchnorm=options.on_gpu and options.devices * options.nodes > 1,
        use_distributed_sampler=False,
        precision=PRECISION[recipe.precision if options.on_gpu else recipe.cpu_precision],
        gradient_clip_val=recipe.clip_norm,
        gradient_clip_algorithm="norm",
        accumulate_grad_batches=recipe.accumulate,
        deterministic="warn",
        callbacks=callbacks,
        logger=_tensorboard(folder, options, fresh=fresh),
        log_every_n_steps=1,
        enable_progress_bar=show_progress,
        enable_model_summary=False,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
    )


def _store_result(folder: Path, summary: dict, *, keep_state: bool) -> None:
    """Store the best weights and the summary, and delete the checkpoints."""
    checkpoints = folder / CHECKPOINTS
    verify(checkpoints / WEIGHTS_FILE)
    for old in (folder / METRICS_FILE, folder / STATE_FILE):  # of earlier weights, but taken for those of the new
        old.unlink(missing_ok=True)
        checksum_file(old).unlink(missing_ok=True)
    with atomic_path(folder / WEIGHTS_FILE) as partial:
        shutil.copyfile(checkpoints / WEIGHTS_FILE, partial)
    if keep_state:
        with atomic_path(folder / STATE_FILE) as partial:
            shutil.copyfile(checkpoints / LAST, partial)
        write_checksums([folder / STATE_FILE])
    write_json(folder / SUMMARY_FILE, summary)
    write_checksums(folder / name for name in (WEIGHTS_FILE, HISTORY_FILE, SUMMARY_FILE))
    shutil.rmtree(checkpoints)


def _finished(folder: Path, identity: dict[str, str]) -> dict | None:
    """Return the summary of this run if it is complete."""
    try:
        summary = read_json(folder / SUMMARY_FILE)
    except DataError:
        return None
    done = summary.get("identity") == identity and (folder / WEIGHTS_FILE).is_file()
    return summary if done and (folder / HISTORY_FILE).is_file() else None


def _tensorboard(folder: Path, options: TrainerOptions, *, fresh: bool) -> TensorBoardLogger | bool:
    installed = any(find_spec(name) for name in ("tensorboard", "tensorboardX"))
    if options.tensorboard and not installed:
        raise ConfigError("TensorBoard is not installed: pip install tensorboard, or drop --tensorboard")
    if not installed or options.tensorboard is False:
        return False
    if fresh and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    return TensorBoardLogger(folder, name=TENSORBOARD, version="", default_hp_metric=False)


def _silence_lightning() -> None:
    """Hide hints that users of this package cannot act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*`srun` command is available.*",
        ".*in eval mode at the start of training.*",
    ):
        warnings.filterwarnings("ignore", message=message)
