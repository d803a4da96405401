"""Weights of another training as a start."""

import logging
from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from ecgpipe.errors import DataError
from ecgpipe.models.weights import read_weights

logger = logging.getLogger(__name__)


def start_from(model: nn.Module, weights: Path) -> dict[str, int]:
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
            "`initial` must name a training of the same model, with the same options and image size"
        )
    model.load_state_dict(taken, strict=False)
    logger.info("starting from %d of %d tensors of %s", len(taken), len(own), weights)
    return {"taken": len(taken), "of": len(own)}
