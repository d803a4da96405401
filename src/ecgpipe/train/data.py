"""Batches of packed images: memory-mapped, 1 bit per pixel, in an order that a resumed run repeats."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import BatchSampler, DataLoader, Dataset

from ecgpipe.artifacts.images import open_images
from ecgpipe.artifacts.runs import RunConfig, RunIndex
from ecgpipe.config.training import TrainConfig
from ecgpipe.errors import ConfigError, DataError
from ecgpipe.train.augment import AugmentParams, sample_augment_params
from ecgpipe.train.hardware import TrainerOptions


class Sample(NamedTuple):
    """An image of an epoch.

    Attributes:
        position: in the run's index.
        weight: of the loss of the image's part of a batch (EpochBatchSampler).
    """

    epoch: int
    position: int
    weight: float = 1.0


class Batch(NamedTuple):
    """Input of a step.

    Attributes:
        packed: (batch, size, size / 8) uint8; None while the images are only on the device.
        targets: (batch, classes) uint8.
        positions: (batch,) int64, in the run's index.
        augmentation: None without.
        weight: of the batch's loss (EpochBatchSampler).
    """

    packed: torch.Tensor | None
    targets: torch.Tensor
    positions: torch.Tensor
    augmentation: AugmentParams | None
    weight: float


class PackedImages(Dataset):
    """The images of a run, memory-mapped and fetched one batch at a time.

    Args:
        folder: the run's folder.
        run: its configuration.
        index: its index.
        recipe: the augmentation; None for none.

    Attributes:
        pixels: whether batches carry the images; initially true.

    Raises:
        DataError: an image file is missing or too short, or the files differ in image size.
    """

    def __init__(self, folder: Path, run: RunConfig, index: RunIndex, recipe: TrainConfig | None = None) -> None:
        self.files = [open_images(folder / name) for name in run.images]
        self.index, self.seed, self.recipe, self.pixels = index, run.seed, recipe, True
        self._epoch, self._params = -1, None
        if len({file.shape[1:] for file in self.files if len(file)}) > 1:
            raise DataError(f"{folder}: its image files differ in image size; run the preprocessing again")
        for number, file in enumerate(self.files):
            if (index.rows[index.files == number] >= len(file)).any():
                raise DataError(
                    f"{folder / run.images[number]}: has fewer images than the run expects; prepare the run again"
                )

    def packed(self, positions: np.ndarray) -> np.ndarray:
        """Images at some positions of the index, (n, size, size / 8) uint8."""
        files, rows = self.index.files[positions], self.index.rows[positions]
        return np.stack([self.files[file][row] for file, row in zip(files, rows, strict=True)])

    def __getitems__(self, samples: list[Sample]) -> Batch:
        positions = np.array([sample.position for sample in samples])
        params = None
        if self.recipe is not None:
            if samples[0].epoch != self._epoch:
                self._epoch = samples[0].epoch
                self._params = sample_augment_params(self.recipe, self.seed, self._epoch, len(self.index.rows))
            params = self._params.select(positions)  # type: ignore[attr-defined]
        return Batch(
            torch.from_numpy(self.packed(positions)) if self.pixels else None,
            torch.from_numpy(self.index.targets[positions]),
            torch.from_numpy(positions),
            params,
            samples[0].weight,
        )


class EpochBatchSampler(BatchSampler):
    """Batches of samples, shuffled by (seed, epoch) or in order.

    A batch may be divided among processes, and into parts within each process. The sampler yields the parts of one
    process. Parts of unequal size have weights, so that the weighted mean of their losses is the mean over the batch.
    The last training batch is dropped if it has fewer than two images per part, because batch normalization cannot use
    it, unless it is the only batch.

    Args:
        positions: (n,) positions of the images.
        batch_size: over all processes and parts.
        seed: of the shuffling; None keeps the order.
        weights: (n,) relative sampling frequencies, with replacement; None: each image once per pass.
        images: per epoch; None: n. Passes over the images continue across epochs.
        parts: number of parts per process.
        rank, world: number of this process, and number of processes.

    Raises:
        ConfigError: the batch cannot be divided evenly.
    """

    def __init__(
        self,
        positions: np.ndarray,
        batch_size: int,
        seed: int | None,
        *,
        weights: np.ndarray | None = None,
        images: int | None = None,
        parts: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.positions, self.batch_size, self.seed = positions, batch_size, seed
        self.images = images or len(positions)
        self.probabilities = None if weights is None else weights / weights.sum()
        self.parts, self.rank, self.shares = parts, rank, parts * world
        if batch_size % self.shares:
            raise ConfigError(
                f"train.batch_size {batch_size} cannot be divided among {world} processes with {parts} parts each"
            )
        if len(positions) < self.shares:
            raise ConfigError(f"{len(positions)} records are too few for {world} processes with {parts} parts each")
        self.epoch = self.start = 0
        self.sampler = self  # Lightning looks for set_epoch there

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; the trainer calls it before each one."""
        self.epoch = epoch

    @property
    def steps(self) -> int:
        """Batches per epoch, each with all its parts."""
        full, rest = divmod(self.images, self.batch_size)
        least = 1 if self.seed is None or full == 0 else 2 * self.shares
        return full + (rest >= least)

    def __len__(self) -> int:
        return self.steps * self.parts

    def __iter__(self) -> Iterator[list[Sample]]:
        order = self._order()
        world = self.shares // self.parts
        for number in range(self.start, len(self)):
            step, part = divmod(number, self.parts)
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            members = batch[part * world + self.rank :: self.shares]
            weight = len(members) * self.shares / len(batch)
            yield [Sample(self.epoch, int(position), weight) for position in members]

    def _order(self) -> np.ndarray:
        """Positions of the images of this epoch."""
        if self.seed is None:
            return self.positions
        if self.probabilities is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            return rng.choice(self.positions, self.images, p=self.probabilities)
        order: list[np.ndarray] = []
        place, end = self.epoch * self.images, (self.epoch + 1) * self.images
        while place < end:
            number, start = divmod(place, len(self.positions))
            shuffled = np.random.default_rng([self.seed, number]).permutation(self.positions)
            order.append(shuffled[start : start + end - place])
            place += len(order[-1])
        return np.concatenate(order)


