"""Unusable and hostile files instead of ECG pages, each with a word of the expected message."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import wfdb
from PIL import Image

from tests.conftest import encoded

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def bomb() -> bytes:
    """A small PNG file that claims 60,000 x 60,000 pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(20_000_000), 1)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pdf(pages: str, count: int, more: str = "", trailer: str = "") -> bytes:
    """A PDF file of a few objects; PDFium repairs its missing cross-reference table."""
    return (
        f"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        f"2 0 obj\n<< /Type /Pages /Kids [{pages}] /Count {count} >>\nendobj\n{more}"
        f"trailer\n<< /Root 1 0 R /Size 5 {trailer} >>\n%%EOF\n"
    ).encode()


def images(page: bytes) -> dict[str, tuple[bytes, str]]:
    """File name -> content and a word of the message.

    Args:
        page: a PNG file of a valid page.
    """
    picture = Image.open(io.BytesIO(page)).convert("RGB")
    small = picture.resize((660, 510))
    jpeg, tiff, webp = encoded(small, "JPEG"), encoded(small, "TIFF"), encoded(small, "WEBP")
    lock = (
        "4 0 obj\n<< /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O <" + "ab" * 32 + "> /U <" + "cd" * 32 + "> >>\n"
        "endobj\n"
    )
    one = "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] >>\nendobj\n"
    return {
        "zero.png": (b"", "empty"),
        "text.png": (b"Patient was seen at ten o'clock.\n", "a text file"),
        "long.png": (("Äußerst unscharf.\n" * 900).encode(), "a text file"),
        "page.jpg": (b"<!DOCTYPE html><html><script>alert(1)</script></html>", "a text file"),
        "drawing.png": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "a broken HEIC"),
        "cut.gif": (encoded(small, "GIF")[:3000], "broken"),
        "muse.pdf": (b'<?xml version="1.0"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG/>', "MUSE"),
        "zeros.png": (bytes(5000), "not a PNG, JPEG"),
        "cut.png": (page[: len(page) // 2], "broken"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "broken"),
        "cut.tif": (tiff[: len(tiff) // 2], "broken"),
        "cut.webp": (webp[: len(webp) // 2], "broken"),
        "head.png": (page[:30], "PNG"),
        "bomb.png": (bomb(), "lower resolution"),
        "20000.png": (encoded(Image.new("1", (20_000, 20_000), 1), "PNG"), "lower resolution"),
        "tiny.png": (encoded(Image.new("L", (3, 3)), "PNG"), "at least 16"),
        "blank.png": (encoded(Image.new("L", (900, 700), 255), "PNG"), "blank"),
        "black.png": (encoded(Image.new("L", (900, 700), 0), "PNG"), "no ECG"),
        "broken.pdf": (b"%PDF-1.7\nnothing of the kind", "broken"),
        "none.pdf": (pdf("", 0), "page"),
        "astray.pdf": (pdf("3 0 R", 1), "page"),
        "locked.pdf": (pdf("3 0 R", 1, one + lock, "/Encrypt 4 0 R /ID [<00> <00>]"), "password"),
        "empty.pdf": (pdf("3 0 R", 1, one), "no ECG"),
    }


def write_record(folder: Path, name: str, leads: tuple[str, ...], seconds: float = 10, offset: float = 0) -> Path:
    """Write a valid WFDB record."""
    rng = np.random.default_rng(0)
    signal = offset + np.cumsum(rng.normal(0, 0.02, (int(100 * seconds), len(leads))), axis=0)
    wfdb.wrsamp(
        name, fs=100, units=["mV"] * len(leads), sig_name=list(leads), p_signal=signal, fmt=["16"] * len(leads),
        write_dir=str(folder),
    )  # fmt: skip
    return folder / f"{name}.hea"


def records(folder: Path) -> dict[str, str]:
    """Write unusable records; header file -> a word of the message."""
    write_record(folder, "eight", ("I", "II", *LEADS[6:]))
    write_record(folder, "limbs", LEADS[:6])
    write_record(folder, "far", LEADS, offset=80)
    write_record(folder, "lost", LEADS)
    (folder / "lost.dat").unlink()
    write_record(folder, "half", LEADS)
    (folder / "half.dat").write_bytes((folder / "half.dat").read_bytes()[:999])
    (folder / "junk.hea").write_bytes(bytes(range(256)) * 3)
    (folder / "nothing.hea").write_bytes(b"")
    return {
        "eight.hea": "--derive-leads",
        "limbs.hea": "a record of 12 leads is required",
        "far.hea": "is not on the page",
        "lost.hea": "lost.dat: no such file",
        "half.hea": "truncated",
        "junk.hea": "not a WFDB header",
        "nothing.hea": "header",
    }
