"""Batches of packed images: no decoding, no copying of what is not asked for."""

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


class Key(NamedTuple):
    """A record in an epoch, and what its part weighs in the batch's mean (1 unless parts are unequal)."""

    epoch: int
    item: int
    weight: float = 1.0


class Batch(NamedTuple):
    """What a step gets.

    packed: (batch, size, size / 8) uint8, or None where the images are on the device; targets: (batch, classes) uint8;
    items: (batch,) int64, positions in the run's items; draws: the augmentation, None without; weight: of the
    batch's loss (see EpochBatches).
    """

    packed: torch.Tensor | None
    targets: torch.Tensor
    items: torch.Tensor
    augmentation: AugmentParams | None
    weight: float


class PackedImages(Dataset):
    """The images of a run's records, memory-mapped; fetched a batch at a time by keys.

    The augmentation of an item in an epoch depends on (seed, epoch, item) alone, never on the order of fetching.

    Args:
        folder: of the run.
        run, items: what is in it.
        recipe: the augmentation; None: none.
        pixels: whether batches carry the images.

    Raises:
        DataError: an image file is missing or too short, or the files differ in size.
    """

    def __init__(
        self, folder: Path, run: RunConfig, items: RunIndex, recipe: TrainConfig | None = None, pixels: bool = True
    ) -> None:
        self.files = [open_images(folder / name) for name in run.images]
        self.items, self.seed, self.recipe, self.pixels = items, run.seed, recipe, pixels
        self._epoch, self._draws = -1, None
        if len({file.shape[1:] for file in self.files if len(file)}) > 1:
            raise DataError(f"{folder}: its image files differ in size; run the preprocessing again")
        for number, file in enumerate(self.files):
            if (items.rows[items.files == number] >= len(file)).any():
                raise DataError(
                    f"{folder / run.images[number]}: has fewer images than the run expects; prepare it again"
                )

    def packed(self, positions: np.ndarray) -> np.ndarray:
        """(n, size, size / 8) uint8: the images of some items."""
        files, rows = self.items.files[positions], self.items.rows[positions]
        return np.stack([self.files[file][row] for file, row in zip(files, rows, strict=True)])

    def __getitems__(self, keys: list[Key]) -> Batch:
        positions = np.array([key.item for key in keys])
        augmentation = None
        if self.recipe is not None:
            if keys[0].epoch != self._epoch:
                self._epoch = keys[0].epoch
                self._draws = sample_augment_params(self.recipe, self.seed, self._epoch, len(self.items.rows))
            augmentation = self._draws.of(positions)  # type: ignore[attr-defined]
        return Batch(
            torch.from_numpy(self.packed(positions)) if self.pixels else None,
            torch.from_numpy(self.items.targets[positions]),
            torch.from_numpy(positions),
            augmentation,
            keys[0].weight,
        )


