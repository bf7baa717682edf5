"""The media host: signed and public links, ranges, and the error bodies of R2 and S3.

It stands on another address than the APIs, and needs no key: one that arrives is a leak.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from archiver.simulator.item import INPUT_ROLES, File, Item
from archiver.simulator.links import LinkRefusedError
from archiver.simulator.media import media
from archiver.simulator.payload import SMALL_BYTES, Payload
from archiver.simulator.stage import Stage
from archiver.simulator.wire import Request, Response

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class MediaHost:
    """Answers GET and HEAD of every file that the world knows."""

    def __init__(self, stage: Stage) -> None:
        """Keep the stage."""
        self._stage = stage

    def answer(self, request: Request) -> Response:
        """Check the link, find the file, then answer it or a part of it."""
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "MethodNotAllowed", "The method is not allowed.")
        found = self._stage.world.find_file(request.path)
        if "X-Amz-Signature" in request.query or (found and found[1].signed):
            try:
                self._stage.signer.check(request.path, request.query, self._stage.now())
            except LinkRefusedError as refusal:
                return _refuse(403, refusal.code, refusal.message)
        if found is None or not self._is_there(*found):
            return _refuse(404, "NoSuchKey", "The specified key does not exist.")
        if self._is_expired(found[0]):
            return _refuse(self._stage.switches.gone_status, "NoSuchKey", "The object is gone.")
        return self._serve(request, *found)

    def payload(self, file: File) -> Payload:
        """Return the bytes of a file."""
        if file.content is not None:
            return Payload.of(file.content)
        seed = f"{self._stage.world.seed}:{file.path}:{file.version}"
        return media(file.file_format, file.size_bytes, seed)

    def _is_there(self, item: Item, file: File) -> bool:
        """Say whether a file exists yet: the user's inputs do before the item is complete."""
        return file.role in INPUT_ROLES or item.state(self._stage.now()) == "completed"

    def _is_expired(self, item: Item) -> bool:
        """Say whether an item is past its retention."""
        expires_at = self._stage.world.expires_at(item)
        return expires_at is not None and self._stage.now() >= expires_at

    def _serve(self, request: Request, item: Item, file: File) -> Response:
        """Answer a whole file, or the range that was asked for."""
        size, etag = file.size_bytes, self._etag(file)
        headers = {
            "Content-Type": file.media_type,
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Last-Modified": _http_date(item.finishes_at),
        }
        bounds = _range(request, size, etag)
        if bounds is None:
            return Response(200, headers, self._body(file, 0, size), 0, size)
        start, stop = bounds
        if start >= stop:
            headers = {"Content-Range": f"bytes */{size}", "Content-Type": "application/xml"}
            return Response(416, headers, _xml("InvalidRange", "The range is not satisfiable."))
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return Response(206, headers, self._body(file, start, stop), start, stop)

    def _body(self, file: File, start: int, stop: int) -> bytes | Payload:
        """Return small parts as bytes, so that they leave in one piece."""
        payload = self.payload(file)
        return payload.read(start, stop) if stop - start <= SMALL_BYTES else payload

    def _etag(self, file: File) -> str:
        """Return an entity tag that looks like a multipart upload's: no digest of the bytes."""
        return f'"{self._stage.token(file.path, str(file.version))}-2"'


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the half-open range to send, (n, n) when it cannot be, None for the whole.

    RFC 9110: several ranges may be answered whole, and a Range is void when If-Range
    does not hold the current entity tag.
    """
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    return (start, stop) if start < min(stop, size) else (size, size)


@lru_cache(maxsize=1024)
def _http_date(moment: datetime) -> str:
    """Write a time as HTTP headers do."""
    return format_datetime(moment, usegmt=True)


def _xml(code: str, message: str) -> bytes:
    """Write the error document of S3."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _refuse(status: int, code: str, message: str) -> Response:
    """Answer an error as S3 does."""
    return Response(status, {"Content-Type": "application/xml"}, _xml(code, message))
