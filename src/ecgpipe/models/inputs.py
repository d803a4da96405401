"""Convert packed 1-bit images to model input."""

import numpy as np
import torch
from torch.nn import functional as F

_SHIFTS = (7, 6, 5, 4, 3, 2, 1, 0)  # np.packbits puts the leftmost pixel into the highest bit


def unpack_bits(packed: torch.Tensor) -> torch.Tensor:
    """Unpack (batch, size, size / 8) uint8 to (batch, 1, size, size) float32 0/1, on the same device."""
    shifts = torch.tensor(_SHIFTS, dtype=torch.uint8, device=packed.device)
    return ((packed.unsqueeze(-1) >> shifts) & 1).flatten(-2).unsqueeze(1).float()


def to_input(packed: torch.Tensor | np.ndarray, image_size: int, in_chans: int) -> torch.Tensor:
    """Unpack and resize images.

    Args:
        packed: (batch, size, size / 8) uint8.
        image_size: side of the input; smaller: mean over areas, so thin traces stay as grey; larger: bilinear.
        in_chans: channels, all the same.

    Returns:
        (batch, in_chans, image_size, image_size) float32 in [0, 1]; 1 is ink.
    """
    images = unpack_bits(torch.as_tensor(packed))
    if images.shape[-1] != image_size:
        mode = {"mode": "area"} if image_size < images.shape[-1] else {"mode": "bilinear", "align_corners": False}
        images = F.interpolate(images, size=(image_size, image_size), **mode)
    return images.expand(-1, in_chans, -1, -1)
