"""The variants of the benchmark, and Swin-LGF-FPN's entry points in timm's registry.

Models of one's own: a Python file that registers them with timm, named by the key ``plugin``.

One way to build any model of the benchmark, or any other of timm's.

Models from files: a run's, with or without its trained weights, and a saved model's.
"""

import difflib
import hashlib
import importlib.util
import sys
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from torch import nn

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.artifacts.runs import WEIGHTS_FILE, RunConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.models.swin_lgf_fpn import SWIN_TINY, choose_window, fused_window_attention, image_hw
from ecgpipe.models.weights import load_pretrained_weights, read_weights


@dataclass(frozen=True)
class Variant:
    """A row of the benchmark.

    Attributes:
        architecture: name in timm's registry of what is built by default.
        summary: what it is, in a few words.
        options: options that make it this variant.
        own: whether it is built by this package (the ``architecture`` option then names its Swin backbone).
    """

    architecture: str
    summary: str
    options: dict[str, Any] = field(default_factory=dict)
    own: bool = False


VARIANTS: dict[str, Variant] = {
    "resnet34": Variant("resnet34", "ResNet-34"),
    "vit": Variant("vit_small_patch16_224", "ViT-Small/16"),
    "mobilevit": Variant("mobilevit_s", "MobileViT-S"),
    "convnext": Variant("convnext_tiny", "ConvNeXt-T"),
    "swin": Variant(SWIN_TINY, "Swin-T, also the ablation with the backbone only"),
    "swin_lgf_fpn": Variant("swin_lgf_fpn_tiny", "Swin-LGF-FPN", own=True),
    "swin_lgf_fpn_no_lgf": Variant("swin_lgf_fpn_tiny", "without the LGF modules", {"lgf": False}, own=True),
    "swin_lgf_fpn_no_fpn": Variant("swin_lgf_fpn_tiny", "without the pyramid", {"fpn": False}, own=True),
    "swin_lgf_fpn_no_refine": Variant("swin_lgf_fpn_tiny", "without the refinement", {"refine": False}, own=True),
}


def use_plugin(path: Path | str) -> None:
    """Run a file that registers models with timm (docs/own-model.md), unless the same content has run already.

    It is run as code. So it is only ever named by a configuration, a run's folder or a caller, never by a saved model.

    Raises:
        ConfigError: no such file, or it fails; names the file, the line and the error.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"plugin {file}: cannot be read ({error.strerror}); paths start where you do") from error
    name = f"ecgpipe_plugin_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"plugin {file}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # timm looks the module of a registered function up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise ConfigError(f"plugin {file}{where}: {type(error).__name__}: {error}") from error


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


def build_model(run: RunConfig) -> nn.Module:
    """The untrained model that a run describes."""
    return create_model(
        run.variant,
        num_classes=len(run.classes),
        in_chans=run.model.in_chans,
        img_size=run.model.image_size,
        pretrained=run.model.pretrained,
        plugin=run.model.plugin,
        **run.model.options,  # type: ignore[arg-type]
    )


def load_trained(folder: Path | str) -> tuple[nn.Module, RunConfig]:
    """A run's model with its trained weights, in eval mode, on the CPU.

    Raises:
        DataError: the weights are missing, broken, or of another model.
    """
    run = RunConfig.read(folder)
    # the trained weights replace all others, so none need be fetched
    model = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    _load_weights(model, Path(folder) / WEIGHTS_FILE, "train the run", "run.json")
    return model.eval(), run


def load_model(folder: Path | str, plugin: Path | str | None = None) -> tuple[nn.Module, SavedModel]:
    """A saved model (``<run>/model``, or wherever it was copied to), in eval mode, on the CPU.

    Args:
        folder: of the saved model.
        plugin: the Python file that registers its architecture, for a model of one's own. It is run as code, and so
            never taken from what the folder says.

    Returns:
        The model, images (B, in_chans, size, size) to logits (B, classes), and what config.json says of it.

    Raises:
        DataError: no saved model, of another version of the format, or with missing, broken or other weights.
        ConfigError: this version of timm or ecgpipe does not know the architecture, or its plugin is not given.
    """
    saved = SavedModel.read(folder)
    settings = saved.model
    if settings.plugin is not None and plugin is None:
        raise ConfigError(
            f"{folder}: its architecture {saved.variant} was registered by a file of one's own, {settings.plugin}; "
            "that is code, so look at it and name it: --plugin FILE, or load_model(folder, plugin=FILE)"
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
        raise DataError(f"{path}: not a readable weights file ({error}); delete it and {remedy} again") from error
    except RuntimeError as error:
        raise DataError(f"{path}: these weights are not of the model in {settings}; {remedy} again\n{error}") from error
