"""A small HTTP server for the daemon's two addresses: what watches it, and what sends webhooks.

A few requests are answered at a time, each connection within seconds: whoever holds one open keeps
nobody else out for long. A body is read only when somebody asks for it, and never beyond its bound.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from archiver import __version__
from archiver.daemon.body import read_body
from archiver.errors import AddressInUse
from archiver.log import get_logger

SECONDS_A_CONNECTION = 10.0
AT_ONCE = 32
_CHUNKED = "Transfer-Encoding"
LINGER_SECONDS = 1.0
"""So long what was not asked for is read on and thrown away, that the answer gets through."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a request: a status, a body and its media type, further headers."""

    status: HTTPStatus
    body: bytes
    media_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `path` has no query, `headers` have lower-case names.

    `read_body` reads the body, up to so many bytes; it raises BodyRefused, and works once.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    read_body: Callable[[int], bytes]


Respond = Callable[[Request], Answer]
Routes = Mapping[str, Callable[[], Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How an address is served. `option` is where the config names it, `otherwise` what else to do.

    Of more than `at_once` connections the next ones are hung up on, or wait where `is_patient`.
    """

    option: str
    otherwise: str
    at_once: int = AT_ONCE
    seconds_a_connection: float = SECONDS_A_CONNECTION
    is_patient: bool = False


PAGES = Manners(option="daemon.listen", otherwise='to "" for no health and metrics')


def pages(routes: Routes) -> Respond:
    """Answer GET and HEAD by the path alone."""

    def respond(request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            headers = {"Allow": "GET, HEAD"}
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", headers=headers)
        route = routes.get(request.path)
        if route is not None:
            return route()
        known = " ".join(sorted(routes))
        return Answer(HTTPStatus.NOT_FOUND, f"there is nothing here; see {known}\n".encode())

    return respond


class Endpoint:
    """Answers at one address until it is closed."""

    def __init__(self, listen: str, respond: Respond, manners: Manners = PAGES) -> None:
        """Bind `listen`, as HOST:PORT or [IPV6]:PORT; raises AddressInUse when that cannot be."""
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        try:
            family, *_, address = socket.getaddrinfo(
                host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._server = _make_server(family, address, respond, manners)
        except OSError as error:
            raise AddressInUse(_tell(listen, error, manners)) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; returns when the address is free again."""
        self._server.is_closing = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _tell(listen: str, error: OSError, manners: Manners) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{listen} is in use by another program (or another archiver daemon): "
            f"set {manners.option} to a free port, or {manners.otherwise}"
        )
    return f"cannot listen at {listen}: {error.strerror or error}; see {manners.option}"


def _make_server(family: int, address: Any, respond: Respond, manners: Manners) -> _Server:
    class Handler(_Handler):
        timeout = manners.seconds_a_connection

    class Server(_Server):
        address_family = family

    return Server(address, Handler, respond, manners)


class _Server(ThreadingHTTPServer):
    """A server with a bound on its threads, and no words on stderr about broken connections."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        address: Any,
        handler: type[BaseHTTPRequestHandler],
        respond: Respond,
        manners: Manners,
    ) -> None:
        self.respond = respond
        self.is_closing = False
        self._manners = manners
        self._free = threading.BoundedSemaphore(manners.at_once)
        self._open: dict[Any, float] = {}
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "archiver", 0

    def process_request(self, request: Any, client_address: Any) -> None:
        while not self._free.acquire(timeout=0.1 if self._manners.is_patient else 0.0):
            if self.is_closing or not self._manners.is_patient:
                self.shutdown_request(request)
                return
            self.service_actions()
        self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """Hang up on who takes too long: a timeout alone is put off by each byte that trickles."""
        for request, begun_at in list(self._open.items()):
            if time.monotonic() - begun_at >= self._manners.seconds_a_connection:
                with suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        get_logger().debug("http.broken", client=str(client_address))


class _Handler(BaseHTTPRequestHandler):
    """Hands each request on, and sends the answer. A path may end in a token: none is logged."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = f"archiver/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request of any method that is known."""
        self.close_connection = True
        self._has_more = any(name in self.headers for name in ("Content-Length", _CHUNKED))
        names = {name.lower() for name in self.headers}
        headers = {name: ", ".join(self.headers.get_all(name, ())) for name in names}
        path = self.path.partition("?")[0]
        try:
            answer = self.server.respond(Request(self.command, path, headers, self._read_body))
        except Exception:  # whoever asks must not see how it looks inside; the log does
            get_logger().exception("http.failed")
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"internal error; see the log\n")
        self._send(answer)
        if self._has_more:
            self._linger()

    # The names that http.server looks for; any other method is its own 501.
    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def _read_body(self, max_bytes: int) -> bytes:
        body = read_body(self.rfile, self.headers, max_bytes, self._go_ahead)
        self._has_more = False
        return body

    def _go_ahead(self) -> None:
        """Have the body sent by whoever waits for that."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()

    def handle_expect_100(self) -> bool:
        """Have no body sent before somebody asks for it."""
        return True

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _linger(self) -> None:
        """Read on for a moment: to close on what was not read would break the answer off."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER_SECONDS)
            until = time.monotonic() + LINGER_SECONDS
            while time.monotonic() < until and self.rfile.read1(1 << 16):
                pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is given
        """Say nothing: a probe every few seconds would fill the log."""
