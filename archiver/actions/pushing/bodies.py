"""Takes a stream apart into bodies: JSON Lines, one pretty-printed document, several, or a list.

One that is malformed is named by its line and stops none of the others: what follows is found
where the next one can only begin. Memory is bounded by the longest body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

MAX_BODY_BYTES = 16 << 20
MAX_DEPTH = 1000
_MARK = "\ufeff"
_SPACE = b" \t\r\n"
_NO_TEXT, _PACKED, _WIDE = "is no text", "is compressed: unpack it first", "is UTF-16, not UTF-8"
_BEGINNINGS = {
    b"\x1f\x8b": "is compressed: gunzip it first",
    b"\x28\xb5\x2f\xfd": _PACKED,  # zstd
    b"\xfd7zXZ": _PACKED,
    b"BZh": _PACKED,
    b"PK\x03\x04": _PACKED,
    b"\x89PNG": _NO_TEXT,
    b"\xff\xd8\xff": _NO_TEXT,  # JPEG
    b"\xff\xfe": _WIDE,
    b"\xfe\xff": _WIDE,
}
"""How files begin that people hand over by mistake."""
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}"]|[^\s\[\]{}"]++')
_CLOSERS = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One body and the line it begins in; without a record `error` says what it lacks."""

    line: int
    record: Mapping[str, object] | None = None
    error: str | None = None


def read_bodies(stream: BinaryIO) -> Iterator[Body]:
    """Read a stream to its end, body by body; each is given as soon as it is whole."""
    gathering = _Gathering()
    for number, line in enumerate(_lines(stream), start=1):
        if number == 1 and (kind := _other_than_text(line)) is not None:
            yield Body(line=number, error=kind)
            return
        text, error = _decode(line, is_first=number == 1)
        if error is not None:
            yield from gathering.give_up()
            yield Body(line=number, error=error)
        else:
            yield from gathering.feed(number, text)
    yield from gathering.end()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Read line by line; of one that is too long only so much as shows that it is."""
    while line := stream.readline(MAX_BODY_BYTES + 1):
        end = line
        while len(line) > MAX_BODY_BYTES and end and not end.endswith(b"\n"):
            end = stream.readline(1 << 20)
        yield line


def _other_than_text(head: bytes) -> str | None:
    """Say what a stream is that holds no text, by its first line: its others are noise then."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    start = head.lstrip(b"\0" + _SPACE)  # a log that was cut begins with zeros, and goes on well
    return _NO_TEXT if b"\0" in head and start and start[:1] not in (b"{", b"[") else None


def _decode(line: bytes, *, is_first: bool) -> tuple[str, str | None]:
    if len(line) > MAX_BODY_BYTES:
        return "", _TOO_LONG
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return "", f"is no UTF-8: byte {error.start + 1} of the line is {line[error.start]:#04x}"
    return (text.removeprefix(_MARK) if is_first else text), None


_TOO_DEEP = "is nested too deeply"
_TOO_LONG = f"is longer than {MAX_BODY_BYTES >> 20} MiB"


class _Gathering:
    """Puts bodies together from lines, by their brackets; JSON itself judges what is inside."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[str] = []
        self._size = self._begun_at = 0
        self._indent = self._last = ""
        self._list_at: int | None = None
        self._is_lost = False

    def feed(self, number: int, line: str) -> Iterator[Body]:
        """Take the next line, and give what it completes."""
        if self._open and line.startswith(f"{self._indent}{{") and not self._may_go_on():
            yield from self.give_up()
        if self._is_lost and not line.startswith((f"{self._indent}{{", f"{self._indent}]")):
            return
        self._is_lost = False
        start = 0
        for token in _TOKEN.finditer(line):
            if not self._open and self._is_between(token[0], number):
                continue
            if not self._open:
                if token[0] not in _CLOSERS:
                    yield Body(line=number, error="is no JSON object")  # its text may hold a secret
                    return
                self._begin(number, line)
                start = token.start()
            if self._breaks(token[0]):
                self._parts.append(line[start:])
                yield from self.give_up()
                return
            if not self._open:
                self._parts.append(line[start : token.end()])
                yield self._finish()
        if self._open:
            yield from self._keep(line[start:])

    def _breaks(self, word: str) -> bool:
        """Count brackets; tells whether this one cannot stand here, nor a text that has no end."""
        self._last = word[-1]
        if word in _CLOSERS:
            self._open.append(word)
            return len(self._open) > MAX_DEPTH
        if word in "]}":
            return word != _CLOSERS[self._open.pop()]
        return word == '"'

    def _is_between(self, word: str, number: int) -> bool:
        """Take what stands between the bodies of a list, and what begins and ends it."""
        if word == "[" and self._list_at is None:
            self._list_at = number
        elif word == "]" and self._list_at is not None:
            self._list_at = None
        else:
            return word == "," and self._list_at is not None
        return True

    def _begin(self, number: int, line: str) -> None:
        self._begun_at = number
        self._indent = line[: len(line) - len(line.lstrip())]

    def _may_go_on(self) -> bool:
        """Whether an object may follow where the open body broke off."""
        return self._last in "[:" or (self._last == "," and self._open[-1] == "[")

    def _keep(self, text: str) -> Iterator[Body]:
        self._parts.append(text)
        self._size += len(text)
        if self._size > MAX_BODY_BYTES:
            self._is_lost = True
            self._clear()
            yield Body(line=self._begun_at, error=_TOO_LONG)

    def give_up(self) -> Iterator[Body]:
        """Give what is open as malformed; it cannot go on."""
        if not self._parts:
            return
        self._is_lost = len(self._parts) > 1
        if len(self._open) > MAX_DEPTH:
            self._clear()
            yield Body(line=self._begun_at, error=_TOO_DEEP)
        else:
            yield self._finish()

    def end(self) -> Iterator[Body]:
        """Give what the stream broke off in."""
        yield from self.give_up()
        if self._list_at is not None:
            yield Body(line=self._list_at, error="is a list that does not end: some may be missing")

    def _finish(self) -> Body:
        text = "".join(self._parts)
        self._clear()
        try:
            value = json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            line = self._begun_at + error.lineno - 1
            return Body(line=self._begun_at, error=f"is no JSON: line {line}: {error.msg}")
        except (ValueError, RecursionError) as error:
            reason = (
                "nested too deeply"
                if isinstance(error, RecursionError)
                else str(error).partition(":")[0]
            )
            return Body(line=self._begun_at, error=f"is no JSON: {reason}")
        if isinstance(value, dict):
            return Body(line=self._begun_at, record=value)
        return Body(line=self._begun_at, error="is a list in a list, not an object")

    def _clear(self) -> None:
        self._parts, self._open = [], []
        self._size, self._last = 0, ""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
