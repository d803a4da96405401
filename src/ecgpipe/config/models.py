"""Model settings, and which model names exist (found without importing PyTorch)."""

import difflib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ecgpipe.config.base import Section, Sha256, yaml_number

Option = str | int | float | bool | tuple[int, ...] | None

VARIANTS = (
    "resnet34",
    "vit",
    "mobilevit",
    "convnext",
    "swin",
    "swin_lgf_fpn",
    "swin_lgf_fpn_no_lgf",
    "swin_lgf_fpn_no_fpn",
    "swin_lgf_fpn_no_refine",
)
ON_ANY_BACKBONE = "lgf_fpn"  # a model on the backbone that its options name
MODEL_NAME = re.compile(r"[A-Za-z0-9_.]+")  # part of paths, and of names like swin+strong
REGISTERED = re.compile(r"^@(?:timm\.models\.)?register_model\s*\ndef (\w+)\(", re.M)
WEIGHT_OPTIONS = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "checkpoint_path"}
FIXED_OPTIONS = {"num_classes", "in_chans", "img_size"}


class ModelConfig(Section):
    """Settings of all models; `variants` overrides them for individual models."""

    image_size: int = Field(
        640, ge=64, le=1280, description="side of the model's input, pixels, a multiple of 32; images are scaled to it"
    )
    in_chans: int = Field(1, ge=1, le=3, description="input channels; 3 repeats the image")
    pretrained: bool = Field(False, description="start from timm's ImageNet weights (downloaded, or from its cache)")
    weights: str | None = Field(
        None,
        min_length=1,
        description="with `pretrained`: a safetensors file of these weights, instead of a download",
    )
    weights_sha256: Sha256 | None = Field(None, description="checksum of `weights`; null: not checked")
    plugin: str | None = Field(
        None,
        min_length=1,
        description="Python file that is run and registers more models with timm (docs/own-model.md)",
    )
    options: dict[str, Option] = Field(
        default_factory=dict, description="other arguments of the model's constructor (docs/models.md)"
    )

    @field_validator("options")
    @classmethod
    def _are_options(cls, value: dict[str, Option]) -> dict[str, Option]:
        fixed = (FIXED_OPTIONS | WEIGHT_OPTIONS) & set(value)
        if fixed:
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be options; they follow from the data and other keys")
        return {name: yaml_number(option) for name, option in value.items()}

    @model_validator(mode="after")
    def _weights_are_used(self) -> "ModelConfig":
        if self.weights is not None and not self.pretrained:
            raise ValueError("weights: only read with pretrained: true; set it, or remove weights")
        if self.weights_sha256 is not None and self.weights is None:
            raise ValueError("weights_sha256: there is no file to check; set weights, or remove it")
        return self

    @field_validator("image_size")
    @classmethod
    def _fits_strides(cls, value: int) -> int:
        if value % 32:
            raise ValueError("must be a multiple of 32, the coarsest stride of the models")
        return value


def plugin_models(values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the models that the plugin files of a configuration register; the files are read, not run.

    Args:
        values: the configuration as read from YAML, not yet validated.
    """
    variants = values.get("variants")
    sections = [values.get("model"), *(variants.values() if isinstance(variants, Mapping) else ())]
    names: set[str] = set()
    for section in sections:
        file = section.get("plugin") if isinstance(section, Mapping) else None
        if isinstance(file, str):
            with suppress(OSError, ValueError):  # reported later, with the key (Config._files_of_models_exist)
                names |= set(REGISTERED.findall(Path(file).read_text(encoding="utf-8", errors="replace")))
    return frozenset(names)


def named_models(values: Mapping[str, Any]) -> frozenset[str]:
    """User-defined names of models: keys of `variants` whose options name an `architecture`.

    Args:
        values: the configuration as read from YAML, not yet validated.
    """
    variants = values.get("variants")
    return frozenset(
        name
        for name, keys in (variants.items() if isinstance(variants, Mapping) else ())
        if isinstance(name, str) and MODEL_NAME.fullmatch(name) and architecture_of(keys) is not None
    )


def architecture_of(keys: Any) -> str | None:
    """The architecture named in the options of an entry of `variants`, which may be invalid."""
    options = keys.get("options") if isinstance(keys, Mapping) else None
    named = options.get("architecture") if isinstance(options, Mapping) else None
    return None if named is None else str(named)


def unknown_model(name: str, user_defined: Iterable[str] = ()) -> str | None:
    """Why a name is not a model; None for built-in variants, user-defined models and functions in timm's model files.

    Without timm (on a machine that only plans), every name passes; a wrong one makes the training fail.
    """
    ours = {*VARIANTS, ON_ANY_BACKBONE, *user_defined}
    spec = importlib.util.find_spec("timm")
    if name in ours or spec is None or not spec.submodule_search_locations:
        return None
    known = set()
    for file in (Path(spec.submodule_search_locations[0]) / "models").glob("*.py"):
        known |= set(REGISTERED.findall(file.read_text(encoding="utf-8")))
    if name.partition(".")[0] in known:
        return None
    close = difflib.get_close_matches(name, [*ours, *known], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return (
        f"no such model; {hint}allowed are {', '.join([*VARIANTS, *sorted(ours - {*VARIANTS})])}, the names of timm, "
        f"and your own names (letters, digits, _ and .) with variants.NAME.options.architecture; given: {name!r}"
    )


def check_models(names: Iterable[str], info: ValidationInfo, *, recipes: bool = False) -> Iterable[str]:
    """Return the names, for use as a validator; ValueError unless all are models.

    With ``recipes``, each may have a recipe (``swin+strong``).
    """
    user_defined = (info.context or {}).get("user_models", ())
    problems = []
    for name in names:
        model, plus, _ = name.partition("+")
        if problem := unknown_model(model, user_defined):
            problems.append(problem)
        elif plus and not recipes:
            problems.append(f"{name}: recipes have no effect here; name the model without one, {model}")
    if problems:
        raise ValueError("; ".join(problems))
    return names
