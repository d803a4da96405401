"""Changes of training images that keep their meaning: pages move, turn, shrink, get dirty; they are never mirrored."""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from ecgpipe.config.training import TrainConfig
from ecgpipe.models.inputs import translate


class AugmentParams(NamedTuple):
    """What happens to each image of a batch; a row of random numbers per image.

    Attributes:
        shifts: (n, 2) shares of the image, down and right.
        angles: (n,) degrees, counter-clockwise.
        zooms: (n,) factors of size.
        holes: (n, 4) top, left, height and width of the blanked rectangle, shares of the image.
        thick: (n,) bool.
        noise: (n,) shares of inverted pixels.
        mix: (n,) share of the image itself; the rest is the next image of the batch.
    """

    shifts: np.ndarray
    angles: np.ndarray
    zooms: np.ndarray
    holes: np.ndarray
    thick: np.ndarray
    noise: np.ndarray
    mix: np.ndarray

    def of(self, rows: np.ndarray) -> "AugmentParams":
        """Those of some images."""
        return AugmentParams(*(values[rows] for values in self))


def sample_augment_params(recipe: TrainConfig, seed: int, epoch: int, count: int) -> AugmentParams:
    """The random numbers of all items of a run in an epoch: functions of (seed, epoch, item) alone.

    Each kind has a stream of its own, so that switching one on does not change the others.
    """
    move, turn, size, hole, place, thick, noise, mix = (
        np.random.default_rng([seed, epoch, stream]) for stream in range(1, 9)
    )
    area = hole.uniform(0, recipe.erase, count)
    height = np.minimum(np.sqrt(area) * np.exp(hole.uniform(-1, 1, count) * np.log(3) / 2), 1.0)  # sides up to 3 : 1
    width = np.divide(area, height, out=np.zeros(count), where=height > 0)
    sides = np.stack([height, width], axis=1)
    return AugmentParams(
        shifts=move.uniform(-recipe.translate, recipe.translate, (count, 2)),
        angles=turn.uniform(-recipe.rotate, recipe.rotate, count),
        zooms=size.uniform(1 - recipe.scale, 1 + recipe.scale, count),
        holes=np.concatenate([place.uniform(0, 1, (count, 2)) * (1 - sides), sides], axis=1),
        thick=thick.uniform(0, 1, count) < recipe.dilate,
        noise=noise.uniform(0, recipe.noise, count),
        mix=mix.beta(recipe.mixup, recipe.mixup, count) if recipe.mixup else np.ones(count),
    )


def augment(images: torch.Tensor, augmentation: AugmentParams) -> torch.Tensor:
    """Apply a batch's draws, all but mixing.

    Args:
        images: (batch, channels, height, width) in [0, 1], 1 is ink.
        draws: of the same images.
    """
    if augmentation.thick.any():
        thick = torch.from_numpy(augmentation.thick).to(images.device, non_blocking=True)
        images = torch.where(thick[:, None, None, None], F.max_pool2d(images, 3, 1, 1), images)
    if augmentation.angles.any() or (augmentation.zooms != 1).any():
        images = turn(images, augmentation.angles, augmentation.zooms)
    if augmentation.shifts.any():
        images = translate(images, torch.from_numpy(augmentation.shifts))
    if augmentation.holes[:, 2:].any():
        images = erase(images, augmentation.holes)
    if augmentation.noise.any():
        share = torch.from_numpy(augmentation.noise).float().to(images.device, non_blocking=True)
        chosen = torch.rand_like(images[:, :1]) < share[:, None, None, None]
        images = torch.where(chosen, 1 - images, images)
    return images


def turn(images: torch.Tensor, angles: np.ndarray, zooms: np.ndarray) -> torch.Tensor:
    """Turn each image about its centre and change its size; bilinear; background (0) comes in.

    Args:
        images: (batch, channels, side, side).
        angles: (batch,) degrees, counter-clockwise as seen.
        zooms: (batch,) factors.
    """
    radians = np.deg2rad(angles)
    cosine, sine = np.cos(radians) / zooms, np.sin(radians) / zooms
    nothing = np.zeros_like(cosine)
    # where each pixel of the result is taken from; y points down
    matrix = np.stack([np.stack([cosine, -sine, nothing], 1), np.stack([sine, cosine, nothing], 1)], 1)
    grid = F.affine_grid(
        torch.from_numpy(matrix).to(images.device, images.dtype), list(images.shape), align_corners=False
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def erase(images: torch.Tensor, holes: np.ndarray) -> torch.Tensor:
    """Blank a rectangle of each image (random erasing, Zhong et al. 2020, filled with background)."""
    height, width = images.shape[-2:]
    blanked = images.clone()
    for image, (top, left, tall, wide) in zip(blanked, holes.tolist(), strict=True):
        y, x = round(top * height), round(left * width)
        image[:, y : y + round(tall * height), x : x + round(wide * width)] = 0
    return blanked


def mix(values: torch.Tensor, shares: np.ndarray) -> torch.Tensor:
    """Mixup (Zhang et al. 2018): each row's share of itself, the rest of the next; the last with the first."""
    share = torch.from_numpy(shares).to(values.device, values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values.roll(-1, dims=0)
