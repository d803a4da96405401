"""images/<shard>.npy: model-ready binary images, 1 bit a pixel, and images/<shard>.index.parquet beside it.

The array is uint8 of shape (records, size, size // 8); bit 7 of a byte is the leftmost pixel (NumPy's ``packbits``);
1 is ink. It is memory-mapped by its readers. Row i of the index names the record of row i of the array.
This module needs NumPy alone to read the array; only the index needs pandas and pyarrow (artifacts.image_index).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.atomic import atomic_path
from ecgpipe.errors import DataError


def pack(image: np.ndarray) -> np.ndarray:
    """(size, size) of 0 and 1 -> (size, size // 8) uint8."""
    if image.shape[-1] % 8:
        raise ValueError(f"the width {image.shape[-1]} of a packed image must be a multiple of 8")
    return np.packbits(image.astype(bool), axis=-1)


def unpack(packed: np.ndarray) -> np.ndarray:
    """(..., size, size // 8) uint8 -> (..., size, size) uint8 of 0 and 1."""
    return np.unpackbits(packed, axis=-1)


def write_images(packed: Sequence[np.ndarray], size: int, path: Path | str) -> None:
    """Write the packed images of a shard (possibly none)."""
    stacked = np.stack(packed) if len(packed) else np.zeros((0, size, size // 8), np.uint8)
    with atomic_path(path) as partial:
        np.save(partial, stacked, allow_pickle=False)


def open_images(path: Path | str) -> np.ndarray:
    """The packed images of a shard, memory-mapped, read-only.

    Raises:
        DataError: missing, truncated, or not an array of packed images.
    """
    try:
        # numpy cannot map an empty array; it is read instead
        empty = Path(path).stat().st_size <= 128
        array = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable image file ({error}); delete it and run again") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] * 8 != array.shape[1]:
        raise DataError(f"{path}: expected uint8 (records, size, size / 8), found {array.dtype} {array.shape}")
    return array
