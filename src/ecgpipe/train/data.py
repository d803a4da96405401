"""Batches of packed images: no decoding, no copying of what is not asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.runs import Items, RunConfig
from ecgpipe.errors import DataError


class Batch(NamedTuple):
    """What a step gets.

    packed: (batch, size, size / 8) uint8; targets: (batch, classes) uint8; shifts: (batch, 2) float32, shares of the
    image (down, right), 0 without augmentation; items: (batch,) int64, positions in the run's items.
    """

    packed: torch.Tensor
    targets: torch.Tensor
    shifts: torch.Tensor
    items: torch.Tensor


class PackedImages(Dataset):
    """The images of a run's records, memory-mapped; fetched a batch at a time by (epoch, item) pairs.

    The augmentation of an item in an epoch depends on (seed, epoch, item) alone, never on the order of fetching.

    Raises:
        DataError: an image file is missing or too short, or the files differ in size.
    """

    def __init__(self, folder: Path, run: RunConfig, items: Items, translate: float) -> None:
        self.files = [open_images(folder / name) for name in run.images]
        self.items, self.seed, self.translate = items, run.seed, translate
        if len({file.shape[1:] for file in self.files if len(file)}) > 1:
            raise DataError(f"{folder}: its image files differ in size; run the preprocessing again")
        for number, file in enumerate(self.files):
            if (items.rows[items.files == number] >= len(file)).any():
                raise DataError(
                    f"{folder / run.images[number]}: has fewer images than the run expects; prepare it again"
                )

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch:
        positions = np.array([item for _, item in keys])
        files, rows = self.items.files[positions], self.items.rows[positions]
        packed = np.stack([self.files[file][row] for file, row in zip(files, rows, strict=True)])
        shifts = np.zeros((len(keys), 2))
        if self.translate:
            for number, (epoch, item) in enumerate(keys):
                generator = np.random.default_rng([self.seed, epoch, item])
                shifts[number] = generator.uniform(-self.translate, self.translate, size=2)
        return Batch(
            torch.from_numpy(packed),
            torch.from_numpy(self.items.targets[positions]),
            torch.from_numpy(shifts).float(),
            torch.from_numpy(positions),
        )


class EpochBatches(BatchSampler):
    """Batches of (epoch, item): shuffled anew each epoch by (seed, epoch), or in order.

    The trainer announces epochs by ``set_epoch``, so that a resumed training goes on with the right order. A last
    training batch of a single image is left out, since batch normalisation cannot use it.
    """

    def __init__(self, items: np.ndarray, batch_size: int, seed: int | None) -> None:
        self.items, self.batch_size, self.seed = items, batch_size, seed
        self.epoch = 0
        self.sampler = self  # what the trainer looks at to find set_epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.items), self.batch_size)
        return full + (rest > (0 if self.seed is None or full == 0 else 1))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = self.items
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        for number in range(len(self)):
            members = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield [(self.epoch, int(item)) for item in members]


def batches(images: PackedImages, items: np.ndarray, batch_size: int, seed: int | None) -> DataLoader:
    """A loader of batches; with a seed shuffled each epoch, else in order."""
    return DataLoader(images, batch_sampler=EpochBatches(items, batch_size, seed), collate_fn=_as_they_are)


def _as_they_are(batch: Batch) -> Batch:
    return batch
