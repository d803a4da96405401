"""Where a copy of PTB-XL, a folder or a zip archive, keeps its records, and how they are divided into shards.

Lists names, opens no record.
"""

import hashlib
from pathlib import Path, PurePosixPath

from ecgpipe.artifacts.source import open_source
from ecgpipe.errors import DataError

DATABASE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
SUFFIX = {100: "lr", 500: "hr"}
HIGHEST_ID = 21837  # of releases 1.0.1 and 1.0.3 (which leaves out 38 records)


def record_path(ecg_id: int, sampling_rate: int) -> str:
    """Path of a record below the copy's folder, without suffix."""
    return f"records{sampling_rate}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{SUFFIX[sampling_rate]}"


def shard_name(ecg_id: int, shard_size: int) -> str:
    """Shard of a record: by its number, so that adding a record never moves another."""
    return f"{ecg_id // shard_size * shard_size:05d}"


def shard_names(source: Path | str | None, sampling_rate: int, shard_size: int, highest: int) -> list[str]:
    """The shards of a copy from the names of its files; of a complete one (ids 1 to highest) if there is no copy yet.

    Cheap: lists folders, opens nothing.
    """
    if source is None:
        numbers = {number // shard_size * shard_size for number in (*range(0, highest + 1, shard_size), 1)}
        return [f"{number:05d}" for number in sorted(numbers) if number <= highest]
    return sorted({shard_name(ecg_id, shard_size) for ecg_id in present_records(source, sampling_rate)})


def present_records(source: Path | str, sampling_rate: int) -> dict[int, set[str]]:
    """Records of which a copy has any signal file, with the suffixes there are (``.hea``, ``.dat``).

    Raises:
        DataError: no folder of that sampling rate.
    """
    files = open_source(source)
    names = files.names(f"records{sampling_rate}")
    if not names:
        raise DataError(
            f"{files.where(f'records{sampling_rate}')}: no such folder; a copy of PTB-XL holds records{sampling_rate}/ "
            "(set ptb_xl.source to the folder above it, or to a zip archive of that, or ptb_xl.sampling_rate to the "
            "other rate)"
        )
    present: dict[int, set[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        number, _, rate = path.stem.partition("_")
        if number.isdigit() and rate == SUFFIX[sampling_rate] and path.suffix in (".hea", ".dat"):
            present.setdefault(int(number), set()).add(path.suffix)
    return present


def shard_stamp(source: Path | str, sampling_rate: int, shard: str, shard_size: int) -> str:
    """Changes when any signal file of a shard changes: its name, size or time of change, in an archive its checksum."""
    first, files = int(shard), open_source(source)
    digest = hashlib.sha256()
    for start in range(first // 1000 * 1000, first + shard_size, 1000):
        for name in files.names(f"records{sampling_rate}/{start:05d}"):
            file = name.rpartition("/")[2]
            number = file.partition("_")[0]
            if number.isdigit() and first <= int(number) < first + shard_size:
                digest.update(f"{file} {files.mark(name)}\n".encode())
    return digest.hexdigest()[:16]


def listing_stamp(source: Path | str, sampling_rate: int) -> str:
    """Changes when a signal file comes or goes, not when its content changes."""
    present = present_records(source, sampling_rate)
    lines = (f"{ecg_id} {' '.join(sorted(present[ecg_id]))}\n" for ecg_id in sorted(present))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
