"""control/<shard>.signals.npz: the signals of a shard as the signal reference sees them; see ``ControlSignals``."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.atomic import BROKEN_NPZ, atomic_path
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.errors import DataError

RATE = 100
"""Hz."""
SECONDS = 10
SHAPE = (len(LEADS), RATE * SECONDS)


@dataclass(frozen=True)
class ControlSignals:
    """Signals at one rate and of one length.

    Args:
        record_ids: (n,) strings.
        signals: (n, 12, 1000) float16 mV, leads in the order of LEADS.
    """

    record_ids: np.ndarray
    signals: np.ndarray

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, record_ids=self.record_ids.astype(str), signals=self.signals.astype(np.float16))

    @classmethod
    def read(cls, paths: Iterable[Path | str]) -> "ControlSignals":
        """The signals of all shards.

        Raises:
            DataError: a file is missing or broken, or there is no signal.
        """
        ids, signals = [], []
        for path in paths:
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    ids.append(arrays["record_ids"])
                    signals.append(arrays["signals"])
            except BROKEN_NPZ as error:
                raise DataError(f"{path}: not a readable file of signals ({error}); delete it and run again") from error
        if not sum(map(len, ids)):
            raise DataError("no record has a signal for the signal reference; see the problems tables")
        filled = [place for place, own in enumerate(ids) if len(own)]
        return cls(np.concatenate([ids[i] for i in filled]), np.concatenate([signals[i] for i in filled]))
