"""The process that reads uploaded files and runs the model.

It is separate from the web server: a file that makes a decoder crash, hang or use all memory ends only this process,
and the next file gets a new one. Messages are JSON and bytes, never pickles, since this process reads untrusted files.
"""

import json
import logging
import multiprocessing
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ecgpipe.errors import DataError, EcgpipeError

MAX_ANSWER_BYTES = 1 << 27

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attachment:
    """A file to download."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class Worker:
    """Answers requests about files in another process, one at a time.

    Args:
        folder: of the saved model.
        seconds: time limit per file.
        threads: CPU threads.
        plugin: see ``Predictor``.
        layouts: file of further page layouts for a signal model.

    Raises:
        DataError: the model cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        seconds: float = 120,
        threads: int | None = None,
        plugin: Path | str | None = None,
        layouts: Path | str | None = None,
    ) -> None:
        self.folder, self.seconds = str(folder), seconds
        self.options = {"threads": threads, "plugin": None if plugin is None else str(plugin)}
        self.layouts = None if layouts is None else str(layouts)
        self._lock, self._stopped = threading.Lock(), False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        connection, other = context.Pipe()
        process = context.Process(target=_run, args=(other, self.folder, self.options, self.layouts), daemon=True)
        try:
            process.start()
        except OSError as error:  # the next request tries again
            connection.close()
            raise DataError(f"the process that reads files could not start ({error.strerror}); try again") from error
        finally:
            other.close()
        self._connection, self.process = connection, process
        try:
            ready = json.loads(self._connection.recv_bytes(MAX_ANSWER_BYTES))
        except (EOFError, OSError) as error:
            raise DataError(f"{self.folder}: the process that runs the model ended at once") from error
        if "error" in ready:
            raise DataError(ready["error"])
        self.model: dict[str, Any] = ready  # Predictor.description

    def ask(
        self,
        action: str,
        content: bytes,
        name: str,
        label: str | None = None,
        number: int = 0,
        scales: Mapping[str, float] | None = None,
    ) -> dict[str, Any] | Attachment:
        """Ask about a file.

        Args:
            action: ``predict``, ``overlay``, ``record`` or ``report``.
            content: of the file.
            name: for messages.
            label: class of the overlay; None: the most probable class of each page.
            number: of the page in the file, from 0; ``predict`` answers for all pages.
            scales: ``speed`` and ``gain`` of the pages, if known, for a signal model.

        Returns:
            predict: ``pages``, ``errors``, and ``more``, whether the file has more than eight pages. A page has
            ``number``; ``prediction``; ``words`` (``explain_prediction``); ``page``, ``image`` (null for a signal
            model) and ``overlay`` as data URLs; ``overlay_of``, its class; ``plot`` and ``heat`` (``serve.plot``; null
            for an image model). overlay: ``overlay``, ``overlay_of``, ``heat``. record: a zip file with the digitized
            page as a WFDB record. report: a PDF file.

        Raises:
            DataError: there is no answer; or it took too long or crashed the process, and a new one was started, unless
                the worker was stopped.
        """
        with self._lock:
            if not self.process.is_alive():
                self._restart()
            try:
                request = {
                    "action": action,
                    "name": name,
                    "label": label,
                    "number": number,
                    "scales": dict(scales or {}),
                }
                self._connection.send_bytes(json.dumps(request).encode())
                self._connection.send_bytes(content)
                if not self._connection.poll(self.seconds):
                    self._restart()
                    raise DataError(f"{name}: not finished after {self.seconds:g} s; stopped")
                answer = json.loads(self._connection.recv_bytes(MAX_ANSWER_BYTES))
                if "attachment" in answer:
                    file_name, media_type = answer["attachment"]
                    return Attachment(file_name, media_type, self._connection.recv_bytes(MAX_ANSWER_BYTES))
            except (EOFError, OSError) as error:
                self._restart()
                raise DataError(f"{name}: the process that reads files crashed; is the file damaged?") from error
        if "error" in answer:
            raise DataError(answer["error"])
        return answer

    def _restart(self) -> None:
        self._kill()
        if self._stopped:  # by another thread, during a request
            raise DataError("the server was stopped")
        self._start()

    def stop(self) -> None:
        """End the process; no other is started."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        self.process.kill()
        self.process.join()
        self._connection.close()


def _run(connection: Connection, folder: str, options: dict[str, Any], layouts: str | None) -> None:
    """The process: send the model's description, then answer until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends this process
    from ecgpipe.predict import load_predictor
    from ecgpipe.reader.templates import read_templates
    from ecgpipe.serve.answers import Answers

    try:
        further = {} if layouts is None else {"layouts": (*read_templates(), *read_templates(Path(layouts)))}
        answers = Answers(load_predictor(folder, **options), further)
    except EcgpipeError as error:
        connection.send_bytes(json.dumps({"error": str(error)}).encode())
        return
    connection.send_bytes(json.dumps(answers.predictor.description).encode())
    while True:
        try:
            request = json.loads(connection.recv_bytes())
            content = connection.recv_bytes()
        except EOFError:
            return
        try:
            answer = answers.answer(content=content, **request)
        except EcgpipeError as error:
            answer = {"error": str(error)}
        except Exception as error:  # shown on the page and logged
            logger.exception("%s", request["name"])
            answer = {"error": f"{request['name']}: unexpected {type(error).__name__}"}
        if isinstance(answer, Attachment):
            connection.send_bytes(json.dumps({"attachment": [answer.name, answer.media_type]}).encode())
            connection.send_bytes(answer.content)
        else:
            connection.send_bytes(json.dumps(answer).encode())
