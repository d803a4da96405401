"""What is fuzzed: for every reader of files from elsewhere, valid files, and how a damaged one is read."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pydicom
import wfdb
import yaml
from PIL import Image

from ecgpipe.acquire.header_labels import read_code_table
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.own import list_own_records
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.digitized import DigitizedRecord, read_digitized, write_digitized
from ecgpipe.artifacts.files import read_sums
from ecgpipe.artifacts.foreign import STARTS, foreign_format
from ecgpipe.artifacts.page_files import pictures_in
from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.artifacts.signals import read_record, read_signal
from ecgpipe.artifacts.sources import open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.audit.sketch import sketch_image
from ecgpipe.config.own import OwnConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import ConfigError, DataError, RecordError
from ecgpipe.lead_names import LEADS
from ecgpipe.reader.templates import TEMPLATES, read_templates
from ecgpipe.render.kit import read_kit_page
from ecgpipe.render.layout import kit_layout, layout_named
from tests.artifacts.test_foreign import dicom_recording
from tests.conftest import PROJECT
from tests.fuzz.damage import damaged

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of the kind of file.
        good: valid files.
        read: reads one.
        named: a message must contain one of these.
        errors: what the reader may raise.
        weight: its share of the time.
    """

    name: str
    good: list[bytes]
    read: Read
    named: tuple[str, ...]
    errors: tuple[type[Exception], ...] = (DataError, ConfigError)
    weight: float = 1

    def run(self, content: bytes) -> str:
        """Read a damaged file; returns the outcome.

        Raises:
            AssertionError: an error without the name of the file, or a very long one.
            Exception: an error that no reader should raise.
        """
        try:
            self.read(content)
        except self.errors as error:
            message = str(error)
            assert any(name in message for name in self.named), f"names nothing: {message[:300]}"
            assert len(message) < 5000, f"{len(message)} characters: {message[:300]}"
            return type(error).__name__
        return "read"

    def case(self, seed: int, number: int) -> bytes:
        """The content of a case."""
        chance = random.Random(f"{self.name} {seed} {number}")
        return damaged(chance.choice(self.good), chance)


def _stored(path: Path, read: Callable[[], object]) -> Read:
    """A reader of a file: the content is written first."""

    def run(content: bytes) -> object:
        path.write_bytes(content)
        return read()

    return run


def _saved(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.copy().save(stream, kind, **options)  # a picture remembers the options of its last format
    return stream.getvalue()


def _pictures() -> dict[str, list[bytes]]:
    """Small pictures of all formats, in several modes."""
    import pillow_heif

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
        "PNG": [_saved(each, "PNG") for each in (rgb, grey, bilevel, wide, palette, clear)],
        "JPEG": [
            _saved(rgb, "JPEG", exif=exif),
            _saved(grey, "JPEG", progressive=True),
            _saved(rgb.convert("CMYK"), "JPEG"),
        ],
        "TIFF": [
            _saved(rgb, "TIFF"),
            _saved(bilevel, "TIFF", compression="group4"),
            _saved(wide, "TIFF"),
            _saved(rgb, "TIFF", save_all=True, append_images=[grey]),
            _saved(grey, "TIFF", compression="tiff_lzw"),
        ],
        "BMP": [_saved(rgb, "BMP"), _saved(palette, "BMP")],
        "WebP": [_saved(rgb, "WEBP"), _saved(clear, "WEBP", lossless=True)],
        "GIF": [_saved(palette, "GIF", save_all=True, append_images=[palette.rotate(90)])],
        "JPEG 2000": [_saved(rgb, "JPEG2000"), _saved(grey, "JPEG2000", no_jp2=True)],
        "AVIF": [_saved(rgb, "AVIF")],
        "HEIC": [_saved(rgb.resize((64, 64)), "HEIF")],
    }


def _pdf() -> bytes:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 40, 3), np.uint8))
    return _saved(picture, "PDF", resolution=100.0)


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


