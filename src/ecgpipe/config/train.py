"""The training recipe; the defaults are the paper's (section 2.5 and 3.2), read as docs/paper.md says."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from ecgpipe.config.section import Section

PAPER_BATCH = 16


class TrainConfig(Section):
    """Optimisation, schedule, loss and augmentation."""

    initial: str | None = Field(
        None,
        description="pre-training: start from the weights of another training of this configuration, "
        "DATASET/PROTOCOL/MODEL of the same seed; what differs in shape (a head for other classes) starts at random",
    )
    epochs: int = Field(100, ge=1, description="epochs at most")
    batch_size: int = Field(16, ge=1, description="images per step")
    learning_rate: float = Field(3e-5, gt=0, description="peak rate, reached after the warm-up (eq. 26-27)")
    min_rate_share: float = Field(0.001, ge=0, le=1, description="final rate as a share of the peak (eq. 27)")
    warmup_epochs: float = Field(30, ge=0, description="epochs of linear warm-up (eq. 27)")
    weight_decay: float = Field(0.05, ge=0, description="decoupled weight decay (eq. 26)")
    clip_norm: float = Field(0.5, gt=0, description="L2 norm that gradients are clipped to (section 3.2)")
    precision: Literal["fp16", "bf16", "fp32"] = Field(
        "fp16", description="autocast precision on a GPU (fp16 scales the loss); on a CPU cpu_precision holds"
    )
    windows: int = Field(
        1,
        ge=1,
        le=20,
        description="pages that each training record gives: all but the first begin later in its recording, each by "
        "the same share of it, as if it had been printed at other moments; an epoch is so many times longer, and "
        "records of validation and test keep their one page (docs/training.md)",
    )
    cpu_precision: Literal["bf16", "fp32"] = Field(
        "fp32",
        description="autocast precision where there is no GPU; bf16 takes about half the time on a CPU that has its "
        "instructions (avx512_bf16, amx_bf16), and 2 to 13 times as long on one that has not (docs/training.md)",
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
    scale_rate: Literal["none", "linear", "sqrt"] = Field(
        "none", description="rate for other batch sizes than 16: times batch_size / 16, or its square root"
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="parts that a batch is computed in, one after the other, to save memory; a divisor",
    )
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="validate and keep an exponential moving average of the weights with this decay (0.999); it starts "
        "with a smaller one, 1 - (1 + step)^(-2/3)",
    )
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="rate of each layer as a share of the next one's (0.75), for pretrained weights"
    )
    decay_biases: bool = Field(
        True, description="weight decay also on biases and normalisations (eq. 26); false leaves them out"
    )
    sampling: Literal["shuffle", "balanced"] = Field(
        "shuffle",
        description="shuffle: every record once an epoch; balanced: as many draws with replacement, records of rare "
        "classes more often (set focal_alpha to none with it, or classes are balanced twice)",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target that is spread evenly: over the classes, or over yes and no"
    )
    mixup: float = Field(
        0.0, ge=0, description="parameter of the beta distribution that images and targets are mixed by; 0: not at all"
    )
    rotate: float = Field(0.0, ge=0, le=45, description="largest random rotation, degrees")
    zoom: float = Field(0.0, ge=0, le=0.5, description="largest random change of size, as a share")
    erase: float = Field(
        0.0, ge=0, le=0.5, description="largest area of a random blank rectangle, as a share of the image"
    )
    thicken: float = Field(0.0, ge=0, le=1, description="probability that the ink becomes a pixel wider on each side")
    noise: float = Field(0.0, ge=0, le=0.1, description="largest share of pixels that are inverted at random")

    @field_validator("initial")
    @classmethod
    def _names_a_training(cls, value: str | None) -> str | None:
        if value is not None and not (value.count("/") == 2 and all(value.split("/"))):
            raise ValueError("must be DATASET/PROTOCOL/MODEL, as simulated/patient/resnet34")
        return value

    @model_validator(mode="after")
    def _warm_up_fits(self) -> "TrainConfig":
        if self.warmup_epochs >= self.epochs and self.epochs > 1:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be below epochs ({self.epochs})")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of accumulate ({self.accumulate})")
        return self

    @property
    def peak_rate(self) -> float:
        """The peak learning rate for this batch size (linear: Goyal et al. 2017)."""
        power = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}[self.scale_rate]
        return self.learning_rate * (self.batch_size / PAPER_BATCH) ** power
