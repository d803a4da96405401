"""Sketches: the data that the audit keeps of each record to find duplicates and anomalies.

Most of an ECG page is printed on every page, so a hash of the page would match unrelated records. An image's sketch is
a map of dark ink, from which ``audit.duplicates`` subtracts what all pages share.
"""

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError
from scipy.signal import resample_poly

from ecgpipe.artifacts.pictures import MAX_PIXELS, known_formats, to_rgb
from ecgpipe.artifacts.signals import read_record
from ecgpipe.artifacts.sources import Source, check_names, open_source, read_image_file, segments_of
from ecgpipe.artifacts.suffixes import is_image
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.artifacts.wfdb_header import find_header, read_header
from ecgpipe.audit.anomalies import signal_anomalies
from ecgpipe.errors import DataError, RecordError, one_line
from ecgpipe.lead_names import LEADS, find_leads


class Sketch(NamedTuple):
    """The sketch of one record.

    Attributes:
        digest: SHA-256 of the content; empty if unreadable.
        properties: those that most records of a dataset share, such as the sampling rate or the image size.
        anomalies: pairs of kind and detail.
        sketch: int8 (n,), for searching.
        detail: int8 (rows, columns), for comparing.
    """

    digest: str
    properties: dict[str, str]
    anomalies: list[tuple[str, str]]
    sketch: np.ndarray
    detail: np.ndarray


WORK = (1152, 768)
DETAIL = (192, 128)
"""Columns and rows of the map for comparing, about 1.5 mm of a page each."""
GRID = (72, 48)
"""Columns and rows of the map for searching."""
BLANK = 5e-4


def sketch_image(content: bytes, record_id: str, name: str) -> Sketch:
    """Sketch an image file.

    Args:
        content: the file's bytes.
        record_id, name: for messages.

    Returns:
        With ``sketch`` (72 x 48,) and ``detail`` (128, 192): darkness of the ink, 0 to 127.

    Raises:
        RecordError: not an image, broken, or over 60 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about sizes, which are checked here, and about damaged metadata
            with Image.open(io.BytesIO(content), formats=known_formats()) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise RecordError(record_id, name, "too-large", f"{picture.width} x {picture.height} pixels")
                properties = {
                    "size": f"{picture.width} x {picture.height}",
                    "mode": picture.mode,
                    "format": str(picture.format),
                }
                # decode a JPEG at the smallest scale that is large enough; no effect on other formats
                picture.draft("RGB", WORK)
                image = to_rgb(picture)
    except RecordError:
        raise
    except UnidentifiedImageError as error:  # its message has the address of a BytesIO
        raise RecordError(record_id, name, "unreadable", "not a readable image (unknown format)") from error
    except Exception as error:  # Pillow raises many kinds for broken files
        raise RecordError(record_id, name, "unreadable", f"not a readable image ({one_line(error)})") from error
    ink = _ink(image)
    anomalies = []
    if ink.mean() < BLANK:
        anomalies.append(("blank", f"{100 * ink.mean():.3f}% of the page is ink"))
    detail, sketch = (
        np.clip(np.round(cv2.resize(ink, size, interpolation=cv2.INTER_AREA) * scale), 0, 127).astype(np.int8)
        for size, scale in ((DETAIL, 254), (GRID, 400))
    )
    return Sketch(hashlib.sha256(content).hexdigest(), properties, anomalies, sketch.ravel(), detail)


def _ink(image: np.ndarray) -> np.ndarray:
    """Darkness relative to the surrounding paper, (768, 1152) float32 from 0 to 1."""
    # in the lightest channel coloured grids are light and black ink is dark
    light = cv2.resize(image, WORK, interpolation=cv2.INTER_AREA).max(axis=2)
    small = cv2.resize(light, (144, 96), interpolation=cv2.INTER_AREA)
    paper = cv2.blur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((9, 9))), (9, 9))
    paper = np.maximum(cv2.resize(paper, WORK).astype(np.float32), 1)
    return np.clip((0.75 - light / paper) * 2, 0, 1)


RATE = 50
"""Hz at which signals are compared; an ECG's energy is below 25 Hz."""
SECONDS = 10
INDEPENDENT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]


