"""images/<shard>.npy: model-ready binary images, 1 bit per pixel. Requires only NumPy.

The array is uint8 of shape (records, size, size // 8); bit 7 of a byte is the leftmost pixel (``numpy.packbits``);
1 is ink. Readers map it into memory. images/<shard>.index.parquet (``tables.IMAGE_INDEX``) names the records.
"""

from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np

from ecgpipe.artifacts.files import atomic_path, verify
from ecgpipe.errors import DataError, one_line

HEADER = 128  # bytes of a .npy header of these arrays


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
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(stacked))
        file.write(np.ascontiguousarray(stacked).data)  # np.save hides the reason if the disk is full


def open_images(path: Path | str) -> np.ndarray:
    """The packed images of a shard, memory-mapped, read-only.

    Raises:
        DataError: missing, damaged, or not an array of packed images.
    """
    verify(path)
    try:
        empty = Path(path).stat().st_size <= HEADER  # NumPy 1.26 cannot map an empty array
        array = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:
        raise DataError(f"{path}: not a readable image file ({one_line(error)}); delete it and run again") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] * 8 != array.shape[1]:
        raise DataError(
            f"{path}: expected uint8 (records, size, size / 8), found {array.dtype} {array.shape}; "
            "delete it and run again"
        )
    return array
