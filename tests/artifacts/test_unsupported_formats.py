"""Files of other programs: read where that is possible, else named with the program that converts them."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from ecgpipe.artifacts.page_files import Picture, find_files, pictures_in, read_pictures
from ecgpipe.artifacts.signals import LEADS, read_signal
from ecgpipe.artifacts.unsupported_formats import unsupported_format
from ecgpipe.cli import main
from ecgpipe.errors import DataError, RecordError

EDF = b"0       " + b"X" * 80 + b" " * 80 + b"01.02.2010.30.00" + b"3328    " + b"EDF+C" + b" " * 39
SCP = b"\x12\x34\x00\x02\x00\x00" + b"\x9a\xbc\x00\x00\x88\x00\x00\x00\x0d\x0dSCPECG" + bytes(490)


@pytest.mark.parametrize(
    ("content", "name", "converter"),
    [
        (SCP, "SCP-ECG", "ECG Toolkit"),
        (SCP.replace(b"SCPECG", bytes(6)), "SCP-ECG", "ECG Toolkit"),
        (b'<?xml version="1.0"?>\n<AnnotatedECG xmlns="urn:hl7-org:v3">', "HL7 aECG", "ecg2dcm"),
        (b'<?xml version="1.0"?><!-- a --><ns:AnnotatedECG xmlns:ns="urn:hl7-org:v3">', "HL7 aECG", "ecg2dcm"),
        (b'<?xml version="1.0"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>', "MUSE", "ecg2dcm"),
        ("\ufeff<?xml version='1.0'?><restingecgdata>".encode("utf-16"), "Philips", "ecg2dcm"),
        (b"ISHNE1.0" + bytes(600), "ISHNE", "save2gdf"),
        (EDF, "EDF", "edf2mit"),
        (b"PK\x03\x04" + bytes(100), "zip", "unpack"),
        (b"PK\x03\x04....[Content_Types].xml", "Office", "PDF"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0", "video", "photo"),
        (b"MATLAB 5.0 MAT-file, Platform", "MATLAB", ".hea"),
        (b"\x1e\0\0\0\x0c\0\0\0\x88\x13\0\0\0\0\0\0\4\0\0\0val\0" + bytes(600), "MATLAB", ".hea"),  # of a WFDB record
    ],
)
def test_other_formats_are_named_with_a_converter(content, name, converter):
    for text in (unsupported_format(content), *map(str, pictures_in(content, "the/file"))):
        assert name in text and converter in text
    (error,) = pictures_in(content, "the/file")
    assert isinstance(error, DataError) and str(error).startswith("the/file: ")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b"\xff\xd8\xff\xe0", b"hello", b"", bytes(600)])
def test_pages_and_unknown_files_are_not_taken_for_them(content):
    assert unsupported_format(content) is None


@pytest.mark.parametrize(("kind", "tolerance"), [("GIF", 0), ("JPEG2000", 0), ("AVIF", 2), ("HEIF", 2)])
def test_pictures_of_phones_and_scanners(kind, tolerance):
    page = np.full((80, 120, 3), 255, np.uint8)
    page[20:30, 10:90], page[50:60, 40:44] = 0, 128
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    stream = io.BytesIO()
    Image.fromarray(page).save(stream, kind, **({"quality": 95} if tolerance else {}))
    (picture,) = pictures_in(stream.getvalue(), "photo")
    assert isinstance(picture, Picture)
    assert np.abs(picture.image.astype(int) - page).mean() <= tolerance


def test_a_turned_heic_photo_is_upright():
    page = np.full((64, 128, 3), 255, np.uint8)
    page[:, :64] = 0
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(page).save(stream, "HEIF", exif=exif.tobytes())
    (picture,) = pictures_in(stream.getvalue(), "photo")
    assert picture.image.shape[:2] == (128, 64) and picture.image[:60].max() < 60 < 200 < picture.image[68:].min()


def dicom_recording(folder: Path, change=None) -> Path:
    """pydicom's test recording of 12 leads, 10 s at 1000 Hz."""
    dataset = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "waveform_ecg.dcm")
    if change is not None:
        change(dataset.WaveformSequence[0])
    dataset.save_as(folder / "ecg.dcm")
    return folder / "ecg.dcm"


def test_a_dicom_recording_is_a_record(tmp_path):
    path = dicom_recording(tmp_path)
    signal, rate = read_signal(path, "x")
    group = pydicom.dcmread(path).WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12)
    assert rate == 1000 and signal.shape == (12, 10_000)
    for lead, number in (("I", 0), ("AVR", 3), ("V6", 11)):
        channel = group.ChannelDefinitionSequence[number]
        microvolts = raw[:, number] * float(channel.ChannelSensitivity)
        assert channel.ChannelSensitivityUnitsSequence[0].CodeValue == "uV"
        assert np.allclose(signal[LEADS.index(lead)], microvolts / 1000)


def without_sensitivity(group):
    for channel in group.ChannelDefinitionSequence:
        del channel.ChannelSensitivity


def shorter(group):
    group.WaveformData = group.WaveformData[:1000]


