"""One file over HTTP, however bad the network: resumed, retried, checked.

What has arrived lies beside the target as ``.<name>.part`` with its ``.json``, which says what it is a part of, and
stays there when a try fails or the process is killed; the next call goes on from it. The target's name appears only
when the file is whole.
"""

import hashlib
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

from ecgpipe.artifacts.files import write_json
from ecgpipe.errors import DataError

CHUNK = 1 << 18
TIMEOUT = (10, 60)
TRIES = 6
"""Tries in a row that bring no byte."""
LONGEST_WAIT = 60.0
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}

logger = logging.getLogger(__name__)


class _Again(Exception):
    """This try failed; another may succeed, after so many seconds at least."""

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
        target: where the file goes; left alone if it is there with the given checksum.
        sha256: expected checksum; without it only the length that the server promises is checked.
        session: to reuse connections.
        progress: called with the bytes that are there and those there will be (None: unknown).
        first_wait: seconds before the second try; each further wait is twice as long.

    Raises:
        DataError: refused, unreachable after several tries, damaged twice in the same way, or the disk is full.
    """
    target = Path(target)
    if sha256 is not None and target.is_file() and file_sha256(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    session = session or requests.Session()
    failures, damaged, there = 0, 0, _size(part)
    while True:
        try:
            _receive(session, url, part, sha256 is not None, progress)
            if sha256 is None or (found := file_sha256(part)) == sha256:
                break
            _discard(part)
            damaged += 1
            if damaged == 2:
                raise DataError(
                    f"{url}: its SHA-256 is {found}, expected {sha256}, twice; the file was damaged or replaced: "
                    "use another address, or correct the expected checksum"
                )
            reason: Exception = _Again("the checksum differs; fetching it again")
        except _Again as again:
            reason = again
        except (requests.RequestException, HTTPError) as error:
            reason = _Again(str(error))
        except OSError as error:
            raise DataError(
                f"{part}: cannot be written ({error.strerror or error}); make room and run again"
            ) from error
        failures = 0 if _size(part) > there else failures + 1
        there = _size(part)
        if failures == TRIES:
            raise DataError(
                f"{url}: cannot be fetched ({reason}), after {TRIES} tries; run again to go on from {there} bytes, "
                "or fetch it by hand and set the data set's `source`"
            )
        wait = min(max(reason.seconds, first_wait * 2 ** max(failures - 1, 0)), LONGEST_WAIT)  # type: ignore[attr-defined]
        logger.info("%s: %s; again in %.0f s", url, reason, wait)
        time.sleep(wait)
    _info_file(part).unlink(missing_ok=True)
    os.replace(part, target)


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(
    session: requests.Session, url: str, part: Path, checked: bool, progress: Callable[[int, int | None], None]
) -> None:
    """One request: append what comes to the part file, or start it anew if the server cannot go on from there."""
    start, info = _known_part(part, url, checked)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if info.get("validator"):
            headers["If-Range"] = info["validator"]
    with session.get(url, stream=True, timeout=TIMEOUT, headers=headers) as answer:
        if answer.status_code == 416:
            if start and info.get("total") == start:
                return
            _discard(part)
            raise _Again("the server has no such range; starting anew")
        _check_status(answer, url)
        total = _total(answer)
        if answer.status_code == 206:
            begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            if begin is None or int(begin[1]) != start or (info.get("total") not in (None, total)):
                _discard(part)
                raise _Again("the server sent another part than asked for; starting anew")
        else:
            start = 0
            _discard(part)  # before the new mark is written: a kill between the two must not join old bytes to it
        write_json(_info_file(part), {"url": url, "validator": _validator(answer), "total": total})
        received = start
        with open(part, "ab" if start else "wb") as file:
            # what has come when the connection is cut counts, so no chunk waits until it is full
            while chunk := answer.raw.read1(CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress(received, total)
        if total is not None and received < total:
            raise _Again(f"{received} bytes came of {total}")
        if total is not None and received > total:
            _discard(part)
            raise _Again(f"{received} bytes came, more than the promised {total}")


def _known_part(part: Path, url: str, checked: bool) -> tuple[int, dict]:
    """Bytes to go on from, and what is known of them; nothing if they may belong to another file."""
    try:
        info = json.loads(_info_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, {}
    safe = info.get("url") == url and (info.get("validator") or checked)
    return (_size(part), info) if safe else (0, {})


def _check_status(answer: requests.Response, url: str) -> None:
    if answer.status_code in TRANSIENT:
        raise _Again(f"the server says {answer.status_code} {answer.reason}", _retry_after(answer))
    if answer.status_code not in (200, 206):
        raise DataError(
            f"{url}: the server says {answer.status_code} {answer.reason}; check the address (key `url`), or fetch it "
            "by hand and set the data set's `source`"
        )


def _retry_after(answer: requests.Response) -> float:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3): a number or a date."""
    given = answer.headers.get("Retry-After", "")
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _total(answer: requests.Response) -> int | None:
    """Length of the whole file, as the server says."""
    if answer.status_code == 206:
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(whole) if whole.isdigit() else None
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in answer.headers else None


def _validator(answer: requests.Response) -> str | None:
    """What tells that a later part is of the same file: a strong ETag, else the time of change."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")


def _info_file(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _info_file(part).unlink(missing_ok=True)
