"""One way to build any model of the benchmark, or any other of timm's."""

import difflib
from contextlib import nullcontext
from typing import Any

import timm
from torch import nn

from ecgpipe.errors import ConfigError
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
    **options: Any,
) -> nn.Module:
    """Build a classifier for images (B, in_chans, img_size, img_size) with logits (B, num_classes).

    Args:
        variant: a name in ``VARIANTS`` or any name of timm's registry, with or without a weights tag.
        num_classes: outputs.
        in_chans: channels of the images.
        img_size: side in pixels or (height, width); given to architectures that fix their input size.
        pretrained: start the backbone from ImageNet weights; ``model.pretrained_report`` then says what matched
            (it is ``None`` otherwise).
        checkpoint_path: with ``pretrained``, a local safetensors file to read instead of timm's hub.
        options: keys of the architecture, e.g. ``drop_path_rate``, ``window_size``, ``neck_width``; ``None`` means
            the default. ``architecture`` replaces the timm name behind a baseline, or the Swin backbone of a
            Swin-LGF-FPN variant.

    Raises:
        ConfigError: for an unknown name or option, or a value that the architecture refuses.
        DataError: when the pretrained weights cannot be had.
    """
    options = {key: value for key, value in options.items() if value is not None}
    architecture, options = _resolve(variant, options)
    config = timm.get_pretrained_cfg(architecture)
    is_swin = architecture.startswith("swin_") and "_patch4_window" in architecture
    if config is not None and config.fixed_input_size:
        options["img_size"] = image_hw(img_size)
    if is_swin:
        options.setdefault("window_size", choose_window(img_size))

    try:
        with fused_window_attention() if is_swin else nullcontext():
            model = timm.create_model(architecture, num_classes=num_classes, in_chans=in_chans, **options)
    except (TypeError, ValueError, AssertionError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise ConfigError(f"model {variant!r} cannot be built with {given}: {error}") from error
    model.pretrained_report = None
    if pretrained:
        backbone = model.backbone if variant in VARIANTS and VARIANTS[variant].own else model
        model.pretrained_report = load_pretrained_weights(backbone, checkpoint_path)
    return model


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
