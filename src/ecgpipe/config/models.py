"""Model settings, and which model names exist (found without importing PyTorch)."""

import difflib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from ecgpipe.config.base import Section

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


class ModelConfig(Section):
    """Settings that all variants share, and options of single ones."""

    image_size: int = Field(
        640,
        ge=64,
        le=1280,
        description="side of the model's input in pixels, a multiple of 32; stored images are scaled",
    )
    in_chans: int = Field(1, ge=1, le=3, description="input channels; 3 repeats the image")
    pretrained: bool = Field(False, description="start from timm's ImageNet weights (needs network, or a local file)")
    plugin: str | None = Field(
        None,
        min_length=1,
        description="Python file that registers further models with timm (docs/own-model.md); it is run as code",
    )
    options: dict[str, Option] = Field(
        default_factory=dict, description="further arguments of this variant's constructor (see docs/models.md)"
    )

    @field_validator("options")
    @classmethod
    def _are_options(cls, value: dict[str, Option]) -> dict[str, Option]:
        weights = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}  # never from just anywhere
        fixed = ({"num_classes", "in_chans", "img_size"} | weights) & set(value)
        if fixed:
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be options: they follow from the data and other keys")
        return value

    @field_validator("image_size")
    @classmethod
    def _fits_strides(cls, value: int) -> int:
        if value % 32:
            raise ValueError("must be a multiple of 32, the coarsest stride of the models")
        return value


SAFE = re.compile(r"[A-Za-z0-9_.]+")  # a part of paths, and of names like swin+strong


REGISTERED = re.compile(r"^@(?:timm\.models\.)?register_model\s*\ndef (\w+)\(", re.M)


def plugin_models(values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the models that the plugin files of a configuration register, told without running them.

    Args:
        values: the configuration as read from YAML, not yet validated.
    """
    variants = values.get("variants")
    sections = [values.get("model"), *(variants.values() if isinstance(variants, Mapping) else ())]
    named = [section.get("plugin") for section in sections if isinstance(section, Mapping)]
    found: set[str] = set()
    for file in named:
        if isinstance(file, str):
            with suppress(OSError, ValueError):  # said later, with the key (Config._plugins_exist)
                found |= set(REGISTERED.findall(Path(file).read_text(encoding="utf-8", errors="replace")))
    return frozenset(found)


def named_models(values: Mapping[str, Any]) -> frozenset[str]:
    """Names that a configuration gives to models: keys of `variants` whose options say which `architecture` it is.

    Args:
        values: the configuration as read from YAML, not yet validated.
    """
    variants = values.get("variants")
    return frozenset(
        name
        for name, keys in (variants.items() if isinstance(variants, Mapping) else ())
        if isinstance(name, str) and SAFE.fullmatch(name) and architecture_of(keys) is not None
    )


def architecture_of(keys: Any) -> str | None:
    """The architecture that an entry of `variants`, perhaps a wrong one, names in its options."""
    options = keys.get("options") if isinstance(keys, Mapping) else None
    named = options.get("architecture") if isinstance(options, Mapping) else None
    return None if named is None else str(named)


def unknown_model(name: str, own: Iterable[str] = ()) -> str | None:
    """What is wrong with a model name, or None: a variant of ours, one of ``own``, or a function in timm's model files.

    Without timm (on a machine that only plans) any other name passes; the training then says what it thinks of it.
    """
    own = set(own)
    if name in VARIANTS or name in own:
        return None
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        return None
    known = set()
    for file in (Path(spec.submodule_search_locations[0]) / "models").glob("*.py"):
        known |= set(REGISTERED.findall(file.read_text(encoding="utf-8")))
    if name.partition(".")[0] in known:
        return None
    close = difflib.get_close_matches(name, [*VARIANTS, *own, *known], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    allowed = ", ".join([*VARIANTS, *sorted(own)])
    return (
        f"no such model; {hint}allowed are {allowed}, any name of timm's, and a name of yours (letters, digits, _ "
        f"and .) with variants.NAME.options.architecture; given: {name!r}"
    )
