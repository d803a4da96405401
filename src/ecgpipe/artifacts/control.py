"""control/area.json and control/<shard>.npz: what the control experiments see of a data set.

area.json: ``top``, ``bottom``, ``left``, ``right``, the rectangle that holds the trace of every record, as shares of
the page's height and width; ``records``, how many it was found from.
<shard>.npz: arrays with a row per record that has an image; see ``ControlFeatures``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.atomic import BROKEN_NPZ, atomic_path
from ecgpipe.errors import DataError


@dataclass(frozen=True)
class ControlFeatures:
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
            except BROKEN_NPZ as error:
                raise DataError(
                    f"{path}: not a readable file of control features ({error}); delete it and run again"
                ) from error
        if not ids:
            raise DataError("no record has control features; see the problems tables")
        return np.concatenate(ids), np.concatenate(features), np.concatenate(form)
