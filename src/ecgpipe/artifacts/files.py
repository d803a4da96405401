"""Files appear whole or not at all: written beside the target, then renamed.

Lists of SHA-256 sums as PhysioNet publishes them, and simulated records have one: lines of "sum  name".
"""

import glob
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ecgpipe.errors import DataError

CHECKSUM = "checksum"
NPZ_ERRORS = (
    OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError
)  # fmt: skip
"""What NumPy and zipfile raise on an .npz file that is damaged or none."""


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """A temporary path in the target's folder, renamed to the target when the block ends well.

    The name keeps the target's suffix, so writers that look at it work. After an error nothing is left behind.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.partial{target.suffix}"):
        stale.unlink(missing_ok=True)  # of a process that was killed
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=f".partial{target.suffix}", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)  # mkstemp makes files private; results are shared like any other file
        os.replace(partial, target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(target)  # a full disk says nothing of the file
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """A temporary folder beside the target that takes its place when the block ends well."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        shutil.rmtree(stale, ignore_errors=True)  # of a process that was killed
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield partial
        partial.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_text(target: Path | str, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(target) as partial:
        partial.write_text(text, encoding="utf-8")


def file_crc32(path: Path | str, size: int | None = None) -> str:
    """CRC-32 of a file's first ``size`` bytes (None: of all), eight hexadecimal digits."""
    found, left = 0, os.path.getsize(path) if size is None else size
    with open(path, "rb") as file:
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            found, left = zlib.crc32(chunk, found), left - len(chunk)
    return f"{found:08x}"


def write_json(target: Path | str, value: Any, *, checksum: bool = True) -> None:
    """Write a JSON file atomically; NaN is refused, since JSON has none.

    An object gets its checksum as its last key, which ``read_json`` compares and takes away; not files for others.
    """
    if checksum and isinstance(value, dict):
        value = value | {CHECKSUM: _checksum(json.loads(json.dumps(value)))}
    write_text(target, json.dumps(value, indent=1, allow_nan=False) + "\n")


def _checksum(value: dict) -> str:
    """Of an object as it is read from a file."""
    return f"crc32:{zlib.crc32(json.dumps(value).encode()):08x}"


def read_json(path: Path | str) -> Any:
    """Read a JSON file of ours.

    Raises:
        DataError: missing, broken, or not what was written.
    """
    try:
        return whole(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it and run again") from error


def whole(value: Any) -> Any:
    """What was given to ``write_json``, from what stands in the file; without a checksum as it is.

    Raises:
        ValueError: the content does not fit the checksum.
    """
    last = next(reversed(value), None) if isinstance(value, dict) else None
    if last is not None and (last == CHECKSUM or str(value[last]).startswith("crc32:")):
        value = dict(value)
        if (last, value.pop(last)) != (CHECKSUM, _checksum(value)):
            raise ValueError(f'it is damaged, or was changed: if by you, remove its line "{CHECKSUM}"')
    return value


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
