"""A PNG writer for palette images.

A page has few colours. One byte a pixel and unfiltered rows deflate to a third of the time that the writers
of OpenCV and Pillow need, and to a smaller file; those two choose neither.
"""

import struct
import zlib

import numpy as np


def encode_palette(indices: np.ndarray, palette: np.ndarray, dpi: float, level: int = 3) -> bytes:
    """PNG (ISO/IEC 15948, colour type 3) of ``indices`` uint8 (H, W) into ``palette`` uint8 (n <= 256, 3) RGB."""
    height, width = indices.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row after its filter byte, 0: none
    rows[:, 1:] = indices
    per_metre = round(dpi / 0.0254)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)),
        (b"PLTE", np.ascontiguousarray(palette, np.uint8).tobytes()),
        (b"IDAT", zlib.compress(rows, level)),
        (b"IEND", b""),
    )
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))]
    return b"".join(parts)
