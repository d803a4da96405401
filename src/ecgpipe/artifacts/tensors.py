"""Checking safetensors files without PyTorch, and without holding them in memory.

The format is a length (8 bytes, little endian), a JSON header of that length, and the tensors' bytes.
``models.weights`` writes the checksum that is compared here: of name, type and shape, then bytes, of each tensor in the
order of names.
"""

import json
import os
import zlib
from pathlib import Path
from typing import BinaryIO

KEY = "crc32"
TYPES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8", "I16": "int16",
    "I32": "int32", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
"""The format's names of types, and PyTorch's."""
CHUNK = 1 << 20


def check_tensors(path: Path | str) -> bool:
    """Whether a safetensors file carries a checksum of ours, which it then fits.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or no safetensors file.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = int.from_bytes(file.read(8), "little") + 8
        if not 8 < start <= size:
            raise ValueError("no safetensors file, or cut off")
        try:
            header = json.loads(file.read(start - 8))
            metadata = header.pop("__metadata__", {})
            ends = sorted((*map(int, tensor["data_offsets"]),) for tensor in header.values())
            found = 0
            if (expected := metadata.get(KEY)) is not None:
                for name in sorted(header):
                    found = _crc32(file, start, name, header[name], found)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is damaged: its header does not hold together ({error!r})") from error
    if [0, *(end for _, end in ends)] != [*(first for first, _ in ends), size - start]:
        raise ValueError("it is damaged: too long or too short")
    if expected is not None and expected != f"{found:08x}":
        raise ValueError("it is damaged: its content does not fit its checksum")
    return expected is not None


def _crc32(file: BinaryIO, start: int, name: str, tensor: dict, found: int) -> int:
    """Go on with the checksum over one tensor."""
    found = zlib.crc32(f"{name} torch.{TYPES[tensor['dtype']]} {tuple(tensor['shape'])}".encode(), found)
    first, end = tensor["data_offsets"]
    file.seek(start + first)
    left = end - first
    while left > 0 and (chunk := file.read(min(left, CHUNK))):
        found, left = zlib.crc32(chunk, found), left - len(chunk)
    return found
