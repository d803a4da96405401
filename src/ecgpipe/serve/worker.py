"""The process that reads uploaded files and runs the model.

It is apart from the web server so that a file that makes a decoder crash, hang or take all memory ends this process
alone; the next file gets a new one. Messages are JSON and bytes, never pickles: what comes from here has seen hostile
files.
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

MOST_PAGES = 8  # of a file; the command predicts more
LONGEST = 1500  # pixels of the pictures that the browser gets
LARGEST_ANSWER = 1 << 27  # bytes

logger = logging.getLogger(__name__)


class Worker:
    """Predicts files in another process, one at a time.

    Args:
        folder: of the saved model.
        seconds: that a file may take.
        threads: CPU threads.
        plugin: as ``Predictor`` has it.

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
        self.process = context.Process(target=_work, args=(other, self.folder, self.options), daemon=True)
        self.process.start()
        other.close()
        try:
            ready = json.loads(self._connection.recv_bytes(LARGEST_ANSWER))
        except (EOFError, OSError) as error:
            raise DataError(f"{self.folder}: the process that was to run the model ended at once") from error
        if "error" in ready:
            raise DataError(ready["error"])
        self.about: dict[str, Any] = ready

    def ask(self, content: bytes, name: str, label: str | None = None) -> dict[str, Any]:
        """Predict a file.

        Args:
            content: of the file.
            name: for messages.
            label: class that the overlay is of; None: each page's most probable one.

        Returns:
            ``pages``, each with ``prediction``, ``overlay_of`` (its class), and ``page``, ``image`` and ``overlay``
            as data URLs; ``errors``; ``more``, whether there are pages beyond the eighth.

        Raises:
            DataError: it took too long, or the process ended over it; a new one is there.
        """
        with self._lock:
            if not self.process.is_alive():
                self._again()
            try:
                self._connection.send_bytes(json.dumps({"name": name, "label": label}).encode())
                self._connection.send_bytes(content)
                if not self._connection.poll(self.seconds):
                    self._again()
                    raise DataError(f"{name}: took longer than {self.seconds:g} s and was given up")
                return json.loads(self._connection.recv_bytes(LARGEST_ANSWER))
            except (EOFError, OSError) as error:
                self._again()
                raise DataError(f"{name}: the program that reads files broke down over it; is it damaged?") from error

    def _again(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self._connection.close()


def _work(connection: Connection, folder: str, options: dict[str, Any]) -> None:
    """The process: says what the model is, then answers files until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    from ecgpipe.predict import Predictor

    try:
        predictor = Predictor(folder, **options)
    except EcgpipeError as error:
        connection.send_bytes(json.dumps({"error": str(error)}).encode())
        return
    connection.send_bytes(json.dumps(predictor.about).encode())
    while True:
        try:
            asked = json.loads(connection.recv_bytes())
            content = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(json.dumps(answer(predictor, content, asked["name"], asked["label"])).encode())


def answer(predictor: Any, content: bytes, name: str, label: str | None) -> dict[str, Any]:
    """What ``Worker.ask`` returns."""
    from ecgpipe.predict import GivenPage

    pages: list[dict] = []
    errors: list[str] = []
    more = False
    try:
        for page in predictor.reader().read_content(content, name):
            if len(pages) + len(errors) == MOST_PAGES:
                more = True
                break
            if not isinstance(page, GivenPage):
                errors.append(str(page))
                continue
            prediction = predictor.predict([page])[0]
            shown = label if label in predictor.saved.classes else prediction.top
            pages.append(
                {
                    "prediction": prediction.to_dict(),
                    "overlay_of": shown,
                    "page": _data_url(page.page, "JPEG"),
                    "image": _data_url((1 - page.image) * 255, "PNG"),
                    "overlay": _data_url(predictor.overlay(page, shown), "JPEG"),
                }
            )
    except EcgpipeError as error:
        errors.append(str(error))
    except Exception as error:  # the page must hear of it, and the log
        logger.exception("%s", name)
        errors.append(f"{name}: unexpected {type(error).__name__}")
    return {"pages": pages, "errors": errors, "more": more}


def _data_url(picture: Any, kind: str) -> str:
    from PIL import Image

    drawn = Image.fromarray(picture)
    drawn.thumbnail((LONGEST, LONGEST))
    stream = io.BytesIO()
    drawn.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
