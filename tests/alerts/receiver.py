"""An HTTP server on loopback that records what it is sent, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from archiver.secrets import SecretSource

TOKEN = "5f6e0c1b-9b3a-4f0e-8d0c-1f2e3d4c5b6a"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query, each name with its values."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """Answers with the statuses of `answers` in turn, then 200; hangs while `hangs` is set."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[int] = []
        self.location = ""
        self.hangs = False
        self.closing = threading.Event()
        receiver = self

        class Handler(_Handler):
            owner = receiver

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def source(self, path: str = f"/{TOKEN}") -> SecretSource:
        """An address of this server as the config would hold it."""
        return SecretSource(value=self.origin + path)

    def close(self) -> None:
        """End it, and let go of whoever still waits for an answer."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: Receiver

    def do_POST(self) -> None:
        """Record a request and answer it."""
        owner = self.owner
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(self.command, self.path, headers, body))
        if owner.hangs:
            owner.closing.wait(60)
            return
        self.send_response(owner.answers.pop(0) if owner.answers else 200)
        if owner.location:
            self.send_header("Location", owner.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    do_GET = do_POST  # noqa: N815  # as the library wants it

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is given
        """Say nothing."""
