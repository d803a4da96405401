"""Files of weights: safetensors, with a checksum of their own in the metadata, since the format has none."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ecgpipe.artifacts.tensors import KEY


def write_weights(tensors: Mapping[str, torch.Tensor], path: Path | str) -> None:
    """Write tensors of the CPU by their names, whatever their order in memory; not atomically."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={KEY: _crc32(tensors)})


def read_weights(path: Path | str) -> dict[str, torch.Tensor]:
    """Read a safetensors file onto the CPU; one of others, without a checksum, as it is.

    Raises:
        FileNotFoundError: there is none.
        SafetensorError: it is none, or damaged.
    """
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        expected = (file.metadata() or {}).get(KEY)
    if expected is not None and expected != _crc32(tensors):
        raise SafetensorError("it is damaged: its content does not fit its checksum")
    return tensors


def _crc32(tensors: Mapping[str, torch.Tensor]) -> str:
    found = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.contiguous().reshape(-1).view(torch.uint8).numpy(), found)
    return f"{found:08x}"
