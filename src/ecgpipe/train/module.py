"""The classifier as the trainer sees it: forward, loss, optimiser, schedule."""

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.errors import EcgpipeError
from ecgpipe.models.inputs import to_input, translate
from ecgpipe.train.data import Batch
from ecgpipe.train.loss import FocalLoss
from ecgpipe.train.schedule import rate_share


class Classifier(LightningModule):
    """A model under the paper's recipe (section 2.5).

    Args:
        model: images (batch, channels, size, size) -> logits (batch, classes).
        run: what is trained.
        alpha: (classes,) weights of the focal loss.
        record_ids: names of the items, for messages.
    """

    def __init__(self, model: nn.Module, run: RunConfig, alpha: torch.Tensor, record_ids: np.ndarray) -> None:
        super().__init__()
        self.model, self.run, self.record_ids = model, run, record_ids
        self.loss = FocalLoss(run.task, run.train.focal_gamma, alpha)

    def forward(self, batch: Batch) -> torch.Tensor:
        """A batch of packed images -> logits."""
        images = to_input(batch.packed, self.run.model.image_size, self.run.model.in_chans)
        if self.training and self.run.train.translate:
            images = translate(images, batch.shifts)
        return self.model(images)

    def on_train_epoch_start(self) -> None:
        """Every epoch's random numbers derive from (seed, epoch), so that a resumed training draws the same."""
        torch.manual_seed(int(np.random.SeedSequence([self.run.seed, self.current_epoch]).generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_number: int) -> torch.Tensor:
        """The loss of a batch.

        Raises:
            EcgpipeError: the loss is not a number; names the records.
        """
        loss = self.loss(self(batch), batch.targets)
        if not torch.isfinite(loss):
            names = ", ".join(self.record_ids[batch.items.cpu().numpy()])
            raise EcgpipeError(
                f"the loss is {loss.item()} in epoch {self.current_epoch}, batch {batch_number}; lower "
                f"train.learning_rate, or use precision bf16 or fp32; the batch's records: {names}"
            )
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(batch.items))
        return loss

    def validation_step(self, batch: Batch, batch_number: int) -> None:
        """Loss and accuracy over the validation records."""
        logits = self(batch)
        size = len(batch.items)
        self.log("validation_loss", self.loss(logits, batch.targets), batch_size=size, prog_bar=True)
        if self.run.task == "single":
            correct = (logits.argmax(dim=1) == batch.targets.argmax(dim=1)).float().mean()
        else:
            correct = ((logits > 0) == batch.targets.bool()).all(dim=1).float().mean()
        self.log("validation_accuracy", correct, batch_size=size, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Stop when the validation loss is not a number.

        Raises:
            EcgpipeError: it is not.
        """
        loss = self.trainer.callback_metrics["validation_loss"]
        if not torch.isfinite(loss):
            raise EcgpipeError(
                f"the validation loss is {loss.item()} after epoch {self.current_epoch}; lower train.learning_rate, "
                "or use precision bf16 or fp32"
            )

    def configure_optimizers(self) -> dict:
        """AdamW (equation 26; epsilon outside the root, as in the original) and the schedule, moved every step."""
        recipe = self.run.train
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        steps = self.trainer.estimated_stepping_batches / recipe.epochs

        def share(step: int) -> float:
            # the first step of a warm-up from almost nothing would be wasted: count a step as done when it begins
            return rate_share((step + 1) / steps, recipe.epochs, recipe.warmup_epochs, recipe.min_rate_share)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
