"""The search for a recipe."""

import itertools
import random
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from ecgpipe.config.model_names import unknown_model
from ecgpipe.config.models import ModelConfig
from ecgpipe.config.section import Section
from ecgpipe.config.split import base_of, expand
from ecgpipe.config.train import TrainConfig


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
        if len(expand(name)) != 1:
            raise ValueError("name one part of a cross-validation, e.g. patient-cv5-1")
        if base_of(name) == "paper":
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
