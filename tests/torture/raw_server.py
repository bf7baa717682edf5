"""A server that sends exactly the bytes it is told to, however wrong they are as HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TARGET = re.compile(rb"^GET (\S+) HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-", re.IGNORECASE)
_PATIENCE_SECONDS = 10
ENDLESS_BYTES = 8 << 20
"""An endless body ends here at the latest: no client that keeps its limit gets so far."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes to send; then the connection ends, by FIN or by RST. `repeats` sends the last again."""

    wire: bytes
    resets: bool = False
    is_endless: bool = False


Answer = Callable[[int | None], Raw]
"""Makes the answer to a request; is given where its Range begins, or None."""


class RawServer:
    """Answers each path by its own script, one connection a request; a context manager."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self._listener = socket.create_server((address, port), backlog=256)
        self._scripts: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://{address}:{self.port}"
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(6)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)

    def script(self, path: str, answers: Iterable[Answer]) -> str:
        """Give a path its answers, the last of which is repeated; returns its address."""
        with self._lock:
            self._scripts[path] = list(answers)
        return self.origin + path

    def forget(self, path: str) -> None:
        """Drop a path."""
        with self._lock:
            self._scripts.pop(path, None)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            connection.settimeout(_PATIENCE_SECONDS)
            with contextlib.suppress(OSError), connection:
                self._exchange(connection)

    def _exchange(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return
            head += received
        raw = self._answer(head)
        connection.sendall(raw.wire.replace(b"{port}", str(self.port).encode()))
        if raw.is_endless:
            piece = bytes(1 << 16)
            for _ in range(ENDLESS_BYTES // len(piece)):
                connection.sendall(piece)
        if raw.resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        else:
            connection.shutdown(socket.SHUT_WR)

    def _answer(self, head: bytes) -> Raw:
        target = _TARGET.match(head)
        path = target[1].decode("ascii", "replace") if target else ""
        begins = _RANGE.search(head)
        with self._lock:
            script = self._scripts.get(path.partition("?")[0])
            place = self.asked[path]
            self.asked[path] += 1
        if not script:
            return Raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return script[min(place, len(script) - 1)](int(begins[1]) if begins else None)
