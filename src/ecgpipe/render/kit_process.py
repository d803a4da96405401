"""A process of ECG-Image-Kit that draws one page after another (``kit_driver``), stopped with the job."""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from ecgpipe.errors import DataError
from ecgpipe.render import kit_driver

TAIL = 1500  # characters of the kit's error output that are quoted


class KitProcess:
    """The kit, ready to draw.

    Args:
        python: interpreter of the kit's environment.
        kit: folder of the kit's program.
        options: of its command line.
        folder: for its error output.
        timeout: seconds that the start, or one page, may take.

    Raises:
        DataError: the kit does not start; the end of its error output is quoted.
    """

    def __init__(self, python: str, kit: Path, options: list[str], folder: Path, timeout: float) -> None:
        self.timeout, self.errors = timeout, folder / "errors.txt"
        # PYTHONPATH holds modules for this interpreter, not the kit's; one thread, since shards are drawn in parallel
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        environment = {"OMP_NUM_THREADS": "1"} | environment | {"MPLBACKEND": "Agg"}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [python, str(Path(kit_driver.__file__).resolve()), str(kit), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                encoding="utf-8",
            )
        self.replies: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._receive, daemon=True).start()
        self._reply("its start")

    def draw(self, what: str, inputs: Path, outputs: Path, seed: int) -> str | None:
        """Draw the record in one folder; the page is written to another.

        Args:
            what: name of the record in messages.
            inputs, outputs: folders; the first one contains one record.
            seed: of all random choices, at most 31 bits.

        Returns:
            The kit's error, if it failed.

        Raises:
            DataError: the page took too long, or the kit's process ended.
        """
        request = {"input": str(inputs.resolve()), "output": str(outputs.resolve()), "seed": seed}
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; the missing reply shows this
        return self._reply(what)

    def close(self) -> None:
        """Stop the kit if it runs, even in the middle of a page, and show the end of its error output."""
        if self.process.poll() is not None:
            return  # the error about its end quotes its output
        self.process.kill()
        self.process.wait()
        sys.stderr.write(self._tail())

    def _receive(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.replies.put(line)
        self.replies.put(None)

    def _reply(self, what: str) -> str | None:
        try:
            line = self.replies.get(timeout=self.timeout)
        except queue.Empty:
            self.close()
            raise DataError(
                f"{what}: ECG-Image-Kit was stopped after {self.timeout:g} s; raise render.kit_timeout and run again, "
                "which keeps the pages drawn so far"
            ) from None
        if line is None:
            status = self.process.wait()
            raise DataError(f"{what}: ECG-Image-Kit ended with status {status}:\n{self._tail().strip()}")
        return json.loads(line)["error"]

    def _tail(self) -> str:
        return self.errors.read_text(errors="replace")[-TAIL:]
