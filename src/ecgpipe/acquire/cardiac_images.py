"""Where a copy of the ECG Images dataset of Cardiac Patients keeps its classes.

The ECG Images dataset of Cardiac Patients (Khan and Hussain, doi:10.17632/gwbz3fsgp8): its records.
"""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.shards import raw_files_hashes, sample_order, shard_of
from ecgpipe.artifacts.sources import Source, is_image, open_source
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

# a word of the folder's name -> class; in this order, since "History of MI" also says MI
CLASS_WORDS = (
    ("History of Myocardial Infarction", re.compile(r"history|pmi", re.I)),
    ("Abnormal Heartbeat", re.compile(r"abnormal|hb", re.I)),
    ("Myocardial Infarction", re.compile(r"myocardial|\bmi\b", re.I)),
    ("Normal", re.compile(r"normal", re.I)),
)
CLASSES = ("Normal", "Myocardial Infarction", "History of Myocardial Infarction", "Abnormal Heartbeat")


def class_images(source: Path | str) -> dict[str, list[str]]:
    """Class -> names of its images in a copy; the class folders may lie one level deeper than the given folder.

    Args:
        source: folder, or a zip archive of it.

    Raises:
        DataError: a class has no folder, or two.
    """
    files = _open(source)
    folders: dict[str, list[str]] = {}
    for name in files.names():
        path = PurePosixPath(name)
        if is_image(name) and len(path.parts) in (2, 3) and "__MACOSX" not in path.parts:
            folders.setdefault(str(path.parent), []).append(name)
    found: dict[str, str] = {}
    for folder in sorted(folders):
        name = next((name for name, word in CLASS_WORDS if word.search(PurePosixPath(folder).name)), None)
        if name is None:
            raise DataError(f"{files.where(folder)}: cannot tell which of {', '.join(CLASSES)} this folder is")
        if name in found:
            both = f"{files.where(folder)} and {files.where(found[name])}"
            raise DataError(f"{both} both look like the class {name}; keep one")
        found[name] = folder
    missing = [name for name in CLASSES if name not in found]
    if missing:
        raise DataError(f"{source}: no folder of the class {', '.join(missing)}")
    return {name: folders[folder] for name, folder in found.items()}


def _open(source: Path | str) -> Source:
    try:
        return open_source(source)
    except DataError as error:
        if Path(source).exists():
            raise
        raise DataError(
            f"{source}: no such folder or zip archive; set cardiac_images.source to the folder of the four class "
            "folders, or to an archive of it"
        ) from error


def raw_image_hashes(source: Path | str, shards: int) -> dict[str, str]:
    """Shard -> a stamp that changes when any image of the shard does (name, size, time of change or checksum)."""
    names = {PurePosixPath(name).stem: [name] for images in class_images(source).values() for name in images}
    return raw_files_hashes(open_source(source), names, shards)


def list_cardiac_images(
    source: Path | str, shards: int, expected: int | None = None, limit: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """All images of a copy, in the form of records.parquet.

    Args:
        source: the copy's folder, or a zip archive of it.
        shards: number of shards.
        expected: number of images there must be; None accepts any.
        limit: keep only so many, sampled at random.
        seed: of the sample.

    Raises:
        DataError: classes or images are missing, or two images have one name.
    """
    files = [(name, image) for name, images in class_images(source).items() for image in images]
    raw = open_source(source)
    if expected is not None and len(files) != expected:
        raise DataError(
            f"{source}: {len(files)} images, expected {expected}; complete the copy, or set cardiac_images.files"
        )
    by_id = {PurePosixPath(image).stem: (name, image) for name, image in files}
    if len(by_id) != len(files):
        kept = {image for _, image in by_id.values()}
        twice = sorted({PurePosixPath(image).stem for _, image in files if image not in kept})
        raise DataError(f"{source}: several images are called {', '.join(twice[:5])}; names must be unique")
    chosen = sorted(by_id)
    if limit is not None:
        chosen = sorted(sample_order(chosen, seed)[:limit])
    rows = []
    for record_id in progress(chosen, "cardiac-images: checksums", unit="images"):
        name, image = by_id[record_id]
        rows.append(
            {
                "record_id": record_id,
                "patient_id": None,
                "shard": shard_of(record_id, shards),
                "path": image,
                "fold": None,
                "age": None,
                "sex": None,
                "statements": json.dumps({name: 100.0}),
                "content": hashlib.sha256(raw.read(image)).hexdigest(),
            }
        )
    records = pd.DataFrame(rows, columns=RECORDS.schema.names)
    return records.astype({"fold": "Int16", "age": "float32"})
