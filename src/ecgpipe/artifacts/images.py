"""images/<shard>.npy: model-ready binary images, 1 bit a pixel, and images/<shard>.index.parquet beside it.

The array is uint8 of shape (records, size, size // 8); bit 7 of a byte is the leftmost pixel (NumPy's ``packbits``);
1 is ink. It is memory-mapped by its readers; the CRC-32 of all before stands behind the array, where other readers of
.npy files do not look. Row i of the index names the record of row i of the array.
This module needs NumPy alone to read the array; only the index needs pandas and pyarrow (artifacts.image_index).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecgpipe.artifacts.files import atomic_path, file_crc32
from ecgpipe.errors import DataError

MARK = b"CRC32:"
TRAILER = len(MARK) + 8


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
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(stacked))
            file.write(np.ascontiguousarray(stacked).data)  # np.save tells of a full disk without saying so
        found = file_crc32(partial)
        with partial.open("ab") as file:
            file.write(MARK + found.encode())


def open_images(path: Path | str) -> np.ndarray:
    """The packed images of a shard, memory-mapped, read-only.

    Raises:
        DataError: missing, damaged, or not an array of packed images.
    """
    try:
        # numpy cannot map an empty array; it is read instead
        stat = Path(path).stat()
        _check(path, stat.st_size, stat.st_mtime_ns)
        empty = stat.st_size <= 128 + TRAILER
        array = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable image file ({error}); delete it and run again") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] * 8 != array.shape[1]:
        raise DataError(
            f"{path}: expected uint8 (records, size, size / 8), found {array.dtype} {array.shape}; "
            "delete it and run again"
        )
    return array


@lru_cache(maxsize=4096)
def _check(path: Path | str, size: int, changed: int) -> None:
    """Compare a file with its checksum, once a process; ValueError if they differ. Older files have none."""
    with open(path, "rb") as file:
        file.seek(max(size - TRAILER, 0))
        trailer = file.read()
    if trailer.startswith(MARK) and len(trailer) == TRAILER:
        if file_crc32(path, size - TRAILER).encode() != trailer[len(MARK) :]:
            raise ValueError("it is damaged: its content does not fit its checksum")
        return
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
        if file.tell() + math.prod(shape) * dtype.itemsize != size:
            raise ValueError("it is damaged: too long or too short")
