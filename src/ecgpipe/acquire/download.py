"""Data sets from the network: an archive, or a release of PTB-XL file by file.

Zip archives unpacked where nothing can escape the target, and nothing can fill the disk unforeseen.

Files compared with the list of SHA-256 sums in their folder.
"""

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

from ecgpipe.acquire.http import fetch, file_sha256
from ecgpipe.acquire.ptbxl import DATABASE, STATEMENTS
from ecgpipe.artifacts.files import SUMS, atomic_folder, read_sums
from ecgpipe.artifacts.sources import archive_files
from ecgpipe.errors import DataError
from ecgpipe.progress import progress, progress_counter

TABLES = (DATABASE, STATEMENTS)


def web_address(url: str) -> str:
    """An http(s) address; ``s3://bucket/key`` as that of the bucket's public endpoint."""
    if not url.startswith("s3://"):
        return url
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return f"https://{bucket}.s3.amazonaws.com/{key}"


def download(url: str, target: Path | str, sha256: str | None = None) -> None:
    """Fetch one file, showing the rate and the time left; a call after a failure or a kill goes on where it stopped.

    Raises:
        DataError: as ``fetch``.
    """
    show = progress_counter(f"download {Path(target).name}", "B")
    fetch(web_address(url), target, sha256, progress=show)


def needed_at_rate(sampling_rate: int) -> Callable[[str], bool]:
    """Which of PTB-XL's files are needed for signals at a rate: all but the signals at the other."""
    other = {100: "records500/", 500: "records100/"}[sampling_rate]
    return lambda name: not name.startswith(other)


def download_ptbxl(
    base: str, target: Path | str, sampling_rate: int, connections: int = 4, first_wait: float = 1.0
) -> int:
    """Fetch a release of PTB-XL file by file from a folder's address, each file checked against the release's list.

    Files that have arrived wait in ``.<name>.download`` beside the target; a call after a failure or a kill fetches
    only the others.

    Args:
        base: address of the folder that holds SHA256SUMS.txt: http(s) or s3.
        target: the folder, which appears when all is there.
        sampling_rate: 100 or 500 Hz; the signals at the other rate are not fetched.
        connections: files at a time.
        first_wait: seconds before the second try of a file.

    Returns:
        How many files the release has at that rate.

    Raises:
        DataError: a file cannot be fetched; those that arrived stay.
    """
    base, target = web_address(base).rstrip("/") + "/", Path(target)
    staging = target.with_name(f".{target.name}.download")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=connections))
    session.mount("https://", HTTPAdapter(pool_maxsize=connections))
    # the list itself is fetched anew, since it may have changed; all else follows from it
    (staging / SUMS).unlink(missing_ok=True)
    fetch(base + SUMS, staging / SUMS, session=session, first_wait=first_wait)
    wanted = needed_at_rate(sampling_rate)
    sums = {name: expected for name, expected in read_sums(staging / SUMS).items() if wanted(name) and name != SUMS}
    lacking = [name for name in TABLES if name not in sums]
    if lacking:
        raise DataError(f"{base}{SUMS}: lists no {' and no '.join(lacking)}; is it a release of PTB-XL?")
    stop = threading.Event()

    def one(name: str) -> None:
        if not stop.is_set():
            fetch(base + name, staging / name, sums[name], session=session, first_wait=first_wait)

    with ThreadPoolExecutor(connections) as pool:
        jobs = [pool.submit(one, name) for name in sums]
        try:
            for job in progress(as_completed(jobs), f"download {target.name}", len(jobs), "files"):
                job.result()
        except BaseException:
            stop.set()
            raise
    if target.exists():
        shutil.rmtree(target)
    staging.replace(target)
    return len(sums)


CHUNK = 1 << 20


def unpack_zip(archive: Path | str, target: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Unpack a zip archive into a new folder; if all of it lies in one folder, that folder's content.

    Args:
        archive: the zip file.
        target: the folder, which appears when all is there.
        wanted: which files, by their names in the target.

    Raises:
        DataError: not a zip file, broken, or not one that may be unpacked (``archive_files``); or the disk is full.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = {name: entry for name, entry in archive_files(archive, file).items() if wanted(name)}
            if not names:
                raise DataError(f"{archive}: holds no file that is asked for; is it the right archive?")
            with atomic_folder(target) as partial:
                for name, entry in progress(names.items(), f"unpack {Path(archive).name}", len(names), "files"):
                    path = partial / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # zipfile reads no more than the entry's declared size, and checks its CRC
                    with file.open(entry) as source, open(path, "wb") as copy:
                        shutil.copyfileobj(source, copy, CHUNK)
    except OSError as error:  # the disk, not the archive
        raise DataError(f"{archive}: cannot be unpacked to {target} ({error}); see to space and rights") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error


def verify_checksums(folder: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> int:
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
