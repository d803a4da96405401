"""Lists of SHA-256 sums as PhysioNet publishes them, and simulated records have one: lines of "sum  name"."""

import re
from pathlib import Path, PurePosixPath

from ecgpipe.errors import DataError

SUMS = "SHA256SUMS.txt"
LINE = re.compile(r"([0-9a-f]{64})[ *]+(\S.*)")


def read_sums(path: Path | str) -> dict[str, str]:
    """Name -> sum.

    Raises:
        DataError: the list is missing, empty, not one, or names files outside of its folder.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable list of checksums ({error})") from error
    sums = {}
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}, line {number}: not a readable list of checksums; fetch it again")
        name = PurePosixPath(match[2])
        if name.is_absolute() or ".." in name.parts or "\0" in match[2]:
            raise DataError(f"{path}, line {number}: the name {match[2]!r} leaves the folder; not used")
        sums[match[2].removeprefix("./")] = match[1]
    if not sums:
        raise DataError(f"{path}: lists no file; fetch it again")
    return sums
