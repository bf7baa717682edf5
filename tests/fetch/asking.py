"""How the tests ask a media host for a file."""

from __future__ import annotations

import hashlib
import threading

from archiver.fetch.engine import Limits, MediaEngine
from archiver.fetch.transfer import Fetched, Receiver
from archiver.model import Link
from tests.fetch.hosts import (
    CUT,
    Patience,
    Taker,
    head,
)

BODY = hashlib.shake_128(b"a film").digest(1 << 20)
HALF = BODY[: len(BODY) // 2]
SHA256 = hashlib.sha256(BODY).hexdigest()
ETAG = '"one"'


def make_engine(stopping: threading.Event | None = None, **limits: int) -> MediaEngine:
    """Make an engine that may speak to loopback and does not really wait between attempts."""
    return MediaEngine(Limits(allow_private_hosts=True, **limits), stopping or Patience())


def fetch(url: str, receiver: Receiver | None = None, engine: MediaEngine | None = None) -> Fetched:
    """Fetch one link without credentials."""
    return (engine or make_engine()).fetch(Link(url=url), receiver or Taker())


def cut(etag: str | None = ETAG, **headers: object) -> list[bytes]:
    """Announce the whole body, send half of it, and close the connection."""
    named = {} if etag is None else {"etag": etag}
    return [head(content_length=len(BODY), **named, **headers), HALF, CUT]


def chunked(body: bytes) -> list[bytes]:
    """Write a chunked answer without its end."""
    size = 100_000
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return [
        head(transfer_encoding="chunked"),
        *(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts),
    ]
