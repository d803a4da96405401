"""Files that appear whole or not at all, folders for interrupted jobs, JSON, arrays, and SHA-256 checksums.

Checksums are lines of "sum  name", as the program `sha256sum` writes and reads them. The checksum of a file is in a
hidden folder beside it (`images/00000.npy`: `images/.checksums/00000.npy.sha256`). A folder that is written as a whole
lists its files in its `SHA256SUMS.txt`, as PhysioNet's datasets do.
"""

import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ecgpipe.errors import DataError, one_line

CHECKSUM_FOLDER = ".checksums"
SUMS = "SHA256SUMS.txt"
MADE_BY_A_RULE = ".snakemake_timestamp"
"""File that Snakemake adds to a folder that a rule made: a download, or simulated records."""
MODEL_WEIGHTS = "weights.safetensors"
"""File of a run, and of a saved model, whose folder lists it in its SHA256SUMS.txt."""
SUMS_LINE = re.compile(r"([0-9a-f]{64})[ *]+(\S.*)")
NPZ_ERRORS = (
    OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError
)  # fmt: skip
"""Raised by NumPy and zipfile for a file that is not an intact .npz file."""


@contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """A temporary path in the target's folder, renamed to the target if the block succeeds and deleted if it fails.

    The name has the target's suffix, for writers that depend on it. The checksum of a replaced file is deleted.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.partial{target.suffix}"):
        stale.unlink(missing_ok=True)  # left by a process that was killed
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=f".partial{target.suffix}", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o666 & ~_umask())  # mkstemp creates private files
        checksum_file(target).unlink(missing_ok=True)
        os.replace(partial, target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(target)  # the error of a full disk does not name the file
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(target: Path | str) -> Iterator[Path]:
    """A temporary folder beside the target that replaces it if the block succeeds and is deleted if it fails."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        shutil.rmtree(stale, ignore_errors=True)  # left by a process that was killed
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield partial
        partial.chmod(0o777 & ~_umask())
        if target.exists():
            shutil.rmtree(target)
        os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def resumable_folder(target: Path | str, *identity: str) -> Iterator[Path]:
    """A folder beside a job's output for checkpoints: kept if the job is interrupted, deleted if the block succeeds.

    What a job with another identity left is deleted first.

    Args:
        target: the output.
        identity: all that the state depends on: settings, checksums of the inputs and the code.
    """
    target = Path(target)
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:8]
    folder = target.with_name(f"{target.stem}-{digest}")
    for other in target.parent.glob(f"{glob.escape(target.stem)}-{'[0-9a-f]' * 8}"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def copy_files(folder: Path, targets: Iterable[Path | str]) -> None:
    """Copy the files of the targets' names from a folder, each atomically."""
    for target in map(Path, targets):
        with atomic_path(target) as partial:
            shutil.copyfile(folder / target.name, partial)


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder, before long work; one that does not exist is not left there.

    Raises:
        DataError: they cannot.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        for each in made:
            each.rmdir()
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); give another folder") from error


def write_text(target: Path | str, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(target) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(target: Path | str, value: Any) -> None:
    """Write a JSON file atomically. NaN, which JSON does not have, raises ValueError."""
    write_text(target, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        DataError: missing, damaged or not JSON.
    """
    verify(path)
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it and run again") from error


def write_arrays(path: Path | str, **arrays: np.ndarray) -> None:
    """Write a compressed .npz file atomically."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: Path | str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Some arrays of an .npz file.

    Raises:
        DataError: missing, damaged, or without one of the arrays.
    """
    verify(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except NPZ_ERRORS as error:
        raise DataError(f"{path}: not a readable .npz file ({one_line(error)}); delete it and run again") from error


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_file(path: Path | str) -> Path:
    """The path of a single file's checksum."""
    path = Path(path)
    return path.parent / CHECKSUM_FOLDER / f"{path.name}.sha256"


def write_checksums(paths: Iterable[Path | str]) -> None:
    """Write the checksums of single files; folders, missing files, and files that their folder lists are skipped."""
    for path in map(Path, paths):
        if path.is_file() and not (path.parent / SUMS).is_file():
            write_text(checksum_file(path), f"{file_sha256(path)}  {path.name}\n")


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """List files of a folder, with their checksums, in its SHA256SUMS.txt."""
    write_text(folder / SUMS, "".join(f"{file_sha256(folder / name)}  {name}\n" for name in sorted(names)))


def read_sums(path: Path | str) -> dict[str, str]:
    """Name -> SHA-256 from a list of checksums.

    Raises:
        DataError: the list is missing, empty or malformed, or names files outside its folder.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable list of checksums ({one_line(error)})") from error
    sums = {}
    for number, line in enumerate(lines, 1):
        match = SUMS_LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}, line {number}: not a list of checksums; fetch it again")
        name = PurePosixPath(match[2])
        if name.is_absolute() or ".." in name.parts or "\0" in match[2]:
            raise DataError(f"{path}, line {number}: the name {match[2]!r} leaves the folder; not used")
        sums[match[2].removeprefix("./")] = match[1]
    if not sums:
        raise DataError(f"{path}: lists no file; fetch it again")
    return sums


def read_checksum(path: Path) -> tuple[Path, str] | None:
    """The file that contains the checksum of a file, and the checksum; None if it has none."""
    own, listed = checksum_file(path), path.parent / SUMS
    if own.is_file():
        return own, own.read_text(errors="replace")[:64]
    if listed.is_file() and (checksum := read_sums(listed).get(path.name)):
        return listed, checksum
    return None


def verify(path: Path | str) -> bool:
    """Compare a file with its checksum, once per process; returns whether it has one.

    Raises:
        DataError: the file differs from it.
    """
    path = Path(path)
    if not path.is_file():
        return False
    stat = path.stat()
    return _verify(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _verify(path: Path, size: int, changed: int) -> bool:
    expected = read_checksum(path)
    if expected is not None and file_sha256(path) != expected[1]:
        raise DataError(damage_message(path, expected[0]))
    return expected is not None


def sums_remedy(sums: Path) -> tuple[str, Path | None]:
    """What to do if a folder's files do not match its SHA256SUMS.txt.

    Returns:
        The remedy in words, and the folder to delete: one that the workflow made, or a saved model's. None for any
        other folder, since its files are the user's own data.
    """
    folder = sums.parent
    listed = sums.read_text(encoding="utf-8", errors="replace") if os.access(sums, os.R_OK) else ""
    if (folder / MADE_BY_A_RULE).exists() or (folder / MODEL_WEIGHTS).is_file() or f" {MODEL_WEIGHTS}\n" in listed:
        return f"delete the folder {folder} and run again", folder
    return f"fetch the file again, or delete its line in {SUMS}", None


def damage_message(path: Path, sums: Path) -> str:
    """Message about a file that differs from its checksum in ``sums``; one line, with the remedy."""
    if sums.name == SUMS:
        return f"{path}: damaged, it differs from {SUMS}; {sums_remedy(sums)[0]}"
    return f"{path}: damaged, it differs from its checksum; delete it and run again (if you changed it: delete {sums})"
