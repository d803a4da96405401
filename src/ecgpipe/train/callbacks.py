"""What happens beside the steps: the history, the best weights, the log."""

import csv
import io
import logging
import math
import time
from pathlib import Path
from statistics import mean

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ecgpipe.artifacts.atomic import atomic_path, write_text
from ecgpipe.errors import DataError
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
