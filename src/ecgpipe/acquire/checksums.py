"""Lists of SHA-256 sums as PhysioNet publishes them: lines of "sum  name"."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ecgpipe.acquire.fetch import file_sha256
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

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


def check_sums(folder: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> int:
    """Check files against the list in their folder; returns how many were checked.

    Args:
        folder: where the files and the list are.
        wanted: which of the listed files must be there.

    Raises:
        DataError: the list is missing or not one, a file is missing, or differs.
    """
    folder = Path(folder)
    sums = {name: expected for name, expected in read_sums(folder / SUMS).items() if wanted(name)}
    for name, expected in progress(sums.items(), f"check {folder.name}", len(sums), "files"):
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            raise DataError(f"{folder / name}: listed in {SUMS}, but cannot be read ({error})") from error
        if found != expected:
            raise DataError(f"{folder / name}: its SHA-256 differs from {SUMS}; fetch it again")
    return len(sums)
