"""The classifier as a LightningModule: input, loss, optimizer and learning rate, validation scores."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from timm.utils import ModelEmaV3
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.errors import EcgpipeError
from ecgpipe.models.inputs import to_input
from ecgpipe.train.augment import augment, mixup
from ecgpipe.train.data import Batch
from ecgpipe.train.recipe import FocalLoss, accuracy, lr_ratio, macro_auc, parameter_groups, smooth_labels

STEPS_BETWEEN_LOSS_READS = 20  # on a GPU, where each read waits for it
REMEDY = "lower train.learning_rate, or use precision bf16 or fp32 (on a CPU: cpu_precision fp32)"


class Classifier(LightningModule):
    """A model under the paper's recipe (section 2.5) or another.

    Args:
        model: images (batch, channels, size, size) -> logits (batch, classes).
        run: configuration of the run.
        alpha: (classes,) weights of the focal loss.
        record_ids: (n,) of the run's index, for messages.
    """

    def __init__(self, model: nn.Module, run: RunConfig, alpha: torch.Tensor, record_ids: np.ndarray) -> None:
        super().__init__()
        self.model, self.run, self.record_ids = model, run, record_ids
        self.loss = FocalLoss(run.task, run.train.focal_gamma, alpha)
        self.ema = None
        if run.train.ema_decay is not None:
            self.ema = ModelEmaV3(model, decay=run.train.ema_decay, use_warmup=True)
            self.ema.requires_grad_(False)
        self.scores: dict[str, float] = {}  # of the last epoch, in full precision: log_dict rounds to float32
        self._unread: list[tuple[int, torch.Tensor, torch.Tensor]] = []  # batch number, positions, loss
        self._loss_sum, self._loss_count = 0.0, 0.0
        self._validated: list[tuple[torch.Tensor, ...]] = []  # positions, logits, targets

    @property
    def kept_model(self) -> nn.Module:
        """The model that is validated and saved: the moving average of the weights, if there is one."""
        return self.model if self.ema is None else self.ema.module

    def inputs(self, batch: Batch) -> torch.Tensor:
        """Images of a batch without augmentation, (batch, channels, size, size) float32."""
        return to_input(batch.packed, self.run.model.image_size, self.run.model.in_chans)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the logits (batch, classes) of the kept model."""
        return self.kept_model(self.inputs(batch))

    def on_train_epoch_start(self) -> None:
        self._loss_sum, self._loss_count = 0.0, 0.0

    def training_step(self, batch: Batch, batch_number: int) -> torch.Tensor:
        """Return the weighted loss of a batch, or of one of its parts.

        Raises:
            EcgpipeError: the loss is not finite.
        """
        # dropout and noise depend only on the seed and the step, so a resumed run repeats them
        place = [self.run.seed, self.current_epoch, batch_number, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        recipe = self.run.train
        images = augment(self.inputs(batch), batch.augmentation)
        targets = smooth_labels(batch.targets.float(), recipe.label_smoothing, self.run.task)
        if recipe.mixup:
            images, targets = mixup(images, batch.augmentation.mix), mixup(targets, batch.augmentation.mix)
        loss = self.loss(self.model(images), targets)
        self._unread.append((batch_number, batch.positions, loss.detach()))
        if self.device.type == "cpu" or len(self._unread) >= STEPS_BETWEEN_LOSS_READS:
            self.read_losses()
        return loss * batch.weight

    def read_losses(self) -> None:
        """Add the latest losses to the mean.

        Raises:
            EcgpipeError: a loss is not finite; names the batch's records.
        """
        if not self._unread:
            return
        values = torch.stack([loss for _, _, loss in self._unread]).tolist()
        for (number, positions, _), value in zip(self._unread, values, strict=True):
            if not np.isfinite(value):
                names = ", ".join(self.record_ids[positions.cpu().numpy()])
                raise EcgpipeError(
                    f"the loss is {value} in epoch {self.current_epoch + 1}, batch {number + 1}; {REMEDY}; "
                    f"the batch's records: {names}"
                )
            self._loss_sum += value * len(positions)
            self._loss_count += len(positions)
        self._unread = []

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Take a step and update the moving average."""
        super().optimizer_step(*arguments, **options)
        if self.ema is not None:
            self.ema.update(self.model, step=self.global_step + 1)  # the trainer counts the step later

    def validation_step(self, batch: Batch, batch_number: int) -> None:
        """Compute and keep the logits of a batch, in float32 as ``predict_run`` does, independent of autocast."""
        with torch.autocast(self.device.type, enabled=False):
            self._validated.append((batch.positions, self(batch).float(), batch.targets))

    def on_validation_epoch_end(self) -> None:
        """Compute losses and scores over all records of all processes.

        Raises:
            EcgpipeError: the validation loss is not finite.
        """
        self.read_losses()
        positions, logits, targets = (torch.cat(parts).cpu() for parts in zip(*self._validated, strict=True))
        self._validated = []
        total, count = self._loss_sum, self._loss_count
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (positions, logits, targets, total, count))
            positions, logits, targets = (torch.cat([part[number] for part in gathered]) for number in range(3))
            total, count = sum(part[3] for part in gathered), sum(part[4] for part in gathered)
        order = positions.argsort()
        logits, targets = logits[order], targets[order]
        loss = self.loss(logits.to(self.device), targets.to(self.device)).item()
        if not np.isfinite(loss):
            bad = self.record_ids[positions[order][~torch.isfinite(logits).all(dim=1)].numpy()]
            named = f"; records without a finite output: {', '.join(bad[:20])}" if len(bad) else ""
            raise EcgpipeError(f"the validation loss is {loss} after epoch {self.current_epoch + 1}; {REMEDY}{named}")
        self.scores = {
            "train_loss": total / max(count, 1),
            "validation_loss": loss,
            "validation_accuracy": accuracy(logits, targets, self.run.task),
            "validation_auc_macro": macro_auc(logits, targets, self.run.task),
        }
        self.log_dict(self.scores)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        self.read_losses()
        checkpoint["losses"] = {"sum": self._loss_sum, "count": self._loss_count}

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self._loss_sum, self._loss_count = checkpoint["losses"]["sum"], checkpoint["losses"]["count"]

    def configure_optimizers(self) -> dict:
        """AdamW (equation 26, but epsilon outside the root as in the original), with a per-step schedule."""
        recipe = self.run.train
        groups = parameter_groups(self.model, recipe)
        optimizer = torch.optim.AdamW(groups, lr=recipe.peak_lr, weight_decay=recipe.weight_decay)
        # not trainer.estimated_stepping_batches: it resets the trainer's place in a resumed epoch
        steps = self.trainer.datamodule.steps  # type: ignore[attr-defined]

        def ratio(step: int) -> float:
            # a step counts as done when it begins: at the first step's start the learning rate would be about 0
            epoch = (step + 1) / steps
            return lr_ratio(epoch, recipe.epochs, recipe.warmup_epochs, recipe.min_lr_ratio, recipe.schedule)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, ratio)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
