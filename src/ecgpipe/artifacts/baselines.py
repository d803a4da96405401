"""baselines/<shard>.npz and <shard>.signals.npz: the inputs of the baseline classifiers.

baselines/area.json is the rectangle around the traces of all records: ``top``, ``bottom``, ``left``, ``right`` as
fractions of the page's height and width, and ``records``, the number of records used.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.files import read_arrays, write_arrays
from ecgpipe.errors import DataError
from ecgpipe.lead_names import LEADS

SAMPLING_RATE = 100
"""Hz."""
SECONDS = 10
SIGNALS_SHAPE = (len(LEADS), SAMPLING_RATE * SECONDS)


@dataclass(frozen=True)
class BaselineFeatures:
    """<shard>.npz: thumbnails of the records that have an image.

    Args:
        record_ids: (n,) strings.
        pages: (n, height, width) uint8, the page in grey.
        images: (n, height, width) uint8, ink of the model's image, 0 (none) to 255.
        outside: (n, pixels) uint8, grey of those pixels of a larger thumbnail that are outside the traces.
        form: (n, 2) float32, width and height of the page in pixels.
    """

    record_ids: np.ndarray
    pages: np.ndarray
    images: np.ndarray
    outside: np.ndarray
    form: np.ndarray

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        write_arrays(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, paths: Iterable[Path | str], only: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One kind of features, of all shards.

        Args:
            paths: files of shards, possibly without records.
            only: ``pages``, ``images`` or ``outside``.

        Returns:
            record_ids (n,), features (n, d) uint8, form (n, 2) float32.

        Raises:
            DataError: a file is missing or damaged, or no record has features.
        """
        shards = [read_arrays(path, ("record_ids", only, "form")) for path in paths]
        shards = [shard for shard in shards if len(shard["record_ids"])]
        if not shards:
            raise DataError("no record has baseline features; see the problems tables")
        ids, form = (np.concatenate([shard[name] for shard in shards]) for name in ("record_ids", "form"))
        return ids, np.concatenate([shard[only].reshape(len(shard[only]), -1) for shard in shards]), form


@dataclass(frozen=True)
class BaselineSignals:
    """<shard>.signals.npz: signals with one sampling rate and length, for the signal reference.

    Args:
        record_ids: (n,) strings.
        signals: (n, 12, 1000) float16 mV, leads in the order of LEADS.
    """

    record_ids: np.ndarray
    signals: np.ndarray

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        write_arrays(path, record_ids=self.record_ids.astype(str), signals=self.signals.astype(np.float16))

    @classmethod
    def read(cls, paths: Iterable[Path | str]) -> "BaselineSignals":
        """The signals of all shards.

        Raises:
            DataError: a file is missing or damaged, or no record has a signal.
        """
        shards = [read_arrays(path, ("record_ids", "signals")) for path in paths]
        shards = [shard for shard in shards if len(shard["record_ids"])]
        if not shards:
            raise DataError("no record has a signal for the signal reference; see the problems tables")
        return cls(*(np.concatenate([shard[name] for shard in shards]) for name in ("record_ids", "signals")))
