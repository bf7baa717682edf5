"""Bodies of any size that are never held in memory whole.

A `Payload` is a list of runs; a run is a pattern of bytes repeated up to a length.
A ten gigabyte video is thus a few hundred kilobytes, can be read at any offset,
and can be sent piece by piece.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SMALL_BYTES = 256 * 1024
"""A pattern is repeated to about this size, so that a long run is sent in few large pieces."""


@dataclass(frozen=True, slots=True)
class Run:
    """`pattern` repeated, and cut at `length` bytes. The pattern is never empty."""

    pattern: bytes
    length: int

    @classmethod
    def once(cls, data: bytes) -> Run:
        """Make a run that holds `data` one time."""
        return cls(data or b"\0", len(data))

    @classmethod
    def filled(cls, text: bytes, length: int) -> Run:
        """Make a run of `length` bytes that repeats `text`, with a pattern worth sending."""
        repeats = max(1, min(length, SMALL_BYTES) // len(text) + 1)
        return cls(text * repeats, length)

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yield the bytes from `start` to `stop`, both inside the run."""
        view, width = memoryview(self.pattern), len(self.pattern)
        while start < stop:
            offset = start % width
            taken = min(width - offset, stop - start)
            yield view[offset : offset + taken]
            start += taken


@dataclass(frozen=True, slots=True)
class Payload:
    """An immutable body: its runs one after the other."""

    runs: tuple[Run, ...]
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the size once."""
        object.__setattr__(self, "size_bytes", sum(run.length for run in self.runs))

    @classmethod
    def of(cls, data: bytes) -> Payload:
        """Wrap bytes that are already here."""
        return cls((Run.once(data),))

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[memoryview]:
        """Yield the bytes from `start` up to `stop` in pieces of at most one pattern."""
        end = self.size_bytes if stop is None else min(stop, self.size_bytes)
        begins = 0
        for run in self.runs:
            first, last = max(start - begins, 0), min(end - begins, run.length)
            if first < last:
                yield from run.pieces(first, last)
            begins += run.length

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes from `start` up to `stop`: for small bodies and small ranges."""
        return b"".join(self.pieces(start, stop))

    def sha256(self) -> str:
        """Hash the whole body and return the digest in hex."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def crc32(self) -> int:
        """Return the CRC-32 that a PNG chunk wants."""
        checksum = 0
        for piece in self.pieces():
            checksum = zlib.crc32(piece, checksum)
        return checksum


def endless(text: bytes, stopping: threading.Event) -> Iterator[memoryview]:
    """Yield `text` for ever, until `stopping` is set."""
    pattern = memoryview(Run.filled(text, SMALL_BYTES).pattern)
    while not stopping.is_set():
        yield pattern
