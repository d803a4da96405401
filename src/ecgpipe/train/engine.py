"""Training of a prepared run, from its folder alone; goes on where an interrupted one stopped."""

import logging
import math
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
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import DataLoader

from ecgpipe import __version__
from ecgpipe.artifacts.atomic import atomic_path, file_crc32, read_json, write_json
from ecgpipe.artifacts.runs import CHECKPOINTS, HISTORY_FILE, SUMMARY_FILE, WEIGHTS_FILE, Items, RunConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.fingerprint import file_mark, fingerprint
from ecgpipe.models.initial import start_from
from ecgpipe.models.stored import build_model
from ecgpipe.train.callbacks import BestWeights, History
from ecgpipe.train.check import check_run, check_space, full_disk_is_told
from ecgpipe.train.checkpoint import LastState, find_last, identity_of
from ecgpipe.train.data import EpochBatches, PackedImages, batches, sampling_chances
from ecgpipe.train.hardware import Energy, Machine, describe, git_state
from ecgpipe.train.loss import class_weights
from ecgpipe.train.module import Classifier

logger = logging.getLogger(__name__)

PRECISION = {"fp16": "16-mixed", "bf16": "bf16-mixed", "fp32": "32-true"}
TENSORBOARD = "tensorboard"  # a folder below the run's


def train_run(folder: Path | str, machine: Machine | None = None, *, show_progress: bool = False) -> dict:
    """Train a prepared run; one that is trained already is left as it is.

    Args:
        folder: holds run.json and items.npz; receives weights.safetensors, history.csv and train.json.
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
    folder, machine = Path(folder), machine or Machine()
    run, items = RunConfig.read(folder), Items.read(folder)
    check_run(folder, run, items)
    if machine.threads:
        torch.set_num_threads(machine.threads)
    code = fingerprint(__file__) + file_mark(run.model.plugin)  # a checkpoint of other code is not resumed
    initial = None if run.initial is None else folder / run.initial
    identity = identity_of(run, items, code, initial)
    if (summary := _finished(folder, identity)) is not None:
        logger.info("%s is trained already; delete its %s to train it again", folder, SUMMARY_FILE)
        return summary
    _quiet()
    seed_everything(run.seed, verbose=False)
    with full_disk_is_told(folder):
        return _train(folder, run, items, machine, identity, initial, show_progress)


def _train(
    folder: Path,
    run: RunConfig,
    items: Items,
    machine: Machine,
    identity: dict[str, str],
    initial: Path | None,
    show_progress: bool,
) -> dict:
    started, energy = time.monotonic(), Energy()
    data = RunData(folder, run, items, machine)
    alpha = class_weights(items.targets[data.train], run.task, run.train.focal_alpha)
    model = build_model(run)
    start = None if initial is None else start_from(model, initial)
    model = model.to(memory_format=torch.channels_last)  # convolutions: a fifth less time on a CPU, and faster on a GPU
    classifier = Classifier(model, run, alpha, items.record_ids, data.stored)
    size = sum(tensor.nbytes for tensor in classifier.model.state_dict().values())
    check_space(folder, size, run.train.ema_decay is not None)

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
        "initial": start,
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
        "hardware": describe(),
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


class RunData(LightningDataModule):
    """The batches of a run, dealt to the processes that the trainer has.

    Attributes:
        train, validation: positions of the records of each role.
        stored: (items, size, size / 8) uint8, every image, if the machine is to hold them; else None.
    """

    def __init__(self, folder: Path, run: RunConfig, items: Items, machine: Machine) -> None:
        super().__init__()
        self.run, self.items, self.on_gpu = run, items, machine.on_gpu
        self.train, self.validation = items.indices("train"), items.indices("validation")
        self.images = PackedImages(folder, run, items, run.train)
        used = np.concatenate([self.train, self.validation])
        shape = self.images.packed(used[:1]).shape[1:]
        self.stored: torch.Tensor | None = None
        if machine.holds(len(items.rows) * math.prod(shape)):
            self.stored = torch.zeros((len(items.rows), *shape), dtype=torch.uint8)
            for start in range(0, len(used), 1024):
                chunk = used[start : start + 1024]
                self.stored[chunk] = torch.from_numpy(self.images.packed(chunk))
        self.images.pixels = self.stored is None
        self.plain = PackedImages(folder, run, items, pixels=self.images.pixels)

    @property
    def steps(self) -> int:
        """Of the optimiser, in an epoch."""
        return self._training_sampler().steps

    def _training_sampler(self) -> EpochBatches:
        recipe = self.run.train
        chances = sampling_chances(self.items.targets[self.train]) if recipe.sampling == "balanced" else None
        return EpochBatches(
            self.train, recipe.batch_size, self.run.seed, chances=chances, parts=recipe.accumulate, **self._place()
        )

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented."""
        return batches(self.images, self._training_sampler(), pin=self.on_gpu)

    def val_dataloader(self) -> DataLoader:
        """In order."""
        place = self._place()
        mine = self.validation[place["rank"] :: place["world"]]
        return batches(self.plain, EpochBatches(mine, self.run.train.batch_size, None), pin=self.on_gpu)

    def _place(self) -> dict[str, int]:
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}


class EndAgain(Callback):
    """Ends a resumed training that had already run out of patience when it was killed."""

    def __init__(self, patience: EarlyStopping) -> None:
        self.patience = patience

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Before the first epoch."""
        if self.patience.wait_count >= self.patience.patience:
            trainer.should_stop = True


def _finished(folder: Path, identity: dict[str, str]) -> dict[str, Any] | None:
    """The summary of this very training, if it is done."""
    try:
        summary = read_json(folder / SUMMARY_FILE)
    except DataError:
        return None
    done = summary.get("identity") == identity and (folder / WEIGHTS_FILE).is_file()
    return summary if done and (folder / HISTORY_FILE).is_file() else None


def _tensorboard(folder: Path, machine: Machine, *, anew: bool) -> TensorBoardLogger | bool:
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
