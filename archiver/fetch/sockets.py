"""Opens the sockets of a transfer, after a look at the address (promise 8)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pycurl

from archiver.errors import AddressForbidden


class SocketOpener:
    """libcurl's hook for new connections. `failure` tells why none of them was allowed."""

    def __init__(self, is_allowed: Callable[[str], bool]) -> None:
        self._is_allowed = is_allowed
        self._has_opened = False
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
            return self._refuse("the link leads to something that is no IP address")
        if not self._is_allowed(place[0]):
            return self._refuse(
                f"the link leads to {place[0]}, which is not public"
                " (transfer.allow_private_hosts = true would allow it)"
            )
        opened = socket.socket(family, kind, protocol)
        self._opened.append(opened)
        self._has_opened, self.failure = True, None
        return opened

    def _refuse(self, reason: str) -> int:
        """Refuse one address; a name may have others, and then their trouble is what counts."""
        if not self._has_opened:
            self.failure = AddressForbidden(reason)
        return int(pycurl.SOCKET_BAD)
