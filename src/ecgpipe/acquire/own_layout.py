"""What a folder or archive of one's own holds: WFDB records or images, and their shards. Opens no file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ecgpipe.acquire.hashed_shards import shard_count
from ecgpipe.artifacts.source import is_image, open_source
from ecgpipe.errors import DataError

WHAT = {"signals": "WFDB record (.hea)", "images": "image"}


def present_records(source: Path | str, kind: str) -> dict[str, list[str]]:
    """Record -> its files. A record is named by its path, signals without suffix, images with it.

    Args:
        source: folder or zip archive.
        kind: signals or images.
    """
    names = open_source(source).names()
    if kind == "images":
        return {name: [name] for name in names if is_image(name)}
    found: dict[str, list[str]] = {name.removesuffix(".hea"): [] for name in names if name.endswith(".hea")}
    for name in names:
        folder, slash, file = name.rpartition("/")
        record = f"{folder}{slash}{file.rpartition('.')[0]}"
        if record in found:
            found[record].append(name)
    return found


def number_of_shards(source: Path | str, kind: str, shards: int | None, key: str) -> int:
    """How many shards: as configured, or by the number of records.

    Args:
        key: of the data set in the configuration, for messages.

    Raises:
        DataError: there is no record.
    """
    records = len(present_records(source, kind))
    if not records:
        raise DataError(f"{source}: holds no {WHAT[kind]}; set {key}.source, or {key}.kind")
    return shards or shard_count(records)


def listing_stamp(present: Mapping[str, list[str]]) -> str:
    """Changes when a record comes or goes, not when its files change."""
    return hashlib.sha256("\n".join(sorted(present)).encode()).hexdigest()[:16]
