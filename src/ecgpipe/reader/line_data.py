"""The examples that the line network learns from, and their file."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch

from ecgpipe.artifacts.files import atomic_path
from ecgpipe.reader.line_network import CHANNELS, PER_COLUMN, flipped

COLUMNS = 560  # of a piece in a batch; longer examples are cut at random


@dataclass(frozen=True)
class LineExamples:
    """Leads of pages, one after the other.

    Attributes:
        channels: float16 (CHANNELS, columns of all), views (``refine.LineView``).
        above: float16 (2 columns of all,), mm by which the trace is above the line, with mean 0 over each lead; NaN
            where the line has a gap.
        columns: int64 (n,), columns of each lead.
        power: float32 (n,), variance of the signal that the page shows, mm².
    """

    channels: np.ndarray = field(repr=False)
    above: np.ndarray = field(repr=False)
    columns: np.ndarray
    power: np.ndarray

    @classmethod
    def one(cls, channels: np.ndarray, above: np.ndarray, power: float) -> "LineExamples":
        """A single lead."""
        return cls(
            channels.astype(np.float16), above.astype(np.float16), np.array([channels.shape[1]]), np.float32([power])
        )

    @classmethod
    def joined(cls, parts: Sequence["LineExamples"]) -> "LineExamples":
        """The leads of all parts; no leads without parts."""
        none = cls(np.zeros((CHANNELS, 0), np.float16), np.zeros(0, np.float16), np.zeros(0, int), np.zeros(0, "f4"))
        return cls(
            *(np.concatenate([getattr(part, each.name) for part in [none, *parts]], axis=-1) for each in fields(cls))
        )

    @classmethod
    def read(cls, path: Path | str) -> "LineExamples":
        """Read an .npz file."""
        with np.load(path) as file:
            return cls(**file)

    def write(self, path: Path | str) -> None:
        """Write an .npz file."""
        with atomic_path(path) as partial, open(partial, "wb") as file:
            np.savez(file, **vars(self))

    def __len__(self) -> int:
        return len(self.power)

    def batch(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random pieces of leads, half of them flipped upside down.

        Returns:
            Views (size, CHANNELS, COLUMNS), mm above the line (size, 2 COLUMNS) with NaN where it is unknown, and power
            (size,).
        """
        views = np.zeros((size, CHANNELS, COLUMNS), np.float32)
        above = np.full((size, PER_COLUMN * COLUMNS), np.nan, np.float32)
        ends = np.cumsum(self.columns)
        chosen = rng.integers(len(self), size=size)
        for view, missing, number in zip(views, above, chosen, strict=True):
            stop = ends[number]
            start = stop - self.columns[number]
            first = start + rng.integers(max(stop - start - COLUMNS, 0) + 1)
            last = min(first + COLUMNS, stop)
            view[:, : last - first] = self.channels[:, first:last]
            missing[: PER_COLUMN * (last - first)] = self.above[PER_COLUMN * first : PER_COLUMN * last]
            if rng.random() < 0.5:
                view[:], missing[:] = flipped(view), -missing
        return torch.from_numpy(views), torch.from_numpy(above), torch.from_numpy(self.power[chosen])
