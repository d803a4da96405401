"""The ECG Images dataset of Cardiac Patients (Khan and Hussain, doi:10.17632/gwbz3fsgp8): classes and images."""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import sample_ids, shard_of
from ecgpipe.artifacts.sources import Source, open_source
from ecgpipe.artifacts.suffixes import is_image
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

SHARDS = 4
CLASSES = ("Normal", "Myocardial Infarction", "History of Myocardial Infarction", "Abnormal Heartbeat")
# class -> pattern of its folder's name, tried in this order: "History of MI" also matches MI
CLASS_PATTERNS = {
    "History of Myocardial Infarction": re.compile(r"history|pmi", re.I),
    "Abnormal Heartbeat": re.compile(r"abnormal|hb", re.I),
    "Myocardial Infarction": re.compile(r"myocardial|\bmi\b", re.I),
    "Normal": re.compile(r"normal", re.I),
}


def class_images(source: Path | str) -> dict[str, list[str]]:
    """Class -> names of its images; the class folders may be one level below the folder or archive.

    Raises:
        DataError: a class has no folder or two, or a folder matches no class.
    """
    files = _open(source)
    folders: dict[str, list[str]] = {}
    for name in files.names():
        path = PurePosixPath(name)
        if is_image(name) and len(path.parts) in (2, 3) and "__MACOSX" not in path.parts:
            folders.setdefault(str(path.parent), []).append(name)
    folder_of: dict[str, str] = {}
    for folder in sorted(folders):
        where, label = files.full_name(folder), PurePosixPath(folder).name
        name = next((name for name, pattern in CLASS_PATTERNS.items() if pattern.search(label)), None)
        if name is None:
            raise DataError(f"{where}: the folder's name matches none of {', '.join(CLASSES)}; rename it")
        if name in folder_of:
            raise DataError(f"{where} and {files.full_name(folder_of[name])} both match the class {name}; keep one")
        folder_of[name] = folder
    missing = [name for name in CLASSES if name not in folder_of]
    if missing:
        raise DataError(f"{source}: no folder of the class {', '.join(missing)}")
    return {name: folders[folder] for name, folder in folder_of.items()}


def _open(source: Path | str) -> Source:
    try:
        return open_source(source)
    except DataError as error:
        if Path(source).exists():
            raise
        raise DataError(
            f"{source}: no such folder or zip archive; set cardiac_images.source to the folder or archive that "
            "contains the four class folders"
        ) from error


def list_cardiac_images(
    source: Path | str, shards: int, expected: int | None = None, limit: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """All images of a copy in the format of records.parquet.

    Args:
        source: folder or zip archive.
        shards: number of shards.
        expected: required number of images; None: any.
        limit: size of a random sample; None: all images.
        seed: seed of the sample.

    Raises:
        DataError: classes or images are missing, two images have the same name, or one cannot be read.
    """
    files = [(name, image) for name, images in class_images(source).items() for image in images]
    if expected is not None and len(files) != expected:
        raise DataError(
            f"{source}: {len(files)} images, expected {expected}; complete the copy, or set cardiac_images.files"
        )
    by_id: dict[str, tuple[str, str]] = {}
    for name, image in files:
        record_id = PurePosixPath(image).stem
        if record_id in by_id:
            raise DataError(f"{source}: several images are called {record_id}; names must be unique")
        by_id[record_id] = (name, image)
    raw, rows, empty_row = open_source(source), [], dict.fromkeys(RECORDS.schema.names)
    for record_id in progress(sorted(sample_ids(by_id, limit, seed)), "cardiac-images: checksums", unit="images"):
        name, image = by_id[record_id]
        try:
            content = raw.read(image)
        except OSError as error:
            raise DataError(
                f"{raw.full_name(image)}: cannot be read ({error.strerror}); check its permissions, or copy it again"
            ) from error
        row = {
            "record_id": record_id,
            "shard": shard_of(record_id, shards),
            "path": image,
            "statements": json.dumps({name: 100.0}),
            "content": hashlib.sha256(content).hexdigest(),
        }
        rows.append(empty_row | row)
    return pd.DataFrame(rows).astype({"fold": "Int16", "age": "float32"})
