"""A small S3 store in this process that works, refuses or never answers, as a test says."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Mood = Literal["works", "refuses", "hangs", "dawdles"]
DAWDLING_SECONDS = 0.4
_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>not today</Message></Error>"
_UPLOAD = b"<R><UploadId>u1</UploadId></R>"
_EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
_MODIFIED = "Mon, 05 Jan 2026 00:00:00 GMT"


class SmallStore:
    """Keeps small objects. `mood` is how it meets a PUT, `door` how it meets all else."""

    def __init__(self) -> None:
        self.mood: Mood = "works"
        self.door: Mood = "works"
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.closing = threading.Event()
        self.reached = threading.Event()
        """Set when somebody waits for an answer that does not come."""
        handler = type("Handler", (_Handler,), {"store": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def toml(self) -> str:
        """The options of a destination in it."""
        return (
            f'type = "s3"\nbucket = "small"\nendpoint_url = "http://127.0.0.1:'
            f'{self._http.server_address[1]}"\nregion = "us-east-1"\n'
            'access_key = "testkey"\nsecret_key = "testsecret"'
        )

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def small_store() -> Iterator[SmallStore]:
    """Serve one on loopback."""
    store = SmallStore()
    try:
        yield store
    finally:
        store.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: SmallStore

    def _answer(self) -> None:
        store, parts = self.store, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_put = self.command == "PUT"
        store.puts += is_put
        mood = store.mood if is_put else store.door
        if mood == "hangs":
            store.reached.set()
            store.closing.wait()
            self.close_connection = True
        elif mood == "refuses":
            self._send(403, _REFUSAL)
        elif is_put:
            if mood == "dawdles":
                store.closing.wait(DAWDLING_SECONDS)
            store.objects[parts.path] = body
            self._send(200, b"", ETag=_tag(body))
        elif self.command == "POST":
            self._send(200, _UPLOAD)
        elif self.command == "DELETE":
            self._send(204, b"")
        elif parts.query and self.command == "GET":
            self._send(200, _EMPTY_LIST)
        elif parts.path == "/small":
            self._send(200, b"")
        elif parts.path in store.objects:
            found = store.objects[parts.path]
            self._send(200, found, ETag=_tag(found), **{"Last-Modified": _MODIFIED})
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
