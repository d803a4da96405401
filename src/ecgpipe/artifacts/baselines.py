"""baselines/area.json and baselines/<shard>.npz: what the control experiments see of a data set.

area.json: ``top``, ``bottom``, ``left``, ``right``, the rectangle that holds the trace of every record, as shares of
the page's height and width; ``records``, how many it was found from.
<shard>.npz: arrays with a row per record that has an image; see ``ControlFeatures``.

baselines/<shard>.signals.npz: the signals of a shard as the signal reference sees them; see ``ControlSignals``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.files import NPZ_ERRORS, atomic_path
from ecgpipe.artifacts.signals import LEADS
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class BaselineFeatures:
    """Thumbnails.

    Args:
        record_ids: (n,) strings.
        pages: (n, height, width) uint8, the page in grey.
        images: (n, height, width) uint8, ink of the model-ready image, 0 none to 255.
        outside: (n, pixels) uint8, grey of those pixels of a larger thumbnail that lie outside the traces.
        form: (n, 2) float32, width and height of the page in pixels.
    """

    record_ids: np.ndarray
    pages: np.ndarray
    images: np.ndarray
    outside: np.ndarray
    form: np.ndarray

    def write(self, path: Path | str) -> None:
        """Write the file atomically."""
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, paths: Iterable[Path | str], only: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One kind of features of all shards.

        Args:
            paths: files of shards, possibly without a record.
            only: ``pages``, ``images`` or ``outside``.

        Returns:
            record_ids (n,), features (n, d) uint8, form (n, 2) float32.

        Raises:
            DataError: a file is missing or broken.
        """
        ids, features, form = [], [], []
        for path in paths:
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    if len(arrays["record_ids"]):
                        ids.append(arrays["record_ids"])
                        features.append(arrays[only].reshape(len(ids[-1]), -1))
                        form.append(arrays["form"])
            except NPZ_ERRORS as error:
                raise DataError(
                    f"{path}: not a readable file of control features ({error}); delete it and run again"
                ) from error
        if not ids:
            raise DataError("no record has control features; see the problems tables")
        return np.concatenate(ids), np.concatenate(features), np.concatenate(form)


SAMPLING_RATE = 100
"""Hz."""
SECONDS = 10
SIGNALS_SHAPE = (len(LEADS), SAMPLING_RATE * SECONDS)


@dataclass(frozen=True)
class BaselineSignals:
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
    def read(cls, paths: Iterable[Path | str]) -> "BaselineSignals":
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
            except NPZ_ERRORS as error:
                raise DataError(f"{path}: not a readable file of signals ({error}); delete it and run again") from error
        if not sum(map(len, ids)):
            raise DataError("no record has a signal for the signal reference; see the problems tables")
        filled = [place for place, own in enumerate(ids) if len(own)]
        return cls(np.concatenate([ids[i] for i in filled]), np.concatenate([signals[i] for i in filled]))
