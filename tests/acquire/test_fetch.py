"""Downloads from a server that fails in every way: what arrives is right, or nothing has the file's name."""

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from ecgpipe import progress as progress_module
from ecgpipe.acquire import http
from ecgpipe.acquire.download import download, download_ptbxl, web_address
from ecgpipe.acquire.http import fetch
from ecgpipe.artifacts.files import SUMS
from ecgpipe.cli.main import main
from ecgpipe.errors import DataError
from tests.acquire.server import running

CONTENT = hashlib.shake_256(b"a signal").digest(3_000_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with running() as faulty:
        faulty.files["/file"] = CONTENT
        yield faulty


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
def test_a_file_arrives_whole_in_spite_of(server, tmp_path, faults, with_etag, sha256):
    server.with_etag = with_etag
    if "changed" in faults:
        server.faults["/file"] = list(faults)
        assert get(server, tmp_path, None) == CONTENT[::-1]
        return
    if len(faults) > http.TRIES and not with_etag and sha256 is None:
        pytest.skip("without a checksum or a mark of the version nothing tells that parts belong together")
    server.faults["/file"] = list(faults)
    assert get(server, tmp_path, sha256) == CONTENT


def test_a_cut_download_goes_on_where_it_stopped(server, tmp_path):
    server.faults["/file"] = ["cut", "cut"]
    get(server, tmp_path)
    assert server.served["/file"] == len(CONTENT)
    assert [asked for _, asked in server.requests] == [None, "bytes=1500000-", "bytes=2250000-"]


def test_the_server_may_ask_for_time(server, tmp_path):
    server.faults["/file"] = ["503-wait"]
    start = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - start >= 1


def test_a_damaged_file_is_fetched_once_more(server, tmp_path):
    server.faults["/file"] = ["corrupt"]
    assert get(server, tmp_path) == CONTENT
    server.always["/file"] = "corrupt"
    (tmp_path / "got").unlink()
    with pytest.raises(DataError, match=r"SHA-256 .* twice"):
        get(server, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_right_is_not_fetched_again(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.requests) == 1
    (tmp_path / "got").write_bytes(b"other")
    assert get(server, tmp_path) == CONTENT


def test_refusals_end_at_once_and_silence_ends_in_the_end(server, tmp_path):
    with pytest.raises(DataError, match="404"):
        get(server, tmp_path, path="/none")
    assert len(server.requests) == 1
    server.always["/file"] = "503"
    with pytest.raises(DataError, match="after 6 tries"):
        get(server, tmp_path)
    with pytest.raises(DataError, match="source"):
        fetch("http://127.0.0.1:9/x", tmp_path / "y", first_wait=0.001)


def test_a_failed_download_is_taken_up_by_the_next(server, tmp_path):
    server.faults["/file"] = ["cut", *["503"] * http.TRIES]
    with pytest.raises(DataError, match="go on from 1500000 bytes"):
        get(server, tmp_path)
    assert not (tmp_path / "got").exists()
    assert get(server, tmp_path) == CONTENT
    assert server.served["/file"] == len(CONTENT)


def test_a_part_of_another_address_is_not_used(server, tmp_path):
    server.files["/other"] = CONTENT[::-1]
    server.faults["/file"] = ["cut", *["503"] * http.TRIES]
    with pytest.raises(DataError):
        get(server, tmp_path)
    assert get(server, tmp_path, None, "/other") == CONTENT[::-1]


def test_a_killed_download_is_taken_up_by_the_next(server, tmp_path):
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


def test_a_kill_while_a_changed_file_is_begun_mixes_nothing(server, tmp_path, monkeypatch):
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


def test_s3_addresses_are_the_public_endpoints():
    assert web_address("s3://physionet-open/ptb-xl/1.0.3/") == "https://physionet-open.s3.amazonaws.com/ptb-xl/1.0.3/"
    assert web_address("https://example.org/a") == "https://example.org/a"


@pytest.fixture
def release(server):
    """A small release of PTB-XL: two tables and two records at both rates."""
    names = ["ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"]
    for rate, suffix in ((100, "lr"), (500, "hr")):
        names += [f"records{rate}/00000/0000{i}_{suffix}.{kind}" for i in (1, 2) for kind in ("hea", "dat")]
    contents = {name: hashlib.shake_256(name.encode()).digest(50_000) for name in names}
    server.files |= {f"/ptb-xl/{name}": content for name, content in contents.items()}
    lines = [f"{hashlib.sha256(content).hexdigest()} {name}" for name, content in contents.items()]
    server.files[f"/ptb-xl/{SUMS}"] = ("\n".join(lines) + "\n").encode()
    return {name: content for name, content in contents.items() if not name.startswith("records500")}


def found_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("connections", [1, 4])
def test_only_the_rate_that_is_asked_for_comes(server, release, tmp_path, connections):
    server.faults["/ptb-xl/LICENSE.txt"] = ["corrupt", "cut"]
    server.faults["/ptb-xl/records100/00000/00001_lr.dat"] = ["503", "cut"]
    assert download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, connections, 0.01) == len(release)
    found = found_in(tmp_path / "ptb-xl")
    del found[SUMS]
    assert found == release
    assert [entry.name for entry in tmp_path.iterdir()] == ["ptb-xl"]


def test_what_has_arrived_is_kept_when_one_file_fails(server, release, tmp_path):
    broken = "/ptb-xl/records100/00000/00002_lr.dat"
    server.always[broken] = "corrupt"
    with pytest.raises(DataError, match=r"00002_lr\.dat.*SHA-256"):
        download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)
    assert not (tmp_path / "ptb-xl").exists()
    del server.always[broken]
    before = dict(server.served)
    download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)
    again = [path for path, served in server.served.items() if served > before.get(path, 0)]
    assert len(found_in(tmp_path / "ptb-xl")) == len(release) + 1
    assert "/ptb-xl/ptbxl_database.csv" not in again
    assert broken in again


