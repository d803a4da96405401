"""Cost of a model: parameters, arithmetic and activation memory, from shapes on the meta device."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ecgpipe.models.factory import create_model
from ecgpipe.models.swin_lgf_fpn import image_hw


def model_cost(
    variant: str, num_classes: int, in_chans: int, img_size: int | tuple[int, int], **options: Any
) -> dict[str, Any]:
    """Cost per image.

    Args:
        variant, num_classes, in_chans, img_size, options: as for ``create_model``.

    Returns:
        ``variant``, ``architecture`` (the class), ``height``, ``width`` and ``parameters``; ``gflops``: 1e9 floating
        point operations of matrix products, convolutions and attention in a forward pass (a multiply-add is two);
        ``gmacs``: half of that, which most papers call FLOPs; ``activation_mib``: MiB that a 32-bit training step keeps
        for the backward pass. Attention is counted as unfused, so on a GPU with a fused kernel the memory is an upper
        bound.
    """
    height, width = image_hw(img_size)
    with torch.device("meta"):
        model = create_model(variant, num_classes=num_classes, in_chans=in_chans, img_size=img_size, **options)
        one, two = (torch.empty(batch, in_chans, height, width) for batch in (1, 2))
    with FlopCounterMode(display=False) as counter:
        kept_for_one = _saved_bytes(model, one)
    flops = counter.get_total_flops()
    kept_per_image = _saved_bytes(model, two) - kept_for_one  # the model's own tensors cancel
    return {
        "variant": variant,
        "architecture": type(model).__name__,
        "height": height,
        "width": width,
        "parameters": sum(p.numel() for p in model.parameters()),
        "gflops": flops / 1e9,
        "gmacs": flops / 2e9,
        "activation_mib": kept_per_image / 2**20,
    }


def _saved_bytes(model: nn.Module, images: Tensor) -> int:
    """Bytes of the distinct storages that autograd keeps after a forward pass in training mode."""
    storages = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage  # a reference, so that its identity is not reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.train()(images)
    del output
    return sum(storage.nbytes() for storage in storages.values())
