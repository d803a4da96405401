"""A PNG reader for plain palette images, such as our pages.

It leaves out what a general reader must do: rows without a filter need no copy after they are inflated. That takes
half of Pillow's time. Whatever is not plain and whole is left to Pillow, and to its words on what is wrong.
"""

import struct
import zlib

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PLAIN_CHUNKS = {b"IHDR", b"pHYs", b"PLTE", b"IDAT", b"IEND"}
EIGHT_BIT_PALETTE = bytes([8, 3, 0, 0, 0])  # depth, colour type, and the only compression, filter method and interlace


def decode_plain_palette(data: bytes, max_pixels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Decode a PNG (ISO/IEC 15948) of 8-bit palette indices in unfiltered rows, with no other chunks than it needs.

    Returns:
        indices uint8 (H, W) and palette uint8 (256, 3) RGB; None for any other file, also a broken one or one with
        more than ``max_pixels``.
    """
    chunks = _chunks(data)
    if chunks is None or len(chunks[b"IHDR"]) != 13 or chunks[b"IHDR"][8:] != EIGHT_BIT_PALETTE:
        return None
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    if not 0 < width * height <= max_pixels or not 0 < len(chunks[b"PLTE"]) <= 768 or len(chunks[b"PLTE"]) % 3:
        return None
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(chunks[b"IDAT"], height * (width + 1) + 1)
    except zlib.error:
        return None
    if not inflater.eof or len(content) != height * (width + 1):
        return None
    rows = np.frombuffer(content, np.uint8).reshape(height, width + 1)
    if rows[:, 0].any():
        return None
    palette = np.zeros((256, 3), np.uint8)
    colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    palette[: len(colours)] = colours
    return rows[:, 1:], palette


def _chunks(data: bytes) -> dict[bytes, bytes] | None:
    """The chunks of a PNG file by kind; None if one is broken, missing, unknown here or there twice (but for IDAT)."""
    found: dict[bytes, bytes] = {}
    at = len(PNG_SIGNATURE)
    while len(data) >= at + 12 and b"IEND" not in found:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body, checksum = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if kind not in PLAIN_CHUNKS or (kind in found and kind != b"IDAT"):
            return None
        if len(checksum) < 4 or zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
            return None
        found[kind] = found.get(kind, b"") + body
        at += size + 12
    return found if {b"IHDR", b"PLTE", b"IDAT", b"IEND"} <= found.keys() else None