@pytest.mark.parametrize(("change", "problem"), [(without_sensitivity, "uncalibrated"), (shorter, "unreadable-signal")])
def test_dicom_recordings_that_are_refused(tmp_path, change, problem):
    path = dicom_recording(tmp_path, change)
    with pytest.raises(RecordError) as error:
        read_signal(path, "x")
    assert error.value.problem == problem and str(path) in str(error.value)


def test_a_pdf_in_a_dicom_file_is_a_page():
    from pydicom.dataset import FileDataset, FileMetaDataset

    stream = io.BytesIO()
    Image.new("RGB", (200, 100), "white").save(stream, "PDF")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.MIMETypeOfEncapsulatedDocument, dataset.EncapsulatedDocument = "application/pdf", stream.getvalue()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    (picture,) = pictures_in(file.getvalue(), "report.dcm")
    assert picture.kind == "pdf" and picture.name == "report.dcm, page 1"


def test_a_deflated_dicom_page_is_refused_before_it_is_decompressed(monkeypatch):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.EncapsulatedDocument = bytes(5_000_000)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    monkeypatch.setattr(pydicom, "dcmread", lambda *arguments: pytest.fail("decompressed"))
    (error,) = pictures_in(file.getvalue(), "bomb.dcm")
    assert str(error) == "bomb.dcm: a compressed DICOM file (deflated); save its page as PDF or PNG"


def dicom_picture(pixels: np.ndarray, interpretation: str, **elements) -> bytes:
    """A DICOM file with a picture of 8 bits, (H, W) or (H, W, 3), not compressed."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = pixels[0, 0].size, interpretation
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PixelData = pixels.tobytes()
    dataset.update(elements)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL", "MONOCHROME2", "MONOCHROME1"])
def test_a_picture_in_a_dicom_file_has_its_colours(interpretation):
    page = np.full((24, 40, 3), 255, np.uint8)
    page[4:8], page[12:16] = 0, (200, 200, 200) if interpretation.startswith("MONO") else (250, 150, 140)
    stored = page
    if interpretation == "YBR_FULL":
        stored = pydicom.pixels.convert_color_space(page, "RGB", "YBR_FULL")
    elif interpretation.startswith("MONO"):
        stored = page[:, :, 0] if interpretation == "MONOCHROME2" else 255 - page[:, :, 0]
    (picture,) = pictures_in(dicom_picture(stored, interpretation), "page.dcm")
    assert isinstance(picture, Picture) and np.abs(picture.image.astype(int) - page).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
def test_the_palette_of_a_dicom_picture_is_applied(bits):
    colours = np.array([(255, 255, 255), (250, 150, 140), (0, 0, 0), (255, 255, 255)])
    tables = (colours * (257 if bits == 16 else 1)).astype(f"<u{bits // 8}")
    names = ("Red", "Green", "Blue")
    elements = {f"{name}PaletteColorLookupTableDescriptor": [len(colours), 0, bits] for name in names}
    elements |= {f"{name}PaletteColorLookupTableData": tables[:, i].tobytes() for i, name in enumerate(names)}
    indices = np.zeros((24, 40), np.uint8)
    indices[4:8], indices[12:16] = 2, 1
    (picture,) = pictures_in(dicom_picture(indices, "PALETTE COLOR", **elements), "page.dcm")
    assert isinstance(picture, Picture) and picture.image.dtype == np.uint8
    assert np.array_equal(picture.image, colours[indices])


def test_skipped_files_of_a_folder_are_counted_and_named(tmp_path, capsys):
    Image.new("L", (50, 40)).save(tmp_path / "page.png")
    for name in ("notes.txt", "rec.dat", "rec.hea", "table.csv"):
        (tmp_path / name).write_text("x")
    found = find_files([tmp_path], {".png", ".hea"})
    assert [file.name for file in found.files] == ["page.png", "rec.hea"]
    assert found.note() == f"skipped 2 other files: {tmp_path}/notes.txt, {tmp_path}/table.csv"
    (tmp_path / "page.png").unlink()
    assert main(["read", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "(it has 4 other files: notes.txt, rec.dat, rec.hea, table.csv)" in capsys.readouterr().err


def test_segments_in_a_folder_are_no_records(tmp_path):
    (tmp_path / "long.hea").write_text("long/2 12 500 10000\nlong_1 5000\nlong_2 5000\n")
    for name in ("long_1", "long_2", "other"):
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 500 5000\n{name}.dat 16 1000/mV 16 0 0 0 0 II\n")
        (tmp_path / f"{name}.dat").write_bytes(bytes(10_000))
    found = find_files([tmp_path, tmp_path / "long_2.dat"], {".hea"})
    assert [file.name for file in found.files] == ["long.hea", "other.hea", "long_2.hea"]
    assert not found.skipped


@pytest.mark.parametrize("name", ["rec", "rec.hea", "rec.dat", "ecg.dcm"])
def test_the_page_reader_refuses_recordings(tmp_path, name):
    for file in ("rec.hea", "rec.dat"):
        (tmp_path / file).write_text("x")
    dicom_recording(tmp_path)
    (error,) = read_pictures(tmp_path / name)
    assert str(error) == f"{tmp_path / name}: a recording, not a picture; ecgpipe render draws its page"
