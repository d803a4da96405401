"""Networks whose training is undone from the output down (Adebayo et al. 2018, the cascading test)."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import nn

from ecgpipe.artifacts.runs import RunConfig
from ecgpipe.models.stored import build_model


def cascade(model: nn.Module, run: RunConfig, seed: int, steps: int) -> Iterator[tuple[str, nn.Module, bool]]:
    """The model with more and more of its parts as they were before training.

    Parts are the network's stages in the order in which it defines them, undone from the last, the classifier, to the
    first. The last step has nothing left of the training, nor of weights that it started from.

    Args:
        model: trained, in eval mode; left as it is.
        run: what describes it.
        seed: of the untrained weights.
        steps: how many states to yield at most, evenly spread, the whole network last.

    Yields:
        The name of the last part undone, the model in eval mode (one object, which the next step changes), and whether
        nothing is left to undo.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build_model(run.model_copy(update={"model": run.model.model_copy(update={"pretrained": False})}))
    fresh_state, current = fresh.state_dict(), deepcopy(model)
    state = current.state_dict()
    names = list(dict.fromkeys(_part(key, model) for key in state))[::-1]
    steps = min(steps, len(names))
    stops = {round((step + 1) * len(names) / steps) - 1 for step in range(steps)}
    for number, name in enumerate(names):
        state |= {key: fresh_state[key] for key in state if _part(key, model) == name}
        if number in stops:
            current.load_state_dict(state)
            yield name, current.eval(), number == len(names) - 1


def _part(key: str, model: nn.Module) -> str:
    """``layers.2`` of ``layers.2.blocks.0.norm1.weight`` where ``layers`` is a list of stages, else the first name."""
    first, _, rest = key.partition(".")
    if isinstance(getattr(model, first, None), nn.ModuleList | nn.Sequential) and rest:
        return f"{first}.{rest.partition('.')[0]}"
    return first
