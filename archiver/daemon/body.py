"""Reads the body of an HTTP request: by its length, or in chunks, and never beyond a bound."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase

MAX_CHUNK_LINE_BYTES = 256
MAX_CHUNKS = 100_000


class BodyRefused(Exception):
    """A body that is not read to its end; `status` is what to answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def read_body(
    source: BufferedIOBase, headers: Message, max_bytes: int, go_ahead: Callable[[], None]
) -> bytes:
    """Read a body whole; raises BodyRefused when it is too large, broken or breaks off.

    One that says how long it is, and is too long, is not read at all; before any other one is,
    `go_ahead` is called. One that says nothing is empty (RFC 9112, 6.3).
    """
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    lengths = set(headers.get_all("Content-Length", ()))
    if coding not in ("", "chunked") or len(lengths) > 1 or (coding and lengths):
        raise BodyRefused(HTTPStatus.BAD_REQUEST)
    try:
        size = _size(lengths.pop() if lengths else "0", 10, max_bytes)
        go_ahead()
        return _read_chunks(source, max_bytes) if coding else _read_exactly(source, size)
    except (OSError, ValueError):  # nothing came for too long; or it was read before
        raise BodyRefused(HTTPStatus.BAD_REQUEST) from None


def _size(text: str, base: int, max_bytes: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isalnum()) or len(text) > 20:
        raise BodyRefused(HTTPStatus.BAD_REQUEST)
    size = int(text, base)
    if size > max_bytes:
        raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return size


def _read_exactly(source: BufferedIOBase, size_bytes: int) -> bytes:
    body = source.read(size_bytes)
    if len(body) < size_bytes:
        raise BodyRefused(HTTPStatus.BAD_REQUEST)
    return body


def _read_chunks(source: BufferedIOBase, max_bytes: int) -> bytes:
    """Read the chunks of RFC 9112, 7.1; what follows the last one is of no use here."""
    body = bytearray()
    for _ in range(MAX_CHUNKS):
        line = source.readline(MAX_CHUNK_LINE_BYTES)
        if not line.endswith(b"\n"):
            break
        size = _size(line.decode("latin-1").partition(";")[0], 16, max_bytes - len(body))
        if size == 0:
            return bytes(body)
        body += _read_exactly(source, size)
        if source.readline(2) not in (b"\r\n", b"\n"):
            break
    raise BodyRefused(HTTPStatus.BAD_REQUEST)
