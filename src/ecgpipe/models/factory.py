"""Build and load models: variants of the benchmark, any other model of timm, and user-defined models (plugins)."""

import difflib
import hashlib
import importlib.util
import sys
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from timm.models import register_model
from torch import nn

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.runs import WEIGHTS_FILE, RunConfig
from ecgpipe.errors import ConfigError, DataError, one_line
from ecgpipe.models.lgf_fpn import LgfFpn
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY, choose_window, fused_window_attention, image_hw
from ecgpipe.models.weights import check_weights, load_pretrained_weights, read_weights


@dataclass(frozen=True)
class Variant:
    """A model of the benchmark.

    Attributes:
        architecture: default name in timm's registry.
        options: options that define the variant.
        own: whether this package implements it; the option ``architecture`` then names its Swin backbone.
    """

    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    own: bool = False


VARIANTS: dict[str, Variant] = {
    "resnet34": Variant("resnet34"),
    "vit": Variant("vit_small_patch16_224"),
    "mobilevit": Variant("mobilevit_s"),
    "convnext": Variant("convnext_tiny"),
    "swin": Variant(SWIN_TINY),  # also the ablation with the backbone only
    "swin_lgf_fpn": Variant("swin_lgf_fpn_tiny", own=True),
    "swin_lgf_fpn_no_lgf": Variant("swin_lgf_fpn_tiny", {"lgf": False}, own=True),
    "swin_lgf_fpn_no_fpn": Variant("swin_lgf_fpn_tiny", {"fpn": False}, own=True),
    "swin_lgf_fpn_no_refine": Variant("swin_lgf_fpn_tiny", {"refine": False}, own=True),
}
OURS = ("swin_lgf_fpn_tiny", "lgf_fpn")
"""Names in timm's registry of the architectures that this package adds."""


def create_model(
    variant: str,
    *,
    num_classes: int,
    in_chans: int = 1,
    img_size: int | tuple[int, int] = 640,
    pretrained: bool = False,
    weights: str | None = None,
    weights_sha256: str | None = None,
    plugin: str | None = None,
    **options: Any,
) -> nn.Module:
    """Build a classifier for images (B, in_chans, img_size, img_size) with logits (B, num_classes).

    Args:
        variant: a name in ``VARIANTS`` or of timm's registry (a weights tag is allowed), or any other name with the
            option ``architecture``.
        num_classes: outputs.
        in_chans: channels of the images.
        img_size: in pixels, one side or (height, width).
        pretrained: load ImageNet weights into the backbone; ``model.pretrained_report`` reports the matching tensors
            (else it is None).
        weights: with ``pretrained``, a local safetensors file instead of timm's hub.
        weights_sha256: its checksum.
        plugin: Python file to run first, which registers more models (docs/own-model.md).
        options: arguments of the architecture, e.g. ``drop_path_rate``, ``window_size``, ``neck_width``; None means the
            default. ``architecture`` replaces the timm model behind a baseline, or the Swin backbone of a Swin-LGF-FPN
            variant; for any other name it is required and names a timm model or a variant.

    Raises:
        ConfigError: an unknown name or option, or a value that the architecture refuses.
        DataError: the pretrained weights are not available.
    """
    if plugin is not None:
        run_plugin(plugin)
    architecture, arguments = timm_arguments(variant, num_classes, in_chans, img_size, **options)
    try:
        model = _build(architecture, arguments)
    except (TypeError, ValueError, AssertionError) as error:
        settings = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if key != "pretrained_cfg_overlay")
        raise ConfigError(f"model {variant!r} cannot be built with {settings}: {error}") from error
    if variant not in VARIANTS or options.get("architecture"):
        _check_size(variant, architecture, arguments, image_hw(img_size))
    model.pretrained_report = None  # type: ignore[assignment]
    if pretrained:
        if weights is not None and weights_sha256 is not None:
            check_weights(weights, weights_sha256)
        load = model.load_pretrained if isinstance(model, LgfFpn) else partial(load_pretrained_weights, model)
        model.pretrained_report = load(weights)  # type: ignore[assignment]
    return model


