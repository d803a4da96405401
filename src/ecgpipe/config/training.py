"""What a model is built with.

Which model names exist, told without importing PyTorch.

The training recipe; the defaults are the paper's (section 2.5 and 3.2), read as docs/paper.md says.

Trainings that start from the weights of others: which may, and from which.

The search for a recipe.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ecgpipe.config.base import Section
from ecgpipe.config.data import base_protocol, protocol_parts
from ecgpipe.config.models import ModelConfig, unknown_model

PAPER_BATCH_SIZE = 16


class TrainConfig(Section):
    """Optimisation, schedule, loss and augmentation."""

    init_from: str | None = Field(
        None,
        description="pre-training: start from the weights of another training of this configuration, "
        "DATASET/PROTOCOL/MODEL of the same seed; what differs in shape (a head for other classes) starts at random",
    )
    epochs: int = Field(100, ge=1, description="epochs at most")
    batch_size: int = Field(16, ge=1, description="images per step")
    learning_rate: float = Field(3e-5, gt=0, description="peak rate, reached after the warm-up (eq. 26-27)")
    min_lr_ratio: float = Field(0.001, ge=0, le=1, description="final rate as a share of the peak (eq. 27)")
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
    lr_scaling: Literal["none", "linear", "sqrt"] = Field(
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
    scale: float = Field(0.0, ge=0, le=0.5, description="largest random change of size, as a share")
    erase: float = Field(
        0.0, ge=0, le=0.5, description="largest area of a random blank rectangle, as a share of the image"
    )
    dilate: float = Field(0.0, ge=0, le=1, description="probability that the ink becomes a pixel wider on each side")
    noise: float = Field(0.0, ge=0, le=0.1, description="largest share of pixels that are inverted at random")

    @field_validator("init_from")
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
    def peak_lr(self) -> float:
        """The peak learning rate for this batch size (linear: Goyal et al. 2017)."""
        power = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}[self.lr_scaling]
        return self.learning_rate * (self.batch_size / PAPER_BATCH_SIZE) ** power


class TrainingRuns(Protocol):
    """The trainings of a data set."""

    @property
    def splits(self) -> tuple[str, ...]: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def seeds(self) -> Sequence[int]: ...


def init_from_problems(
    datasets: Sequence[str], runs_of: Callable[[str], TrainingRuns], train_of: Callable[[str], TrainConfig]
) -> Iterator[str]:
    """What is wrong with `init_from` of the recipes in use, a line each.

    Args:
        datasets: those of the benchmark.
        runs_of: their trainings.
        train_of: model name with its recipe (``swin+tuned``) -> the recipe.
    """
    for dataset in datasets:
        for model in runs_of(dataset).models:
            init_from, recipe = train_of(model).init_from, model.partition("+")[2]
            if init_from is None:
                continue
            place, (other, protocol, first) = f"recipes.{recipe}.init_from", init_from.split("/")
            if other not in datasets:
                yield f"{place}: {other} is not among the datasets, {', '.join(datasets)}"
                continue
            runs = runs_of(other)
            if protocol not in runs.splits or first not in runs.models:
                yield (
                    f"{place}: the benchmark has no training {init_from}; of {other} it has the protocols "
                    f"{', '.join(runs.splits)} and the models {', '.join(runs.models)}"
                )
            elif train_of(first).init_from is not None:
                yield f"{place}: {init_from} starts from another training itself"
            elif lacking := sorted(set(runs_of(dataset).seeds) - set(runs.seeds)):
                yield f"{place}: benchmark.{other}.seeds lacks {', '.join(map(str, lacking))}, which {dataset} has"
            elif other == dataset and set(runs.splits) != {protocol}:
                # else records that test the one may have trained the other
                yield (
                    f"{place}: within one data set both trainings need the same split; benchmark.{dataset}.protocols "
                    f"has {', '.join(runs.splits)}"
                )


class Trial(NamedTuple):
    """One point of the grid for one model."""

    variant: str
    changes: dict[str, Any]
    model: ModelConfig
    train: TrainConfig


class TuningConfig(Section):
    """Trainings over a grid of settings, for the target `tuning`; compared on the validation records alone."""

    models: tuple[str, ...] = Field((), description="variants to search with; none: no search")
    protocol: str = Field("folds", description="split protocol; not paper, which reports what it validates on")
    grid: dict[str, list[Any]] = Field(
        default_factory=dict,
        description="settings to try: keys of `train` or `model`, as train.learning_rate, each with a list of values",
    )
    trials: int | None = Field(None, ge=1, description="so many points of the grid, drawn at random; null: all")
    seed: int = Field(0, ge=0, description="of that draw")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1, description="seeds of each training")
    score: Literal["validation_auc_macro", "validation_accuracy", "validation_loss"] = Field(
        "validation_auc_macro", description="what decides, at the epoch with the lowest validation loss"
    )

    @field_validator("models")
    @classmethod
    def _models_exist(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        own = (info.context or {}).get("own_models", ())
        problems = [problem for name in names if (problem := unknown_model(name, own))]
        if problems:
            raise ValueError("; ".join(problems))
        return names

    @field_validator("protocol")
    @classmethod
    def _tests_elsewhere(cls, name: str) -> str:
        if len(protocol_parts(name)) != 1:
            raise ValueError("name one part of a cross-validation, e.g. patient-cv5-1")
        if base_protocol(name) == "paper":
            raise ValueError("under paper the validation records are also the reported ones; use patient or folds")
        return name

    @field_validator("grid")
    @classmethod
    def _are_settings(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for key, values in grid.items():
            section, _, name = key.partition(".")
            known = {"train": TrainConfig, "model": ModelConfig}.get(section)
            if known is None or name not in known.model_fields or name == "options":  # type: ignore[attr-defined]
                raise ValueError(f"{key}: no such setting; write train.KEY or model.KEY")
            if not values:
                raise ValueError(f"{key}: no values to try")
            strange = [value for value in values if not re.fullmatch(r"[\w.+-]+", str(value))]
            if strange:
                raise ValueError(f"{key}: {strange[0]!r} cannot be part of a folder's name")
        return grid

    def points(self) -> list[dict[str, Any]]:
        """The settings of every trial."""
        every = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        if self.trials is None or self.trials >= len(every):
            return every
        chosen = sorted(random.Random(self.seed).sample(range(len(every)), self.trials))
        return [every[number] for number in chosen]

    def trials_of(
        self, model: ModelConfig, variants: Mapping[str, Mapping[str, Any]], train: TrainConfig
    ) -> dict[str, Trial]:
        """Folder (model/settings) -> trial; settings that differ from these, in the grid's order, make the name."""
        found = {}
        for variant, point in itertools.product(self.models, self.points()):
            own = {"model": model.model_dump() | variants.get(variant, {}), "train": train.model_dump()}
            for key, value in point.items():
                section, _, name = key.partition(".")
                own[section][name] = value
            name = ",".join(f"{key}={value}" for key, value in point.items()) or "as-it-is"
            found[f"{variant}/{name}"] = Trial(variant, point, ModelConfig(**own["model"]), TrainConfig(**own["train"]))
        return found
