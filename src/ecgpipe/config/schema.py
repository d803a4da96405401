"""The whole configuration, and its validation with messages that name the key."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ecgpipe.config.analysis import BaselinesConfig, EvaluateConfig, ExplainConfig, ReportConfig
from ecgpipe.config.base import Section, plain_values
from ecgpipe.config.data import (
    RESERVED,
    CardiacImagesConfig,
    DatasetName,
    LabelsConfig,
    OwnConfig,
    PtbXlConfig,
    SimulatedConfig,
    SplitConfig,
    base_protocol,
    protocol_parts,
)
from ecgpipe.config.models import VARIANTS, ModelConfig, architecture_of, named_models, plugin_models, unknown_model
from ecgpipe.config.pages import PreprocessConfig, RenderConfig
from ecgpipe.config.training import TrainConfig, Trial, TuningConfig, init_from_problems
from ecgpipe.errors import ConfigError

Seed = Annotated[int, Field(ge=0)]
DATASETS = ("ptb-xl", "cardiac-images", "simulated")


def each_once(values: tuple) -> tuple:
    """The values, if none is there twice."""
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} is there twice")
    return values


def models_exist(names: Iterable[str], info: ValidationInfo) -> tuple[str, ...]:
    """The names, if all are models, each perhaps with a recipe (``swin+strong``)."""
    own = (info.context or {}).get("own_models", ())
    problems = [problem for name in names if (problem := unknown_model(name.partition("+")[0], own))]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(names)


class DatasetRuns(Section):
    """Which trainings a data set gets: every protocol x model x seed."""

    protocols: tuple[str, ...] = Field(
        ("paper",),
        min_length=1,
        description="split protocols: paper, patient, folds, unique; patient-cv5 is five-fold cross-validation",
    )
    models: tuple[str, ...] = Field(
        VARIANTS,
        min_length=1,
        description="variants, or names of timm models; swin+strong trains swin by `recipes.strong`",
    )
    seeds: tuple[Seed, ...] = Field(
        (0,), min_length=1, description="each seeds the split, the weights and the data order"
    )
    baselines: bool = Field(
        True,
        description="the classifiers of `baselines` beside the models; false where a data set only pre-trains others",
    )

    @field_validator("protocols", "models", "seeds")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        return each_once(values)

    @field_validator("protocols")
    @classmethod
    def _protocols_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            protocol_parts(name)
        return names

    @property
    def splits(self) -> tuple[str, ...]:
        """The protocols with each part of a cross-validation by itself."""
        return tuple(part for name in self.protocols for part in protocol_parts(name))

    @field_validator("models")
    @classmethod
    def _models_exist(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return models_exist(names, info)


class Benchmark(Section):
    """The trainings of each data set; one of your own by its name in `own`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DatasetRuns]

    ptb_xl: DatasetRuns = Field(default_factory=DatasetRuns, alias="ptb-xl", description="runs on PTB-XL")
    cardiac_images: DatasetRuns = Field(
        default_factory=DatasetRuns, alias="cardiac-images", description="runs on the image data set"
    )
    simulated: DatasetRuns = Field(default_factory=DatasetRuns, description="runs on simulated records")

    def of(self, dataset: str) -> DatasetRuns:
        """The trainings of a data set by its name."""
        if dataset in DATASETS:
            return getattr(self, dataset.replace("-", "_"))
        return self.__pydantic_extra__.get(dataset, DatasetRuns())