def test_a_list_that_escapes_is_refused(server, release, tmp_path):
    server.files[f"/ptb-xl/{SUMS}"] += f"{SUM} ../evil\n".encode()
    with pytest.raises(DataError, match="leaves the folder"):
        download_ptbxl(server.address + "/ptb-xl", tmp_path / "ptb-xl", 100, 2, 0.01)


def test_an_archive_arrives_too(server, tmp_path):
    server.faults["/file"] = ["cut"]
    download(server.address + "/file", tmp_path / "a.zip", SUM)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def zipped(contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(f"ptb-xl-1.0.3/{name}", content)
    return buffer.getvalue()


def test_the_command_fetches_checks_and_leaves_only_the_folder(server, release, tmp_path, capsys):
    names = [*release, SUMS]
    server.files["/z"] = zipped({name: server.files[f"/ptb-xl/{name}"] for name in names} | {"LICENSE.txt": b"other"})
    (tmp_path / "got.zip").write_text("the user's own")
    command = ["download", "ptb-xl", str(tmp_path / "got"), "--fetch", "archive", "--url", server.address + "/z"]
    assert main(command) == 1
    assert re.search(r"LICENSE\.txt: its SHA-256 differs", capsys.readouterr().err)
    assert not (tmp_path / "got").exists()
    server.files["/z"] = zipped({name: server.files[f"/ptb-xl/{name}"] for name in names})
    assert main(command) == 0
    assert found_in(tmp_path / "got") == {name: server.files[f"/ptb-xl/{name}"] for name in names}
    assert (tmp_path / "got.zip").read_text() == "the user's own"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("dataset", ["ptb-xl", "cardiac-images"])
def test_the_command_leaves_a_folder_that_is_there(server, release, tmp_path, capsys, dataset):
    (tmp_path / "mine").write_text("precious")
    assert main(["download", dataset, str(tmp_path), "--url", server.address + "/ptb-xl/"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "precious"
    assert not server.requests


def test_without_a_terminal_the_log_tells_how_far_how_fast_and_how_long(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", -1)
    with caplog.at_level("INFO", logger="ecgpipe.progress"):
        download(server.address + "/file", tmp_path / "got", SUM)
    lines = [record.getMessage() for record in caplog.records]
    assert any(
        re.fullmatch(r"download got: [\d.]+\w*B of 2\.86MB, [\d.]+\w*B a second, \d+ s left", line) for line in lines
    )
    assert lines[-1] == "download got: 2.86MB"
