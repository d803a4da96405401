"""Saliency maps: class activation maps of pytorch-grad-cam (equations 36 and 37), and integrated gradients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from ecgpipe.artifacts.saliency import MAP_SIDE
from ecgpipe.models.cam import cam_target
from ecgpipe.progress import progress

METHODS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "layercam": LayerCAM, "eigencam": EigenCAM}
INTEGRATED = "integrated-gradients"
STEPS = 16
"""Points on the path from blank paper to the image, at the midpoints of equal parts."""
BATCH_PIXELS = 2 * 640 * 640
"""Pixels per batch: bounds the memory of large inputs; a larger batch is no faster on a CPU."""


def batches(images: torch.Tensor, model: nn.Module) -> Iterator[torch.Tensor]:
    """Batches of (n, channels, height, width) images on the model's device: BATCH_PIXELS, but at least one image."""
    device = next((parameter.device for parameter in model.parameters()), images.device)
    size = max(1, BATCH_PIXELS // (images.shape[-1] * images.shape[-2]))
    yield from (images[start : start + size].to(device) for start in range(0, len(images), size))


def saliency_maps(
    model: nn.Module,
    images: torch.Tensor,
    classes: Sequence[int],
    method: str = "gradcam",
    level: int = 0,
    title: str | None = "saliency",
) -> np.ndarray:
    """Compute one saliency map per image.

    Grad-CAM averages the gradient of the class's logit over each feature map (equation 36) and keeps the positive part
    of the feature maps summed with these weights (equation 37).

    Args:
        model: in eval mode.
        images: (n, channels, height, width) model inputs.
        classes: (n,) class index of each map.
        method: a key of METHODS, or ``integrated-gradients``.
        level: pyramid level, for models with a pyramid.
        title: of the progress bar; None for no progress bar.

    Returns:
        (n, height, width) float32, each map scaled to [0, 1]; all 0 if nothing supports the class.
    """
    labels = [int(label) for label in classes]
    if method == INTEGRATED:
        pairs = list(zip(images, labels, strict=True))
        maps = [integrated_gradients(model, image, label)[None] for image, label in _progress(pairs, title)]
    else:
        target = cam_target(model, level)
        maps, start = [], 0
        with (
            _graph_from(target.layer, model),
            METHODS[method](model=model, target_layers=[target.layer], reshape_transform=target.to_nchw) as cam,
        ):
            for batch in _progress(list(batches(images, model)), title):
                targets = [ClassifierOutputTarget(label) for label in labels[start : start + len(batch)]]
                maps.append(cam(input_tensor=batch, targets=targets))
                start += len(batch)
    return np.nan_to_num(np.concatenate(maps)).astype(np.float32)


def _progress(batched: list, title: str | None) -> Iterator:
    return iter(batched) if title is None else progress(batched, title, unit="batches")


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Compute no gradients of parameters."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextmanager
def _graph_from(layer: nn.Module, model: nn.Module) -> Iterator[None]:
    """Start the autograd graph at a layer's output, without gradients or stored activations before it."""
    # cloned, because later layers may work in place, which a leaf does not allow
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: output.detach().requires_grad_().clone())
    try:
        with _frozen(model):
            yield
    finally:
        handle.remove()


def integrated_gradients(model: nn.Module, image: torch.Tensor, label: int) -> np.ndarray:
    """Contribution of each pixel of ink to a class's logit, relative to blank paper (Sundararajan et al. 2017).

    Args:
        model: in eval mode.
        image: (channels, height, width); 0 is paper.
        label: class index.

    Returns:
        (height, width) float32 in [0, 1]: the positive part, summed over channels, divided by its maximum.
    """
    shares = ((torch.arange(STEPS) + 0.5) / STEPS).view(-1, 1, 1, 1)
    gradient = torch.zeros_like(image)
    with _frozen(model):
        for points in batches(shares * image, model):
            points.requires_grad_()
            gradient += torch.autograd.grad(model(points)[:, label].sum(), points)[0].sum(dim=0).to(image.device)
    contribution = torch.relu((image * gradient / STEPS).sum(dim=0)).cpu().numpy()
    return contribution / contribution.max() if contribution.max() > 0 else contribution


def reduce_maps(maps: np.ndarray) -> np.ndarray:
    """Average (n, height, width) maps over areas to (n, s, s), s at most MAP_SIDE; the mean is kept."""
    side = min(MAP_SIDE, maps.shape[-1])
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in maps])
