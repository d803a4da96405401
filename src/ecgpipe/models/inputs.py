"""From stored 1-bit images to what a model sees."""

import numpy as np
import torch
from torch.nn import functional as F

_BITS = (7, 6, 5, 4, 3, 2, 1, 0)  # NumPy's packbits puts the leftmost pixel into the highest bit


def unpack_bits(packed: torch.Tensor) -> torch.Tensor:
    """(batch, size, size / 8) uint8 -> (batch, 1, size, size) float32 of 0 and 1, on the tensor's device."""
    shifts = torch.tensor(_BITS, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & 1).flatten(-2).unsqueeze(1).float()


def to_input(packed: torch.Tensor | np.ndarray, image_size: int, in_chans: int) -> torch.Tensor:
    """Model input from packed images.

    Args:
        packed: (batch, size, size / 8) uint8.
        image_size: side of the model's input; if smaller, areas are averaged: thin traces turn grey, not away.
        in_chans: channels, all the same.

    Returns:
        (batch, in_chans, image_size, image_size) float32 in [0, 1]; 1 is ink.
    """
    images = unpack_bits(torch.as_tensor(packed))
    if images.shape[-1] != image_size:
        mode = {"mode": "area"} if image_size < images.shape[-1] else {"mode": "bilinear", "align_corners": False}
        images = F.interpolate(images, size=(image_size, image_size), **mode)
    return images.expand(-1, in_chans, -1, -1)


def translate(images: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Shift every image by its own amount; what comes in from outside is background (0).

    Args:
        images: (batch, channels, height, width).
        shares: (batch, 2) shifts down and right as shares of height and width, rounded to whole pixels.
    """
    height, width = images.shape[-2:]
    shifted = torch.zeros_like(images)
    for image, target, (down, right) in zip(images, shifted, shares.tolist(), strict=True):
        y, x = round(down * height), round(right * width)
        target[:, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
            :, max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
    return shifted
