"""The whole configuration, validated with messages that name the key."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from ecgpipe.config.analysis import BaselinesConfig, EvaluateConfig, ExplainConfig, ReportConfig
from ecgpipe.config.base import Section, check_section, check_unique, command_line_values, did_you_mean, explain, merge
from ecgpipe.config.benchmark import DATASETS, Benchmark
from ecgpipe.config.box import BoxConfig
from ecgpipe.config.data import (
    CHALLENGE,
    RESERVED,
    CardiacImagesConfig,
    DatasetName,
    LabelsConfig,
    PtbXlConfig,
    SimulatedConfig,
    SplitConfig,
    base_protocol,
)
from ecgpipe.config.external import External, resolve_external
from ecgpipe.config.models import (
    VARIANTS,
    ModelConfig,
    architecture_of,
    check_models,
    named_models,
    plugin_models,
    unknown_model,
)
from ecgpipe.config.own import PTB_XL, OwnConfig
from ecgpipe.config.pages import PreprocessConfig, ReaderConfig, RenderConfig
from ecgpipe.config.training import (
    TrainConfig,
    Trial,
    TuningConfig,
    continue_from_problems,
    first_recipe,
    init_from_problems,
)
from ecgpipe.errors import ConfigError


class Config(Section):
    """config.yaml."""

    results: str = Field("results", description="folder for all results")
    resources: str = Field("resources", description="folder for downloads")
    container: str | None = Field(
        None, description="image for jobs with --sdm apptainer: a .sif file or docker://... (docs/containers.md)"
    )
    strict: bool = Field(False, description="true: stop at the first broken record; false: leave it out and report it")
    keep_pages: bool = Field(
        True,
        description="false: make images directly, without pages files; the few pages that are shown are drawn again",
    )
    datasets: tuple[str, ...] = Field(
        ("ptb-xl", "cardiac-images"),
        min_length=1,
        description="datasets to use: ptb-xl, cardiac-images, simulated, and names in `own`",
    )
    ptb_xl: PtbXlConfig = Field(default_factory=PtbXlConfig, description="PTB-XL")
    cardiac_images: CardiacImagesConfig = Field(
        default_factory=CardiacImagesConfig, description="ECG Images dataset of Cardiac Patients"
    )
    simulated: SimulatedConfig = Field(default_factory=SimulatedConfig, description="simulated records")
    own: dict[DatasetName, OwnConfig] = Field(default_factory=dict, description="your own datasets, by name")
    labels: LabelsConfig = Field(default_factory=LabelsConfig, description="labels from diagnostic statements")
    render: RenderConfig = Field(default_factory=RenderConfig, description="pages")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig, description="images")
    reader: ReaderConfig = Field(default_factory=ReaderConfig, description="training of the page reader")
    box: BoxConfig = Field(default_factory=BoxConfig, description="training of the model that comes with the package")
    split: SplitConfig = Field(default_factory=SplitConfig, description="split protocols")
    model: ModelConfig = Field(default_factory=ModelConfig, description="settings of all models")
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="model -> keys of `model` that differ"
    )
    train: TrainConfig = Field(default_factory=TrainConfig, description="the training recipe")
    recipes: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="recipe name, used as swin+name -> keys of `train` that differ"
    )
    tuned: dict[str, str | dict[str, Any]] = Field(
        default_factory=dict,
        description="model -> keys of `train` that differ, in every recipe (written by a search over several "
        "models), or the name of a model to copy these keys from",
    )
    tuning: TuningConfig = Field(default_factory=TuningConfig, description="search for a recipe")
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig, description="scores")
    baselines: BaselinesConfig = Field(default_factory=BaselinesConfig, description="baselines")
    explain: ExplainConfig = Field(default_factory=ExplainConfig, description="saliency")
    report: ReportConfig = Field(default_factory=ReportConfig, description="report")
    benchmark: Benchmark = Field(default_factory=Benchmark, description="which models to train")

    @field_validator("results", "resources")
    @classmethod
    def _is_a_folder(cls, folder: str) -> str:
        if "{" in folder or "}" in folder:  # Snakemake's wildcards
            raise ValueError(f"the name {folder!r} has braces; use another folder")
        if folder.startswith("~"):
            raise ValueError(f"{folder!r}: only the shell replaces ~; write the whole path")
        return folder.rstrip("/") or "/"

    _unique = field_validator("datasets")(check_unique)

    @field_validator("tuned")
    @classmethod
    def _tuned_exist(
        cls, values: dict[str, str | dict[str, Any]], info: ValidationInfo
    ) -> dict[str, str | dict[str, Any]]:
        copies = {name: other for name, other in values.items() if isinstance(other, str)}
        check_models([*values, *copies.values()], info)
        for name, other in copies.items():
            if other in copies:
                raise ValueError(f"{name}: {other} itself copies its keys from {copies[other]}; name another model")
        return values

    @field_validator("variants")
    @classmethod
    def _variants_exist(cls, values: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        check_models(values, info)
        plugins = (info.context or {}).get("plugin_models", ())
        for name, keys in values.items():
            architecture = architecture_of(keys)
            if architecture is not None and (problem := unknown_model(architecture, plugins)):
                raise ValueError(f"{name}.options.architecture: {problem}")
        return values

    def model_of(self, variant: str) -> ModelConfig:
        """The settings of a model: `model`, overridden by `variants.<variant>`."""
        return ModelConfig(**self.model.model_dump() | self.variants.get(variant.partition("+")[0], {}))

    def train_of(self, variant: str) -> TrainConfig:
        """The recipe of a model: `train`, overridden by `tuned.<model>`, and by the recipe at the end of its name."""
        model, _, recipe = variant.partition("+")
        own = self.tuned.get(model, {})
        if isinstance(own, str):
            own = self.tuned.get(own, {})
        changes = (own if isinstance(own, dict) else {}) | self.recipes.get(recipe, {})
        if model and isinstance(first := changes.get("init_from"), str):
            changes["init_from"] = first.replace("{model}", model)
        return TrainConfig(**self.train.model_dump() | changes)

    @property
    def trials(self) -> dict[str, Trial]:
        """The trials of `tuning` by name."""
        return self.tuning.trials_of(self.model, self.variants, self.train)

    def settings_of(self, dataset: str) -> PtbXlConfig | CardiacImagesConfig | SimulatedConfig | OwnConfig:
        """The section of a dataset by its name."""
        return getattr(self, dataset.replace("-", "_")) if dataset in DATASETS else self.own[dataset]

    def kind_of(self, dataset: str) -> Literal["signals", "images"]:
        """Whether the pages of a dataset are drawn from signals, or are image files."""
        return self.own[dataset].kind if dataset in self.own else "images" if dataset == "cardiac-images" else "signals"

    def unfit(self, dataset: str, protocol: str) -> str | None:
        """Why a protocol cannot be used for a dataset, or None."""
        check = getattr(self.settings_of(dataset), "unfit", lambda protocol: None)
        return check(base_protocol(protocol))

    def shares_records(self, dataset: str, other: str) -> bool:
        """Whether two datasets show the same recordings: PTB-XL, and images that have its labels."""
        ptb_xl = {PTB_XL, *(name for name, own in self.own.items() if own.labels == PTB_XL)}
        return dataset != other and {dataset, other} <= ptb_xl

    @model_validator(mode="after")
    def _datasets_exist(self) -> "Config":
        if taken := [name for name in self.own if name in RESERVED]:
            raise ValueError(f"own.{taken[0]}: this name is reserved; use another")
        known = (*DATASETS, *self.own)
        for place, names in (("datasets", self.datasets), ("benchmark", self.benchmark.__pydantic_extra__)):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"{place}: no dataset {name!r}; {did_you_mean(name, known)}allowed are {', '.join(known)}; "
                        "add your own to `own`"
                    )
        return self

    @model_validator(mode="after")
    def _acute_infarctions_are_known(self) -> "Config":
        images = [name for name in self.datasets if name in self.own and self.own[name].labels == PTB_XL]
        if images and self.ptb_xl.plus is not None and self.labels.grouping == CHALLENGE:
            raise ValueError(
                f"ptb_xl.plus: own.{images[0]} (labels: ptb-xl) cannot use it; remove {images[0]} from `datasets`, "
                "or set ptb_xl.plus to null: then every infarction is an Old MI"
            )
        return self

    @model_validator(mode="after")
    def _keys_of_preprocess_are_used(self) -> "Config":
        variant = self.preprocess.variant  # checked here, since saved models and runs may have other keys and machines
        weights = self.preprocess.reader_weights
        if weights is not None and not Path(weights).is_file():
            raise ValueError(f"preprocess.reader_weights: no such file: {weights}")
        others = {"coverage"} if variant == "paper" else {"crop", "canny"}
        if ignored := self.preprocess.model_dump(exclude_defaults=True, include=others):
            raise ValueError(
                f"preprocess: variant: {variant} ignores {', '.join(ignored)}; remove it, or change the variant"
            )
        return self

    @model_validator(mode="after")
    def _pages_can_be_drawn_again(self) -> "Config":
        if not self.keep_pages and self.render.renderer != "ecgpipe":
            raise ValueError(
                f"keep_pages: false draws pages again when they are shown and requires renderer: ecgpipe, not "
                f"{self.render.renderer}"
            )
        return self

    @model_validator(mode="after")
    def _box_can_be_pretrained(self) -> "Config":
        first = self.box.pretrain_on
        if first is not None and (first not in self.datasets or self.kind_of(first) != "signals"):
            raise ValueError(f"box.pretrain_on: {first!r} must be a dataset of signals that `datasets` names")
        return self

    @model_validator(mode="after")
    def _kit_is_there(self) -> "Config":
        if any(self.kind_of(name) == "signals" for name in self.datasets):
            try:
                self.render.check_kit()
            except ValueError as error:
                raise ValueError(f"render.{error}") from None
        return self

    def draws_images(self, dataset: str) -> bool:
        """Whether the images of a dataset are drawn from its records, without pictures of pages."""
        from_records = self.preprocess.variant == "reader" and not self.reads_pictures(dataset)
        return (from_records or not self.keep_pages) and not self.digitizes(dataset)

    def redrawing_of(self, dataset: str) -> RenderConfig:
        """How digitized pages of a dataset are drawn again: like its pages, but clean; for image files, the default."""
        return self.render.clean if self.kind_of(dataset) == "signals" else RenderConfig()

    def reads_pictures(self, dataset: str) -> bool:
        """Whether the page reader makes the images of a dataset; it is not needed where the traces are known."""
        clean = self.render.renderer == "ecgpipe" and not self.render.degrade.active
        return self.preprocess.variant == "reader" and not (self.kind_of(dataset) == "signals" and clean)

    def origin_of_images(self, dataset: str) -> str:
        """How the images of a dataset are made, in words."""
        if self.preprocess.variant == "paper":
            return "made from pictures of pages by the paper's equations"
        if self.digitizes(dataset):
            return "drawn from digitized pages"
        return "read from pictures of pages" if self.reads_pictures(dataset) else "drawn from recordings"

    def digitizes(self, dataset: str) -> bool:
        """Whether the images of a dataset show its digitized pages."""
        return self.preprocess.digitized and self.reads_pictures(dataset)

    @model_validator(mode="after")
    def _files_of_models_exist(self) -> "Config":
        sections = {"model": self.model.model_dump()} | {
            f"variants.{name}": keys for name, keys in self.variants.items()
        }
        for place, keys in sections.items():
            for key in ("plugin", "weights"):
                if (file := keys.get(key)) is not None and not Path(str(file)).is_file():
                    raise ValueError(f"{place}.{key}: no such file {file!r}; paths start at the working directory")
        return self

    @model_validator(mode="after")
    def _variants_and_recipes_fit(self) -> "Config":
        for variant in self.variants:
            check_section(lambda variant=variant: self.model_of(variant), ModelConfig, f"variants.{variant}.")
        sections = {"train": self.train.model_dump()} | {f"tuned.{name}": keys for name, keys in self.tuned.items()}
        for place, keys in sections.items():
            for key in ("init_from", "continue_from"):
                if isinstance(keys, dict) and keys.get(key) is not None:
                    raise ValueError(f"{place}.{key}: set it in a recipe, recipes.NAME.{key}")
        for name in self.recipes:
            if not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise ValueError(f"recipes.{name}: names consist of letters, digits and _")
            check_section(lambda name=name: self.train_of(f"+{name}"), TrainConfig, f"recipes.{name}.")
        for name in self.tuned:
            check_section(lambda name=name: self.train_of(name), TrainConfig, f"tuned.{name}.")
        for dataset in self.datasets:
            used = {name.partition("+")[2] for name in self.benchmark.of(dataset).models if "+" in name}
            if missing := sorted(used - set(self.recipes)):
                raise ValueError(
                    f"benchmark.{dataset}.models: no recipe {', '.join(missing)}; known are "
                    f"{', '.join(self.recipes) or 'none: add them to recipes'}"
                )
        if problems := dict.fromkeys(
            [
                *init_from_problems(self.datasets, self.benchmark.of, self.train_of, self.shares_records),
                *continue_from_problems(self.datasets, self.benchmark.of, self.train_of),
            ]
        ):
            raise ValueError("; ".join(problems))
        check_section(lambda: self.trials, Config, "tuning.grid: ")
        return self

    @property
    def external(self) -> list[External]:
        """`benchmark.external` with its defaults resolved."""

        def starts_on(model: str) -> str | None:
            first = first_recipe(model, self.train_of).init_from
            return None if first is None else first.partition("/")[0]

        return resolve_external(
            self.benchmark.external, self.datasets, self.benchmark.of, starts_on, self.shares_records
        )

    @model_validator(mode="after")
    def _external_fits(self) -> "Config":
        _ = self.external
        return self

    @model_validator(mode="after")
    def _runs_fit(self, info: ValidationInfo) -> "Config":
        context = info.context or {}
        if taken := [name for name in VARIANTS if name in context.get("plugin_models", ())]:
            raise ValueError(
                f"plugin: a file registers {', '.join(taken)}, the name of a built-in variant; rename its function"
            )
        user_defined = context.get("user_models", ())
        used = {name for dataset in self.datasets for name in self.benchmark.of(dataset).models}
        unknown = [name for name in self.explain.variants if name not in used and unknown_model(name, user_defined)]
        if missing := {name for pair in self.evaluate.planned for name in pair} - used:
            raise ValueError(f"evaluate.planned: not among the benchmark's models: {', '.join(sorted(missing))}")
        if unknown:
            raise ValueError(
                f"explain.variants: no such model: {', '.join(unknown)}; in use: {', '.join(sorted(used))}"
            )
        reference = self.evaluate.reference
        if reference not in used and unknown_model(reference, user_defined):
            raise ValueError(f"evaluate.reference: no such model: {reference}; in use: {', '.join(sorted(used))}")
        for dataset in self.datasets:
            for name in self.benchmark.of(dataset).protocols:
                if reason := self.unfit(dataset, name):
                    raise ValueError(f"benchmark.{dataset}.protocols: {name} {reason}")
        return self


def validate_config(values: dict[str, Any], command_line: Sequence[str] = ()) -> Config:
    """Check a configuration as read from YAML.

    Args:
        values: the configuration.
        command_line: ``name=value`` arguments that Snakemake has already merged into it, as text.

    Raises:
        ConfigError: one line per wrong key: its path, what was given, what is allowed.
    """
    values = merge(values, command_line_values(command_line))
    plugins = plugin_models(values)
    context = {"plugin_models": plugins, "user_models": plugins | named_models(values)}
    try:
        return Config.model_validate(values, context=context)
    except ValidationError as error:
        lines = "\n".join(f"  {line}" for line in explain(error, Config))
        raise ConfigError(f"the configuration is not valid:\n{lines}") from None
