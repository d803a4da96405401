"""The classifier as the trainer sees it: forward, loss, optimiser, schedule."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from timm.utils import ModelEmaV3
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.errors import EcgpipeError
from ecgpipe.models.inputs import to_input
from ecgpipe.train.augment import augment, mix
from ecgpipe.train.data import Batch
from ecgpipe.train.recipe import FocalLoss, accuracy, lr_ratio, macro_auc, parameter_groups, smooth

STEPS_BETWEEN_CHECKS = 20  # of the loss on a GPU, where each look waits for it
REMEDY = "lower train.learning_rate, or use precision bf16 or fp32 (on a CPU: cpu_precision fp32)"


class Classifier(LightningModule):
    """A model under the paper's recipe (section 2.5), or another.

    Args:
        model: images (batch, channels, size, size) -> logits (batch, classes).
        run: what is trained.
        alpha: (classes,) weights of the focal loss.
        record_ids: names of the items, for messages.
        images: (items, size, size / 8) uint8, all images, if they are to be on the device; None: batches bring them.
    """

    def __init__(
        self,
        model: nn.Module,
        run: RunConfig,
        alpha: torch.Tensor,
        record_ids: np.ndarray,
        images: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model, self.run, self.record_ids = model, run, record_ids
        self.loss = FocalLoss(run.task, run.train.focal_gamma, alpha)
        self.register_buffer("images", images, persistent=False)
        self.average = None
        if run.train.ema_decay is not None:
            self.average = ModelEmaV3(model, decay=run.train.ema_decay, use_warmup=True)
            self.average.requires_grad_(False)
        self._unread: list[tuple[int, torch.Tensor, torch.Tensor]] = []  # batch, items, loss
        self._loss_sum, self._loss_count = 0.0, 0.0
        self._validated: list[tuple[torch.Tensor, ...]] = []

    @property
    def result(self) -> nn.Module:
        """The model that is validated and kept: with the averaged weights, if there are."""
        return self.model if self.average is None else self.average.module

    def inputs(self, batch: Batch) -> torch.Tensor:
        """A batch's images, not augmented."""
        packed = self.images[batch.items] if batch.packed is None else batch.packed
        return to_input(packed, self.run.model.image_size, self.run.model.in_chans)

    def forward(self, batch: Batch) -> torch.Tensor:
        """A batch -> logits of the model that is kept."""
        return self.result(self.inputs(batch))

    def on_train_epoch_start(self) -> None:
        """A new mean of the training loss."""
        self._loss_sum, self._loss_count = 0.0, 0.0

    def training_step(self, batch: Batch, batch_number: int) -> torch.Tensor:
        """The loss of a batch (or a part of it), weighted so that the parts' mean is the batch's.

        Raises:
            EcgpipeError: the loss is not a number; names the records.
        """
        # every step's random numbers (dropout, noise) derive from these, so that a resumed training draws the same
        place = [self.run.seed, self.current_epoch, batch_number, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        recipe = self.run.train
        images, targets = self.inputs(batch), smooth(batch.targets.float(), recipe.label_smoothing, self.run.task)
        images = augment(images, batch.augmentation)
        if recipe.mixup:
            images, targets = mix(images, batch.augmentation.mix), mix(targets, batch.augmentation.mix)
        loss = self.loss(self.model(images), targets)
        self._unread.append((batch_number, batch.items, loss.detach()))
        if self.device.type == "cpu" or len(self._unread) >= STEPS_BETWEEN_CHECKS:
            self.read_losses()
        return loss * batch.weight

    def read_losses(self) -> None:
        """Add the last losses up, and stop if one is not a number.

        Raises:
            EcgpipeError: one is not; names the batch's records.
        """
        if not self._unread:
            return
        values = torch.stack([loss for _, _, loss in self._unread]).tolist()
        for (number, items, _), value in zip(self._unread, values, strict=True):
            if not np.isfinite(value):
                names = ", ".join(self.record_ids[items.cpu().numpy()])
                raise EcgpipeError(
                    f"the loss is {value} in epoch {self.current_epoch + 1}, batch {number + 1}; {REMEDY}; "
                    f"the batch's records: {names}"
                )
            self._loss_sum += value * len(items)
            self._loss_count += len(items)
        self._unread = []

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """A step; the average follows."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.update(self.model, step=self.global_step + 1)  # counts the step only later

    def validation_step(self, batch: Batch, batch_number: int) -> None:
        """Keep the logits of a batch."""
        self._validated.append((batch.items, self(batch).float(), batch.targets))

    def on_validation_epoch_end(self) -> None:
        """Losses and scores over all records, whichever process had them.

        Raises:
            EcgpipeError: the validation loss is not a number.
        """
        self.read_losses()
        items, logits, targets = (torch.cat(parts).cpu() for parts in zip(*self._validated, strict=True))
        self._validated = []
        total, count = self._loss_sum, self._loss_count
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (items, logits, targets, total, count))
            items, logits, targets = (torch.cat([part[number] for part in gathered]) for number in range(3))
            total, count = sum(part[3] for part in gathered), sum(part[4] for part in gathered)
        order = items.argsort()
        logits, targets = logits[order], targets[order]
        loss = self.loss(logits.to(self.device), targets.to(self.device)).item()
        if not np.isfinite(loss):
            bad = self.record_ids[items[order][~torch.isfinite(logits).all(dim=1)].numpy()]
            named = f"; records without a finite output: {', '.join(bad[:20])}" if len(bad) else ""
            raise EcgpipeError(f"the validation loss is {loss} after epoch {self.current_epoch + 1}; {REMEDY}{named}")
        scores = {
            "train_loss": total / max(count, 1),
            "validation_loss": loss,
            "validation_accuracy": accuracy(logits, targets, self.run.task),
            "validation_auc_macro": macro_auc(logits, targets, self.run.task),
        }
        self.scores = scores  # to the last digit; what is logged is rounded to float32
        self.log_dict(scores)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """The sum of this epoch's losses so far."""
        self.read_losses()
        checkpoint["losses"] = {"sum": self._loss_sum, "count": self._loss_count}

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Go on adding to it."""
        self._loss_sum, self._loss_count = checkpoint["losses"]["sum"], checkpoint["losses"]["count"]

    def configure_optimizers(self) -> dict:
        """AdamW (equation 26; epsilon outside the root, as in the original) and the schedule, moved every step."""
        recipe = self.run.train
        groups = parameter_groups(self.model, recipe)
        optimizer = torch.optim.AdamW(groups, lr=recipe.peak_lr, weight_decay=recipe.weight_decay)
        # not the trainer's own count: asking for it makes the trainer forget where in an epoch it was to go on
        steps = self.trainer.datamodule.steps  # type: ignore[attr-defined]

        def share(step: int) -> float:
            # the first step of a warm-up from almost nothing would be wasted: count a step as done when it begins
            return lr_ratio((step + 1) / steps, recipe.epochs, recipe.warmup_epochs, recipe.min_lr_ratio)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
