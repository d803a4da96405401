"""The local page over HTTP: predictions, rejected requests, hostile files."""

import html
import http.client
import json
import re
import socket
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import psutil
import pytest
from starlette.datastructures import Headers

from benchmarks.serve_load import load
from ecgpipe.cli import main
from ecgpipe.errors import DataError
from ecgpipe.predict import NOTICE, load_predictor
from ecgpipe.serve.answers import Answers
from ecgpipe.serve.app import ACTIONS, FILES
from ecgpipe.serve.guard import SECURITY_HEADERS, TOKEN_HEADER
from ecgpipe.serve.server import LocalPage
from ecgpipe.serve.worker import Worker
from tests.predict.corpus import images

HOSTILE = ("zero.png", "page.jpg", "drawing.png", "bomb.png", "20000.png", "locked.pdf", "none.pdf", "astray.pdf")


def request(page, method="GET", path="/", body=None, **headers):
    """Status, headers and body of an answer; headers given replace those that a browser would send."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=120)
    sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    connection.request(method, path, body, {"Host": f"127.0.0.1:{page.port}"} | sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


@pytest.fixture(scope="module")
def token(served):
    return re.search(r'ecgpipe-token" content="([^"]+)"', request(served)[2].decode())[1]


@pytest.fixture(scope="module")
def predict(served, token):
    def send(content, name="page.png", action="predict", **headers):
        sent = {"x_ecgpipe_token": token, "x_file_name": quote(name), "Origin": f"http://127.0.0.1:{served.port}"}
        return request(served, "POST", f"/{action}", content, **(sent | headers))

    return send


def test_a_file_is_predicted_and_not_stored(made, predict):
    places = [Path(tempfile.gettempdir()), Path.cwd()]
    before = {file for place in places for file in place.iterdir()}
    status, headers, body = predict(made.pages["00001"], "secret.png")
    new = {file for place in places for file in place.iterdir()} - before
    assert not any("secret" in file.name or (file.is_file() and b"PNG" in file.read_bytes()[:8]) for file in new)
    answer = json.loads(body)
    assert status == 200 and headers["content-type"] == "application/json"
    (page,) = answer["pages"]
    assert set(page["prediction"]["classes"]) == {"NORM", "MI"} and page["overlay_of"] in {"NORM", "MI"}
    for kind in ("page", "image", "overlay"):
        assert re.match(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]{1000}", page[kind])
    assert page["plot"] is None and page["heat"] is None and page["words"]["read"] == []
    assert page["words"]["summary"].startswith(f"Most probable: {page['overlay_of']}")
    label = "MI" if page["overlay_of"] == "NORM" else "NORM"
    other = json.loads(predict(made.pages["00001"], action="overlay", x_overlay_class=quote(label))[2])
    assert other["overlay_of"] == label and other["overlay"] != page["overlay"]


def test_a_report_but_no_record_of_a_model_of_images(made, predict):
    status, headers, body = predict(made.pages["00001"], action="report")
    assert status == 200 and headers["content-type"] == "application/pdf" and body[:5] == b"%PDF-"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''page-report.pdf"
    status, _, body = predict(made.pages["00001"], action="record")
    assert status == 422 and b"ecgpipe digitize" in body


@pytest.mark.parametrize("action", ["overlay", "report"])
def test_answers_about_pages_that_are_not_there(made, predict, action):
    status, _, body = predict(made.pages["00001"], action=action, x_page="7")
    assert status == 422 and b"page.png: has no page 8" in body
    status, _, body = predict(b"words", "notes.png", action=action)
    assert status == 422 and b"notes.png: a text file" in body
    assert predict(made.pages["00001"], action=action, x_page="-1")[0] == 400


def test_the_page_loads_nothing_from_elsewhere(served):
    status, headers, body = request(served)
    text = body.decode()
    assert status == 200 and html.escape(NOTICE) in text and "[[" not in text
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS and "server" not in headers
    assert re.findall(r'(?:src|href)="([^"]+)"', text) == ["data:,", "/page.css", "/page.js"]
    for path in (f"/{name}" for name in FILES):
        status, headers, body = request(served, path=path)
        code = b"\n".join(re.sub(rb"(^|\s)// .*", b"", line) for line in body.split(b"\n"))
        assert status == 200 and b"//" not in code and headers["content-type"][:5] == "text/"
    assert request(served, path="/../../etc/passwd")[0] == 404 and request(served, path="/predict")[0] == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # DNS rebinding
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"x_ecgpipe_token": None},
        {"x_ecgpipe_token": "guessed"},
        {"x_ecgpipe_token": "\xe9"},
    ],
)
def test_requests_of_other_sites_are_rejected(made, predict, headers):
    for action in ACTIONS:
        status, answer, body = predict(made.pages["00001"], action=action, **headers)
        assert status == 403 and len(body) < 200 and answer["content-security-policy"]


def test_the_page_is_served_under_the_name_of_a_proxy(made, monkeypatch):
    """A proxy that adds encryption has a port of its own, and its origin is https."""
    monkeypatch.setattr("ecgpipe.serve.server.Worker", lambda *arguments: None)
    page = LocalPage(made.model, port=0, names=["ecg.example.org", "other.example.org:8443"])
    page._socket.close()
    guard = page.server.config.app
    for host in ("ecg.example.org", f"ecg.example.org:{page.port}", "other.example.org:8443"):
        headers = {"host": host, "origin": f"https://{host}", "sec-fetch-site": "same-origin"}
        assert guard.rejection("GET", Headers(headers)) is None
        assert guard.rejection("POST", Headers(headers | {TOKEN_HEADER: guard.token})) is None
        assert guard.rejection("POST", Headers(headers)) is not None
        assert guard.rejection("GET", Headers(headers | {"origin": "https://evil.example"})) is not None
    assert guard.rejection("GET", Headers({"host": "evil.example"})) is not None


def test_the_page_is_served_on_the_port_that_browsers_leave_out(made, monkeypatch):
    class Bound:
        def getsockname(self):
            return "127.0.0.1", 80

    monkeypatch.setattr("ecgpipe.serve.server.Worker", lambda *arguments: None)
    monkeypatch.setattr("ecgpipe.serve.server.bound_socket", lambda *arguments: Bound())
    guard = LocalPage(made.model, port=80).server.config.app
    for host in ("127.0.0.1", "localhost", "localhost:80"):
        assert guard.rejection("GET", Headers({"host": host, "origin": f"http://{host}"})) is None
    assert guard.rejection("GET", Headers({"host": "evil.example"})) is not None


def test_every_kind_of_picture_can_be_chosen(served):
    accepted = re.search(r'<input id="file"[^>]* accept="([^"]+)"', request(served)[2].decode())[1].split(",")
    kinds = {f"image/{name}" for name in ("png", "jpeg", "tiff", "bmp", "webp", "gif", "jp2", "avif", "heic", "heif")}
    assert set(accepted) == kinds | {"application/pdf", ".heic", ".heif", ".dcm"}


def test_the_page_is_not_served_to_other_sites(served):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        status, _, body = request(served, **headers)
        assert status == 403 and b"token" not in body
    assert request(served, Host=f"localhost:{served.port}")[0] == 200


@pytest.mark.parametrize("name", ["00001_lr.hea", "00001_lr.DAT", "JS00001.mat"])
def test_a_file_of_a_record_is_told_which_command_reads_it(predict, name):
    answer = json.loads(predict(b"00001_lr 12 100 1000\n", name)[2])
    message = f"{name}: Records cannot be read here: use `ecgpipe predict FILE` on the command line"
    assert answer["pages"] == [] and answer["errors"] == [message]


def test_hostile_files_are_errors_and_the_server_continues(made, predict):
    every = images(made.pages["00001"])
    for name in HOSTILE:
        content, word = every[name]
        status, headers, body = predict(content, f"<img src=x>/../{name}")
        answer = json.loads(body)
        assert status == 200 and answer["pages"] == [] and len(answer["errors"]) == 1, name
        assert word in answer["errors"][0] and answer["errors"][0].startswith(name)
        assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(predict(made.pages["00001"])[2])["pages"]


def test_size_limit(served, predict, token):
    status, _, body = predict(b"x" * 3_000_001)
    assert status == 413 and b"larger than 3 MB" in body
    # a body without a stated size is counted while it arrives
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    headers = {"x-ecgpipe-token": token, "transfer-encoding": "chunked"}
    try:
        connection.request("POST", "/predict", iter([b"x" * 1_000_000] * 5), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server closed the connection
    finally:
        connection.close()


def test_a_slow_or_crashed_process_is_replaced(made, served, predict, monkeypatch):
    before = served.worker.process.pid
    monkeypatch.setattr(served.worker, "seconds", 0.0)
    status, _, body = predict(made.pages["00001"])
    assert status == 422 and body == b"page.png: not finished after 0 s; stopped\n"
    monkeypatch.undo()
    assert served.worker.process.pid != before
    assert json.loads(predict(made.pages["00001"])[2])["pages"]
    assert not Path(f"/proc/{before}").exists()


def test_a_stopped_worker_starts_no_other_process(recording_model):
    """The server stops it while another thread may wait for an answer."""
    worker = Worker(recording_model, threads=1)
    worker.stop()
    with pytest.raises(DataError, match="the server was stopped"):
        worker.ask("predict", b"words", "notes.png")
    assert not worker.process.is_alive()


def test_a_worker_that_could_not_start_is_started_by_the_next_request(made, monkeypatch):
    worker = Worker(made.model, threads=1)

    class Full:
        def start(self):
            raise OSError(12, "Cannot allocate memory")

    try:
        with monkeypatch.context() as patch:
            patch.setattr("multiprocessing.context.SpawnContext.Process", lambda *_, **__: Full())
            worker.process.kill()
            worker.process.join()
            for _ in range(2):
                with pytest.raises(DataError, match="Cannot allocate memory"):
                    worker.ask("predict", b"words", "notes.png")
        assert worker.ask("predict", made.pages["00001"], "page.png")["pages"]
    finally:
        worker.stop()


def test_silent_connections_keep_nobody_out(served, monkeypatch):
    monkeypatch.setattr("ecgpipe.serve.server.SILENT_SECONDS", 0.5)
    silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(40)]
    try:
        silent[-1].sendall(b"GET / HTTP/1.1\r\n")  # headers that never end
        time.sleep(1.5)
        assert request(served)[0] == 200
    finally:
        for connection in silent:
            connection.close()


def test_a_connection_that_is_silent_after_an_answer_is_closed(served, monkeypatch):
    monkeypatch.setattr("ecgpipe.serve.server.SILENT_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.settimeout(20)
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        answer = b""
        while b"</html>" not in answer:
            answer += connection.recv(65536)
        connection.sendall(b"GET / HTTP/1.1\r\n")  # headers that never end
        assert connection.recv(65536) == b""


def test_an_interrupted_upload_is_not_logged_as_an_error(served, token, caplog):
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nx-ecgpipe-token: {token}\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(f"{head}content-length: 1000\r\n\r\na part".encode())
        time.sleep(0.2)  # so that the server waits for the rest
    time.sleep(0.5)
    assert request(served)[0] == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_the_queue_is_limited(served, monkeypatch, token):
    """Requests beyond the fourth are rejected; the others are answered."""

    def slow(*arguments):
        time.sleep(0.5)
        return {"pages": [], "errors": [str(arguments[2])], "more": False}

    monkeypatch.setattr(served.worker, "ask", slow)
    seen = []

    def send(number):
        headers = {"x_ecgpipe_token": token, "x_file_name": f"{number}.png"}
        seen.append(request(served, "POST", "/predict", b"x", **headers)[0])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] * 4 + [503] * 2


@pytest.fixture
def busy(served, monkeypatch, token):
    """A server that works on the request ``first`` until ``end`` is set: send a request, stop one, files read."""
    started, end, read = threading.Event(), threading.Event(), []

    def slow(action, content, *arguments):
        read.append(content)
        started.set()
        end.wait(20)
        return {}

    def stop() -> None:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nx-ecgpipe-token: {token}\r\n"
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(f"{head}content-length: 7\r\n\r\nstopped".encode())
            time.sleep(0.3)  # so that it waits for the first one
        time.sleep(0.3)  # so that the server notices

    monkeypatch.setattr(served.worker, "ask", slow)
    send = partial(request, served, "POST", "/predict", x_ecgpipe_token=token)
    first = threading.Thread(target=send, args=(b"first",))
    first.start()
    started.wait()
    yield SimpleNamespace(send=send, stop=stop, end=end, read=read)
    end.set()
    first.join()


def test_a_file_that_was_stopped_while_it_waited_is_not_read(busy):
    busy.stop()
    busy.end.set()
    assert busy.send(b"last")[0] == 200 and busy.read == [b"first", b"last"]


def test_a_stopped_request_frees_its_place(busy):
    """Else the fifth file of a user who stops others is refused as if many were at work."""
    for _ in range(5):
        busy.stop()
    seen = []
    last = threading.Thread(target=lambda: seen.append(busy.send(b"last")[0]))
    last.start()
    time.sleep(0.3)
    busy.end.set()
    last.join()
    assert seen == [200]


def test_ctrl_c_ends_the_server_quietly(made, monkeypatch, capsys):
    def interrupted(self):
        self._socket.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgpipe.serve.server.Worker", lambda *arguments: None)
    monkeypatch.setattr(LocalPage, "run", interrupted)
    assert main(["serve", str(made.model), "--port", "0"]) == 0
    assert capsys.readouterr().err == ""


def test_serve_command_errors(made, served, tmp_path, capsys):
    assert main(["serve", str(tmp_path)]) == 1
    assert "give the folder of a saved model" in capsys.readouterr().err
    assert main(["serve", str(made.model), "--port", str(served.port)]) == 1
    assert "cannot listen there" in capsys.readouterr().err
    with pytest.raises(Exception, match="choose another --port"):
        LocalPage(made.model, port=70_000)


def test_only_files_with_pages_are_kept(made):
    """Else broken files would fill the memory of a server that runs for weeks."""
    answers = Answers(load_predictor(made.model, threads=1))
    ask = partial(answers.answer, "predict", label=None, number=0)
    assert ask(content=made.pages["00001"], name="page.png")["pages"]
    kept = list(answers._files)
    for number in range(5):
        assert ask(content=b"words", name=f"{number}.png")["errors"]
    assert list(answers._files) == kept and len(kept) == 1


@pytest.mark.long
def test_many_requests_of_several_clients(made, served):
    """Every answer is right, and neither latency nor memory grows (benchmarks/serve_load.py measures more)."""
    worker = psutil.Process(served.worker.process.pid)
    memory = {}

    def each(number: int) -> None:
        if number in (300, 600):
            memory[number] = worker.memory_info().rss

    answers = load(served.port, made.pages["00001"], 600, 6, each)
    assert len(answers) == 600 and served.worker.process.pid == worker.pid
    assert memory[600] < memory[300] + (100 << 20)
    static = [answer.seconds for answer in answers if answer.kind == "static"]
    assert np.median(static[-100:]) < 3 * np.median(static[:100]) + 0.05
