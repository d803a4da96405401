"""Saliency maps: by pytorch-grad-cam (equations 36 and 37), and integrated gradients."""

from collections.abc import Sequence

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
"""Points of the path from blank paper to the image, at the middle of as many equal parts."""


def saliency_maps(
    model: nn.Module,
    images: torch.Tensor,
    classes: Sequence[int],
    method: str = "gradcam",
    level: int = 0,
    title: str | None = "saliency",
) -> np.ndarray:
    """One map per image: where the model looks for a class.

    Equation 36 averages the gradient of the class's logit over each feature map, equation 37 sums the maps with these
    weights and keeps what is positive.

    Args:
        model: in eval mode.
        images: (n, channels, height, width) model inputs.
        classes: (n,) which output each map is for.
        method: a key of METHODS, or integrated-gradients.
        level: of the pyramid, for models that have one.
        title: of the progress bar; None: none.

    Returns:
        (n, height, width) float32, each map scaled to [0, 1]; all 0 where nothing speaks for the class.
    """
    # one at a time: the largest inputs would not fit otherwise
    pairs = list(zip(images, classes, strict=True))
    if title is not None:
        pairs = progress(pairs, title, unit="maps")  # type: ignore[assignment]
    if method == INTEGRATED:
        maps = [integrated_gradients(model, image, int(label)) for image, label in pairs]
    else:
        target = cam_target(model, level)
        with METHODS[method](model=model, target_layers=[target.layer], reshape_transform=target.to_nchw) as cam:
            maps = [
                cam(input_tensor=image[None], targets=[ClassifierOutputTarget(int(label))])[0] for image, label in pairs
            ]
    return np.nan_to_num(np.stack(maps)).astype(np.float32)


def integrated_gradients(model: nn.Module, image: torch.Tensor, label: int) -> np.ndarray:
    """What each pixel of ink adds to a class's logit, on the way from blank paper (Sundararajan et al. 2017).

    Args:
        model: in eval mode.
        image: (channels, height, width), 0 is paper.
        label: the output.

    Returns:
        (height, width) float32 in [0, 1]: the positive part, summed over channels, divided by its largest value.
    """
    shares = (torch.arange(STEPS) + 0.5) / STEPS
    gradient = torch.zeros_like(image)
    for share in shares:
        point = (share * image).requires_grad_()
        gradient += torch.autograd.grad(model(point[None])[0, label], point)[0]
    found = torch.relu((image * gradient / STEPS).sum(dim=0)).numpy()
    return found / found.max() if found.max() > 0 else found


def reduce_maps(maps: np.ndarray) -> np.ndarray:
    """(n, height, width) -> (n, s, s), s at most MAP_SIDE: means over areas, so that no weight is lost."""
    side = min(MAP_SIDE, maps.shape[-1])
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in maps])