def _records(folder: Path) -> Iterator[Target]:
    rng = np.random.default_rng(0)

    def write(name: str, samples: int = 60) -> bytes:
        signal = rng.integers(-500, 500, (samples, 12)).astype(np.int16)
        wfdb.wrsamp(
            name, 100, ["mV"] * 12, list(LEADS), d_signal=signal, fmt=["16"] * 12, adc_gain=[1000.0] * 12,
            baseline=[0] * 12, comments=["age: 50", "Dx: 426783006,39732003", "Sex: Male"], write_dir=str(folder),
        )  # fmt: skip
        return (folder / f"{name}.hea").read_bytes()

    header = write("r")
    read = partial(read_signal, folder / "r", "x", derive_leads=True, uncalibrated_gain=200.0)
    yield Target("WFDB header", [header], _stored(folder / "r.hea", read), ("record x: ",), (RecordError,))
    write("s1")
    write("s2")
    master = b"m/2 12 100 120\ns1 60\ns2 60\n"
    (folder / "m.hea").write_bytes(master)
    read = partial(read_signal, folder / "m", "x")
    yield Target("segments", [master], _stored(folder / "m.hea", read), ("record x: ",), (RecordError,))
    (folder / "n.hea").write_bytes(b"n/2 12 100 120\nt1 60\ns2 60\n")
    part = write("t1")
    read = partial(read_signal, folder / "n", "x")
    yield Target(
        "segment's header",
        [part],
        _stored(folder / "t1.hea", read),
        ("record x: ",),
        (RecordError,),
    )
    (folder / "CAP.DAT").write_bytes((folder / "r.dat").read_bytes())
    capital = header.replace(b"r.dat", b"CAP.DAT").replace(b"r 12", b"CAP 12")
    read = partial(read_signal, folder / "CAP", "x")
    yield Target("X.HEA", [capital], _stored(folder / "CAP.HEA", read), ("record x: ",), (RecordError,))
    values = np.frombuffer((folder / "r.dat").read_bytes(), "<i2").reshape(-1, 12).T
    from scipy.io import savemat

    savemat(folder / "q.mat", {"val": values}, format="4")
    offset = (folder / "q.mat").stat().st_size - values.nbytes
    text = header.replace(b"r 12", b"q 12").replace(b"r.dat 16 ", f"q.mat 16+{offset} ".encode())
    (folder / "q.hea").write_bytes(text)
    read = partial(read_signal, folder / "q", "x")
    matlab = (folder / "q.mat").read_bytes()
    yield Target(".mat", [matlab], _stored(folder / "q.mat", read), ("record x: ",), (RecordError,))
    read = partial(read_signal, folder / "d.dcm", "x", derive_leads=True, uncalibrated_gain=200.0)

    def short(group: pydicom.Dataset) -> None:
        group.NumberOfWaveformSamples = 50
        group.WaveformData = group.WaveformData[: 50 * 24]

    dicom = dicom_recording(folder, short).read_bytes()
    yield Target("DICOM recording", [dicom], _stored(folder / "d.dcm", read), ("record x: ",), (RecordError,))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix in ("hea", "dat"):
            archive.write(folder / f"s2.{suffix}", f"top/s2.{suffix}")

    def unzip() -> None:
        source = open_source(folder / "z.zip")
        for name in source.names():
            if name.endswith(".hea"):
                read_record(source, name[:-4], "x")

    yield Target("zip archive", [stream.getvalue()], _stored(folder / "z.zip", unzip), ("z.zip", "record x: "))


def _tables(folder: Path) -> Iterator[Target]:
    copy = folder / "copy"
    simulate_dataset(copy, records=5, seed=1)
    for name, read in (
        ("ptbxl_database.csv", lambda: list_ptbxl_records(copy, 100, 1000)),
        ("scp_statements.csv", lambda: read_grouping(copy, "subclass")),
    ):
        good = (copy / name).read_bytes()
        good = b"".join(good.splitlines(keepends=True)[:6])
        named = (name, str(copy), "label")
        yield Target(name, [good], _restored(copy / name, read, (copy / name).read_bytes()), named)
    grouping = folder / "grouping.csv"
    good = b"statement,class\nNORM,good\nIMI,bad\nASMI,bad\n"
    yield Target("grouping", [good], _stored(grouping, lambda: read_grouping(copy, str(grouping))), (str(grouping),))
    codes = folder / "codes.csv"
    good = b"code,abbreviation,name,classes,alone\n426783006,NSR,rhythm,,NORM\n39732003,LAD,axis,CD;X,\n"
    yield Target("code table", [good], _stored(codes, lambda: read_code_table(codes)), (str(codes), "code_table"))
    own = folder / "own"
    own.mkdir()
    for number in range(6):
        (own / f"r{number}.hea").touch()
    rows = "".join(f"r{i},{'ab'[i % 2]},p{i},{i},{40 + i},{'mf'[i % 2]}\n" for i in range(6))
    columns = {"patient": "who", "fold": "fold", "age": "age", "sex": "sex"}
    config = OwnConfig(kind="signals", source=str(own), labels="labels.csv", columns=columns)
    read = _stored(own / "labels.csv", lambda: list_own_records("mine", config))
    yield Target("own labels", [f"path,label,who,fold,age,sex\n{rows}".encode()], read, ("labels.csv", "own.mine"))
    (folder / "sums").mkdir()  # elsewhere it would be taken for the list of the other files
    sums = folder / "sums/SHA256SUMS.txt"
    good = f"{'0' * 64}  a/b.dat\n{'1' * 64} *c.hea\n".encode()
    yield Target("checksums", [good], _stored(sums, lambda: read_sums(sums)), (str(sums),))
    table = folder / "records.parquet"
    RECORDS.write(list_ptbxl_records(copy, 100, 1000)[0], table)
    good = table.read_bytes()
    yield Target("records.parquet", [good], _stored(table, lambda: RECORDS.read(table)), (str(table),))
    digitized = folder / "digitized.npz"
    write_digitized([DigitizedRecord("a", np.zeros((12, 50), np.float32), {"notes": []})], digitized)
    good = digitized.read_bytes()
    yield Target("digitized", [good], _stored(digitized, lambda: read_digitized(digitized)), (str(digitized),))


