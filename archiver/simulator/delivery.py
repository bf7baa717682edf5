"""Puts a response on the wire: as it should be, or as a fault wants it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator

from archiver.simulator.faults import Fault
from archiver.simulator.payload import SMALL_BYTES, Payload, endless
from archiver.simulator.wire import Response, format_head

_TICK_SECONDS = 0.05
"""How often a trickling body sends something."""


class Deliverer:
    """Sends responses on one socket; `stopping` ends what would last for ever."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        """Keep both."""
        self._socket, self._stopping = connection, stopping

    def send(
        self, response: Response, headers: dict[str, str], *, bodiless: bool, stays: bool
    ) -> bool:
        """Send head and body, in one piece when small. Says whether the connection stays open."""
        headers["Content-Length"] = str(response.length())
        if not stays:
            headers["Connection"] = "close"
        head = format_head(response.status, headers)
        if bodiless:
            self._socket.sendall(head)
        elif isinstance(response.body, bytes) and len(response.body) <= SMALL_BYTES:
            self._socket.sendall(head + response.body)
        else:
            self._socket.sendall(head)
            self._send_pieces(_pieces(response))
        return stays

    def send_faulty(
        self,
        response: Response,
        headers: dict[str, str],
        fault: Fault,
        *,
        bodiless: bool,
        stays: bool,
    ) -> bool:
        """Send as a fault wants it. Says whether the connection stays open."""
        ends = fault.cut_after_bytes is not None or fault.length_error_bytes or fault.endless
        stays = stays and not ends and fault.framing != "close"
        if fault.framing == "length":
            headers["Content-Length"] = str(max(0, response.length() + fault.length_error_bytes))
        elif fault.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        if not stays and fault.framing != "length":
            headers["Connection"] = "close"
        self._socket.sendall(format_head(response.status, headers))
        if bodiless:
            return stays
        body = endless(b"more and more; ", self._stopping) if fault.endless else _pieces(response)
        body = _cut(body, fault.cut_after_bytes)
        if fault.framing == "chunked":
            body = _chunked(body, whole=fault.cut_after_bytes is None)
        self._send_pieces(body, fault.bytes_per_second)
        return stays

    def _send_pieces(
        self, pieces: Iterable[memoryview | bytes], bytes_per_second: int | None = None
    ) -> None:
        """Send pieces as fast as they are taken, or at a rate."""
        if bytes_per_second is None:
            for piece in pieces:
                self._socket.sendall(piece)
            return
        step = max(1, int(bytes_per_second * _TICK_SECONDS))
        for piece in pieces:
            for start in range(0, len(piece), step):
                self._socket.sendall(piece[start : start + step])
                if self._stopping.wait(step / bytes_per_second):
                    raise ConnectionAbortedError("the simulator stops")


def _pieces(response: Response) -> Iterator[memoryview | bytes]:
    """Yield what a response sends."""
    if isinstance(response.body, Payload):
        yield from response.body.pieces(response.start, response.stop)
    else:
        yield response.body


def _cut(pieces: Iterable[memoryview | bytes], limit: int | None) -> Iterator[memoryview | bytes]:
    """Yield at most `limit` bytes."""
    for piece in pieces:
        if limit is not None and len(piece) >= limit:
            yield piece[:limit]
            return
        limit = None if limit is None else limit - len(piece)
        yield piece


def _chunked(pieces: Iterable[memoryview | bytes], *, whole: bool) -> Iterator[bytes]:
    """Frame pieces as chunks (RFC 9112 7.1); a cut body lacks its last chunk."""
    for piece in pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), bytes(piece))
    if whole:
        yield b"0\r\n\r\n"
