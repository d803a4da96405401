"""Load on the local page: latency and memory from the first to the last of many requests of several clients.

    python -m benchmarks.serve_load DIR --requests 10000 --clients 6

Starts `ecgpipe serve` on a small model with random weights. Of 1,000 requests 5 are new pages, 11 ask again about them
(another class, a report), 444 are broken or empty pictures, 460 the page and its files, and 80 are refused (without the
token, or an unknown address). Requests that the server refuses because it is busy are sent again.
"""

import argparse
import http.client
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil
from PIL import Image

from ecgpipe.artifacts.model_folder import Calibration

STATIC = ("/", "/page.css", "/page.js", "/plot.js", "/result.js", "/server.js")
BUSY = 503


@dataclass(frozen=True)
class Answer:
    """A request that was answered: its number, kind, seconds, and status."""

    number: int
    kind: str
    seconds: float
    status: int


def tiny_model(folder: Path, calibration: Calibration | None = None) -> Path:
    """A saved signal model with random weights."""
    import torch

    from ecgpipe.artifacts.recording_model import RecordingModel
    from ecgpipe.models.recording_folder import fit_limit, rounded, save_recording_model
    from ecgpipe.models.recordings import RecordingNet

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    gaussian, limit = fit_limit(*(rng.normal(0, 10, (200, 64)) for _ in range(2)))
    saved = RecordingModel(
        variant="tiny", classes=("NORM", "MI"), members=1, width=4, training={"dataset": "ptb-xl"},
        calibration=calibration, ood=limit,
    )  # fmt: skip
    save_recording_model(folder, rounded(RecordingNet(2, 1, 4)), saved, gaussian, {}, "card")
    return folder


def small_page() -> bytes:
    """A drawn page of 1100 x 850 pixels, PNG."""
    from ecgpipe.acquire.simulate.record import simulate_record
    from ecgpipe.config.pages import RenderConfig
    from ecgpipe.render.page import render_page

    record = simulate_record(np.random.default_rng(0), ("NORM",))
    page = render_page(record.signal, record.sampling_rate, RenderConfig())
    return _png(Image.open(io.BytesIO(page.encode())).convert("RGB").resize((1100, 850)))


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


class Client:
    """Sends requests to a local page.

    Args:
        port: port of the page, on this machine.
        page: a PNG file with an ECG.
    """

    def __init__(self, port: int, page: bytes) -> None:
        self.port, self.page = port, page
        blank = _png(Image.new("L", (60, 40), 255))
        self.broken = (
            b"",
            b"words",
            blank,
            page[:3000],
            b"%PDF-1.7\nnothing",
            bytes(2000),
            b"\xff\xd8\xff" + b"x" * 500,
        )
        text = self.send("GET", "/")[1].decode()
        found = re.search(r'ecgpipe-token" content="([^"]+)"', text)
        assert found is not None, "the page has no token"
        self.token = found[1]

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def plan(self, number: int) -> tuple[str, int, Callable[[], tuple[int, bytes]]]:
        """Kind, expected status and the request of a number; every thousand requests have the same mix."""
        place, page = number % 200, f"page {number - number % 200}.png"

        def post(action: str, content: bytes, name: str, **more: str) -> Callable[[], tuple[int, bytes]]:
            headers = {"x_ecgpipe_token": self.token, "x_file_name": quote(name)} | more
            return lambda: self.send("POST", f"/{action}", content, **headers)

        if place == 10:
            return "new page", 200, post("predict", self.page, page)
        if place in (50, 110):
            return "page again", 200, post("overlay", self.page, page, x_overlay_class="MI" if place == 50 else "NORM")
        if number % 1000 == 150:
            return "report", 200, post("report", self.page, page)
        if place % 25 == 1:
            return "refused", 403, lambda: self.send("POST", "/predict", b"x", x_ecgpipe_token="guessed")
        if place % 25 == 2:
            return "refused", 404, lambda: self.send("GET", f"/{number}")
        if place % 2:
            return "static", 200, lambda: self.send("GET", STATIC[number % len(STATIC)])
        return "broken picture", 200, post("predict", self.broken[number % len(self.broken)], f"{number}.png")


def load(
    port: int, page: bytes, requests: int, clients: int, each: Callable[[int], None] = lambda number: None
) -> list[Answer]:
    """Send requests from several threads; returns the answers in the order of the requests.

    Args:
        port: port of the page.
        page: a PNG file with an ECG.
        requests: their number.
        clients: number of threads.
        each: called with the number of requests that have been answered, after each answer.

    Raises:
        AssertionError: an answer has an unexpected status, or a page was not read.
    """
    client, numbers, lock = Client(port, page), iter(range(requests)), threading.Lock()
    answers: list[Answer] = []
    wrong: list[str] = []

    def work() -> None:
        while not wrong:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            kind, expected, send = client.plan(number)
            try:
                status, body, start = BUSY, b"", time.monotonic()
                while status == BUSY and time.monotonic() < start + 600:
                    status, body = send()
                    if status == BUSY:
                        time.sleep(0.2)
                read = json.loads(body) if kind in ("new page", "broken picture") and status == 200 else {}
                if status != expected or (kind == "new page") != bool(read.get("pages")):
                    wrong.append(f"request {number} ({kind}): {status}, {body[:300]!r}")
                with lock:
                    answers.append(Answer(number, kind, time.monotonic() - start, status))
                    each(len(answers))
            except Exception as error:  # else the thread would end silently
                wrong.append(f"request {number} ({kind}): {error!r}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    return sorted(answers, key=lambda answer: answer.number)


def table(answers: list[Answer], size: int) -> str:
    """Latency by kind of the first and of the last ``size`` requests, ms."""
    lines = [f"| request | number | first {size}: median | 95% | last {size}: median | 95% |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for kind, count in sorted(Counter(answer.kind for answer in answers).items()):
        cells = []
        for some in (answers[:size], answers[-size:]):
            seconds = [1000 * answer.seconds for answer in some if answer.kind == kind]
            cells += [f"{np.percentile(seconds, share):.0f}" if seconds else "" for share in (50, 95)]
        lines.append(f"| {kind} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="working folder")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--port", type=int, default=8799)
    arguments = parser.parse_args()
    model = arguments.folder / "model"
    if not model.exists():
        tiny_model(model)
    command = [sys.executable, "-m", "ecgpipe", "serve", str(model), "--port", str(arguments.port), "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        while not _listens(arguments.port):
            time.sleep(0.2)
        process = psutil.Process(server.pid)

        def each(number: int) -> None:
            if number in (1, 100) or number % 1000 == 0:
                sizes = [part.memory_info().rss >> 20 for part in (process, *process.children(recursive=True))]
                open_files = process.num_fds()
                print(f"{number} requests: memory {' + '.join(map(str, sizes))} MB, {open_files} files", flush=True)

        start = time.monotonic()
        answers = load(arguments.port, small_page(), arguments.requests, arguments.clients, each)
        print(f"{len(answers)} requests of {arguments.clients} clients in {time.monotonic() - start:.0f} s")
        print(table(answers, min(1000, len(answers) // 2)))
    finally:
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
