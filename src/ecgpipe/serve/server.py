"""The server of the local page."""

import ipaddress
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.errors import ConfigError
from ecgpipe.serve.app import LARGEST_UPLOAD, build_app
from ecgpipe.serve.worker import Worker

logger = logging.getLogger(__name__)


class LocalPage:
    """A saved model behind a web page.

    Args:
        folder: of the saved model.
        host: address to listen at.
        port: 0 takes any that is free.
        names: further host names by which the page may be opened.
        threads: CPU threads of the model.
        seconds: that a file may take.
        largest: bytes of a file.
        plugin: as ``Predictor`` has it.

    Raises:
        ConfigError: the address cannot be had.
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
        largest: int = LARGEST_UPLOAD,
        plugin: Path | str | None = None,
    ) -> None:
        SavedModel.read(folder)  # before anything is started
        self._socket = _bound(host, port)
        self.port = self._socket.getsockname()[1]
        own = f"[{host}]" if ":" in host else host
        self.address = f"http://{own}:{self.port}/"
        try:
            self.worker = Worker(folder, seconds, threads, plugin)
        except BaseException:
            self._socket.close()
            raise
        hosts = {own, *names, *(["localhost"] if is_loopback(host) else [])}
        app = build_app(self.worker, {f"{name}:{self.port}" for name in hosts}, largest)
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
        """Serve until a signal, or ``stop``."""
        try:
            self.server.run(sockets=[self._socket])
        finally:
            self.worker.stop()
            self._socket.close()

    def stop(self) -> None:
        """End ``run``, from another thread."""
        self.server.should_exit = True


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"{host}:{port}: cannot listen there ({error}); choose another --port, or --host") from error
    return bound
