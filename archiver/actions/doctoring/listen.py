"""Looks at the address at which the daemon serves health and metrics."""

from __future__ import annotations

import errno
import http.client
import socket

from archiver.actions.doctoring.finding import About, Findings

_ANSWER_SECONDS = 3.0
_OUR_SERVER = "archiver/"


def examine_listen(about: About, address: str) -> Findings:
    """Tell whether the address is free, taken by a daemon of ours, or by something else."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        _bind(host, int(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_health(host, int(port)):
            yield about.ok("listen", f"{address} answers /healthz: the daemon is running")
            return
        yield about.warning(
            "listen",
            f"{address} cannot be used by the daemon: {error.strerror or error}",
            "stop what uses it (ss -ltnp), or set daemon.listen to another address, or to "
            '"" for none',
        )
        return
    yield about.ok("listen", f"{address} is free: no daemon serves there now")


def _bind(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _is_health(host: str, port: int) -> bool:
    """Ask for our health page; whatever it says, its server says whose it is."""
    nearest = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # asked, not bound
    connection = http.client.HTTPConnection(nearest, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return (connection.getresponse().getheader("Server") or "").startswith(_OUR_SERVER)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
