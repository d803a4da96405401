"""Targets: pictures, PDF and DICOM files, and the page reader."""

import io
import random
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import pillow_heif
import pydicom
from PIL import Image

from benchmarks.serve_load import small_page
from ecgpipe.artifacts.page_files import pictures_in
from ecgpipe.artifacts.unsupported_formats import STARTS, unsupported_format
from ecgpipe.audit.sketch import sketch_image
from ecgpipe.errors import DataError
from ecgpipe.reader.digitize import digitize
from ecgpipe.reader.page import understand_page
from ecgpipe.reader.read import load_reader
from tests.conftest import encoded
from tests.fuzz.target import Target


def picture_targets() -> Iterator[Target]:
    """All formats of pages."""
    pictures = _pictures()
    for kind, good in pictures.items():
        yield Target(kind, good, _all_pages, ("file.xyz",))
    yield Target("PDF", [_pdf()], _all_pages, ("file.xyz",))
    yield Target("DICOM page", _dicom_pages(), _all_pages, ("file.xyz",))
    yield Target("other formats", [start + bytes(60) for start, *_ in STARTS], unsupported_format, ("",))
    sketch = partial(sketch_image, record_id="x", name="file.xyz")
    yield Target("audit's pictures", pictures["JPEG"][:1], sketch, ("file.xyz",))


def _pictures() -> dict[str, list[bytes]]:
    """Small pictures of all formats, in several modes."""
    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 40, 3), np.uint8))
    grey, bilevel, wide = (
        rgb.convert("L"),
        rgb.convert("1"),
        Image.fromarray(rng.integers(0, 65536, (24, 40), np.uint16)),
    )
    palette, clear = rgb.convert("P"), rgb.convert("RGBA")
    exif = Image.Exif()
    exif[274] = 6
    return {
        "PNG": [encoded(each, "PNG") for each in (rgb, grey, bilevel, wide, palette, clear)],
        "JPEG": [
            encoded(rgb, "JPEG", exif=exif),
            encoded(grey, "JPEG", progressive=True),
            encoded(rgb.convert("CMYK"), "JPEG"),
        ],
        "TIFF": [
            encoded(rgb, "TIFF"),
            encoded(bilevel, "TIFF", compression="group4"),
            encoded(wide, "TIFF"),
            encoded(rgb, "TIFF", save_all=True, append_images=[grey]),
            encoded(grey, "TIFF", compression="tiff_lzw"),
        ],
        "BMP": [encoded(rgb, "BMP"), encoded(palette, "BMP")],
        "WebP": [encoded(rgb, "WEBP"), encoded(clear, "WEBP", lossless=True)],
        "GIF": [encoded(palette, "GIF", save_all=True, append_images=[palette.rotate(90)])],
        "JPEG 2000": [encoded(rgb, "JPEG2000"), encoded(grey, "JPEG2000", no_jp2=True)],
        "AVIF": [encoded(rgb, "AVIF")],
        "HEIC": [encoded(rgb.resize((64, 64)), "HEIF")],
    }


def _pdf() -> bytes:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8))
    return encoded(picture, "PDF", resolution=100.0)


def _dicom_pages() -> list[bytes]:
    """An encapsulated PDF file, and a picture."""
    pages = []
    for number in range(2):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
        dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        if number:
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.BitsAllocated = 24, 40, 3, 8
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.PlanarConfiguration = 8, 7, 0, 0
            dataset.PhotometricInterpretation, dataset.PixelData = "RGB", bytes(range(240)) * 12
        else:
            dataset.EncapsulatedDocument = _pdf()
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        pages.append(stream.getvalue())
    return pages


def _all_pages(content: bytes) -> None:
    """Read all pages; errors in the sequence are raised, the first one first."""
    errors = [page for page in pictures_in(content, "file.xyz") if isinstance(page, DataError)]
    if errors:
        raise errors[0]


def reader_targets() -> Iterator[Target]:
    """The page reader on damaged pictures, and on pages with drawn damage."""
    page = Image.open(io.BytesIO(small_page())).resize((600, 464))
    good = [
        encoded(page, "JPEG", quality=60),
        encoded(page.rotate(90, expand=True), "JPEG"),
        encoded(page.crop((0, 0, 600, 200)), "JPEG"),
    ]
    net = cache(load_reader)

    def pictures(content: bytes) -> list[np.ndarray]:
        found = list(pictures_in(content, "file.xyz"))
        if isinstance(found[0], DataError):
            raise found[0]
        return [worn(each.image, random.Random(content)) for each in found]

    def understood(content: bytes) -> None:
        for picture in pictures(content):
            understand_page(picture, net())

    def digitized(content: bytes) -> None:
        for picture in pictures(content):
            signal = digitize(picture, net()).signal
            assert signal.shape[0] == 12 and not np.isinf(signal).any()

    anything = ("",)  # the caller adds the name of the file
    yield Target("page reader", good, understood, anything, weight=5)
    yield Target("digitize", good, digitized, anything, weight=5)


def worn(picture: np.ndarray, chance: random.Random) -> np.ndarray:
    """Cut, stretch, blank, invert or add noise to parts of a picture."""
    picture = picture[:700, :700].copy()
    height, width = picture.shape[:2]
    for _ in range(chance.randrange(4)):
        top, left = chance.randrange(height), chance.randrange(width)
        part = picture[top : top + chance.randrange(1, height + 1), left : left + chance.randrange(1, width + 1)]
        kind = chance.choice(("white", "black", "noise", "negative", "copy"))
        if kind == "noise":
            part[:] = np.random.default_rng(chance.randrange(1 << 32)).integers(0, 256, part.shape)
        elif kind == "negative":
            part[:] = 255 - part
        elif kind == "copy":
            picture[: part.shape[0], : part.shape[1]] = part.copy()
        else:
            part[:] = 255 if kind == "white" else 0
    if chance.random() < 0.2:
        picture = picture[:: chance.randrange(1, 4), :: chance.randrange(1, 4)]
    if min(picture.shape[:2]) < 16:
        picture = np.full((16, 16, 3), 255, np.uint8)
    return np.ascontiguousarray(picture)
