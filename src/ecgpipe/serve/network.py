"""Addresses: where the local page listens, and the names under which it may be opened."""

import ipaddress
import socket
from collections.abc import Iterable

from ecgpipe.errors import ConfigError

NOWHERE = ("192.0.2.1", 9)
"""An address that no machine uses (RFC 5737)."""


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


def in_url(host: str) -> str:
    """A host as written in a URL."""
    return f"[{host}]" if ":" in host else host


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
    return [in_url(host), *(["localhost"] if is_loopback(host) else [])]


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