class ResumableLoader(DataLoader):
    """A loader that the trainer can resume within an epoch, by ``state_dict`` and ``load_state_dict``."""

    _done = 0

    def __iter__(self) -> Iterator[Batch]:
        self._done = self.batch_sampler.start
        for batch in super().__iter__():
            self.batch_sampler.start = 0  # the next epoch starts from the beginning
            self._done += 1
            yield batch

    def state_dict(self) -> dict:
        """Number of batches yielded in this epoch."""
        return {"batches": self._done}

    def load_state_dict(self, state: dict) -> None:
        """Skip the batches that were yielded before."""
        self.batch_sampler.start = state["batches"]


def make_loader(images: PackedImages, sampler: EpochBatchSampler, pin: bool = False) -> DataLoader:
    """Return a loader of a sampler's batches.

    Args:
        images: the dataset.
        sampler: its batches.
        pin: use pinned memory, for a GPU.
    """
    return ResumableLoader(images, batch_sampler=sampler, collate_fn=_identity, pin_memory=pin)


def _identity(batch: Batch) -> Batch:
    return batch


def sampling_weights(targets: np.ndarray) -> np.ndarray:
    """Relative sampling frequencies of records for balanced classes.

    Args:
        targets: (n, classes) 0/1; every class occurs.

    Returns:
        (n,) float64: the inverse frequency of the record's class. A record with several classes counts as its rarest;
        a record without a class counts as the most frequent class.
    """
    inverse_frequency = len(targets) / targets.sum(axis=0).astype(np.float64)
    return np.where(targets.any(axis=1), (targets * inverse_frequency).max(axis=1), inverse_frequency.min())


class RunData(LightningDataModule):
    """The training and validation batches of a run, divided among the trainer's processes.

    Attributes:
        train, validation: positions in the index.
        stored: (n, size, size / 8) uint8, all images, if they are kept in device memory; else None. It is not a
            buffer of the module, because DDP would broadcast that at every step.
    """

    def __init__(self, folder: Path, run: RunConfig, index: RunIndex, options: TrainerOptions) -> None:
        super().__init__()
        self.run, self.index, self.on_gpu = run, index, options.on_gpu
        self.train, self.validation = index.indices("train"), index.indices("validation")
        self.images = PackedImages(folder, run, index, run.train)
        self.plain_images = PackedImages(folder, run, index)
        used = np.concatenate([self.train, self.validation])
        shape = self.images.packed(used[:1]).shape[1:]
        self.stored: torch.Tensor | None = None
        if options.keeps_on_device(len(index.rows) * math.prod(shape)):
            self.stored = torch.zeros((len(index.rows), *shape), dtype=torch.uint8)
            for start in range(0, len(used), 1024):
                chunk = used[start : start + 1024]
                self.stored[chunk] = torch.from_numpy(self.images.packed(chunk))
            self.images.pixels = self.plain_images.pixels = False

    @property
    def steps(self) -> int:
        """Optimizer steps per epoch."""
        return self._training_sampler().steps

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches with augmentation."""
        return make_loader(self.images, self._training_sampler(), pin=self.on_gpu)

    def val_dataloader(self) -> DataLoader:
        """Batches in order."""
        place = self._place()
        positions = self.validation[place["rank"] :: place["world"]]
        sampler = EpochBatchSampler(positions, self.run.train.batch_size, None)
        return make_loader(self.plain_images, sampler, pin=self.on_gpu)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch to the device and add its images if they are kept there."""
        batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        if self.stored is not None:
            self.stored = self.stored.to(device)
            batch = batch._replace(packed=self.stored[batch.positions])
        return batch

    def _training_sampler(self) -> EpochBatchSampler:
        recipe = self.run.train
        weights = sampling_weights(self.index.targets[self.train]) if recipe.sampling == "balanced" else None
        return EpochBatchSampler(
            self.train,
            recipe.batch_size,
            self.run.seed,
            weights=weights,
            images=recipe.epoch_images,
            parts=recipe.accumulate,
            **self._place(),
        )

    def _place(self) -> dict[str, int]:
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}