class Config(Section):
    """config.yaml."""

    results: str = Field("results", description="folder for everything that runs produce")
    resources: str = Field("resources", description="folder for downloads")
    container: str | None = Field(
        None,
        description="image that jobs run in with --sdm apptainer: a .sif file, or docker://... (docs/containers.md)",
    )
    strict: bool = Field(False, description="stop at the first broken record instead of listing it as a problem")
    keep_pages: bool = Field(
        True,
        description="keep the pages as files; false: images are made straight from records or image files, and the few "
        "pages that are looked at are drawn again",
    )
    datasets: tuple[str, ...] = Field(
        ("ptb-xl", "cardiac-images"),
        min_length=1,
        description="data sets to use: ptb-xl, cardiac-images, simulated, and names in `own`",
    )
    ptb_xl: PtbXlConfig = Field(default_factory=PtbXlConfig, description="PTB-XL")
    cardiac_images: CardiacImagesConfig = Field(
        default_factory=CardiacImagesConfig, description="ECG Images dataset of Cardiac Patients"
    )
    simulated: SimulatedConfig = Field(default_factory=SimulatedConfig, description="simulated records")
    own: dict[DatasetName, OwnConfig] = Field(
        default_factory=dict, description="data sets of your own, by names of your own"
    )
    labels: LabelsConfig = Field(default_factory=LabelsConfig, description="labels from diagnostic statements")
    render: RenderConfig = Field(default_factory=RenderConfig, description="pages")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig, description="model-ready images")
    split: SplitConfig = Field(default_factory=SplitConfig, description="split protocols")
    model: ModelConfig = Field(default_factory=ModelConfig, description="settings of every model")
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per variant: keys of `model` that differ"
    )
    train: TrainConfig = Field(default_factory=TrainConfig, description="the training recipe")
    recipes: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="further recipes by name, for models like swin+name: keys of `train` that differ",
    )
    tuning: TuningConfig = Field(default_factory=TuningConfig, description="search for a recipe")
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig, description="scores")
    baselines: BaselinesConfig = Field(default_factory=BaselinesConfig, description="control experiments")
    explain: ExplainConfig = Field(default_factory=ExplainConfig, description="saliency")
    report: ReportConfig = Field(default_factory=ReportConfig, description="report")
    benchmark: Benchmark = Field(default_factory=Benchmark, description="which trainings to run")

    @field_validator("results", "resources")
    @classmethod
    def _no_final_slash(cls, folder: str) -> str:
        return folder.rstrip("/") or "/"

    @field_validator("datasets")
    @classmethod
    def _each_once(cls, values: tuple) -> tuple:
        return each_once(values)

    @field_validator("variants")
    @classmethod
    def _variants_exist(cls, values: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        models_exist(values, info)
        plugins = (info.context or {}).get("plugin_models", ())
        for name, keys in values.items():
            architecture = architecture_of(keys)
            if architecture is not None and (problem := unknown_model(architecture, plugins)):
                raise ValueError(f"{name}.options.architecture: {problem}")
        return values

    def model_of(self, variant: str) -> ModelConfig:
        """The settings of one variant: `model`, overridden by `variants.<variant>`."""
        merged = self.model.model_dump() | self.variants.get(variant.partition("+")[0], {})
        return ModelConfig(**merged)

    def train_of(self, variant: str) -> TrainConfig:
        """The recipe of a variant: `train`, overridden by the recipe that its name ends with."""
        return TrainConfig(**self.train.model_dump() | self.recipes.get(variant.partition("+")[2], {}))

    @property
    def trials(self) -> dict[str, Trial]:
        """The trials of `tuning` by name."""
        return self.tuning.trials_of(self.model, self.variants, self.train)

    def settings_of(self, dataset: str) -> PtbXlConfig | CardiacImagesConfig | SimulatedConfig | OwnConfig:
        """The section of a data set by its name."""
        return getattr(self, dataset.replace("-", "_")) if dataset in DATASETS else self.own[dataset]

    def kind_of(self, dataset: str) -> Literal["signals", "images"]:
        """Whether the pages of a data set are drawn from signals, or are image files."""
        return self.own[dataset].kind if dataset in self.own else "images" if dataset == "cardiac-images" else "signals"

    @model_validator(mode="after")
    def _datasets_exist(self) -> "Config":
        taken = [name for name in self.own if name in RESERVED]
        if taken:
            raise ValueError(f"own.{taken[0]}: this name has another meaning; use another")
        known = (*DATASETS, *self.own)
        for place, names in (("datasets", self.datasets), ("benchmark", self.benchmark.__pydantic_extra__)):
            for name in names:
                if name not in known:
                    close = difflib.get_close_matches(name, known, n=1)
                    hint = f"did you mean {close[0]}? " if close else ""
                    raise ValueError(
                        f"{place}: no data set {name!r}; {hint}there are {', '.join(known)}; yours go into `own`"
                    )
        return self

    @model_validator(mode="after")
    def _pages_can_be_drawn_again(self) -> "Config":
        if not self.keep_pages and self.render.renderer != "ecgpipe":
            raise ValueError(
                f"keep_pages: false draws pages again when they are looked at, which takes renderer: ecgpipe, not "
                f"{self.render.renderer}"
            )
        if self.preprocess.from_traces and (
            self.keep_pages or self.preprocess.variant != "trace" or self.render.degrade.active
        ):
            raise ValueError(
                "preprocess.from_traces: true needs keep_pages: false, preprocess.variant: trace and "
                "render.degrade.level: none"
            )
        return self

    @model_validator(mode="after")
    def _plugins_exist(self) -> "Config":
        named = {"model": self.model.plugin} | {
            f"variants.{name}": k.get("plugin") for name, k in self.variants.items()
        }
        for place, plugin in named.items():
            if plugin is not None and not Path(str(plugin)).is_file():
                raise ValueError(f"{place}.plugin: no such file {plugin!r}; paths start where the workflow is started")
        return self

    @model_validator(mode="after")
    def _variants_fit(self, info: ValidationInfo) -> "Config":
        own = (info.context or {}).get("own_models", ())
        for variant in self.variants:
            try:
                self.model_of(variant)
            except ValidationError as error:
                told = [_explain(problem, ModelConfig, f"variants.{variant}.") for problem in error.errors()]
                raise ValueError("; ".join(told)) from None
        if self.train.init_from is not None:
            raise ValueError("train.init_from: belongs into a recipe of its own, recipes.NAME.init_from")
        for name, changes in self.recipes.items():
            if not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise ValueError(f"recipes.{name}: a name has letters, digits and _ alone")
            try:
                TrainConfig(**self.train.model_dump() | changes)
            except ValidationError as error:
                told = [_explain(problem, TrainConfig, f"recipes.{name}.") for problem in error.errors()]
                raise ValueError("; ".join(told)) from None
        for dataset in self.datasets:
            asked = {name.partition("+")[2] for name in self.benchmark.of(dataset).models if "+" in name}
            if missing := sorted(asked - set(self.recipes)):
                raise ValueError(
                    f"benchmark.{dataset}.models: no recipe {', '.join(missing)}; known are "
                    f"{', '.join(self.recipes) or 'none: add them to recipes'}"
                )
        if problems := list(init_from_problems(self.datasets, self.benchmark.of, self.train_of)):
            raise ValueError("; ".join(dict.fromkeys(problems)))
        try:
            _ = self.trials
        except ValidationError as error:
            raise ValueError("; ".join(f"tuning.grid: {_explain(problem)}" for problem in error.errors())) from None
        used = {name for dataset in self.datasets for name in self.benchmark.of(dataset).models}
        strange = [name for name in self.explain.variants if name not in used and unknown_model(name, own)]
        if strange:
            raise ValueError(
                f"explain.variants: {', '.join(strange)}: no such model; in use are {', '.join(sorted(used))}"
            )
        for dataset in self.datasets:
            unfit = getattr(self.settings_of(dataset), "unfit", lambda protocol: None)
            for name in self.benchmark.of(dataset).protocols:
                if reason := unfit(base_protocol(name)):
                    raise ValueError(f"benchmark.{dataset}.protocols: {name} {reason}")
        return self


def validate_config(values: dict[str, Any]) -> Config:
    """Check a configuration as read from YAML.

    Raises:
        ConfigError: a line per wrong key: its path, what was given, what is allowed.
    """
    try:
        plain = plain_values(values)
        plugins = plugin_models(plain)
        context = {"plugin_models": plugins, "own_models": plugins | named_models(plain)}
        return Config.model_validate(plain, context=context)
    except RecursionError:
        raise ConfigError(
            "the configuration is not valid:\n  it is nested without end: a YAML anchor within itself"
        ) from None
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ConfigError("the configuration is not valid:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _explain(problem: Any, top: type[Section] = Config, prefix: str = "") -> str:
    """One pydantic problem as a line a person can act on."""
    path = prefix + ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(problem["loc"][:-1], top)
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{path}: unknown key; {hint}allowed here: {', '.join(known)}"
    if problem["type"] == "value_error":
        return f"{path}: {problem['ctx']['error']}" if path else str(problem["ctx"]["error"])
    return f"{path}: {problem['msg']}; given: {problem['input']!r}"


def _keys_at(location: tuple, top: type[Section]) -> list[str]:
    """The keys that the section at a location knows."""
    section: Any = top
    for part in location:
        if arguments := get_args(section):  # a mapping, by names of the user's own
            section = arguments[-1]
            continue
        fields = getattr(section, "model_fields", {})
        field = next((f for name, f in fields.items() if part in (name, f.alias)), None)
        section = field.annotation if field else DatasetRuns if section is Benchmark else None
    return [field.alias or name for name, field in getattr(section, "model_fields", {}).items()]
