"""The ECG Images dataset of Cardiac Patients (Khan and Hussain, doi:10.17632/gwbz3fsgp8): its records."""

import hashlib
import json
from pathlib import Path, PurePosixPath

import pandas as pd

from ecgpipe.acquire.cardiac_layout import class_images
from ecgpipe.acquire.hashed_shards import sample_order, shard_of
from ecgpipe.artifacts.records import RECORDS
from ecgpipe.artifacts.source import open_source
from ecgpipe.errors import DataError
from ecgpipe.progress import progress


def list_images(
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
