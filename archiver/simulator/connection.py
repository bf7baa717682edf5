"""One client connection: reads requests, lets faults happen, sends answers."""

from __future__ import annotations

import socket
import socketserver
import struct
import time
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

from archiver.simulator.delivery import Deliverer
from archiver.simulator.faults import Fault
from archiver.simulator.request_log import Record
from archiver.simulator.wire import Request, Response, parse_head

if TYPE_CHECKING:
    from archiver.simulator.host import Host

_READ_BYTES = 65_536
_HEAD_LIMIT_BYTES = 65_536
_BODY_LIMIT_BYTES = 64 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: RST instead of FIN


class Connection(socketserver.BaseRequestHandler):
    """Serves one keep-alive connection in its own thread."""

    request: socket.socket
    server: ThreadingHTTPServer

    def setup(self) -> None:
        """Send small answers at once, and let the host end this connection."""
        self.host: Host = self.server.host  # type: ignore[attr-defined]
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.host.opened(self.request)

    def handle(self) -> None:
        """Answer requests until either side closes."""
        try:
            while (received := self._receive()) is not None:
                if not self._exchange(*received):
                    break
        except (ConnectionError, TimeoutError, OSError):
            return  # the client went away, which is its right

    def finish(self) -> None:
        """Tell the host that this connection is over."""
        self.host.closed(self.request)

    def _receive(self) -> tuple[Request, bytes] | None:
        """Read one request; None at the end of the connection. Also returns its raw head."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            received = self.request.recv(_READ_BYTES)
            if not received or len(self.buffer) > _HEAD_LIMIT_BYTES:
                return None
            self.buffer += received
        head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
        try:
            request = parse_head(head)
        except ValueError:
            return Request("BAD", "", {}, {"connection": "close"}), head
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length):
            request = replace(request, body=self._body(request, int(length)))
        return request, head

    def _body(self, request: Request, length: int) -> bytes:
        """Read a request body."""
        if length > _BODY_LIMIT_BYTES:
            raise ConnectionError("the request body is too large")
        if request.headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts = [self.buffer[:length]]
        self.buffer, missing = self.buffer[length:], length - len(self.buffer[:length])
        while missing > 0:
            part = self.request.recv(min(_READ_BYTES, missing))
            if not part:
                raise ConnectionError("the request body ended early")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _exchange(self, request: Request, head: bytes) -> bool:
        """Answer one request, and say whether the connection stays open."""
        fault = self.host.faults.take(self.host.name, request)
        response = self._response(request, fault)
        dropped = fault is not None and fault.reset and fault.cut_after_bytes is None
        status = 0 if dropped else response.status
        credentials = self.host.credentials_in(head)
        name = fault.name if fault else None
        self.host.log.append(
            Record(self.host.name, request.method, request.path, status, credentials, name)
        )
        if dropped:
            self._reset()
            return False
        stays = request.headers.get("connection", "").lower() != "close"
        stays = self._send(request, response, fault, stays=stays)
        if fault is not None and fault.reset:
            self._reset()
        return stays

    def _response(self, request: Request, fault: Fault | None) -> Response:
        """Return what the host answers, as far as a fault lets it."""
        if fault is None:
            return self.host.answer(request)
        if fault.delay_seconds:
            self.host.stopping.wait(fault.delay_seconds)
        if fault.before:
            fault.before()
        if fault.response:
            return fault.response
        response = self.host.answer(fault.rewrite(request) if fault.rewrite else request)
        self.host.stopping.wait(fault.silent_seconds)
        return fault.alter(response) if fault.alter else response

    def _send(
        self, request: Request, response: Response, fault: Fault | None, *, stays: bool
    ) -> bool:
        """Send a response, and say whether the connection stays open."""
        headers = {"Server": "simulator", "Date": _date(int(time.time())), **response.headers}
        deliverer = Deliverer(self.request, self.host.stopping)
        bodiless = request.method == "HEAD" or response.status in (204, 304)
        if fault is None:
            return deliverer.send(response, headers, bodiless=bodiless, stays=stays)
        return deliverer.send_faulty(response, headers, fault, bodiless=bodiless, stays=stays)

    def _reset(self) -> None:
        """Let the close of this socket send RST."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.request.close()


@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    """Write the Date header, once a second."""
    return formatdate(seconds, usegmt=True)