def sketch_signal(source: Source, path: str, record_id: str, **reading: Any) -> Sketch:
    """Sketch a WFDB record.

    Args:
        source: the raw files.
        path: the record's path there, without suffix.
        record_id: for messages.
        reading: further arguments of ``read_record``.

    Returns:
        With ``sketch`` (8 x 200,): magnitude spectra up to 20 Hz, which a lag does not change; ``detail`` (8, 500): the
        first 10 s of the independent leads at 50 Hz, scaled to their largest value.

    Raises:
        RecordError: as in ``read_record``.
    """
    signal, rate = read_record(source, path, record_id, **reading)
    properties = {"sampling rate": f"{rate:g} Hz", "duration": f"{signal.shape[1] / rate:g} s"}
    anomalies = signal_anomalies(signal, rate)
    with source.record(path) as local:
        file = find_header(local)
        header = read_header(file) if file is not None else None
    if header is not None and not header.segmented:
        gains = sorted({f"{gain:g}/{unit}" for gain, unit in zip(header.gains, header.units, strict=True)})
        properties |= {"gain": ", ".join(gains), "leads": " ".join(header.names).upper()}
        places = {lead: column for lead, (column, _) in find_leads(header.names, reading.get("lead_names")).items()}
        if sorted(places, key=places.__getitem__) != list(LEADS):
            anomalies.append(("lead-order", " ".join(header.names)))
    digest = hashlib.sha256(f"{rate:g}".encode() + np.round(signal * 1e6).astype("<i8").tobytes()).hexdigest()
    sketch, detail = compare_vectors(signal, rate)
    return Sketch(digest, properties, anomalies, sketch, detail)


def compare_vectors(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ``sketch`` and ``detail`` of a signal (12, samples) in mV."""
    window = signal[INDEPENDENT, : round(SECONDS * rate)]
    window = window - np.median(window, axis=1, keepdims=True)
    low = resample_poly(window, RATE, round(rate), axis=1)[:, : RATE * SECONDS]
    low = np.pad(low, ((0, 0), (0, RATE * SECONDS - low.shape[1])))
    spectrum = np.fft.rfft(low, axis=1)
    spectrum[:, : SECONDS // 2] = 0  # below 0.5 Hz: baseline wander
    detail = np.fft.irfft(spectrum, RATE * SECONDS, axis=1)
    magnitude = np.sqrt(np.abs(spectrum[:, : 20 * SECONDS]))
    return tuple(
        np.round(part * (127 / max(np.abs(part).max(), 1e-9))).astype(np.int8) for part in (magnitude.ravel(), detail)
    )


def sketch_records(records: pd.DataFrame, source: Path | str, **reading: Any) -> Iterator[dict]:
    """Yield one row of the sketches format per record; an unreadable record has an anomaly instead of a digest.

    Args:
        records: rows of records.parquet.
        source: the dataset's folder or zip archive.
        reading: further arguments of ``read_record``.
    """
    files = open_source(source)
    for record_id, path in zip(records["record_id"], records["path"], strict=True):
        try:
            sketch = (
                sketch_image(read_image_file(files, path, record_id), record_id, files.full_name(path))
                if is_image(path)
                else sketch_signal(files, path, record_id, **reading)
            )
        except RecordError as error:
            sketch = Sketch("", {}, [(error.problem, error.detail)], np.zeros(0, np.int8), np.zeros(0, np.int8))
        yield {
            "record_id": record_id,
            "digest": sketch.digest,
            "properties": json.dumps(sketch.properties),
            "anomalies": json.dumps(sketch.anomalies),
            "sketch": sketch.sketch.tobytes(),
            "detail": sketch.detail.tobytes(),
        }


def list_folder(source: Path | str) -> pd.DataFrame:
    """List the images or WFDB records below a folder or in a zip archive; the folder of an image is its class.

    The segments of a record are not records of their own.

    Returns:
        Rows of records.parquet; ids are paths below the folder, patients are unknown.

    Raises:
        DataError: no such folder or archive, no images or .hea files in it, or both kinds, or a name that is not valid
            UTF-8.
    """
    files = open_source(source)
    names = [name for name in files.names() if not name.startswith("__MACOSX/")]
    images = [name for name in names if is_image(name)]
    signals = [name[: -len(".hea")] for name in names if name.lower().endswith(".hea")]
    if images and signals:
        raise DataError(f"{source}: contains both images and WFDB records; audit one folder of each kind")
    paths = images or signals
    if not paths:
        raise DataError(f"{source}: no images or WFDB records (.hea) found")
    check_names(paths, source)
    if signals:
        segments = segments_of(files, [name for name in names if name.lower().endswith(".hea")])
        paths = [path for path in paths if path not in segments]
    frame = pd.DataFrame({"record_id": paths, "path": paths})
    classes = [PurePosixPath(path).parent.as_posix() for path in paths]
    frame["statements"] = [json.dumps({name: 100.0} if images and name != "." else {}) for name in classes]
    for column in ("patient_id", "fold", "age", "sex"):
        frame[column] = None
    return frame.assign(shard="00", content="")[RECORDS.schema.names]
