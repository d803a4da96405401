"""Groups of parameters with their rates and weight decays."""

from typing import Any

from timm.models import group_parameters
from torch import nn

from ecgpipe.config.train import TrainConfig
from ecgpipe.errors import ConfigError


def parameter_groups(model: nn.Module, recipe: TrainConfig) -> list[dict[str, Any]]:
    """Arguments of the optimiser: equation 26 decays every parameter at one rate, unless the recipe says otherwise.

    With ``layer_decay`` the rate of a layer is that share of the next one's (Clark et al. 2020, BEiT); layers are
    timm's, the classifier's the last. With ``decay_biases: false`` vectors (biases, scales) and what the
    model itself names (``no_weight_decay``) have no weight decay.

    Raises:
        ConfigError: the model does not say what its layers are.
    """
    depths: dict[str, int] = {}
    if recipe.layer_decay is not None:
        if not hasattr(model, "group_matcher"):
            raise ConfigError("train.layer_decay: this model does not say what its layers are; leave it null")
        depths = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    last = max(depths.values(), default=0)
    spared = set(model.no_weight_decay()) if hasattr(model, "no_weight_decay") else set()
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = (recipe.layer_decay or 1.0) ** (last - depths.get(name, last))
        decays = recipe.decay_biases or not (parameter.ndim <= 1 or name in spared)
        decay = recipe.weight_decay if decays else 0.0
        group = groups.setdefault(
            (scale, decay), {"params": [], "lr": scale * recipe.peak_rate, "weight_decay": decay, "share": scale}
        )
        group["params"].append(parameter)
    return list(groups.values())
