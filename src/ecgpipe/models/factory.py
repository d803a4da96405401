"""One way to build any model of the benchmark, or any other of timm's."""

import difflib
from contextlib import nullcontext
from typing import Any

import timm
import torch
from torch import nn

from ecgpipe.errors import ConfigError
from ecgpipe.models.plugin import use_plugin
from ecgpipe.models.pretrained import load_pretrained_weights
from ecgpipe.models.registry import VARIANTS
from ecgpipe.models.swin_backbone import choose_window, fused_window_attention, image_hw


def create_model(
    variant: str,
    *,
    num_classes: int,
    in_chans: int = 1,
    img_size: int | tuple[int, int] = 640,
    pretrained: bool = False,
    checkpoint_path: str | None = None,
    plugin: str | None = None,
    **options: Any,
) -> nn.Module:
    """Build a classifier for images (B, in_chans, img_size, img_size) with logits (B, num_classes).

    Args:
        variant: a name in ``VARIANTS``, any name of timm's registry, with or without a weights tag, or any other name
            with the option ``architecture``.
        num_classes: outputs.
        in_chans: channels of the images.
        img_size: side in pixels or (height, width); given to architectures that fix their input size.
        pretrained: start the backbone from ImageNet weights; ``model.pretrained_report`` then says what matched
            (it is ``None`` otherwise).
        checkpoint_path: with ``pretrained``, a local safetensors file to read instead of timm's hub.
        plugin: Python file to run first, which registers further names (docs/own-model.md).
        options: keys of the architecture, e.g. ``drop_path_rate``, ``window_size``, ``neck_width``; ``None`` means
            the default. ``architecture`` replaces the timm name behind a baseline, or the Swin backbone of a
            Swin-LGF-FPN variant; of any other name it is the timm name or the variant that the name stands for.

    Raises:
        ConfigError: for an unknown name or option, or a value that the architecture refuses.
        DataError: when the pretrained weights cannot be had.
    """
    if plugin is not None:
        use_plugin(plugin)
    named, (variant, options) = variant, _named(variant, options)
    architecture, arguments = timm_arguments(variant, img_size, **options)
    arguments |= {"num_classes": num_classes, "in_chans": in_chans}
    try:
        model = _build(architecture, arguments)
    except (TypeError, ValueError, AssertionError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ConfigError(f"model {named!r} cannot be built with {given}: {error}") from error
    if variant not in VARIANTS or options.get("architecture"):
        _check_size(named, architecture, arguments, image_hw(img_size))
    model.pretrained_report = None  # type: ignore[assignment]
    if pretrained:
        backbone = model.backbone if variant in VARIANTS and VARIANTS[variant].own else model
        model.pretrained_report = load_pretrained_weights(backbone, checkpoint_path)  # type: ignore[arg-type, assignment]
    return model


def timm_arguments(variant: str, img_size: int | tuple[int, int], **options: Any) -> tuple[str, dict[str, Any]]:
    """The name in timm's registry behind a variant, and the arguments besides classes and channels.

    Args:
        variant, img_size, options: as for :func:`create_model`.

    Raises:
        ConfigError: for an unknown name.
    """
    options = {key: value for key, value in options.items() if value is not None}
    architecture, options = _resolve(*_named(variant, options))
    config = timm.get_pretrained_cfg(architecture)
    if config is not None and config.fixed_input_size:
        options["img_size"] = image_hw(img_size)
    if _is_swin(architecture):
        options.setdefault("window_size", choose_window(img_size))
    return architecture, options


def _build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    with fused_window_attention() if _is_swin(architecture) else nullcontext():
        return timm.create_model(architecture, **arguments)


def _check_size(variant: str, architecture: str, arguments: dict[str, Any], size: tuple[int, int]) -> None:
    """Let a twin without memory look at the shape of an image: some architectures refuse sizes only when they run."""
    try:
        with torch.device("meta"):
            twin = _build(architecture, arguments).eval()
    except Exception:  # not every architecture can be built without memory; that says nothing about the size
        return
    try:
        with torch.device("meta"), torch.no_grad():
            twin(torch.empty(1, arguments["in_chans"], *size))
    except Exception as error:
        reason = " ".join(str(error).split())
        if "meta" in reason:  # it looks at values, which the twin does not have
            return
        known = timm.get_pretrained_cfg(architecture)
        made_for = f" (it was made for {known.input_size[1]} x {known.input_size[2]})" if known is not None else ""
        raise ConfigError(
            f"model {variant!r} does not take images of {size[0]} x {size[1]}{made_for}; choose another image size or "
            f"model: {reason[:160]}"
        ) from error


def _is_swin(architecture: str) -> bool:
    return architecture.startswith("swin_") and "_patch4_window" in architecture


def _named(name: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The model that a name stands for, and its options: itself, or for a name of one's own its architecture."""
    if name in VARIANTS or not options.get("architecture"):
        return name, options
    return str(options["architecture"]), {key: value for key, value in options.items() if key != "architecture"}


def _resolve(variant: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name for ``timm.create_model`` and the options that belong to it."""
    if variant in VARIANTS:
        known = VARIANTS[variant]
        options = known.options | options
        architecture = known.architecture if known.own else options.pop("architecture", known.architecture)
    else:
        architecture = variant
    wanted = options.get("architecture", architecture)
    for name in (architecture, wanted):
        if not timm.is_model(name.split(".")[0]):
            raise ConfigError(_unknown(name))
    return architecture, options


def _unknown(name: str) -> str:
    ours = difflib.get_close_matches(name, VARIANTS, n=3, cutoff=0.5)
    theirs = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
    close = list(dict.fromkeys(ours + theirs))
    hint = f"did you mean {', '.join(close)}?" if close else f"known are {', '.join(VARIANTS)} and all of timm's names"
    return f"model {name!r} is not known: {hint}"
