"""The server of the local web page for a saved model: where it listens, and the names under which it may be opened."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ecgpipe.artifacts.recording_model import read_saved
from ecgpipe.errors import ConfigError
from ecgpipe.serve.app import MAX_UPLOAD_BYTES, build_app
from ecgpipe.serve.worker import Worker

NOWHERE = ("192.0.2.1", 9)
"""An address that no machine uses (RFC 5737)."""
SILENT_SECONDS = 10
"""Time for the header of a request; without a limit, idle connections would keep all others out."""
HTTP_PORT = 80
"""Browsers leave it out of the Host header."""


class _Connection(H11Protocol):
    """Closes a connection on which no request arrives: at its start and after each answer."""

    silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._wait_for_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_request()

    def _wait_for_request(self) -> None:
        if self.silent is not None:
            self.silent.cancel()
        self.silent = self.loop.call_later(SILENT_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


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
        layouts: file of further page layouts for a signal model.

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
        layouts: Path | str | None = None,
    ) -> None:
        read_saved(folder)  # fails before anything is started
        self._socket = bound_socket(host, port)
        self.port = self._socket.getsockname()[1]
        hosts = opened_as(host)
        self.address = f"http://{hosts[0]}:{self.port}/"
        self.for_phones = [f"http://{each}:{self.port}/" for each in other_machines(hosts)]
        try:
            self.worker = Worker(folder, seconds, threads, plugin, layouts)
        except BaseException:
            self._socket.close()
            raise
        accepted = {f"{each}:{self.port}" for each in (*hosts, *names)} | set(names)  # a proxy has a port of its own
        if self.port == HTTP_PORT:
            accepted.update(hosts)
        app = build_app(self.worker, accepted, max_bytes, in_network=not is_loopback(host))
        self.server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_Connection,
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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_every_address(host: str) -> bool:
    """Whether a host stands for all addresses of this machine, such as 0.0.0.0."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def own_address() -> str | None:
    """This machine's IPv4 address in its network; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(NOWHERE)  # UDP: selects the address, sends nothing
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if is_loopback(address) or is_every_address(address) else address


def opened_as(host: str) -> list[str]:
    """Hosts, as in URLs, that open a page which listens on an address; the one for this machine comes first."""
    if is_every_address(host):
        own = own_address()
        loopback = ["[::1]"] if ":" in host else []
        return ["127.0.0.1", "localhost", *loopback, *([own] if own else [])]
    return [f"[{host}]" if ":" in host else host, *(["localhost"] if is_loopback(host) else [])]


def other_machines(hosts: Iterable[str]) -> list[str]:
    """The hosts that other machines can use."""
    return [host for host in hosts if not is_loopback(host.strip("[]"))]


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address.

    Raises:
        ConfigError: it is not possible to listen there.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"{host}:{port}: cannot listen there ({error}); choose another --port or --host") from error
    return bound
