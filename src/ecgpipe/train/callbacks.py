"""What happens beside the steps: the history, the best weights, the log."""

import csv
import io
import logging
import math
import time
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save_file

from ecgpipe.artifacts.atomic import atomic_path, write_text

logger = logging.getLogger(__name__)

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "images_per_second",
    "seconds",
)


class History(Callback):
    """A row per epoch, written to history.csv as it grows; its rows survive an interruption with the checkpoint."""

    def __init__(self, path: Path, images: int) -> None:
        self.path, self.images = path, images
        self.rows: list[dict[str, float]] = []
        self._start = 0.0
        self._train_seconds = 0.0

    def state_dict(self) -> dict:
        """For the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict) -> None:
        """From the checkpoint."""
        self.rows = list(state["rows"])

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop the clock of training proper."""
        self._train_seconds = time.monotonic() - self._start

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add the epoch's row."""
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": measured["train_loss"],
            "validation_loss": measured["validation_loss"],
            "validation_accuracy": measured["validation_accuracy"],
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_second": round(self.images / max(self._train_seconds, 1e-9), 3),
            "seconds": round(time.monotonic() - self._start, 3),
        }
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
        left = (trainer.max_epochs - row["epoch"]) * row["seconds"]
        logger.info(
            "epoch %d of %d: loss %.4f, validation loss %.4f, accuracy %.3f, %.1f images a second, at most %.0f s left",
            row["epoch"],
            trainer.max_epochs,
            row["train_loss"],
            row["validation_loss"],
            row["validation_accuracy"],
            row["images_per_second"],
            left,
        )


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

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Save the weights if they are better than any before."""
        loss = float(trainer.callback_metrics["validation_loss"])
        if trainer.sanity_checking or not loss < self.loss:
            return
        self.loss, self.epoch = loss, trainer.current_epoch + 1
        weights: dict[str, torch.Tensor] = {
            name: tensor.detach().cpu().contiguous() for name, tensor in module.model.state_dict().items()
        }
        with atomic_path(self.path) as partial:
            save_file(weights, partial)
