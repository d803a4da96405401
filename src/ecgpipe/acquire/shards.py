"""Shards and samples by a hash of record names, so that a new record never moves another one."""

import hashlib
from collections.abc import Iterable, Mapping

from ecgpipe.artifacts.sources import Source

SHARD_SIZE = 1000


def shard_count(records: int) -> int:
    """The smallest power of two with at most SHARD_SIZE records per shard on average."""
    count = 1
    while count * SHARD_SIZE < records:
        count *= 2
    return count


def shard_names(shards: int) -> list[str]:
    """Names of a given number of shards."""
    return [f"{number:02d}" for number in range(shards)]


def shard_of(record: str, shards: int) -> str:
    """Shard of a record by the hash of its name."""
    return f"{int(hashlib.sha256(record.encode()).hexdigest(), 16) % shards:02d}"


def raw_files_hashes(source: Source, files: Mapping[str, Iterable[str]], shards: int) -> dict[str, str]:
    """Shard -> a hash that changes when one of its files does.

    Args:
        source: the folder or archive.
        files: record -> its files.
        shards: number of shards.
    """
    digests = {shard: hashlib.sha256() for shard in shard_names(shards)}
    for record in sorted(files):
        for name in sorted(files[record]):
            digests[shard_of(record, shards)].update(f"{name} {source.mark(name)}\n".encode())
    return {shard: digest.hexdigest()[:16] for shard, digest in digests.items()}


def sample_ids(record_ids: Iterable[str], limit: int | None, seed: int) -> set[str]:
    """A random sample of at most ``limit`` ids (None: all of them); a larger limit only adds ids."""
    return set(sorted(record_ids, key=lambda id_: hashlib.sha256(f"{seed}:{id_}".encode()).digest())[:limit])
