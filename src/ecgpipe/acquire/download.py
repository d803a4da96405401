"""Download of the public datasets: an archive and its unpacking, or a PTB-XL release file by file."""

import lzma
import shutil
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

from ecgpipe.acquire.http import fetch
from ecgpipe.acquire.ptbxl import DATABASE, STATEMENTS
from ecgpipe.artifacts.files import SUMS, atomic_folder, file_sha256, read_sums, write_text
from ecgpipe.artifacts.sources import archive_files
from ecgpipe.errors import DataError
from ecgpipe.progress import progress, progress_counter

Wanted = Callable[[str], bool]


def web_address(url: str) -> str:
    """An http(s) address; ``s3://bucket/key`` becomes the address of the bucket's public endpoint."""
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return f"https://{bucket}.s3.amazonaws.com/{key}"


def download(url: str, target: Path | str, sha256: str | None = None) -> None:
    """Fetch one file and show the progress; resumes after a failure or a kill.

    Raises:
        DataError: see ``fetch``.
    """
    fetch(web_address(url), target, sha256, progress=progress_counter(f"download {Path(target).name}", "B"))


def needed_at_rate(sampling_rate: int) -> Wanted:
    """Predicate of the PTB-XL files needed at a sampling rate: all but the signals at the other rate."""
    other = {100: "records500/", 500: "records100/"}[sampling_rate]
    return lambda name: not name.startswith(other)


def download_ptbxl(
    base: str, target: Path | str, sampling_rate: int, connections: int = 4, first_wait: float = 1.0
) -> int:
    """Fetch a PTB-XL release file by file and verify each one against the release's SHA256SUMS.txt.

    Received files are kept in ``.<name>.download`` beside the target; after a failure or a kill the next call fetches
    only the others.

    Args:
        base: address of the folder with SHA256SUMS.txt: http(s) or s3.
        target: the folder; it appears when it is complete.
        sampling_rate: 100 or 500 Hz; signals at the other rate are not fetched.
        connections: parallel downloads.
        first_wait: seconds before the second try of a file.

    Returns:
        The number of files of the release at that rate.

    Raises:
        DataError: a file cannot be fetched; received files are kept.
    """
    base, target = web_address(base).rstrip("/") + "/", Path(target)
    staging = target.with_name(f".{target.name}.download")
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    (staging / SUMS).unlink(missing_ok=True)  # the list may have changed since the last call
    fetch(base + SUMS, staging / SUMS, session=session, first_wait=first_wait)
    wanted = needed_at_rate(sampling_rate)
    sums = {name: expected for name, expected in read_sums(staging / SUMS).items() if wanted(name) and name != SUMS}
    missing = [name for name in (DATABASE, STATEMENTS) if name not in sums]
    if missing:
        raise DataError(f"{base}{SUMS}: does not list {' and '.join(missing)}; is it a release of PTB-XL?")
    stop = threading.Event()

    def fetch_one(name: str) -> None:
        if not stop.is_set():
            fetch(base + name, staging / name, sums[name], session=session, first_wait=first_wait)

    with ThreadPoolExecutor(connections) as pool:
        jobs = [pool.submit(fetch_one, name) for name in sums]
        try:
            for job in progress(as_completed(jobs), f"download {target.name}", len(jobs), "files"):
                job.result()
        except BaseException:
            stop.set()
            raise
    expected_files = {*sums, SUMS}
    for path in staging.rglob("*"):  # an interrupted download of another release or rate may have left files
        if path.is_file() and path.relative_to(staging).as_posix() not in expected_files:
            path.unlink()
    _write_list(staging, sums)
    if target.exists():
        shutil.rmtree(target)
    staging.replace(target)
    return len(sums)


def unpack_zip(archive: Path | str, target: Path | str, wanted: Wanted = lambda name: True) -> None:
    """Unpack a zip archive into a new folder; a single top folder of the archive is dropped.

    Args:
        archive: the zip file.
        target: the folder; it appears when it is complete.
        wanted: predicate of the names to unpack, relative to the target.

    Raises:
        DataError: not a zip file, damaged, refused by ``archive_files``, or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = {name: entry for name, entry in archive_files(archive, file).items() if wanted(name)}
            if not names:
                raise DataError(f"{archive}: contains none of the expected files; is it the right archive?")
            with atomic_folder(target) as partial:
                for name, entry in progress(names.items(), f"unpack {Path(archive).name}", len(names), "files"):
                    path = partial / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # zipfile reads no more than the entry's declared size and checks its CRC
                    with file.open(entry) as source, open(path, "wb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
    except OSError as error:  # the disk, not the archive
        raise DataError(
            f"{archive}: cannot be unpacked to {target} ({error}); check the disk space and permissions"
        ) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error


def verify_checksums(folder: Path | str, wanted: Wanted = lambda name: True) -> int:
    """Verify files against the SHA256SUMS.txt in their folder, and leave only them in it; returns the number of files.

    Args:
        folder: contains the files and the list.
        wanted: predicate of the listed names to verify; the other files were not unpacked.

    Raises:
        DataError: the list is missing or invalid, or a file is missing or differs.
    """
    folder = Path(folder)
    sums = {name: expected for name, expected in read_sums(folder / SUMS).items() if wanted(name)}
    for name, expected in progress(sums.items(), f"check {folder.name}", len(sums), "files"):
        try:
            digest = file_sha256(folder / name)
        except OSError as error:
            raise DataError(f"{folder / name}: listed in {SUMS}, but cannot be read ({error})") from error
        if digest != expected:
            raise DataError(f"{folder / name}: its SHA-256 differs from {SUMS}; fetch it again")
    _write_list(folder, sums)
    return len(sums)


def _write_list(folder: Path, sums: dict[str, str]) -> None:
    """Write the SHA256SUMS.txt of a part of a release: files that were not fetched would count as lost."""
    write_text(folder / SUMS, "".join(f"{expected}  {name}\n" for name, expected in sums.items()))
