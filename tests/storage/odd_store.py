"""A scripted S3 store: it answers what real ones answer only on their worst days."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from archiver.storage.s3 import destination as s3

XML = {"Content-Type": "application/xml"}


@dataclass(kw_only=True)
class Request:
    """What the client asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class Answer:
    """What the store says; `cut` promises more body than it sends."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False


def refuse(status: int, code: str, message: str = "") -> Answer:
    """Make an error in S3's own form."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status=status, headers={"Content-Type": "application/xml"}, body=text.encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Callable[[Request], Answer]
    seen: list[Request]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        request = Request(method=self.command, target=self.path, headers=headers, body=body)
        self.seen.append(request)
        answer = type(self).script(request)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body) + 10 * answer.cut))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.cut

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def odd_store(
    script: Callable[[Request], Answer], **options: object
) -> Iterator[tuple[s3.S3Destination, list[Request]]]:
    """Serve one script on loopback; yield a destination there, and what it was asked.

    It speaks TLS when there is a `certificate`, a file that holds its key as well.
    """
    certificate = options.pop("certificate", None)
    seen: list[Request] = []
    handler = type("Handler", (_Handler,), {"script": staticmethod(script), "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if isinstance(certificate, Path):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    given = {
        "type": "s3",
        "bucket": "odd",
        "endpoint_url": f"{scheme}://127.0.0.1:{server.server_address[1]}",
        "access_key": "testkey",
        "secret_key": "testsecret",
        "part_size": "5MiB",
        **options,
    }
    destination = s3.open_destination("vault", s3.Options.model_validate(given))
    try:
        yield destination, seen
    finally:
        destination.close()
        server.shutdown()
        thread.join()
        server.server_close()


def md5_tag(body: bytes) -> str:
    """Make the tag that most stores give."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def make_multipart_script(
    complete: Callable[[list[bytes]], Answer], head: Callable[[list[bytes]], Answer]
) -> Callable[[Request], Answer]:
    """Play a store that takes parts, and completes and shows them as told."""
    parts: list[bytes] = []

    def script(request: Request) -> Answer:
        if request.method == "PUT":
            parts.append(request.body)
            return Answer(headers={"ETag": md5_tag(request.body)})
        if request.method == "HEAD":
            return head(parts)
        if request.method == "DELETE":
            return Answer(status=204)
        if request.target.endswith("?uploads"):
            text = "<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
            return Answer(headers=XML, body=f"{text}</InitiateMultipartUploadResult>".encode())
        return complete(parts)

    return script