def _restored(path: Path, read: Callable[[], object], good: bytes) -> Read:
    """``_stored`` of a file that other targets also read."""

    def run(content: bytes) -> object:
        path.write_bytes(content)
        try:
            return read()
        finally:
            path.write_bytes(good)

    return run


def _settings(folder: Path) -> Iterator[Target]:
    def validated(content: bytes) -> None:
        try:
            values = yaml.safe_load(content)
        except (yaml.YAMLError, ValueError):
            return
        if isinstance(values, dict):
            validate_config(values)

    files = [(PROJECT / "config" / name).read_bytes() for name in ("demo.yaml", "subset.yaml")]
    yield Target("configuration", files, validated, ("the configuration is not valid:\n  ",), (ConfigError,))
    layout = kit_layout().model_dump(mode="json")
    small = layout | {"slots": layout["slots"][:2], "separators": [], "bars": layout["bars"][:1]}
    for suffix, good in (("json", json.dumps(small, indent=1)), ("yaml", yaml.safe_dump(small))):
        path = folder / f"layout.{suffix}"
        read = _stored(path, partial(layout_named, str(path)))
        yield Target(f"layout {suffix}", [good.encode()], read, (str(path),))
    path = folder / "templates.yaml"
    good = TEMPLATES.read_bytes()
    yield Target("layouts of the page reader", [good], _stored(path, partial(read_templates, path)), (str(path),))
    for part in ("default", "augmented"):
        file = folder / f"{part}-0.json"
        (folder / f"{part}-0.png").write_bytes((PROJECT / "tests/render/kit_run/page.png").read_bytes())
        content = (PROJECT / f"tests/render/kit_run/{part}.json").read_bytes()
        read = _stored(file, partial(read_kit_page, file, "x"))
        yield Target(f"kit's JSON, {part}", [content], read, (str(file),), (RecordError,))


def _models(folder: Path) -> Iterator[Target]:
    import torch

    from benchmarks.serve_load import tiny_model
    from ecgpipe.predict import load_predictor

    torch.set_num_threads(1)
    model = tiny_model(folder / "model")
    # without the list, whose checksums show every change
    (model / "SHA256SUMS.txt").unlink()
    for file in sorted(path for path in model.iterdir() if path.suffix in (".json", ".safetensors")):
        good = file.read_bytes()
        load = partial(read_saved, model) if file.suffix == ".json" else partial(load_predictor, model, threads=1)
        yield Target(f"model's {file.name}", [good], _restored(file, load, good), (str(model), file.name))


def _pages() -> Iterator[Target]:
    """The page reader on damaged pictures, and on pages with drawn damage."""
    from benchmarks.serve_load import small_page
    from ecgpipe.reader.digitize import digitize
    from ecgpipe.reader.page import understand_page
    from ecgpipe.reader.read import load_reader

    page = Image.open(io.BytesIO(small_page())).resize((600, 464))
    good = [
        _saved(page, "JPEG", quality=60),
        _saved(page.rotate(90, expand=True), "JPEG"),
        _saved(page.crop((0, 0, 600, 200)), "JPEG"),
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


def targets(folder: Path) -> list[Target]:
    """All readers; their files are below ``folder``."""
    found: list[Target] = []
    for kind, good in _pictures().items():
        found.append(Target(kind, good, _all_pages, ("file.xyz",)))
    found.append(Target("PDF", [_pdf()], _all_pages, ("file.xyz",)))
    found.append(Target("DICOM page", _dicom_pages(), _all_pages, ("file.xyz",)))
    starts = [start + bytes(60) for start, *_ in STARTS]
    found.append(Target("other formats", starts, foreign_format, ("",)))
    found.append(
        Target(
            "audit's pictures",
            [_pictures()["JPEG"][0]],
            lambda content: sketch_image(content, "x", "file.xyz"),
            ("file.xyz",),
        )
    )
    for name, part in (("records", _records), ("tables", _tables), ("settings", _settings), ("models", _models)):
        place = folder / name
        place.mkdir()
        found += part(place)
    return [*found, *_pages()]
