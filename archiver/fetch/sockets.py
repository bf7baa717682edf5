"""Opens the sockets of a transfer, after a look at the address (promise 8)."""

from __future__ import annotations

import socket
from typing import Any

import pycurl

from archiver.errors import AddressForbidden
from archiver.fetch.guard import is_public


class SocketOpener:
    """libcurl's hook for new connections. `failure` tells why one was refused."""

    def __init__(self, allow_private_hosts: bool) -> None:
        self._allow_private_hosts = allow_private_hosts
        self.failure: AddressForbidden | None = None
        self._opened: list[socket.socket] = []

    def release(self) -> None:
        """Close our side of the sockets: libcurl works with duplicates of its own."""
        while self._opened:
            self._opened.pop().close()

    def __call__(self, purpose: int, address: Any) -> socket.socket | int:
        """Return a socket of the asked kind, or pycurl.SOCKET_BAD for a forbidden address."""
        family, kind, protocol, place = address
        if family not in (socket.AF_INET, socket.AF_INET6):
            self.failure = AddressForbidden("the link leads to something that is no IP address")
            return int(pycurl.SOCKET_BAD)
        if not self._allow_private_hosts and not is_public(place[0]):
            self.failure = AddressForbidden(
                f"the link leads to {place[0]}, which is not public"
                " (transfer.allow_private_hosts = true would allow it)"
            )
            return int(pycurl.SOCKET_BAD)
        opened = socket.socket(family, kind, protocol)
        self._opened.append(opened)
        return opened
