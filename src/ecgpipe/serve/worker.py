"""The process that reads uploaded files and runs the model.

It is separate from the web server: a file that makes a decoder crash, hang or use all memory ends only this process,
and the next file gets a new one. Messages are JSON and bytes, never pickles, since this process reads untrusted files.
"""

import base64
import io
import json
import logging
import multiprocessing
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ecgpipe.errors import DataError, EcgpipeError

MAX_PAGES = 8  # per file; the command `ecgpipe predict` has no limit
DISPLAY_SIDE = 1500  # pixels of the pictures in the browser
MAX_ANSWER_BYTES = 1 << 27
RECORD_SUFFIXES = {".hea", ".dat"}  # a record is several files, which WFDB opens by name: not from memory

logger = logging.getLogger(__name__)


class Worker:
    """Predicts files in another process, one at a time.

    Args:
        folder: of the saved model.
        seconds: time limit per file.
        threads: CPU threads.
        plugin: see ``Predictor``.

    Raises:
        DataError: the model cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        seconds: float = 120,
        threads: int | None = None,
        plugin: Path | str | None = None,
    ) -> None:
        self.folder, self.seconds = str(folder), seconds
        self.options = {"threads": threads, "plugin": None if plugin is None else str(plugin)}
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self.process = context.Process(target=_run, args=(other, self.folder, self.options), daemon=True)
        self.process.start()
        other.close()
        try:
            ready = json.loads(self._connection.recv_bytes(MAX_ANSWER_BYTES))
        except (EOFError, OSError) as error:
            raise DataError(f"{self.folder}: the process that runs the model ended at once") from error
        if "error" in ready:
            raise DataError(ready["error"])
        self.model: dict[str, Any] = ready  # Predictor.description

    def predict(self, content: bytes, name: str, label: str | None = None) -> dict[str, Any]:
        """Predict a file.

        Args:
            content: of the file.
            name: for messages.
            label: class of the overlay; None: the most probable class of each page.

        Returns:
            ``pages``, each with ``prediction``, ``overlay_of`` (its class), and ``page``, ``image`` and ``overlay``
            as data URLs; ``errors``; ``more``, whether the file has more than eight pages.

        Raises:
            DataError: it took too long or ended the process; a new process was started.
        """
        with self._lock:
            if not self.process.is_alive():
                self._restart()
            try:
                self._connection.send_bytes(json.dumps({"name": name, "label": label}).encode())
                self._connection.send_bytes(content)
                if not self._connection.poll(self.seconds):
                    self._restart()
                    raise DataError(f"{name}: not done after {self.seconds:g} s; ended")
                return json.loads(self._connection.recv_bytes(MAX_ANSWER_BYTES))
            except (EOFError, OSError) as error:
                self._restart()
                raise DataError(f"{name}: the process that reads files crashed; is the file damaged?") from error

    def _restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self._connection.close()


def _run(connection: Connection, folder: str, options: dict[str, Any]) -> None:
    """The process: send the model's description, then predict files until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends this process
    from ecgpipe.predict import load_predictor

    try:
        predictor = load_predictor(folder, **options)
    except EcgpipeError as error:
        connection.send_bytes(json.dumps({"error": str(error)}).encode())
        return
    connection.send_bytes(json.dumps(predictor.description).encode())
    while True:
        try:
            request = json.loads(connection.recv_bytes())
            content = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(
            json.dumps(predict_content(predictor, content, request["name"], request["label"])).encode()
        )


def predict_content(predictor: Any, content: bytes, name: str, label: str | None) -> dict[str, Any]:
    """Predict a file; returns the same as ``Worker.predict``."""
    from ecgpipe.predict import InputPage

    if Path(name).suffix.lower() in RECORD_SUFFIXES:
        message = (
            f"{name}: one file of a WFDB record; this page reads photos, scans and PDF files. For records: "
            f"ecgpipe predict {predictor.folder} RECORD"
        )
        return {"pages": [], "errors": [message], "more": False}
    pages: list[dict] = []
    errors: list[str] = []
    more = False
    try:
        for page in predictor.reader().read_content(content, name):
            if len(pages) + len(errors) == MAX_PAGES:
                more = True
                break
            if not isinstance(page, InputPage):
                errors.append(str(page))
                continue
            prediction = predictor.predict([page])[0]
            overlay_class = label if label in predictor.saved.classes else prediction.top
            pages.append(
                {
                    "prediction": prediction.to_dict(),
                    "overlay_of": overlay_class,
                    "page": _data_url(page.page, "JPEG"),
                    "image": _data_url((1 - page.image) * 255, "PNG"),
                    "overlay": _data_url(predictor.overlay(page, overlay_class), "JPEG"),
                }
            )
    except EcgpipeError as error:
        errors.append(str(error))
    except Exception as error:  # shown on the page and logged
        logger.exception("%s", name)
        errors.append(f"{name}: unexpected {type(error).__name__}")
    return {"pages": pages, "errors": errors, "more": more}


def _data_url(picture: Any, kind: str) -> str:
    from PIL import Image

    shown = Image.fromarray(picture)
    shown.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    stream = io.BytesIO()
    shown.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