def timm_arguments(
    variant: str, num_classes: int, in_chans: int, img_size: int | tuple[int, int], **options: Any
) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments for ``timm.create_model``.

    ``pretrained_cfg_overlay`` declares the input of the trained model for timm's users: values 0 and 1, no
    normalisation, no crop.

    Args:
        variant, num_classes, in_chans, img_size, options: as for :func:`create_model`.

    Raises:
        ConfigError: an unknown name.
    """
    options = {key: value for key, value in options.items() if value is not None}
    if variant not in VARIANTS and "architecture" in options:
        variant = str(options.pop("architecture"))
    architecture = variant
    if variant in VARIANTS:
        known = VARIANTS[variant]
        options = known.options | options
        architecture = known.architecture if known.own else options.pop("architecture", known.architecture)
    for name in (architecture, options.get("architecture", architecture)):
        if not timm.is_model(name.split(".")[0]):
            raise ConfigError(_unknown(name))
    config = timm.get_pretrained_cfg(architecture)
    if config is not None and config.fixed_input_size:
        options["img_size"] = image_hw(img_size)
    if _is_swin(architecture):
        options.setdefault("window_size", choose_window(img_size))
    overlay = {
        "input_size": (in_chans, *image_hw(img_size)),
        "mean": (0.0,) * in_chans,
        "std": (1.0,) * in_chans,
        "crop_pct": 1.0,
    }
    return architecture, options | {
        "num_classes": num_classes,
        "in_chans": in_chans,
        "pretrained_cfg_overlay": overlay,
    }


def _build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    with fused_window_attention() if _is_swin(architecture) else nullcontext():
        return timm.create_model(architecture, **arguments)


def _check_size(variant: str, architecture: str, arguments: dict[str, Any], size: tuple[int, int]) -> None:
    """Run the model on the meta device: some architectures refuse a size only in the forward pass.

    A user-defined model may also ignore the number of classes.
    """
    try:
        with torch.device("meta"):
            model = _build(architecture, arguments).eval()
    except Exception:  # not every architecture can be built there; that does not depend on the size
        return
    try:
        with torch.device("meta"), torch.no_grad():
            output = model(torch.empty(1, arguments["in_chans"], *size))
    except Exception as error:
        reason = " ".join(str(error).split())
        if "meta" in reason:  # the model reads values, which meta tensors do not have
            return
        known = timm.get_pretrained_cfg(architecture)
        made_for = f" (it was made for {known.input_size[1]} x {known.input_size[2]})" if known is not None else ""
        raise ConfigError(
            f"model {variant!r} does not accept images of {size[0]} x {size[1]}{made_for}; choose another image size "
            f"or model: {reason[:160]}"
        ) from error
    classes = arguments["num_classes"]
    if classes and getattr(output, "shape", None) != (1, classes):
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ConfigError(f"model {variant!r} returns {found} for one image; required are logits (1, {classes})")


def _is_swin(architecture: str) -> bool:
    return architecture.startswith("swin_") and "_patch4_window" in architecture


def _unknown(name: str) -> str:
    variants = difflib.get_close_matches(name, VARIANTS, n=3, cutoff=0.5)
    timm_names = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.6)
    close = list(dict.fromkeys(variants + timm_names))
    hint = f"did you mean {', '.join(close)}?" if close else f"use {', '.join(VARIANTS)} or any model of timm"
    return f"unknown model {name!r}: {hint}"


def run_plugin(path: Path | str) -> None:
    """Run a Python file that registers models with timm (docs/own-model.md), once per content.

    Since it is code, only a configuration, a run's folder or a caller may name it, never a saved model.

    Raises:
        ConfigError: the file does not exist or fails; the message names the line and the error.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"plugin {file}: cannot be read ({error.strerror}); paths are relative to the current folder"
        ) from error
    name = f"ecgpipe_plugin_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        loaded = sys.modules[name]
        for model in filter(timm.is_model, getattr(loaded, "__all__", ())):
            if timm.model_entrypoint(model) is not getattr(loaded, model):
                register_model(getattr(loaded, model))  # another content of the file has taken the name since
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin {file}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # timm looks up the module of a registered function
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise ConfigError(f"plugin {file}{where}: {type(error).__name__}: {error}") from error


def build_model(run: RunConfig) -> nn.Module:
    """Build the untrained model of a run."""
    return create_model(
        run.variant,
        num_classes=len(run.classes),
        in_chans=run.model.in_chans,
        img_size=run.model.image_size,
        pretrained=run.model.pretrained,
        weights=run.model.weights,
        weights_sha256=run.model.weights_sha256,
        plugin=run.model.plugin,
        **run.model.options,
    )


def load_trained(folder: Path | str) -> tuple[nn.Module, RunConfig]:
    """Load the trained model of a run, in eval mode, on the CPU.

    Raises:
        DataError: the weights are missing, damaged, or of another model.
    """
    run = RunConfig.read(folder)
    # no ImageNet weights: the trained ones replace them
    model = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    _load_weights(model, Path(folder) / WEIGHTS_FILE, "train the run", "run.json")
    return model.eval(), run


def load_model(folder: Path | str, plugin: Path | str | None = None) -> tuple[nn.Module, SavedModel]:
    """Load a saved model (``<run>/model`` or a copy of it), in eval mode, on the CPU.

    Args:
        folder: of the saved model.
        plugin: for a user-defined model, the Python file that registers its architecture. It is run as code, so it is
            never taken from the folder.

    Returns:
        The model, images (B, in_chans, size, size) to logits (B, classes), and the content of config.json.

    Raises:
        DataError: not a saved model, an unknown format version, or missing, damaged or wrong weights.
        ConfigError: an architecture that this version of timm or ecgpipe does not know, or no plugin.
    """
    saved = SavedModel.read(folder)
    settings = saved.model
    if settings.plugin is not None and plugin is None:
        raise ConfigError(
            f"{folder}: the architecture {saved.variant} is defined by the file {settings.plugin}, which is run as "
            "code; read it, then pass it with --plugin FILE or load_model(folder, plugin=FILE)"
        )
    model = create_model(
        saved.variant,
        num_classes=len(saved.classes),
        in_chans=settings.in_chans,
        img_size=settings.image_size,
        plugin=None if plugin is None else str(plugin),
        **settings.options,  # type: ignore[arg-type]
    )
    _load_weights(model, Path(folder) / WEIGHTS_FILE, "save the model", "config.json")
    return model.eval(), saved


def _load_weights(model: nn.Module, path: Path, remedy: str, settings: str) -> None:
    try:
        model.load_state_dict(read_weights(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {remedy} first") from error
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: not a readable weights file ({one_line(error)}); delete it and {remedy} again"
        ) from error
    except RuntimeError as error:
        raise DataError(f"{path}: these weights are not of the model in {settings}; {remedy} again\n{error}") from error
