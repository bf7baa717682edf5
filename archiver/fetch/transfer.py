"""One file on its way: what of its body counts, and what proves that two halves are one file.

Keeps promise 1 of SPEC.md as far as HTTP goes: a length that was announced is kept to, a part
is joined to another only under the same strong validator and the same size, and whatever cannot
be proven the same starts over. What the bytes are is the receiver's to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from archiver.errors import MediaRejected, MediaUnavailable
from archiver.fetch.answer import Answer, judge
from archiver.fetch.watch import SpeedWatch

PROGRESS_BYTES = 8 << 20
"""An attempt that brought the file on by so much does not count: large files break off often."""
RANGE_NOT_SATISFIABLE = 416
MAX_IGNORED_BYTES = 64 << 10
"""Of the body of an error or a redirect; behind that the connection is worth less."""


class Receiver(Protocol):
    """Takes the body of one file. Errors it raises end the transfer and reach the caller."""

    def restart(self) -> None:
        """Forget every byte so far: the body begins anew. Called before the first byte too."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """How a file came: the host's validator, and the bytes that were received."""

    etag: str | None
    size_bytes: int


class Transfer:
    """One file, over as many connections as it takes."""

    def __init__(self, receiver: Receiver, max_bytes: int) -> None:
        self._receiver = receiver
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._most_bytes = 0
        self._ignored_bytes = 0
        self._body: Answer | None = None
        self._validator: str | None = None
        self._whole_bytes: int | None = None
        self.failure: Exception | None = None

    def has_come_on(self) -> bool:
        """Tell whether the file is further than at any earlier call, by a good part."""
        came_bytes = self._received_bytes - self._most_bytes
        self._most_bytes = max(self._most_bytes, self._received_bytes)
        return came_bytes >= PROGRESS_BYTES

    def resume_headers(self) -> Mapping[str, str]:
        """Ask for the rest, on the condition that it is still the same file."""
        self._body, self.failure, self._ignored_bytes = None, None, 0
        if self._received_bytes and self._validator:
            return {"Range": f"bytes={self._received_bytes}-", "If-Range": self._validator}
        return {}

    def receive(self, answer: Answer, chunk: bytes, watch: SpeedWatch) -> int:
        """Pass a part of a body on; returns other than its length to end the transfer."""
        if answer.has_no_file:
            self._ignored_bytes += len(chunk)
            return len(chunk) if self._ignored_bytes <= MAX_IGNORED_BYTES else -1
        try:
            with watch.paused():
                self._begin(answer)
                self._take(chunk)
        except Exception as error:
            self.failure = error
            return -1
        return len(chunk)

    def end(self, answer: Answer) -> Fetched:
        """Judge the whole answer; raises MediaError unless the file came completely."""
        if answer.status == RANGE_NOT_SATISFIABLE:
            self._forget(None)
        judge(answer)
        self._begin(answer)
        expected = answer.total_bytes
        if expected is not None and expected != self._received_bytes:
            raise MediaUnavailable(
                f"the host announced {expected} bytes and sent {self._received_bytes}"
            )
        return Fetched(etag=answer.header("etag"), size_bytes=self._received_bytes)

    def _begin(self, answer: Answer) -> None:
        """Look at the head of a body once, before its first byte is taken."""
        if self._body is answer:
            return
        judge(answer)
        if answer.status != 206:
            self._forget(answer)
            self._receiver.restart()
        elif not self._is_continued_by(answer):
            self._forget(None)
            raise MediaUnavailable("the host resumed with another part or another file")
        if answer.total_bytes is not None and answer.total_bytes > self._max_bytes:
            raise MediaRejected(
                f"{answer.total_bytes} bytes is over the limit of {self._max_bytes}"
            )
        self._body = answer

    def _is_continued_by(self, answer: Answer) -> bool:
        is_same_size = self._whole_bytes in (None, answer.total_bytes)
        return is_same_size and answer.continues(self._received_bytes, self._validator)

    def _forget(self, answer: Answer | None) -> None:
        """Start over: with the whole file that this answer brings, or with nothing."""
        self._received_bytes = 0
        self._validator = answer.validator if answer else None
        self._whole_bytes = answer.total_bytes if answer else None

    def _take(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)
        if self._received_bytes > self._max_bytes:
            raise MediaRejected(f"the body is longer than the limit of {self._max_bytes} bytes")
        self._receiver.write(chunk)
