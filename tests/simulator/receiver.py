"""A real server that takes webhooks, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request. Header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class _Taking(BaseHTTPRequestHandler):
    """Keeps each request, and answers the next status."""

    server: Receiver

    def do_POST(self) -> None:
        """Take one webhook, unless its stated length is more than the receiver's."""
        length = int(self.headers["content-length"])
        if length > self.server.body_limit_bytes:
            self._answer(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, self.rfile.read(length)))
        statuses = self.server.statuses
        self._answer(statuses.popleft() if statuses else 200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class Receiver(ThreadingHTTPServer):
    """A context manager; `statuses` are answered one after the other, then 200."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.received: list[Received] = []
        self.statuses: deque[int] = deque()
        self.body_limit_bytes = 1_000_000
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/studio"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
