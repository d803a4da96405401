"""What a model costs: parameters, arithmetic and activation memory, from shapes alone (nothing is computed)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ecgpipe.models.factory import create_model
from ecgpipe.models.swin_lgf_fpn import image_hw


def model_cost(
    variant: str, num_classes: int, in_chans: int, img_size: int | tuple[int, int], **options: Any
) -> dict[str, Any]:
    """Cost of one image through a variant.

    Args:
        variant, num_classes, in_chans, img_size, options: as for ``create_model``.

    Returns:
        ``variant``; ``architecture`` (the class); ``height`` and ``width`` in pixels; ``parameters``;
        ``gflops``, 1e9 floating point operations of matrix products, convolutions and attention in a forward pass,
        a multiplication and an addition counting as two; ``gmacs``, half of that, the figure most papers print
        as "FLOPs"; ``activation_mib``, MiB of tensors that a forward pass in 32-bit training keeps for the backward
        pass, for each image of the batch, parameters not counted. Attention is counted as if unfused, with its
        score matrices kept: a GPU's fused kernel keeps less, so the figure is an upper bound there.
    """
    height, width = image_hw(img_size)
    with torch.device("meta"):
        model = create_model(variant, num_classes=num_classes, in_chans=in_chans, img_size=img_size, **options)
        one, two = (torch.empty(batch, in_chans, height, width) for batch in (1, 2))
    with FlopCounterMode(display=False) as counter:
        kept_for_one = _saved_bytes(model, one)
    flops = counter.get_total_flops()
    # Buffers and other tensors of the model itself cancel in the difference: what is left is one image's share.
    kept_per_image = _saved_bytes(model, two) - kept_for_one
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
        storages[storage._cdata] = storage  # holding it keeps its identity from being reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.train()(images)
    del output
    return sum(storage.nbytes() for storage in storages.values())
