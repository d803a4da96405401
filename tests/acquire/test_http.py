"""Downloads of one file from a faulty server: the file is correct, or it does not exist."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from ecgpipe import progress as progress_module
from ecgpipe.acquire import http
from ecgpipe.acquire.download import download
from ecgpipe.acquire.http import fetch
from ecgpipe.errors import DataError
from tests.acquire.server import CONTENT, SUM


def get(server, tmp_path, sha256=SUM, path="/file"):
    fetch(server.address + path, tmp_path / "got", sha256, first_wait=0.01)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["got"]
    return (tmp_path / "got").read_bytes()


@pytest.mark.parametrize("sha256", [SUM, None])
@pytest.mark.parametrize("with_etag", [True, False])
@pytest.mark.parametrize(
    "faults",
    [
        ["cut"],
        ["cut", "cut", "cut", "cut", "cut", "cut", "cut", "cut"],
        ["503", "503", "503"],
        ["cut", "503", "cut"],
        ["cut", "ignore-range"],
        ["cut", "wrong-range"],
        ["short"],
        ["redirect"],
        ["cut", "changed"],
    ],
)
def test_a_file_is_complete_despite_faults(server, tmp_path, faults, with_etag, sha256):
    server.with_etag = with_etag
    if "changed" in faults:
        server.faults["/file"] = list(faults)
        assert get(server, tmp_path, None) == CONTENT[::-1]
        return
    if len(faults) > http.TRIES and not with_etag and sha256 is None:
        pytest.skip("without a checksum, ETag or time nothing shows that the parts belong together")
    server.faults["/file"] = list(faults)
    assert get(server, tmp_path, sha256) == CONTENT


def test_an_interrupted_download_resumes(server, tmp_path):
    server.faults["/file"] = ["cut", "cut"]
    get(server, tmp_path)
    assert server.served["/file"] == len(CONTENT)
    assert [asked for _, asked in server.requests] == [None, "bytes=1500000-", "bytes=2250000-"]


def test_retry_after_is_respected(server, tmp_path):
    server.faults["/file"] = ["503-wait"]
    start = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - start >= 1


def test_a_damaged_file_is_fetched_again_once(server, tmp_path):
    server.faults["/file"] = ["corrupt"]
    assert get(server, tmp_path) == CONTENT
    server.always["/file"] = "corrupt"
    (tmp_path / "got").unlink()
    with pytest.raises(DataError, match=r"SHA-256 .* twice"):
        get(server, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_correct_file_is_not_fetched_again(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.requests) == 1
    (tmp_path / "got").write_bytes(b"other")
    assert get(server, tmp_path) == CONTENT


def test_refusals_fail_at_once_and_outages_after_six_tries(server, tmp_path):
    with pytest.raises(DataError, match="404"):
        get(server, tmp_path, path="/none")
    assert len(server.requests) == 1
    server.always["/file"] = "503"
    with pytest.raises(DataError, match="after 6 tries"):
        get(server, tmp_path)
    with pytest.raises(DataError, match="source"):
        fetch("http://127.0.0.1:9/x", tmp_path / "y", first_wait=0.001)


def test_tries_that_receive_less_than_an_earlier_one_are_failures(server, tmp_path):
    server.with_etag = False  # nothing shows that parts belong together, so each try starts again
    server.faults["/file"] = ["cut", "cut-early"] * http.TRIES
    with pytest.raises(DataError, match=f"after {http.TRIES} tries"):
        get(server, tmp_path, None)
    assert len(server.requests) == 1 + http.TRIES
    server.faults["/file"] = ["corrupt", *["cut"] * http.TRIES]  # a damaged file counts for nothing
    assert get(server, tmp_path) == CONTENT


def test_the_next_call_resumes_a_failed_download(server, tmp_path):
    server.faults["/file"] = ["cut", *["503"] * http.TRIES]
    with pytest.raises(DataError, match="resume from 1500000 bytes"):
        get(server, tmp_path)
    assert not (tmp_path / "got").exists()
    assert get(server, tmp_path) == CONTENT
    assert server.served["/file"] == len(CONTENT)


def test_the_part_of_another_address_is_not_used(server, tmp_path):
    server.files["/other"] = CONTENT[::-1]
    server.faults["/file"] = ["cut", *["503"] * http.TRIES]
    with pytest.raises(DataError):
        get(server, tmp_path)
    assert get(server, tmp_path, None, "/other") == CONTENT[::-1]
    assert server.requests[-1] == ("/other", None)  # the whole file was asked for


def test_the_next_call_resumes_a_killed_download(server, tmp_path):
    server.faults["/file"] = ["slow"]
    code = f"from ecgpipe.acquire.download import download; download({server.address + '/file'!r}, 'got', {SUM!r})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    part = tmp_path / ".got.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size > 500_000:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = part.stat().st_size
    assert 500_000 < there < len(CONTENT)
    assert get(server, tmp_path) == CONTENT
    assert server.requests[-1] == ("/file", f"bytes={there}-")


def test_a_kill_at_the_start_of_a_changed_file_does_not_mix_versions(server, tmp_path, monkeypatch):
    server.faults["/file"] = ["cut", "changed"]
    write_json, calls = http.write_json, []

    def killed_after_the_second(*given):
        write_json(*given)
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(http, "write_json", killed_after_the_second)
    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, None)
    assert get(server, tmp_path, None) == CONTENT[::-1]


def test_without_a_terminal_the_log_shows_the_progress(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", -1)
    with caplog.at_level("INFO", logger="ecgpipe.progress"):
        download(server.address + "/file", tmp_path / "got", SUM)
    lines = [record.getMessage() for record in caplog.records]
    assert any(
        re.fullmatch(r"download got: [\d.]+\w*B of 2\.86MB, [\d.]+\w*B a second, \d+ s left", line) for line in lines
    )
    assert lines[-1] == "download got: 2.86MB"
