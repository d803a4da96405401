"""DICOM files: recordings (Waveform objects), and pages as encapsulated PDF or picture. Requires pydicom."""

import io
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ecgpipe.errors import DataError, one_line
from ecgpipe.lead_names import find_leads

HEAD = 4096  # bytes that contain the file meta information
WAVEFORM = b"1.2.840.10008.5.1.4.1.1.9."  # SOP classes of waveforms begin with this
DEFLATED = b"1.2.840.10008.1.2.1.99"  # transfer syntax of files that are compressed as a whole
LARGEST = 1 << 29  # bytes
RECORDING = "a recording, not a picture; ecgpipe render draws its page"
CODES = {1: "I", 2: "II", 61: "III", 62: "AVR", 63: "AVL", 64: "AVF"} | {n + 2: f"V{n}" for n in range(1, 7)}
"""Numbers of the leads in SCP-ECG (EN 1064), also used by the codes 5.6.3-9-N and, in ISO/IEEE 11073, 2:N."""


def is_dicom(content: bytes) -> bool:
    """Whether a file is a DICOM file, by its first bytes."""
    return content[128:132] == b"DICM"


def is_recording(path: Path) -> bool:
    """Whether a file is a DICOM recording."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return is_dicom(head) and WAVEFORM in head


def read_leads(
    path: Path, lead_names: Mapping[str, str] | None
) -> tuple[dict[str, tuple[np.ndarray, str]], float, list[str]]:
    """The leads of a DICOM recording.

    Args:
        path: the file.
        lead_names: additional names of leads.

    Returns:
        Lead -> (samples,) float64 and its unit; the sampling rate in Hz; and the names of all channels. Of several
        groups of channels, the one with the most leads; of these the longest, then the first.

    Raises:
        DataError: not a readable DICOM file, or without waveforms.
    """
    if path.stat().st_size > LARGEST:
        raise DataError(f"more than {LARGEST} bytes")
    dicom = _pydicom()
    try:
        dataset = dicom.dcmread(path)
        groups = list(dataset.get("WaveformSequence", ()))
        if not groups:
            raise DataError("a DICOM file without waveforms")
        names = [_names(group) for group in groups]
        leads = [find_leads(channels, lead_names) for channels in names]
        best = max(range(len(groups)), key=lambda n: (len(leads[n]), int(groups[n].NumberOfWaveformSamples), -n))
        group = groups[best]
        rate, samples = float(group.SamplingFrequency), int(group.NumberOfWaveformSamples)
        bits, channels = int(group.WaveformBitsAllocated), int(group.NumberOfWaveformChannels)
        if len(group.WaveformData) < samples * channels * bits // 8 or len(names[best]) != channels:
            raise DataError("truncated: fewer samples or channels than it states")
        values = dicom.waveforms.multiplex_array(dataset, best, as_raw=False)
        rows = {
            lead: (np.asarray(values[:, column], float) * sign, _unit(group.ChannelDefinitionSequence[column]))
            for lead, (column, sign) in leads[best].items()
        }
    except DataError:
        raise
    except Exception as error:  # pydicom raises many kinds of errors
        raise DataError(f"not a readable DICOM recording ({one_line(error)})") from error
    return rows, rate, names[best]


def read_page(content: bytes, name: str) -> bytes | np.ndarray:
    """The page in a DICOM file: the bytes of an encapsulated PDF file, or a picture, uint8 (H, W, 3) RGB.

    Raises:
        DataError: it contains neither, or cannot be read.
    """
    if WAVEFORM in content[:HEAD]:
        raise DataError(f"{name}: {RECORDING}")
    if (
        DEFLATED in content[:HEAD]
    ):  # pydicom would decompress it without a limit: a file of 1 MB can have 1 GB of content
        raise DataError(f"{name}: a compressed DICOM file (deflated); save its page as PDF or PNG")
    try:
        dicom = _pydicom()
        dataset = dicom.dcmread(io.BytesIO(content))
        if document := dataset.get("EncapsulatedDocument"):
            return bytes(document)
        if "PixelData" not in dataset:
            raise DataError(f"{name}: a DICOM file without waveforms, PDF document or picture")
        from ecgpipe.artifacts.pictures import check_size

        check_size((int(dataset.Columns), int(dataset.Rows)), name)
        if int(dataset.get("NumberOfFrames") or 1) != 1 or int(dataset.BitsAllocated) != 8:
            raise DataError(
                f"{name}: a DICOM file with several pictures, or one of 16 bits; save its page as PDF or PNG"
            )
        pixels = np.asarray(dataset.pixel_array)  # pydicom converts YCbCr to RGB, but leaves indices of a palette
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            pixels = dicom.pixels.apply_color_lut(pixels, dataset)[:, :, :3]
            pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
        pixels = 255 - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels
    except DataError as error:
        raise DataError(str(error) if name in str(error) else f"{name}: {error}") from error
    except Exception as error:  # as above
        raise DataError(
            f"{name}: not a readable DICOM file ({one_line(error)}); save its page as PDF or PNG"
        ) from error
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2))


def _names(group: Any) -> list[str]:
    """Names of the channels of a group: from their codes, else as worded in the file."""
    names = []
    for channel in group.ChannelDefinitionSequence:
        source = (channel.get("ChannelSourceSequence") or [{}])[0]
        number = str(source.get("CodeValue", "")).replace(":", "-").rpartition("-")[2]
        scheme = str(source.get("CodingSchemeDesignator", "")).upper()
        coded = (
            CODES.get(int(number)) if number.isascii() and number.isdigit() and scheme in ("SCPECG", "MDC") else None
        )
        names.append(coded or str(source.get("CodeMeaning", "") or channel.get("ChannelLabel", "")))
    return names


def _unit(channel: Any) -> str:
    """The unit of a channel; empty if it has no sensitivity, so that its samples are not calibrated."""
    units = channel.get("ChannelSensitivityUnitsSequence") or []
    return str(units[0].get("CodeValue", "")) if units and channel.get("ChannelSensitivity") else ""


def _pydicom() -> ModuleType:
    try:
        import pydicom
        import pydicom.pixels
        import pydicom.waveforms
    except ImportError as error:
        raise DataError("DICOM files require pydicom: pip install 'ecgpipe[data]'") from error
    return pydicom
