"""Files of weights, in safetensors format.

Weights of another training as a start.

ImageNet weights by timm's own loading, with a count of what arrived.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.models import load_pretrained
from torch import nn

from ecgpipe.artifacts.files import verify
from ecgpipe.errors import DataError

logger = logging.getLogger(__name__)


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
    """Give a model every tensor of a weights file that it has under the same name in the same shape.

    Args:
        model: changed in place; its other tensors stay as they are, e.g. of a head for other classes.
        weights: weights.safetensors of a run.

    Returns:
        ``taken`` and ``of``: tensors that were taken, and that the model has.

    Raises:
        DataError: the file is missing or broken, or less than half of the model's tensors are in it: another model's.
    """
    try:
        found = read_weights(weights)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{weights}: cannot be read ({error}); delete it and train that run again") from error
    own = model.state_dict()
    taken = {name: tensor for name, tensor in found.items() if name in own and own[name].shape == tensor.shape}
    if 2 * len(taken) < len(own):
        raise DataError(
            f"{weights}: only {len(taken)} of the model's {len(own)} tensors are in it, so it is another model's; "
            "`init_from` must name a training of the same model, with the same options and image size"
        )
    model.load_state_dict(taken, strict=False)
    logger.info("starting from %d of %d tensors of %s", len(taken), len(own), weights)
    return {"taken": len(taken), "of": len(own)}


@dataclass(frozen=True)
class PretrainedReport:
    """What a weight file gave a model.

    Attributes:
        source: the file, or the name of the weights at timm's hub.
        matched: tensors of the model that were loaded.
        total: tensors of the model that could have been (its classifier included).
        missing: names that the file did not give; they keep their random initial values.
        unused: names in the file that the model has no place for.
    """

    source: str
    matched: int
    total: int
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.matched} of {self.total} tensors from {self.source}"


def load_pretrained_weights(model: nn.Module, weights_file: str | Path | None = None) -> PretrainedReport:
    """Load the ImageNet weights of a model that timm built; its classifier stays as it is unless the classes agree.

    timm adapts a stem with 3 channels to the model's, resizes position embeddings and relative position biases.
    Of the hub's files only the safetensors one is asked for: left to itself, timm falls back to a pickled one.

    Args:
        model: an unwrapped timm model.
        weights_file: local safetensors file; ``None`` asks timm's hub (cache first, then the network).

    Raises:
        DataError: when the file is missing, is not safetensors, or holds another architecture's weights, and when
            the hub cannot be reached.
    """
    config = dict(model.pretrained_cfg)
    source = _source_name(config)
    if weights_file is not None:
        source = str(weights_file)
        _check_weights_file(Path(weights_file))
        config |= {"source": "", "state_dict": None, "file": source, "custom_load": False}
    elif config.get("hf_hub_id"):
        config |= {"source": "hf-hub", "hf_hub_filename": "model.safetensors", "custom_load": False}
    else:
        raise DataError(
            f"the weights {source} are published as a pickle only, which is not read: convert them to safetensors and "
            "give that file as the option checkpoint_path (variants.<name>.options), or set pretrained to false"
        )

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
        raise DataError(f"{source} is not a readable safetensors file: {error}") from error
    except (RuntimeError, KeyError, AttributeError) as error:
        raise DataError(f"{source} does not fit {config['architecture']}: {error}") from error
    except OSError as error:
        raise DataError(
            f"the weights {source} could not be fetched ({error}): fetch them where there is a network and give the "
            "safetensors file as the option checkpoint_path (variants.<name>.options), or set pretrained to false"
        ) from error
    finally:
        hook.remove()

    total = len(model.state_dict())
    missing = keys.get("missing", ())
    if total - len(missing) < total / 2:
        raise DataError(
            f"{source} gives only {total - len(missing)} of {total} tensors of {config['architecture']}: "
            "it holds the weights of another architecture"
        )
    return PretrainedReport(source, total - len(missing), total, missing, keys.get("unused", ()))


def _check_weights_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no weight file at {path}: give the path of a safetensors file")
    if path.suffix != ".safetensors":
        raise DataError(f"{path} is not a .safetensors file: convert it, pickled weights are not read")


def _source_name(config: dict) -> str:
    tag = f".{config['tag']}" if config.get("tag") else ""
    return f"{config['architecture']}{tag}"


def _stem_channels(model: nn.Module, config: dict) -> int:
    stem = config["first_conv"]
    return model.get_submodule(stem if isinstance(stem, str) else stem[0]).in_channels
