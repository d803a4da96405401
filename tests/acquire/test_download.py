"""Downloads from a real server on the loopback address, and archives that must not escape."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ecgpipe.acquire.download import check_sums, download, unpack_zip
from ecgpipe.errors import DataError

CONTENT = bytes(range(256)) * 20000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path == "/cut" else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_arrives_whole_and_checked(server, tmp_path):
    download(f"{server}/file", tmp_path / "a.zip", hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "sha256", "expected"),
    [("/missing", None, "404"), ("/cut", None, "cannot be fetched|bytes came"), ("/file", "0" * 64, "SHA-256")],
)
def test_a_bad_answer_leaves_nothing(server, tmp_path, path, sha256, expected):
    with pytest.raises(DataError, match=expected):
        download(server + path, tmp_path / "a.zip", sha256)
    assert not list(tmp_path.iterdir())


def test_no_server(tmp_path):
    with pytest.raises(DataError, match="source"):
        download("http://127.0.0.1:9/x", tmp_path / "a.zip")


def archive(tmp_path, entries):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_one_top_folder_is_left_out(tmp_path):
    unpack_zip(archive(tmp_path, [("ptb/a/x.txt", "x"), ("ptb/y.txt", "y")]), tmp_path / "out")
    assert (tmp_path / "out/a/x.txt").read_text() == "x"
    assert (tmp_path / "out/y.txt").read_text() == "y"


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_paths_that_escape_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="leaves the target"):
        unpack_zip(archive(tmp_path, [("fine.txt", "x"), (name, "evil")]), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match="is a link"):
        unpack_zip(archive(tmp_path, [(link, "/etc/passwd")]), tmp_path / "out")


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"<html>not found</html>").read())
    with pytest.raises(DataError, match=r"a\.zip"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_sums_find_damaged_and_missing_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}" for name in ("a", "b", "c")]
    (tmp_path / "SHA256SUMS.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="c: listed in"):
        check_sums(tmp_path)
    (tmp_path / "c").write_text("c")
    assert check_sums(tmp_path) == 3
    (tmp_path / "b").write_text("damaged")
    with pytest.raises(DataError, match="b: its SHA-256 differs"):
        check_sums(tmp_path)
    (tmp_path / "SHA256SUMS.txt").write_text("")
    with pytest.raises(DataError, match="lists no file"):
        check_sums(tmp_path)
