"""The section `benchmark`: which models are trained on which dataset, and scored on which other one."""

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from ecgpipe.config.base import Section, Seed, check_unique
from ecgpipe.config.data import protocol_parts
from ecgpipe.config.models import VARIANTS, check_models

DATASETS = ("ptb-xl", "cardiac-images", "simulated")


class DatasetRuns(Section):
    """The runs of a dataset: every protocol x model x seed."""

    protocols: tuple[str, ...] = Field(
        ("paper",),
        min_length=1,
        description="split protocols: paper, patient, folds, unique; a suffix such as -cv5: five-fold cross-validation",
    )
    models: tuple[str, ...] = Field(
        VARIANTS,
        min_length=1,
        description="variants, timm models or user-defined models; swin+strong trains swin with `recipes.strong`",
    )
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="seeds of split, weights and data order")
    once: tuple[str, ...] = Field((), description="those of `models` trained with the lowest seed only")
    baselines: bool = Field(True, description="false: no baselines, for datasets used only for pre-training")

    def seeds_of(self, model: str) -> tuple[int, ...]:
        """The seeds of a model's runs."""
        return self.seeds[:1] if model in self.once else self.seeds

    @field_validator("once")
    @classmethod
    def _once_are_models(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in info.data.get("models", names)]:
            raise ValueError(f"{', '.join(unknown)} is not among the models")
        return names

    _unique = field_validator("protocols", "models", "seeds")(check_unique)

    @field_validator("seeds")
    @classmethod
    def _ascending(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(seeds))  # reports show the first seed; it must be the lowest in every stage

    @field_validator("protocols")
    @classmethod
    def _protocols_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            protocol_parts(name)
        return names

    @field_validator("models")
    @classmethod
    def _models_exist(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        check_models(names, info, recipes=True)
        return names

    @property
    def splits(self) -> tuple[str, ...]:
        """The protocols, with each cross-validation replaced by its folds."""
        return tuple(part for name in self.protocols for part in protocol_parts(name))


class ExternalConfig(Section):
    """Models of one dataset, scored on the test set of another one (docs/external.md)."""

    model_config = ConfigDict(serialize_by_alias=True)  # `from` is a Python keyword

    source: str = Field(
        alias="from",
        description="dataset whose models are scored, or DATASET/PROTOCOL; without a protocol: its first one",
    )
    target: str = Field(
        alias="to",
        description="dataset that they are scored on, or DATASET/PROTOCOL; without a protocol: its first one",
    )
    models: tuple[str, ...] | None = Field(
        None, min_length=1, description="models to score; null: all that do not start from a run on `to`"
    )
    classes: dict[str, str | tuple[str, ...]] | None = Field(
        None,
        min_length=1,
        description="class of `from` -> its equivalent class or classes of `to`; null: classes are matched by name, "
        "ignoring case, and those of cardiac-images with the equivalent superclasses",
    )

    @field_validator("source", "target")
    @classmethod
    def _names_a_split(cls, value: str) -> str:
        if value.count("/") > 1 or not all(value.split("/")):
            raise ValueError("must be DATASET or DATASET/PROTOCOL, for example ptb-xl or ptb-xl/folds")
        return value


class Benchmark(Section):
    """The runs of each dataset; the keys of user datasets are their names in `own`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DatasetRuns]

    ptb_xl: DatasetRuns = Field(default_factory=DatasetRuns, alias="ptb-xl", description="runs on PTB-XL")
    cardiac_images: DatasetRuns = Field(
        default_factory=DatasetRuns, alias="cardiac-images", description="runs on the ECG images"
    )
    simulated: DatasetRuns = Field(default_factory=DatasetRuns, description="runs on simulated records")
    external: tuple[ExternalConfig, ...] = Field(
        (), description="external validation: models of one dataset, scored on another"
    )

    def of(self, dataset: str) -> DatasetRuns:
        """The runs of a dataset by its name."""
        if dataset in DATASETS:
            return getattr(self, dataset.replace("-", "_"))
        return self.__pydantic_extra__.get(dataset, DatasetRuns())
