"""The server of the local web page for a saved model."""

from collections.abc import Sequence
from pathlib import Path

import uvicorn

from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.serve.app import MAX_UPLOAD_BYTES, build_app
from ecgpipe.serve.network import bound_socket, is_loopback, opened_as, other_machines
from ecgpipe.serve.worker import Worker


class LocalPage:
    """A local web page for a saved model.

    Args:
        folder: of the saved model.
        host: address to listen on.
        port: 0 selects a free port.
        names: additional hosts under which the page may be opened, for example through a proxy.
        threads: CPU threads of the model.
        seconds: time limit per file.
        max_bytes: size limit per file.
        plugin: see ``Predictor``.

    Attributes:
        address: of the page on this machine.
        for_phones: addresses of the page for other machines in the network; empty unless ``host`` allows them.

    Raises:
        ConfigError: it is not possible to listen on the address.
        DataError: the model cannot be used.
    """

    def __init__(
        self,
        folder: Path | str,
        host: str = "127.0.0.1",
        port: int = 8765,
        names: Sequence[str] = (),
        threads: int | None = None,
        seconds: float = 120,
        max_bytes: int = MAX_UPLOAD_BYTES,
        plugin: Path | str | None = None,
    ) -> None:
        read_saved(folder)  # fails before anything is started
        self._socket = bound_socket(host, port)
        self.port = self._socket.getsockname()[1]
        hosts = opened_as(host)
        self.address = f"http://{hosts[0]}:{self.port}/"
        self.for_phones = [f"http://{each}:{self.port}/" for each in other_machines(hosts)]
        try:
            self.worker = Worker(folder, seconds, threads, plugin)
        except BaseException:
            self._socket.close()
            raise
        accepted = {f"{each}:{self.port}" for each in (*hosts, *names)} | set(names)  # a proxy has a port of its own
        app = build_app(self.worker, accepted, max_bytes, in_network=not is_loopback(host))
        self.server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                limit_concurrency=32,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=2,
            )
        )

    def run(self) -> None:
        """Serve until a signal or ``stop``."""
        try:
            self.server.run(sockets=[self._socket])
        finally:
            self.worker.stop()
            self._socket.close()

    def stop(self) -> None:
        """End ``run`` from another thread."""
        self.server.should_exit = True
