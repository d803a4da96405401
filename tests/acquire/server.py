"""A local web server with the faults that a download may meet."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = hashlib.shake_256(b"a signal").digest(3_000_000)
"""Of the path /file."""
SUM = hashlib.sha256(CONTENT).hexdigest()


class FaultyServer:
    """Serves files with configurable faults.

    files: path -> content.
    faults: path -> faults, one per request; later requests succeed. Faults: "cut" (closes after half of the content),
        "cut-early" (after a quarter), "503", "503-wait" (with Retry-After), "404", "ignore-range", "wrong-range",
        "corrupt", "redirect", "slow", "short" (announces more than it sends), "changed" (another file).
    always: path -> a fault of every request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.always: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.served: Counter[str] = Counter()
        self.with_etag = True
        self.lock = threading.Lock()
        self.address = ""

    def next_fault(self, path: str) -> str:
        with self.lock:
            waiting = self.faults.get(path, [])
            return waiting.pop(0) if waiting else self.always.get(path, "")


def handler_of(faulty: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            faulty.requests.append((self.path, asked))
            fault = faulty.next_fault(self.path)
            if fault in ("503", "503-wait", "404"):
                self.send_response(int(fault[:3]))
                if fault == "503-wait":
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if fault == "redirect":
                self.send_response(302)
                self.send_header("Location", "/moved" + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = faulty.files.get(self.path.removeprefix("/moved"))
            if content is None:
                self.send_error(404)
                return
            if fault == "changed":
                content = faulty.files[self.path] = content[::-1]
            self.send_file(content, fault, asked)

        def send_file(self, content: bytes, fault: str, asked: str | None) -> None:
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            same = self.headers.get("If-Range") in (None, etag)
            if asked and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if asked and same and fault != "ignore-range":
                self.send_response(206)
                shown = start + 7 if fault == "wrong-range" else start
                self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
            else:
                start = 0
                self.send_response(200)
            body = content[start:]
            self.send_header("Content-Length", str(len(body) + (100 if fault == "short" else 0)))
            if faulty.with_etag:
                self.send_header("ETag", etag)
            self.end_headers()
            if fault == "corrupt":
                body = bytes([body[0] ^ 1]) + body[1:]
            if fault in ("cut", "cut-early"):
                body = body[: len(body) // (2 if fault == "cut" else 4)]
            try:
                for at in range(0, len(body), 1 << 16):
                    self.wfile.write(body[at : at + (1 << 16)])
                    faulty.served[self.path] += len(body[at : at + (1 << 16)])
                    if fault == "slow":
                        time.sleep(0.02)
            except OSError:  # the client was killed
                pass
            if fault in ("cut", "cut-early", "short"):
                self.close_connection = True

        def log_message(self, *_) -> None:
            pass

    return Handler


@contextmanager
def running() -> Iterator[FaultyServer]:
    faulty = FaultyServer()
    faulty.files["/file"] = CONTENT
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(faulty)) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        faulty.address = f"http://127.0.0.1:{server.server_port}"
        yield faulty
        server.shutdown()
