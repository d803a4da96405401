"""Robust download of one file over HTTP: resume, retry, verify.

The received part is kept beside the target as ``.<name>.part``, with ``.<name>.part.json`` that identifies it. It
survives a failure or a kill, and the next call resumes from it. The target appears only when it is complete.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from ecgpipe.artifacts.files import file_sha256, write_json
from ecgpipe.errors import DataError

CHUNK = 1 << 18
TIMEOUT = (10, 60)  # seconds to connect, to read
TRIES = 6  # consecutive tries without a new byte
MAX_WAIT = 60.0
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}

logger = logging.getLogger(__name__)


class _RetryError(Exception):
    """This try failed; another one may succeed after at least this many seconds."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


def fetch(
    url: str,
    target: Path | str,
    sha256: str | None = None,
    *,
    session: requests.Session | None = None,
    progress: Callable[[int, int | None], None] = lambda received, total: None,
    first_wait: float = 1.0,
) -> None:
    """Fetch a file.

    Args:
        url: http(s) address.
        target: path of the file; kept if it already exists with the given checksum.
        sha256: expected checksum; None: only the length that the server announces is verified.
        session: reuses connections.
        progress: called with the received and the total number of bytes (None: unknown).
        first_wait: seconds before the second try, doubled for each later one.

    Raises:
        DataError: refused, unreachable after several tries, damaged twice in the same way, or the disk is full.
    """
    target = Path(target)
    if sha256 is not None and target.is_file() and file_sha256(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    session = session or requests.Session()
    failures, damaged, most = 0, False, _size(part)
    while True:
        try:
            _receive(session, url, part, sha256 is not None, progress)
            digest = None if sha256 is None else file_sha256(part)
            if digest == sha256:
                break
            _discard(part)
            if damaged:
                raise DataError(
                    f"{url}: its SHA-256 is {digest}, expected {sha256}, twice; the file was damaged or replaced: "
                    "use another address, or correct the expected checksum"
                )
            most = 0
            damaged, failure = True, _RetryError("the checksum differs; fetching it again")
        except _RetryError as error:
            failure = error
        except (requests.RequestException, HTTPError) as error:
            failure = _RetryError(str(error))
        except OSError as error:
            raise DataError(
                f"{part}: cannot be written ({error.strerror or error}); free disk space and run again"
            ) from error
        failures = 0 if _size(part) > most else failures + 1
        most = max(most, _size(part))  # without ranges, each try starts again
        if failures == TRIES:
            raise DataError(
                f"{url}: cannot be fetched ({failure}), after {TRIES} tries; run again to resume from {_size(part)} "
                "bytes, or fetch it by hand and set the dataset's `source`"
            )
        wait = min(max(failure.seconds, first_wait * 2 ** max(failures - 1, 0)), MAX_WAIT)
        logger.info("%s: %s; next try in %.0f s", url, failure, wait)
        time.sleep(wait)
    _info_file(part).unlink(missing_ok=True)
    os.replace(part, target)


def _receive(
    session: requests.Session, url: str, part: Path, verified: bool, progress: Callable[[int, int | None], None]
) -> None:
    """One request: append to the part file, or restart it if the server cannot resume."""
    start, info = _resumable_part(part, url, verified)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if info.get("validator"):
            headers["If-Range"] = info["validator"]
    with session.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
        if response.status_code == 416:
            if start and info.get("total") == start:
                return
            _discard(part)
            raise _RetryError("the server has no such range; restarting")
        _check_status(response, url)
        total = _total(response)
        if response.status_code == 206:
            begin = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if begin is None or int(begin[1]) != start or (info.get("total") not in (None, total)):
                _discard(part)
                raise _RetryError("the server sent another range than requested; restarting")
        else:
            start = 0
            _discard(part)  # before the new info is written: a kill in between must not join it with old bytes
        write_json(_info_file(part), {"url": url, "validator": _validator(response), "total": total})
        received = start
        with open(part, "ab" if start else "wb") as file:
            # read1 does not wait for full chunks, so a cut connection loses nothing that was received
            while chunk := response.raw.read1(CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress(received, total)
        if total is not None and received < total:
            raise _RetryError(f"received {received} of {total} bytes")
        if total is not None and received > total:
            _discard(part)
            raise _RetryError(f"received {received} bytes, more than the announced {total}")


def _resumable_part(part: Path, url: str, verified: bool) -> tuple[int, dict]:
    """Size and info of the part file; 0 if it may belong to another file."""
    try:
        info = json.loads(_info_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, {}
    safe = info.get("url") == url and (info.get("validator") or verified)
    return (_size(part), info) if safe else (0, {})


def _check_status(response: requests.Response, url: str) -> None:
    status = f"the server says {response.status_code} {response.reason}"
    if response.status_code in TRANSIENT:
        raise _RetryError(status, _retry_after(response))
    if response.status_code not in (200, 206):
        raise DataError(
            f"{url}: {status}; check the address (key `url`), or fetch it by hand and set the dataset's `source`"
        )


def _retry_after(response: requests.Response) -> float:
    """Seconds of the header Retry-After (RFC 9110, 10.2.3), a number or a date."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _total(response: requests.Response) -> int | None:
    """Length of the whole file, as announced by the server."""
    if response.status_code == 206:
        length = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        length = "" if "Content-Encoding" in response.headers else response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(response: requests.Response) -> str | None:
    """Identifies this version of the file: a strong ETag, else the modification time."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _info_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _info_file(part).unlink(missing_ok=True)
