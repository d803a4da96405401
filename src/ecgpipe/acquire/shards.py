"""Shards and samples by a hash of names, so that what is added never moves what is there."""

import hashlib
from collections.abc import Iterable, Mapping

from ecgpipe.artifacts.sources import Source

SHARD_SIZE = 1000


def shard_count(records: int) -> int:
    """The smallest power of two of shards that hold at most SHARD_SIZE records on average."""
    count = 1
    while count * SHARD_SIZE < records:
        count *= 2
    return count


def shard_names(shards: int) -> list[str]:
    """Names of a given number of shards."""
    return [f"{number:02d}" for number in range(shards)]


def shard_of(record: str, shards: int) -> str:
    """Shard of a record, by its name's hash."""
    return f"{int(hashlib.sha256(record.encode()).hexdigest(), 16) % shards:02d}"


def raw_files_hashes(source: Source, files: Mapping[str, Iterable[str]], shards: int) -> dict[str, str]:
    """Shard -> a stamp that changes when a file of the shard does.

    Args:
        source: where the files are.
        files: record -> its files.
        shards: how many shards.
    """
    digests = {shard: hashlib.sha256() for shard in shard_names(shards)}
    for record in sorted(files):
        for name in sorted(files[record]):
            digests[shard_of(record, shards)].update(f"{name} {source.mark(name)}\n".encode())
    return {shard: digest.hexdigest()[:16] for shard, digest in digests.items()}


def sample_order(record_ids: list[str], seed: int) -> list[str]:
    """The ids in a random order in which an id's place does not depend on which others there are."""
    return sorted(record_ids, key=lambda record_id: hashlib.sha256(f"{seed}:{record_id}".encode()).digest())
