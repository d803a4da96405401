"""Download of an archive over HTTP, checked, and unpacked where nothing can escape the target."""

import hashlib
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

import requests

from ecgpipe.artifacts.atomic import atomic_folder, atomic_path
from ecgpipe.errors import DataError
from ecgpipe.progress import progress

CHUNK = 1 << 20
TIMEOUT = (10, 60)
LARGEST_UNPACKED = 40 << 30


def download(url: str, target: Path | str, sha256: str | None = None) -> None:
    """Fetch a file.

    Raises:
        DataError: the server cannot be reached, refuses, sends less than it promised, or the checksum differs.
    """
    digest = hashlib.sha256()
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer, atomic_path(target) as partial:
            answer.raise_for_status()
            promised = int(answer.headers.get("Content-Length", 0)) or None
            received = 0
            with open(partial, "wb") as file:
                total = promised and -(-promised // CHUNK)
                for chunk in progress(answer.iter_content(CHUNK), f"download {Path(target).name}", total, "MiB"):
                    digest.update(chunk)
                    file.write(chunk)
                    received += len(chunk)
            if promised is not None and received != promised and "Content-Encoding" not in answer.headers:
                raise DataError(f"{url}: {received} bytes came of {promised}; try again")
            if sha256 is not None and digest.hexdigest() != sha256:
                raise DataError(
                    f"{url}: its SHA-256 is {digest.hexdigest()}, expected {sha256}; the file was damaged or replaced"
                )
    except requests.RequestException as error:
        raise DataError(
            f"{url}: cannot be fetched ({error}); try again, or fetch it by hand and set the data set's `source`"
        ) from error


def unpack_zip(archive: Path | str, target: Path | str) -> None:
    """Unpack a zip archive into a new folder; if all of it lies in one folder, that folder's content.

    Raises:
        DataError: not a zip file, or it holds links, paths that leave the target, or more than LARGEST_UNPACKED bytes.
    """
    try:
        with zipfile.ZipFile(archive) as file, atomic_folder(target) as partial:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
                raise DataError(f"{archive}: would unpack to more than {LARGEST_UNPACKED >> 30} GiB")
            names = {entry.filename: _inside(entry, archive) for entry in entries}
            tops = {name.parts[0] for name in names.values()}
            drop = 1 if len(tops) == 1 and all(len(name.parts) > 1 for name in names.values()) else 0
            for entry in progress(entries, f"unpack {Path(archive).name}", unit="files"):
                path = partial.joinpath(*names[entry.filename].parts[drop:])
                path.parent.mkdir(parents=True, exist_ok=True)
                with file.open(entry) as source, open(path, "wb") as copy:
                    shutil.copyfileobj(source, copy, CHUNK)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error


def _inside(entry: zipfile.ZipInfo, archive: Path | str) -> PurePosixPath:
    """The entry's path, if it stays inside the target."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{archive}: its entry {entry.filename!r} leaves the target folder; not unpacked")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(f"{archive}: its entry {entry.filename!r} is a link; not unpacked")
    return path


def check_sums(folder: Path | str, sums_file: str = "SHA256SUMS.txt") -> int:
    """Check files against a list of SHA-256 sums, as PhysioNet publishes it; returns how many were checked.

    Args:
        folder: where the files and the list are.
        sums_file: lines of "sum  name".

    Raises:
        DataError: the list is missing or not one, a file is missing, or differs.
    """
    folder = Path(folder)
    try:
        lines = (folder / sums_file).read_text(encoding="utf-8").splitlines()
        sums = dict(reversed(line.split(maxsplit=1)) for line in lines if line.strip())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / sums_file}: not a readable list of checksums ({error})") from error
    if not sums:
        raise DataError(f"{folder / sums_file}: lists no file; fetch it again")
    for name, expected in progress(sums.items(), f"check {folder.name}", len(sums), "files"):
        try:
            with open(folder / name, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{folder / name}: listed in {sums_file}, but cannot be read ({error})") from error
        if found != expected:
            raise DataError(f"{folder / name}: its SHA-256 differs from {sums_file}; fetch it again")
    return len(sums)
