"""Saliency maps by pytorch-grad-cam (equations 36 and 37)."""

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from ecgpipe.models.cam import cam_target
from ecgpipe.progress import progress

METHODS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "layercam": LayerCAM, "eigencam": EigenCAM}


def saliency_maps(
    model: nn.Module,
    images: torch.Tensor,
    classes: Sequence[int],
    method: str = "gradcam",
    level: int = 0,
    title: str = "saliency",
) -> np.ndarray:
    """One map per image: where the model looks for a class.

    Equation 36 averages the gradient of the class's logit over each feature map, equation 37 sums the maps with these
    weights and keeps what is positive.

    Args:
        model: in eval mode.
        images: (n, channels, height, width) model inputs.
        classes: (n,) which output each map is for.
        method: a key of METHODS.
        level: of the pyramid, for models that have one.
        title: of the progress bar.

    Returns:
        (n, height, width) float32, each map scaled to [0, 1]; all 0 where nothing speaks for the class.
    """
    target = cam_target(model, level)
    maps = []
    with METHODS[method](model=model, target_layers=[target.layer], reshape_transform=target.to_nchw) as cam:
        # one at a time: the largest inputs would not fit otherwise
        for image, label in progress(list(zip(images, classes, strict=True)), title, unit="maps"):
            maps.append(cam(input_tensor=image[None], targets=[ClassifierOutputTarget(int(label))])[0])
    return np.nan_to_num(np.stack(maps)).astype(np.float32)
