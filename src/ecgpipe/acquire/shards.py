"""Shards and samples by a hash of record names, so that a new record never moves another one."""

import hashlib
from collections.abc import Iterable

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


def sample_ids(record_ids: Iterable[str], limit: int | None, seed: int) -> set[str]:
    """A random sample of at most ``limit`` ids (None: all of them); a larger limit only adds ids."""
    return set(sorted(record_ids, key=lambda id_: hashlib.sha256(f"{seed}:{id_}".encode()).digest())[:limit])
