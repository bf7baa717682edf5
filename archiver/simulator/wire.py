"""HTTP messages as the simulator's parts hand them around, and a lean parser of requests.

`http.server`'s own handler spends most of its time in the e-mail parser; this one reads
a request head in some microseconds, so that thousands of small files a second work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

from archiver.simulator.payload import Payload

REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is decoded and without its query; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def several(self, name: str) -> list[str]:
        """Return all values of a query parameter, repeated or separated by commas."""
        joined = ",".join(self.query.get(name, []))
        return [value for value in joined.split(",") if value]

    def integer(self, name: str, default: int) -> int | None:
        """Return a query parameter as an integer, or None when it is something else."""
        text = self.first(name, str(default))
        return int(text) if text.removeprefix("-").isdecimal() else None

    def bearer(self) -> str | None:
        """Return the token of an `Authorization: Bearer` header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Response:
    """One response: `body` holds bytes, or a payload of which `start` to `stop` is sent."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Payload = b""
    start: int = 0
    stop: int | None = None

    def length(self) -> int:
        """Return the length of what is sent."""
        if isinstance(self.body, bytes):
            return len(self.body)
        return (self.body.size_bytes if self.stop is None else self.stop) - self.start


def json_response(status: int, document: object, **headers: str) -> Response:
    """Make a JSON response. Header names are given with underscores."""
    body = json.dumps(document, ensure_ascii=False).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": "application/json", **named}, body)


def text_response(status: int, text: str, media_type: str = "text/plain") -> Response:
    """Make a response of UTF-8 text."""
    return Response(status, {"Content-Type": f"{media_type}; charset=utf-8"}, text.encode())


def redirect(location: str) -> Response:
    """Make a 302."""
    return Response(302, {"Location": location, "Content-Type": "text/html"}, b"")


def parse_head(head: bytes) -> Request:
    """Parse a request head up to its empty line. Raises ValueError when it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    path, _, query = target.partition("?")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"no header: {line!r}")
        headers[name.strip().lower()] = value.strip()
    parsed = _parse_query(query) if query else {}
    return Request(method, unquote(path) if "%" in path else path, parsed, headers)


def _parse_query(query: str) -> dict[str, list[str]]:
    """Parse a query, quickly when no name occurs twice."""
    pairs = [pair.split("=", 1) for pair in query.split("&")]
    if "+" in query or any(len(pair) != 2 for pair in pairs):
        return parse_qs(query, keep_blank_values=True)
    parsed: dict[str, list[str]] = {}
    for name, value in pairs:
        parsed.setdefault(name, []).append(unquote(value) if "%" in value else value)
    return parsed


def format_head(status: int, headers: Mapping[str, str]) -> bytes:
    """Write a response head with its empty line."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