class EpochBatchSampler(BatchSampler):
    """Batches of keys: shuffled anew each epoch by (seed, epoch), or in order.

    The trainer announces epochs by ``set_epoch``, so that a resumed training goes on with the right order. A batch may
    be dealt to several processes, and computed in several parts in each: then this yields the parts of one process, and
    weights that make the mean over all parts the mean over the batch, also if they are unequal. A last training batch
    with fewer than two images a part is left out, since batch normalisation cannot use it.

    Args:
        items: (n,) positions of the records.
        batch_size: images of a batch, over all processes and parts.
        seed: None: in order.
        chances: (n,) how often each item is drawn, relative to others; None: each once an epoch.
        parts: that each process computes a batch in.
        rank, world: this process, and how many there are.

    Raises:
        ConfigError: the batch cannot be divided so.
    """

    def __init__(
        self,
        items: np.ndarray,
        batch_size: int,
        seed: int | None,
        *,
        chances: np.ndarray | None = None,
        parts: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.items, self.batch_size, self.seed = items, batch_size, seed
        self.chances = None if chances is None else chances / chances.sum()
        self.parts, self.rank, self.shares = parts, rank, parts * world
        if batch_size % self.shares:
            raise ConfigError(
                f"train.batch_size {batch_size} cannot be divided among {world} processes in {parts} parts"
            )
        if len(items) < self.shares:
            raise ConfigError(f"{len(items)} records are too few for {world} processes and {parts} parts")
        self.epoch = self.start = 0
        self.sampler = self  # what the trainer looks at to find set_epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    @property
    def steps(self) -> int:
        """Whole batches an epoch."""
        full, rest = divmod(len(self.items), self.batch_size)
        least = 1 if self.seed is None or full == 0 else 2 * self.shares
        return full + (rest >= least)

    def __len__(self) -> int:
        return self.steps * self.parts

    def __iter__(self) -> Iterator[list[Key]]:
        order = self.items
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = rng.permutation(order) if self.chances is None else rng.choice(order, len(order), p=self.chances)
        world = self.shares // self.parts
        for number in range(self.start, len(self)):
            step, part = divmod(number, self.parts)
            whole = order[step * self.batch_size : (step + 1) * self.batch_size]
            members = whole[part * world + self.rank :: self.shares]
            weight = len(members) * self.shares / len(whole)
            yield [Key(self.epoch, int(item), weight) for item in members]


class ResumableLoader(DataLoader):
    """A loader that the trainer can stop within an epoch and take up again (it looks for these two methods)."""

    _done = 0

    def __iter__(self) -> Iterator[Batch]:
        self._done = self.batch_sampler.start
        for batch in super().__iter__():
            self.batch_sampler.start = 0  # the next epoch starts at its beginning
            self._done += 1
            yield batch

    def state_dict(self) -> dict:
        """Batches that were handed out in this epoch."""
        return {"batches": self._done}

    def load_state_dict(self, state: dict) -> None:
        """Go on after so many."""
        self.batch_sampler.start = state["batches"]


def make_loader(images: PackedImages, sampler: EpochBatchSampler, pin: bool = False) -> DataLoader:
    """A loader of a sampler's batches."""
    return ResumableLoader(images, batch_sampler=sampler, collate_fn=_as_they_are, pin_memory=pin)


def sampling_weights(targets: np.ndarray) -> np.ndarray:
    """How often each record is drawn when classes are balanced.

    Args:
        targets: (n, classes) 0/1; every class occurs.

    Returns:
        (n,): for a record of one class the inverse of its class's frequency; of several, that of the rarest; of none,
        that of the most frequent.
    """
    rarity = len(targets) / targets.sum(axis=0).astype(np.float64)
    return np.where(targets.any(axis=1), (targets * rarity).max(axis=1), rarity.min())


def _as_they_are(batch: Batch) -> Batch:
    return batch


class RunData(LightningDataModule):
    """The batches of a run, dealt to the processes that the trainer has.

    Attributes:
        train, validation: positions of the records of each role.
        stored: (items, size, size / 8) uint8, every image, if the machine is to hold them; else None.
    """

    def __init__(self, folder: Path, run: RunConfig, items: RunIndex, machine: TrainerOptions) -> None:
        super().__init__()
        self.run, self.items, self.on_gpu = run, items, machine.on_gpu
        self.train, self.validation = items.indices("train"), items.indices("validation")
        self.images = PackedImages(folder, run, items, run.train)
        used = np.concatenate([self.train, self.validation])
        shape = self.images.packed(used[:1]).shape[1:]
        self.stored: torch.Tensor | None = None
        if machine.holds(len(items.rows) * math.prod(shape)):
            self.stored = torch.zeros((len(items.rows), *shape), dtype=torch.uint8)
            for start in range(0, len(used), 1024):
                chunk = used[start : start + 1024]
                self.stored[chunk] = torch.from_numpy(self.images.packed(chunk))
        self.images.pixels = self.stored is None
        self.plain = PackedImages(folder, run, items, pixels=self.images.pixels)

    @property
    def steps(self) -> int:
        """Of the optimiser, in an epoch."""
        return self._training_sampler().steps

    def _training_sampler(self) -> EpochBatchSampler:
        recipe = self.run.train
        chances = sampling_weights(self.items.targets[self.train]) if recipe.sampling == "balanced" else None
        return EpochBatchSampler(
            self.train, recipe.batch_size, self.run.seed, chances=chances, parts=recipe.accumulate, **self._place()
        )

    def train_dataloader(self) -> DataLoader:
        """Shuffled, augmented."""
        return make_loader(self.images, self._training_sampler(), pin=self.on_gpu)

    def val_dataloader(self) -> DataLoader:
        """In order."""
        place = self._place()
        mine = self.validation[place["rank"] :: place["world"]]
        return make_loader(self.plain, EpochBatchSampler(mine, self.run.train.batch_size, None), pin=self.on_gpu)

    def _place(self) -> dict[str, int]:
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}
