"""Scripted faults: what goes wrong, for which requests, and how often it did.

A `Fault` says what goes wrong. `FaultScript.add` says for which requests; the returned
`Scripted` counts how often it fired, and `FaultScript.unexercised` names those that never
did, so that a test can assert that all of its faults were met.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from archiver.simulator.wire import Request, Response

Framing = Literal["length", "close", "chunked"]
"""How the end of a body is marked: Content-Length, end of connection, or chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong. Its fields may be combined; see the makers below.

    `response` stands in for the real one. `cut_after_bytes` ends the body early;
    `reset` ends the connection with RST instead of FIN. `length_error_bytes` is added to
    Content-Length. `rewrite` changes the request before it is answered, `alter` the response
    afterwards. `before` runs before the request is answered, to change the world meanwhile.
    `silent_seconds` is waited after it was, while the answer is held back.
    """

    name: str
    response: Response | None = None
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    reset: bool = False
    framing: Framing = "length"
    length_error_bytes: int = 0
    bytes_per_second: int | None = None
    endless: bool = False
    rewrite: Callable[[Request], Request] | None = None
    alter: Callable[[Response], Response] | None = None
    before: Callable[[], object] | None = None
    silent_seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Scripted:
    """A fault with the requests that it is for. `fired` counts how often it went wrong."""

    fault: Fault
    host: str = "*"
    method: str = "*"
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    fired: int = 0

    def matches(self, host: str, request: Request) -> bool:
        """Compare host, method and path; all three are patterns with `*` and `?`."""
        return (
            (self.times is None or self.fired < self.times)
            and fnmatchcase(host, self.host)
            and fnmatchcase(request.method, self.method)
            and fnmatchcase(request.path, self.path)
        )


class FaultScript:
    """The faults of one simulator. The first that matches a request is the one that happens."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._scripted: list[Scripted] = []

    def add(
        self,
        fault: Fault,
        *,
        host: str = "*",
        method: str = "*",
        path: str = "*",
        times: int | None = 1,
        skip: int = 0,
    ) -> Scripted:
        """Script a fault for the next `times` matching requests (None: for ever) after `skip`.

        `host` is a provider's name or "media".
        """
        scripted = Scripted(
            fault=fault, host=host, method=method, path=path, times=times, skip=skip
        )
        with self._lock:
            self._scripted.append(scripted)
        return scripted

    def take(self, host: str, request: Request) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        if not self._scripted:
            return None
        with self._lock:
            for scripted in self._scripted:
                if not scripted.matches(host, request):
                    continue
                if scripted.skip:
                    scripted.skip -= 1
                    continue
                scripted.fired += 1
                return scripted.fault
        return None

    def unexercised(self) -> list[Scripted]:
        """Return the faults that have not happened as often as scripted (for ever: once)."""
        with self._lock:
            return [each for each in self._scripted if each.fired < (each.times or 1)]

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._scripted.clear()


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer a status code, by default with an empty body. Header names take underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(name=f"status {code}", response=Response(code, named, body))


def rate_limited(retry_after: str | None = "1") -> Fault:
    """Answer 429, with Retry-After in seconds or as a date, or without."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Retry-After": retry_after} if retry_after is not None else {}
    response = Response(429, headers, b'{"message": "Too Many Requests"}')
    return Fault(name="rate limited", response=response)


def page_instead(media_type: str = "text/html", code: int = 200) -> Fault:
    """Answer an HTML page where something else was asked for."""
    body = b"<!DOCTYPE html><html><title>Just a moment</title><h1>Checking your browser</h1></html>"
    return Fault(name="page instead", response=Response(code, {"Content-Type": media_type}, body))


def json_instead(media_type: str = "image/png", code: int = 200) -> Fault:
    """Answer a JSON error under a media type that it is not."""
    body = b'{"error": {"code": 404, "message": "file not found"}}'
    return Fault(name="json instead", response=Response(code, {"Content-Type": media_type}, body))


def slow(seconds: float) -> Fault:
    """Wait before the answer."""
    return Fault(name="slow", delay_seconds=seconds)


def cut(after_bytes: int, *, framing: Framing = "length") -> Fault:
    """Close the connection in the middle of the body."""
    return Fault(name=f"cut ({framing})", cut_after_bytes=after_bytes, framing=framing)


def reset(after_bytes: int | None = None) -> Fault:
    """Reset the connection: in the middle of the body, or without any answer."""
    return Fault(name="reset", cut_after_bytes=after_bytes, reset=True)


def unanswered(seconds: float = 30.0) -> Fault:
    """Do what was asked for, say nothing for a while, then reset the connection."""
    return Fault(name="unanswered", silent_seconds=seconds, reset=True)


def answered_instead(code: int, body: bytes = b"") -> Fault:
    """Do what was asked for, and answer a status as if it had gone wrong."""
    return Fault(name=f"answered {code} instead", alter=lambda _: Response(code, {}, body))


def trickle(bytes_per_second: int) -> Fault:
    """Send the body slowly."""
    return Fault(name="trickle", bytes_per_second=bytes_per_second)


def wrong_length(error_bytes: int) -> Fault:
    """State a Content-Length that is off by so many bytes, then close."""
    return Fault(name="wrong length", length_error_bytes=error_bytes)


def unframed(framing: Framing = "close") -> Fault:
    """Send a whole body without Content-Length: in chunks, or ended by the connection."""
    return Fault(name=f"unframed ({framing})", framing=framing)


def empty() -> Fault:
    """Send the right head of a success, but no body and a Content-Length of 0."""
    return Fault(name="empty", alter=lambda response: replace(response, body=b"", start=0, stop=0))


def endless() -> Fault:
    """Send a body that never ends, without Content-Length."""
    return Fault(name="endless", endless=True, framing="close")


def meanwhile(change: Callable[[], object]) -> Fault:
    """Run something just before the request is answered normally: a listing that shifts."""
    return Fault(name="meanwhile", before=change)


def range_ignored() -> Fault:
    """Answer a range request with 200 and the whole file."""
    return Fault(name="range ignored", rewrite=_without_range)


def wrong_range(shift_bytes: int = 1) -> Fault:
    """Answer 206 with another part than was asked for, and say so in Content-Range."""
    return Fault(name="wrong range", rewrite=lambda request: _shifted(request, shift_bytes))


def false_range(shift_bytes: int = 1) -> Fault:
    """Answer 206 with another part than was asked for, under the Content-Range asked for."""

    def alter(response: Response) -> Response:
        stated = response.headers.get("Content-Range", "")
        if response.status != 206 or not stated:
            return response
        bounds, _, size = stated.removeprefix("bytes ").partition("/")
        first, _, last = bounds.partition("-")
        wished = f"bytes {int(first) - shift_bytes}-{int(last)}/{size}"
        return replace(response, headers={**response.headers, "Content-Range": wished})

    return replace(wrong_range(shift_bytes), name="false range", alter=alter)


def _without_range(request: Request) -> Request:
    """Drop the Range header."""
    headers = {name: value for name, value in request.headers.items() if name != "range"}
    return replace(request, headers=headers)


def _shifted(request: Request, shift_bytes: int) -> Request:
    """Move the start of an open range `bytes=N-`."""
    start, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
    if not start.isdecimal():
        return request
    moved = f"bytes={int(start) + shift_bytes}-{last}"
    return replace(request, headers={**request.headers, "range": moved})
