"""One listening address: an API or the media host, with its connections."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from http.server import ThreadingHTTPServer

from archiver.simulator.connection import Connection
from archiver.simulator.faults import FaultScript
from archiver.simulator.request_log import RequestLog
from archiver.simulator.stage import Api
from archiver.simulator.wire import Request, Response, json_response

_POLL_SECONDS = 0.05
_CREDENTIAL_HEADERS = (b"\r\nauthorization:", b"\r\nx-api-key:")


class _Listener(ThreadingHTTPServer):
    """The standard threading server, with a deep backlog and no look-up of its own name."""

    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], host: Host) -> None:
        """Bind to the address."""
        self.host = host
        super().__init__(address, Connection)

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[0], self.server_address[1]  # type: ignore[assignment]


class Host:
    """Listens on one address and answers through one API. `name` is "media" or a provider."""

    def __init__(
        self,
        name: str,
        api: Api,
        *,
        keys: dict[str, str],
        faults: FaultScript,
        log: RequestLog,
    ) -> None:
        """Keep the parts; nothing listens before `start`."""
        self.name, self.faults, self.log = name, faults, log
        self.stopping = threading.Event()
        self._api = api
        self._keys = keys
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    def start(self, address: str, port: int = 0) -> str:
        """Listen, and return the base URL. Port 0 lets the kernel choose. Also after a stop."""
        self.stopping.clear()
        self._listener = _Listener((address, port), self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            args=(_POLL_SECONDS,),
            name=f"simulator {self.name}",
            daemon=True,
        )
        self._thread.start()
        return f"http://{address}:{self._listener.server_address[1]}"

    def stop(self) -> None:
        """Close the listener and every connection. May be called twice."""
        self.stopping.set()
        if self._listener is None or self._thread is None:
            return
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._listener = None

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def answer(self, request: Request) -> Response:
        """Answer a request through the API."""
        if request.method == "BAD":
            return json_response(400, {"detail": "this is no HTTP request"})
        return self._api.answer(request)

    def credentials_in(self, head: bytes) -> tuple[str, ...]:
        """Name the providers whose key stands in a request head, wherever it stands."""
        names = tuple(name for name, key in self._keys.items() if key.encode() in head)
        if names:
            return names
        lowered = head.lower()
        return ("unknown",) if any(header in lowered for header in _CREDENTIAL_HEADERS) else ()
