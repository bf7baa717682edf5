"""Looks at the addresses at which the daemon listens, and at what webhooks need."""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Mapping

from archiver.actions.doctoring.finding import About, Findings
from archiver.errors import ConfigInvalid
from archiver.providers.base import AccountOptions
from archiver.providers.inlets import open_inlet

_ANSWER_SECONDS = 3.0
_OUR_SERVER = "archiver/"


def examine_webhooks(
    about: About, address: str, accounts: Mapping[str, AccountOptions]
) -> Findings:
    """Tell where each account's webhooks go, and whether they could be told from forged ones."""
    yield from examine_listen(about, address, "webhooks.listen")
    for name, options in accounts.items():
        try:
            if open_inlet(options) is not None:
                end = "" if options.webhook_token is None else "/TOKEN"
                yield about.ok(name, f"webhooks of {name} are taken at /hooks/{name}{end}")
        except ConfigInvalid as error:
            yield about.failure(name, error, f"see accounts.{name}; until then it answers 503")


def examine_listen(about: About, address: str, option: str = "daemon.listen") -> Findings:
    """Tell whether the address is free, taken by a daemon of ours, or by something else."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        _bind(host, int(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_health(host, int(port)):
            yield about.ok("listen", f"{address} answers: the daemon is running")
            return
        yield about.warning(
            "listen",
            f"{address} cannot be used by the daemon: {error.strerror or error}",
            f'stop what uses it (ss -ltnp), or set {option} to another address, or to "" for none',
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
