"""Media hosts on loopback, played byte by byte: whatever a stranger may send can be sent."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    connection: int


Answerer = Callable[[Request], Iterable[bytes]]
"""Makes the bytes of an answer. The connection stays open behind it unless it ends in CUT."""

CUT = b""
"""As the last part of an answer: the host closes the connection."""


class Host:
    """A media host that answers as it is told, and remembers who came."""

    def __init__(
        self, answer: Answerer, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server((address, 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.closing = threading.Event()
        self.connections = 0
        self.requests: list[Request] = []
        self.address, self.port = self._listener.getsockname()[:2]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, path: str = "/file.bin", name: str | None = None) -> str:
        """Say where a file of this host is, under another name for the host when one is given."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{name or self.address}:{self.port}{path}"

    def close(self) -> None:
        """End everything this host still does."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._talk(connection, number)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secure:
                self._open.append(secure)
                self._talk(secure, number)

    def _talk(self, connection: socket.socket, number: int) -> None:
        head = b""
        while not self.closing.is_set():
            while b"\r\n\r\n" not in head:
                came = connection.recv(65536)
                if not came:
                    return
                head += came
            text, _, head = head.partition(b"\r\n\r\n")
            request = _parse(text, number)
            self.requests.append(request)
            part = None
            for part in self._answer(request):
                connection.sendall(part)
            if part == CUT:
                return


def _parse(head: bytes, connection: int) -> Request:
    first, *lines = head.decode("iso-8859-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(first.split(" ")[1], headers, connection)


def head(status: int = 200, /, **headers: object) -> bytes:
    """Write the head of an answer; `content_length=5` becomes "content-length: 5"."""
    lines = [f"HTTP/1.1 {status} So"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("iso-8859-1")


def whole(body: bytes, status: int = 200, /, **headers: object) -> list[bytes]:
    """Write a whole answer with its length."""
    start = head(status, content_length=len(body), **headers)
    return [start + body]


def always(*parts: bytes) -> Answerer:
    """Answer every request with the same bytes."""
    return lambda _: parts


def in_turn(*answers: Iterable[bytes] | Answerer) -> Answerer:
    """Answer one request after the other; the last answer is given for ever."""
    left = list(answers)
    lock = threading.Lock()

    def answer(request: Request) -> Iterable[bytes]:
        with lock:
            found = left.pop(0) if len(left) > 1 else left[0]
        return found(request) if callable(found) else found

    return answer


def rest_of(body: bytes, validator: str, **headers: object) -> Answerer:
    """Answer as a correct host does: 206 for a Range when the validator is still the same."""
    named = {"etag": validator, **headers} if validator.startswith('"') else headers

    def answer(request: Request) -> Iterator[bytes]:
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=")[:-1])
        if start == 0 or request.headers.get("if-range") != validator:
            yield head(content_length=len(body), **named)
            yield body
            return
        content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
        yield head(206, content_length=len(body) - start, content_range=content_range, **named)
        yield body[start:]

    return answer


class Taker:
    """A `Receiver` that keeps what it is given, or only its hash when `keeps` is false."""

    def __init__(self, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._hash = hashlib.sha256()
        self.restarts = 0
        self.size_bytes = 0
        self.body = bytearray()

    def restart(self) -> None:
        """Forget every byte so far."""
        self._hash = hashlib.sha256()
        self.restarts += 1
        self.size_bytes = 0
        self.body.clear()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size_bytes += len(chunk)
        self._hash.update(chunk)
        if self._keeps:
            self.body += chunk

    @property
    def sha256(self) -> str:
        """The hash of what came since the last restart."""
        return self._hash.hexdigest()


class Patience(threading.Event):
    """A `stopping` event that does not really wait, and remembers how long it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once."""
        self.waits.append(timeout or 0.0)
        return self.is_set()
