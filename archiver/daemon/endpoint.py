"""A small HTTP server for what watches the daemon: `/healthz`, `/readyz`, `/metrics`.

Only reads are answered, a few at a time, each connection within seconds: whoever holds one open
keeps nobody else out for long.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import structlog

from archiver import __version__
from archiver.errors import AddressInUse

SECONDS_A_CONNECTION = 10.0
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What one path says: a status, a body and its media type."""

    status: HTTPStatus
    body: bytes
    media_type: str = "text/plain; charset=utf-8"


Routes = Mapping[str, Callable[[], Answer]]


class Endpoint:
    """Serves routes at one address until it is closed."""

    def __init__(self, listen: str, routes: Routes) -> None:
        """Bind `listen`, as HOST:PORT or [IPV6]:PORT; raises AddressInUse when that cannot be."""
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        try:
            family, *_, address = socket.getaddrinfo(
                host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._server = _make_server(family, address, routes)
        except OSError as error:
            raise AddressInUse(_tell(listen, error)) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; returns when the address is free again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _tell(listen: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{listen} is in use by another program (or another archiver daemon): "
            'set daemon.listen to a free port, or to "" for no health and metrics'
        )
    return f"cannot listen at {listen}: {error.strerror or error}; see daemon.listen"


def _make_server(family: int, address: Any, routes: Routes) -> ThreadingHTTPServer:
    class Handler(_Handler):
        pass

    class Server(_Server):
        address_family = family

    Handler.routes = routes
    return Server(address, Handler)


class _Server(ThreadingHTTPServer):
    """A server with a bound on its threads, and no words on stderr about broken connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: Any, handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._open: dict[Any, float] = {}
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "archiver", 0

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
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
            if time.monotonic() - begun_at >= SECONDS_A_CONNECTION:
                with suppress(OSError):  # it has just ended by itself
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        structlog.get_logger().debug("http.broken", client=str(client_address))


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    routes: ClassVar[Routes] = {}
    timeout = SECONDS_A_CONNECTION
    server_version = f"archiver/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            self._send(Answer(HTTPStatus.NOT_FOUND, _index(self.routes)))
            return
        try:
            answer = route()
        except Exception:  # whoever asks must not see how it looks inside; the log does
            structlog.get_logger().exception("http.failed", path=self.path)
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"internal error; see the log\n")
        self._send(answer)

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is given
        """Say nothing: a probe every few seconds would fill the log."""


def _index(routes: Routes) -> bytes:
    return f"there is nothing here; see {' '.join(sorted(routes))}\n".encode()
