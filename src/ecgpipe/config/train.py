"""The training recipe; the defaults are the paper's (section 2.5 and 3.2), read as docs/paper.md says."""

from typing import Literal

from pydantic import Field, model_validator

from ecgpipe.config.section import Section


class TrainConfig(Section):
    """Optimisation, schedule, loss and augmentation."""

    epochs: int = Field(100, ge=1, description="epochs at most")
    batch_size: int = Field(16, ge=1, description="images per step")
    learning_rate: float = Field(3e-5, gt=0, description="peak rate, reached after the warm-up (eq. 26-27)")
    min_rate_share: float = Field(0.001, ge=0, le=1, description="final rate as a share of the peak (eq. 27)")
    warmup_epochs: float = Field(30, ge=0, description="epochs of linear warm-up (eq. 27)")
    weight_decay: float = Field(0.05, ge=0, description="decoupled weight decay (eq. 26)")
    clip_norm: float = Field(0.5, gt=0, description="L2 norm that gradients are clipped to (section 3.2)")
    precision: Literal["fp16", "bf16", "fp32"] = Field(
        "fp16", description="autocast precision on a GPU (fp16 scales the loss); a CPU always computes in fp32"
    )
    patience: int = Field(15, ge=1, description="stop after so many epochs without a lower validation loss")
    focal_gamma: float = Field(2.0, ge=0, description="focusing parameter (eq. 25); the paper does not give it")
    focal_alpha: Literal["inverse-frequency", "none"] = Field(
        "inverse-frequency",
        description="class balance weights (eq. 25), or all 1. Single-label: mean 1 over the training records; "
        "multi-label: absences over presences of each class, at most 20",
    )
    translate: float = Field(
        0.1, ge=0, le=0.5, description="largest random shift, as a share of the image, along both axes (section 2.5)"
    )

    @model_validator(mode="after")
    def _warm_up_fits(self) -> "TrainConfig":
        if self.warmup_epochs >= self.epochs and self.epochs > 1:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be below epochs ({self.epochs})")
        return self
