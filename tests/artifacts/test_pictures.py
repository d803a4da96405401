"""Reading image files: all formats become RGB, and broken files raise a clear error."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from ecgpipe.artifacts.pictures import ORIENTATION, read_image, stored_orientation
from ecgpipe.errors import DataError
from tests.conftest import encoded


@pytest.fixture
def rgb() -> np.ndarray:
    picture = np.full((60, 90, 3), 255, np.uint8)
    picture[10:20, 5:70] = (200, 30, 40)
    picture[40:50, 60:80] = 0
    return picture


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_kinds(rgb, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(read_image(encoded(Image.fromarray(rgb), kind, **options), "x"), rgb)


def test_jpeg(rgb):
    result = read_image(encoded(Image.fromarray(rgb), "JPEG", quality=95), "x")
    assert np.abs(result.astype(int) - rgb).mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_colour_modes(rgb, mode):
    grey = np.where(rgb.min(axis=2) < 128, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey).convert("RGB").convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    result = read_image(encoded(picture, kind), "x")
    assert np.array_equal(result, np.repeat(grey[:, :, None], 3, axis=2))


def test_transparent_is_white(rgb):
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[10:20, 5:70] = 255
    result = read_image(encoded(Image.fromarray(np.dstack([rgb * 0, alpha])), "PNG"), "x")
    assert (result[alpha == 0] == 255).all()
    assert (result[alpha == 255] == 0).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_scale(kind):
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    result = read_image(encoded(Image.fromarray(deep), kind), "x")
    assert np.abs(result[:, :, 0] - deep / 257).max() <= 0.51


def test_dark_sixteen_bits_stay_dark():
    result = read_image(encoded(Image.fromarray(np.full((64, 64), 200, np.uint16)), "PNG"), "x")
    assert result.max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_is_applied(rgb, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise to view
    options = {"quality": 95} if kind == "JPEG" else {}
    result = read_image(encoded(Image.fromarray(rgb), kind, exif=exif, **options), "x")
    assert result.shape == (90, 60, 3)
    assert np.abs(result.astype(int) - np.rot90(rgb, -1)).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_cut_off_files_are_an_error(kind):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DataError, match=r"scan\.img"):
        read_image(data[: len(data) // 2], "scan.img")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a" + bytes(50)])
def test_other_content_is_an_error(data):
    with pytest.raises(DataError, match=r"scan\.img"):
        read_image(data, "scan.img")


def test_huge_dimensions_are_rejected_before_decoding():
    data = encoded(Image.new("1", (9000, 9000)), "PNG")
    assert len(data) < 50_000
    with pytest.raises(DataError, match="81 million pixels, more than 60 million"):
        read_image(data, "scan.img")


def declares(kind: str, side: int = 60_000) -> bytes:
    """A small file whose header declares ``side`` x ``side`` pixels."""
    if kind == "PNG":

        def chunk(name: bytes, body: bytes) -> bytes:
            return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

        header = struct.pack(">IIBBBBB", side, side, 8, 3, 0, 0, 0)
        rows = zlib.compress(bytes(50_000_000), 1)  # a bomb, too
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            [chunk(b"IHDR", header), chunk(b"PLTE", bytes(6)), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
        )
    data = bytearray(encoded(Image.new("L", (64, 64)), kind))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", side, side)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", side, side)
    else:
        for tag in (256, 257):  # ImageWidth, ImageLength, as LONG
            at = data.index(struct.pack("<H", tag), 8)
            data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, side)
    return bytes(data)


def test_a_header_of_60000_pixels_per_side_uses_no_memory(tmp_path):
    kinds = ("PNG", "JPEG", "TIFF", "BMP")
    for kind in kinds:
        (tmp_path / kind).write_bytes(declares(kind))
    code = (
        "import resource, sys\n"
        "from ecgpipe.config.pages import PreprocessConfig\n"
        "from ecgpipe.errors import DataError\n"
        "from ecgpipe.preprocess.apply import preprocess_file\n"
        "for path in sys.argv[1:]:\n"
        "    data = open(path, 'rb').read()\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    try:\n        preprocess_file(data, 'scan.img', PreprocessConfig())\n"
        "    except DataError as error:\n        print(error)\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, *(tmp_path / kind for kind in kinds)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 8
    for message, grown in zip(lines[::2], lines[1::2], strict=True):
        assert "60000 x 60000" in message or "pixels" in message
        assert int(grown) < 40_000  # KB


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 1), ("float32", 255), ("float32", 4000), ("int32", 65535), ("float32", 65535)]
)
def test_floats_and_wide_integers(dtype, most):
    values = np.linspace(0, 1, 60 * 90).reshape(60, 90)
    result = read_image(encoded(Image.fromarray((values * most).astype(dtype)), "TIFF"), "x")
    assert result.shape == (60, 90, 3)
    scale = 65535 if 255 < most <= 65535 else most
    assert np.abs(result[:, :, 0] - values * most / scale * 255).max() < 1.1


def test_floats_below_zero_keep_their_order():
    values = np.linspace(-3, 5, 60 * 90).reshape(60, 90).astype(np.float32)
    result = read_image(encoded(Image.fromarray(values), "TIFF"), "x")[:, :, 0].astype(int)
    assert (np.diff(result.ravel()) >= 0).all()
    assert np.ptp(result) >= 254


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_damaged_files_are_an_image_or_an_error(rgb, kind):
    rng = np.random.default_rng(0)
    whole = encoded(Image.fromarray(rgb), kind)
    rejected = 0
    for _ in range(60):
        data = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(0, rng.choice([60, len(data)]), rng.integers(1, 5)) % len(data)
        data[at] = rng.integers(0, 256, len(at))
        try:
            assert read_image(data.tobytes(), "x").shape[2] == 3
        except DataError:
            rejected += 1
    assert rejected > 3


def test_each_page_of_a_file_has_its_own_orientation():
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, new=True) as pages:
        for orientation in (1, 6):
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[ORIENTATION] = orientation
            Image.new("L", (60, 40)).save(pages, "TIFF", tiffinfo=tags)
            pages.newFrame()
    data = file.getvalue()
    assert [read_image(data, "x", frame).shape[:2] for frame in (0, 1)] == [(40, 60), (60, 40)]
    assert [stored_orientation(data, "x", frame) for frame in (0, 1)] == [1, 6]


def test_very_long_images_are_rejected():
    with pytest.raises(DataError, match="33000 x 40 pixels, more than 32000 on one side"):
        read_image(encoded(Image.new("1", (33_000, 40)), "PNG"), "scan.img")


def test_tiny_images_are_rejected():
    with pytest.raises(DataError, match="3 x 3"):
        read_image(encoded(Image.new("L", (3, 3)), "PNG"), "scan.img")
