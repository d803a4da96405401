"""Files of weights: trained weights in safetensors format, initial weights of another run, ImageNet weights of timm."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models import load_pretrained
from torch import nn

from ecgpipe.artifacts.files import file_sha256, verify
from ecgpipe.errors import DataError, one_line

logger = logging.getLogger(__name__)

GIVE_A_FILE = "set model.weights or variants.<name>.weights to a safetensors file, or pretrained to false"
OFFLINE = "HF_HUB_OFFLINE is set, so only the cache was searched; unset it, "
HUB = "set HF_ENDPOINT to a mirror of the hub that this machine can reach, "


def write_weights(tensors: Mapping[str, torch.Tensor], path: Path | str) -> None:
    """Write tensors on the CPU to a safetensors file; not atomically."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def read_weights(path: Path | str) -> dict[str, torch.Tensor]:
    """Read a safetensors file onto the CPU.

    Raises:
        DataError: it differs from its checksum.
        FileNotFoundError: no such file.
        SafetensorError: not a safetensors file.
    """
    verify(path)
    return load_file(path)


def load_init_weights(model: nn.Module, weights: Path) -> dict[str, int]:
    """Load the weights of another run; a tensor whose name or shape differs (a head for other classes) is skipped.

    Args:
        model: changed in place.
        weights: weights.safetensors of a run.

    Returns:
        ``taken``: number of tensors loaded; ``of``: number of the model's tensors.

    Raises:
        DataError: the file is missing or damaged, or fits less than half of the model's tensors.
    """
    try:
        tensors = read_weights(weights)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{weights}: cannot be read ({error}); delete it and train that run again") from error
    own = model.state_dict()
    matching = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if 2 * len(matching) < len(own):
        raise DataError(
            f"{weights}: only {len(matching)} of the model's {len(own)} tensors fit; `init_from` must name a run "
            "of the same model, with the same options and image size"
        )
    model.load_state_dict(matching, strict=False)
    logger.info("starting from %d of %d tensors of %s", len(matching), len(own), weights)
    return {"taken": len(matching), "of": len(own)}


def check_weights(weights: Path | str, sha256: str) -> None:
    """Compare a file of weights with its checksum.

    Raises:
        DataError: the file cannot be read, or differs.
    """
    try:
        found = file_sha256(weights)
    except OSError as error:
        raise DataError(f"{weights}: cannot be read ({error.strerror}); {GIVE_A_FILE}") from error
    if found != sha256:
        raise DataError(
            f"{weights}: its SHA-256 is {found}, not {sha256} (weights_sha256); get the file again, or correct the key"
        )


@dataclass(frozen=True)
class PretrainedReport:
    """Result of loading ImageNet weights.

    Attributes:
        source: the file, or the name of the weights at timm's hub.
        matched: number of the model's tensors that were loaded.
        total: number of the model's tensors, with its classifier.
        missing: names of tensors that the file lacks; they keep their random initial values.
        unused: names of tensors in the file that the model lacks.
    """

    source: str
    matched: int
    total: int
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.matched} of {self.total} tensors from {self.source}"


def load_pretrained_weights(model: nn.Module, weights_file: str | Path | None = None) -> PretrainedReport:
    """Load timm's ImageNet weights into a timm model; a classifier for other classes keeps its initial values.

    timm adapts the stem to the model's channels and resizes position embeddings and biases. Only safetensors files are
    requested from the hub; timm alone would fall back to a pickle.

    Args:
        model: a timm model without a wrapper.
        weights_file: local safetensors file; None: timm's hub (the cache first).

    Raises:
        DataError: the model is not one of timm's, the file is missing, not safetensors, or of another architecture, or
            the hub cannot be reached.
    """
    if getattr(model, "pretrained_cfg", None) is None:
        raise DataError(
            f"{type(model).__name__} has no pretrained_cfg, so no ImageNet weights are known for it; set "
            "variants.<name>.pretrained to false"
        )
    config = dict(model.pretrained_cfg)
    source = config["architecture"] + (f".{config['tag']}" if config.get("tag") else "")
    if (published := timm.get_pretrained_cfg(source)) is not None:
        config["input_size"] = published.input_size  # of the weights; the model's own value is the size of our images
    if weights_file is not None:
        path, source = Path(weights_file), str(weights_file)
        if not path.is_file():
            raise DataError(f"{path}: no such weights file; {GIVE_A_FILE}")
        if path.suffix != ".safetensors":
            raise DataError(f"{path}: not a .safetensors file; convert it, pickled weights are not read")
        config |= {"source": "", "state_dict": None, "file": source, "custom_load": False}
    elif config.get("hf_hub_id"):
        config |= {"source": "hf-hub", "hf_hub_filename": "model.safetensors", "custom_load": False}
    else:
        raise DataError(f"the weights {source} are published as a pickle only, which is not read; {GIVE_A_FILE}")

    keys = {}
    hook = model.register_load_state_dict_post_hook(
        lambda _, incompatible: keys.update(
            missing=tuple(incompatible.missing_keys), unused=tuple(incompatible.unexpected_keys)
        )
    )
    try:
        load_pretrained(
            model,
            pretrained_cfg=config,
            num_classes=model.num_classes,
            in_chans=getattr(model, "in_chans", None) or _stem_channels(model, config),
            filter_fn=getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None),
            strict=False,
        )
    except SafetensorError as error:
        raise DataError(f"{source} is not a readable safetensors file: {one_line(error)}") from error
    except (RuntimeError, KeyError, AttributeError) as error:
        raise DataError(f"{source} does not fit {config['architecture']}: {error}") from error
    except OSError as error:
        way = OFFLINE if huggingface_hub.constants.HF_HUB_OFFLINE else HUB
        reason = str(error).splitlines()[0]
        raise DataError(f"the weights {source} could not be downloaded ({reason}); {way}{GIVE_A_FILE}") from error
    finally:
        hook.remove()

    total, missing = len(model.state_dict()), keys.get("missing", ())
    matched = total - len(missing)
    if matched < total / 2:
        raise DataError(
            f"{source} contains only {matched} of the {total} tensors of {config['architecture']}: "
            "these are the weights of another architecture"
        )
    return PretrainedReport(source, matched, total, missing, keys.get("unused", ()))


def _stem_channels(model: nn.Module, config: dict) -> int:
    stem = config["first_conv"]
    return model.get_submodule(stem if isinstance(stem, str) else stem[0]).in_channels
