"""Training augmentation that keeps the meaning of a page: shift, rotate, scale, dilate, erase, noise; never mirror."""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from ecgpipe.config.training import TrainConfig


class AugmentParams(NamedTuple):
    """Augmentation parameters of n images, one row per image.

    Attributes:
        shift: (n, 2) down and right, as shares of the image.
        angle: (n,) degrees, counter-clockwise.
        scale: (n,) factors.
        hole: (n, 4) top, left, height and width of the erased rectangle, as shares of the image.
        dilate: (n,) bool.
        noise: (n,) shares of inverted pixels.
        mix: (n,) mixup share of the image itself; the rest is the next image of the batch.
    """

    shift: np.ndarray
    angle: np.ndarray
    scale: np.ndarray
    hole: np.ndarray
    dilate: np.ndarray
    noise: np.ndarray
    mix: np.ndarray

    def select(self, rows: np.ndarray) -> "AugmentParams":
        """The parameters of some images."""
        return AugmentParams(*(values[rows] for values in self))


def sample_augment_params(recipe: TrainConfig, seed: int, epoch: int, count: int) -> AugmentParams:
    """Sample the parameters of all images of a run for one epoch; a function of (seed, epoch, position) only.

    Each kind has its own random stream, so switching one on does not change the others.
    """
    shift, angle, scale, hole, place, dilate, noise, mix = (
        np.random.default_rng([seed, epoch, stream]) for stream in range(1, 9)
    )
    area = hole.uniform(0, recipe.erase, count)
    # sides up to 3 : 1, but no longer than the image: the guard of timm's RandomErasing, whose global random numbers
    # would not repeat in a resumed run
    with np.errstate(divide="ignore"):
        log_aspect = hole.uniform(-1, 1, count) * np.minimum(np.log(3), -np.log(area))
    sides = np.sqrt(area)[:, None] * np.exp(log_aspect[:, None] * [0.5, -0.5])
    return AugmentParams(
        shift=shift.uniform(-recipe.translate, recipe.translate, (count, 2)),
        angle=angle.uniform(-recipe.rotate, recipe.rotate, count),
        scale=scale.uniform(1 - recipe.scale, 1 + recipe.scale, count),
        hole=np.concatenate([place.uniform(0, 1, (count, 2)) * (1 - sides), sides], axis=1),
        dilate=dilate.uniform(0, 1, count) < recipe.dilate,
        noise=noise.uniform(0, recipe.noise, count),
        mix=mix.beta(recipe.mixup, recipe.mixup, count) if recipe.mixup else np.ones(count),
    )


def augment(images: torch.Tensor, params: AugmentParams) -> torch.Tensor:
    """Apply all augmentations except mixup.

    Args:
        images: (batch, channels, height, width) in [0, 1], 1 is ink.
        params: of the same images.
    """
    if params.dilate.any():
        chosen = torch.from_numpy(params.dilate).to(images.device, non_blocking=True)
        images = torch.where(chosen[:, None, None, None], F.max_pool2d(images, 3, 1, 1), images)
    if params.angle.any() or (params.scale != 1).any():
        images = rotate_and_scale(images, params.angle, params.scale)
    if params.shift.any():
        images = translate(images, params.shift)
    if params.hole[:, 2:].any():
        images = erase(images, params.hole)
    if params.noise.any():
        share = torch.from_numpy(params.noise).float().to(images.device, non_blocking=True)
        inverted = torch.rand_like(images[:, :1]) < share[:, None, None, None]
        images = torch.where(inverted, 1 - images, images)
    return images


def rotate_and_scale(images: torch.Tensor, angles: np.ndarray, scales: np.ndarray) -> torch.Tensor:
    """Rotate each image about its centre and scale it, with bilinear interpolation and background (0) outside.

    Args:
        images: (batch, channels, side, side).
        angles: (batch,) degrees, counter-clockwise as displayed.
        scales: (batch,) factors.
    """
    radians = np.deg2rad(angles)
    cosine, sine = np.cos(radians) / scales, np.sin(radians) / scales
    zero = np.zeros_like(cosine)
    # maps output to input coordinates; y points down
    matrix = np.stack([np.stack([cosine, -sine, zero], 1), np.stack([sine, cosine, zero], 1)], 1)
    grid = F.affine_grid(
        torch.from_numpy(matrix).to(images.device, images.dtype), list(images.shape), align_corners=False
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def translate(images: torch.Tensor, shifts: np.ndarray) -> torch.Tensor:
    """Shift each image by whole pixels, with background (0) outside.

    Args:
        images: (batch, channels, height, width).
        shifts: (batch, 2) down and right, as shares of height and width.
    """
    height, width = images.shape[-2:]
    shifted = torch.zeros_like(images)
    for image, target, (down, right) in zip(images, shifted, shifts.tolist(), strict=True):
        y, x = round(down * height), round(right * width)
        target[:, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
            :, max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)
        ]
    return shifted


def erase(images: torch.Tensor, holes: np.ndarray) -> torch.Tensor:
    """Fill a rectangle of each image with background (random erasing, Zhong et al. 2020).

    Args:
        images: (batch, channels, height, width).
        holes: (batch, 4) top, left, height and width, as shares of the image.
    """
    height, width = images.shape[-2:]
    erased = images.clone()
    for image, (top, left, tall, wide) in zip(erased, holes.tolist(), strict=True):
        y, x = round(top * height), round(left * width)
        image[:, y : y + round(tall * height), x : x + round(wide * width)] = 0
    return erased


def mixup(values: torch.Tensor, shares: np.ndarray) -> torch.Tensor:
    """Mix each row with the next one, the last with the first (Zhang et al. 2018).

    Args:
        values: (batch, ...) images or targets.
        shares: (batch,) share of the row itself.
    """
    share = torch.from_numpy(shares).to(values.device, values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values.roll(-1, dims=0)
