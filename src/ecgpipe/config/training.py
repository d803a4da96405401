"""The training recipe, which runs start from others, and the search for a recipe.

The defaults are the paper's (sections 2.5 and 3.2), as docs/paper.md reads them.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from ecgpipe.config.base import Section, Seed, yaml_number
from ecgpipe.config.benchmark import DatasetRuns
from ecgpipe.config.data import PROTOCOL_PATTERN, base_protocol, protocol_parts
from ecgpipe.config.models import ModelConfig, check_models

PAPER_BATCH_SIZE = 16


class TrainConfig(Section):
    """Optimizer, schedule, loss and augmentation."""

    epochs: int = Field(100, ge=1, description="largest number of epochs")
    epoch_images: int | None = Field(
        None,
        ge=2,
        description="images per epoch, in a new order for each pass over all training images; null: every training "
        "image once",
    )
    patience: int = Field(15, ge=1, description="stop after this many epochs without a lower validation loss")
    batch_size: int = Field(16, ge=1, description="images per step")
    accumulate: int = Field(
        1, ge=1, description="compute a batch in this many parts to save memory; a divisor of the batch size"
    )
    learning_rate: float = Field(3e-5, gt=0, description="peak learning rate, reached after the warm-up (eq. 26-27)")
    lr_scaling: Literal["none", "linear", "sqrt"] = Field(
        "none", description="multiply the learning rate by batch_size / 16 (linear) or its square root (sqrt)"
    )
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="learning rate after the warm-up: half a cosine (eq. 27), or constant (docs/training.md)"
    )
    min_lr_ratio: float = Field(0.001, ge=0, le=1, description="final learning rate as a share of the peak (eq. 27)")
    warmup_epochs: float = Field(30, ge=0, description="epochs of linear warm-up (eq. 27)")
    weight_decay: float = Field(0.05, ge=0, description="decoupled weight decay (eq. 26)")
    decay_biases: bool = Field(
        True, description="true: weight decay also on biases and normalisation layers (eq. 26); false: not on them"
    )
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="learning rate of each layer as a share of the next layer's, for pretrained weights (e.g. 0.75)",
    )
    clip_norm: float = Field(0.5, gt=0, description="largest L2 norm of the gradients (section 3.2)")
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="validate and keep an exponential moving average of the weights with this decay (e.g. 0.999); the "
        "decay rises to it as 1 - (1 + step)^(-2/3)",
    )
    precision: Literal["fp16", "bf16", "fp32"] = Field(
        "fp16", description="autocast precision on a GPU; fp16 scales the loss"
    )
    cpu_precision: Literal["bf16", "fp32"] = Field(
        "fp32",
        description="autocast precision on a CPU; bf16 takes about half the time with avx512_bf16 or amx_bf16, and 2 "
        "to 13 times as long without (docs/training.md)",
    )
    init_from: str | None = Field(
        None,
        description="start from the weights of another run, DATASET/PROTOCOL/MODEL of the same seed, in which "
        "{model} stands for the model's own name; tensors of another shape (a head for other classes) start at random",
    )
    keep_state: bool = Field(
        False, description="keep the final state in state.ckpt, so that another run can continue this one"
    )
    continue_from: str | None = Field(
        None,
        description="name of a recipe with keep_state: continue its run of the same model to more epochs; "
        "everything but the number of epochs must be equal",
    )
    focal_gamma: float = Field(2.0, ge=0, description="focusing parameter of the loss (eq. 25; not in the paper)")
    focal_alpha: Literal["inverse-frequency", "none"] = Field(
        "inverse-frequency",
        description="class weights (eq. 25), or all 1; single-label: mean 1 over the training records; multi-label: "
        "absences per presence of each class, at most 20",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of each target that is spread evenly over the classes, or over presence and absence",
    )
    sampling: Literal["shuffle", "balanced"] = Field(
        "shuffle",
        description="shuffle: every record once per epoch; balanced: sample with replacement, rare classes more often "
        "(set focal_alpha to none with it, else classes are balanced twice)",
    )
    windows: int = Field(
        1,
        ge=1,
        le=20,
        description="pages per training record, each from another part of the recording; an epoch is this many times "
        "longer; validation and test records have one page (docs/training.md)",
    )
    translate: float = Field(
        0.1, ge=0, le=0.5, description="largest random shift along both axes, as a share of the image (section 2.5)"
    )
    rotate: float = Field(0.0, ge=0, le=45, description="largest random rotation, degrees")
    scale: float = Field(0.0, ge=0, le=0.5, description="largest random change of size, as a share")
    erase: float = Field(0.0, ge=0, le=0.5, description="largest area of a random blank rectangle, as a share")
    dilate: float = Field(0.0, ge=0, le=1, description="probability that the ink becomes one pixel wider on each side")
    noise: float = Field(0.0, ge=0, le=0.1, description="largest share of pixels that are inverted at random")
    mixup: float = Field(0.0, ge=0, description="parameter of the beta distribution of mixup weights; 0: no mixup")

    @field_validator("init_from")
    @classmethod
    def _names_a_training(cls, value: str | None) -> str | None:
        if value is not None and not (value.count("/") == 2 and all(value.split("/"))):
            raise ValueError("must be DATASET/PROTOCOL/MODEL, for example simulated/patient/resnet34")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "TrainConfig":
        if self.warmup_epochs >= self.epochs and self.epochs > 1:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be below epochs ({self.epochs})")
        if self.continue_from is not None and (self.schedule != "constant" or self.init_from is not None):
            raise ValueError("continue_from requires schedule: constant, and excludes init_from")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of accumulate ({self.accumulate})")
        return self

    @property
    def peak_lr(self) -> float:
        """The peak learning rate for this batch size (linear: Goyal et al. 2017)."""
        power = {"none": 0.0, "linear": 1.0, "sqrt": 0.5}[self.lr_scaling]
        return self.learning_rate * (self.batch_size / PAPER_BATCH_SIZE) ** power


def first_recipe(model: str, train_of: Callable[[str], TrainConfig]) -> TrainConfig:
    """The recipe that a model's run began with: its own or, if it continues a run, the recipe of that one.

    Args:
        model: name with its recipe (``swin+strong``).
        train_of: such a name -> its recipe.
    """
    train, seen = train_of(model), set()
    while train.continue_from not in (None, *seen):  # recipes that continue each other are refused elsewhere
        seen.add(train.continue_from)
        train = train_of(f"{model.partition('+')[0]}+{train.continue_from}")
    return train


def init_from_problems(
    datasets: Sequence[str],
    runs_of: Callable[[str], DatasetRuns],
    train_of: Callable[[str], TrainConfig],
    shares_records: Callable[[str, str], bool],
) -> Iterator[str]:
    """The errors in `init_from` of the recipes in use, one line each.

    Args:
        datasets: datasets of the benchmark.
        runs_of: dataset -> its runs.
        train_of: model name with its recipe (``swin+strong``) -> the recipe.
        shares_records: whether two datasets show the same recordings.
    """
    for dataset in datasets:
        for model in runs_of(dataset).models:
            init_from = train_of(model).init_from
            if init_from is None:
                continue
            key, (other, protocol, first) = f"recipes.{model.partition('+')[2]}.init_from", init_from.split("/")
            if other not in datasets:
                yield f"{key}: {other} is not among the datasets, {', '.join(datasets)}"
                continue
            runs = runs_of(other)
            if protocol not in runs.splits or first not in runs.models:
                yield (
                    f"{key}: the benchmark has no run {init_from}; on {other} it has the protocols "
                    f"{', '.join(runs.splits)} and the models {', '.join(runs.models)}"
                )
            elif first_recipe(first, train_of).init_from is not None:
                yield f"{key}: {init_from} itself starts from another run"
            elif missing := sorted(set(runs_of(dataset).seeds_of(model)) - set(runs.seeds_of(first))):
                lacks = f"once has {first}, so it lacks" if first in runs.once else "seeds lacks"
                yield f"{key}: benchmark.{other}.{lacks} {', '.join(map(str, missing))}, a seed of {dataset}"
            elif other == dataset and set(runs.splits) != {protocol}:
                # else a test record of the second run may be a training record of the first
                yield (
                    f"{key}: within one dataset both runs require the same split; benchmark.{dataset}.protocols "
                    f"has {', '.join(runs.splits)}"
                )
            elif shares_records(dataset, other) and not (
                base_protocol(protocol) == "folds" and set(runs_of(dataset).splits) == {protocol}
            ):
                yield (
                    f"{key}: {dataset} shows the recordings of {other}; only the published folds keep test recordings"
                    f" out of both runs: use protocols: [folds] in benchmark.{other} and benchmark.{dataset}"
                )


def continue_from_problems(
    datasets: Sequence[str], runs_of: Callable[[str], DatasetRuns], train_of: Callable[[str], TrainConfig]
) -> Iterator[str]:
    """The errors in `continue_from` of the recipes in use, one line each; arguments of ``init_from_problems``."""
    free = {"epochs", "init_from", "keep_state", "continue_from"}
    for dataset in datasets:
        runs = runs_of(dataset)
        for model in runs.models:
            variant, _, recipe = model.partition("+")
            if (train := train_of(model)).continue_from is None:
                continue
            key, first = f"recipes.{recipe}.continue_from", f"{variant}+{train.continue_from}"
            if first not in runs.models or set(runs.seeds_of(model)) - set(runs.seeds_of(first)):
                yield f"{key}: benchmark.{dataset} lacks the run {first}, or one of its seeds"
                continue
            before = train_of(first)
            if not before.keep_state or before.epochs >= train.epochs:
                yield f"{key}: {first} must have keep_state: true and fewer epochs"
            if differ := [
                field
                for field in TrainConfig.model_fields
                if field not in free and getattr(before, field) != getattr(train, field)
            ]:
                yield f"{key}: {first} differs in {', '.join(differ)}"


class Trial(NamedTuple):
    """One point of the grid for one model."""

    variant: str
    changes: dict[str, Any]
    model: ModelConfig
    train: TrainConfig


class TuningConfig(Section):
    """A search over a grid of settings (target `tuning`); trials are compared on validation records only."""

    models: tuple[str, ...] = Field((), description="models to run the search for; empty: no search")
    protocol: str = Field("folds", description="split protocol; not paper, which also reports its validation records")
    grid: dict[str, list[Any]] = Field(
        default_factory=dict,
        description="values to try, for keys like train.learning_rate or model.image_size",
    )
    trials: int | None = Field(None, ge=1, description="try a random sample of this many points of the grid; null: all")
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="seeds of each trial")
    score: Literal["validation_auc_macro", "validation_accuracy", "validation_loss"] = Field(
        "validation_auc_macro", description="score that ranks the trials, at the epoch with the lowest validation loss"
    )

    _models_exist = field_validator("models")(check_models)

    @field_validator("protocol")
    @classmethod
    def _reports_other_records(cls, name: str) -> str:
        match = PROTOCOL_PATTERN.fullmatch(name)
        whole = f"{match[1]}-cv{match[2]}" if match and match[2] else name
        if name not in protocol_parts(whole):
            raise ValueError("name one fold of a cross-validation, e.g. patient-cv5-1")
        if base_protocol(name) == "paper":
            raise ValueError("under paper the validation records are also the scored ones; use patient or folds")
        return name

    @field_validator("grid")
    @classmethod
    def _are_settings(cls, grid: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for key, values in grid.items():
            section, _, name = key.partition(".")
            known: Any = {"train": TrainConfig, "model": ModelConfig}.get(section)
            if known is None or name not in known.model_fields or name in ("options", "init_from", "continue_from"):
                raise ValueError(f"{key}: no such setting; use train.KEY or model.KEY")
            if not values:
                raise ValueError(f"{key}: no values to try")
            unsafe = [value for value in values if not re.fullmatch(r"[\w.+-]+", str(value))]
            if unsafe:
                raise ValueError(f"{key}: {unsafe[0]!r} cannot be part of a folder's name")
        return {key: [yaml_number(value) for value in values] for key, values in grid.items()}

    def points(self) -> list[dict[str, Any]]:
        """The settings of every trial; a sample is the same for the same grid."""
        every = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        if self.trials is None or self.trials >= len(every):
            return every
        chosen = sorted(random.Random(0).sample(range(len(every)), self.trials))
        return [every[number] for number in chosen]

    def trials_of(
        self, model: ModelConfig, variants: Mapping[str, Mapping[str, Any]], train: TrainConfig
    ) -> dict[str, Trial]:
        """Folder (``model/train.mixup=0.2``) -> trial."""
        trials = {}
        for variant, point in itertools.product(self.models, self.points()):
            values = {"model": model.model_dump() | variants.get(variant, {}), "train": train.model_dump()}
            for key, value in point.items():
                section, _, name = key.partition(".")
                values[section][name] = value
            name = ",".join(f"{key}={value}" for key, value in point.items()) or "defaults"
            settings = ModelConfig(**values["model"]), TrainConfig(**values["train"])
            trials[f"{variant}/{name}"] = Trial(variant, point, *settings)
        return trials
