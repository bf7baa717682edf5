"""A body as a format's walk sees it: bytes to take, skip or search, whenever they come.

Promise 10 of SPEC.md: nothing is kept but what a walk has asked for and not yet got whole.

A walk is a generator. It calls these methods with `yield from`; they yield only to say that the
current chunk is used up, and go on when the next one is there. So a walk reads like a parser of
a file, yet each chunk is seen once, skipping costs nothing, and 1-byte chunks work like large
ones. When a body ends inside a method, that method raises `Damaged` with what is missing.

No view of a chunk may be held across a yield: the chunk's owner may want its buffer back.
"""

import re
import zlib
from collections.abc import Generator
from typing import TypeAlias, TypeVar

from archiver.fetch.containers.faults import Damaged

Result = TypeVar("Result")
Steps: TypeAlias = Generator[None, None, Result]

_NOTHING = memoryview(b"")


class ByteStream:
    """One body, fed in chunks from outside and read by one walk inside.

    A walk sets `missing` to what the body still owes (e.g. "its IEND chunk"); a body that ends
    too early is reported in these words.
    """

    __slots__ = ("_at", "_before_bytes", "_chunk", "ended", "missing", "name")

    def __init__(self, name: str) -> None:
        """Begin a body of the format whose name stands in messages."""
        self.name = name
        self.missing = "its header"
        self.ended = False
        self._chunk = _NOTHING
        self._at = 0
        self._before_bytes = 0

    @property
    def position(self) -> int:
        """How many bytes of the body have been read."""
        return self._before_bytes + self._at

    def supply(self, chunk: memoryview) -> None:
        """Put in the next chunk (outside only)."""
        self._chunk = chunk
        self._at = 0

    def release(self) -> None:
        """Let go of the chunk, so that its owner may use the buffer again (outside only)."""
        self._before_bytes += len(self._chunk)
        self._chunk = _NOTHING
        self._at = 0

    def cut(self) -> Damaged:
        """Make the fault for a body that ends here."""
        return Damaged(f"{self.name} ends without {self.missing} after {self.position:,} bytes")

    def broken(self, reason: str) -> Damaged:
        """Make the fault for a body whose structure is wrong here."""
        return Damaged(f"{self.name} is broken before byte {self.position:,}: {reason}")

    def take(self, count: int, *, may_end: bool = False) -> Steps[bytes]:
        """Return the next `count` bytes (keep it small); fewer at the end if `may_end`."""
        end = self._at + count
        if end <= len(self._chunk):
            piece = self._chunk[self._at : end]
            self._at = end
            return bytes(piece)
        gathered = bytearray()
        while True:
            step = min(count - len(gathered), len(self._chunk) - self._at)
            gathered += self._chunk[self._at : self._at + step]
            self._at += step
            if len(gathered) == count:
                return bytes(gathered)
            yield from self._more(may_end=may_end)
            if self.ended:
                return bytes(gathered)

    def skip(self, count: int, *, may_end: bool = False) -> Steps[int]:
        """Pass over `count` bytes at no cost; return how many the body was short of."""
        while True:
            step = min(count, len(self._chunk) - self._at)
            self._at += step
            count -= step
            if not count:
                return 0
            yield from self._more(may_end=may_end)
            if self.ended:
                return count

    def some(self, limit: int) -> Steps[bytes]:
        """Return a copy of the 1 to `limit` bytes that are there now; none only at the end."""
        while self._at == len(self._chunk):
            if self.ended:
                return b""
            yield
        piece = bytes(self._chunk[self._at : self._at + limit])
        self._at += len(piece)
        return piece

    def crc32(self, count: int, value: int = 0) -> Steps[int]:
        """Return the CRC-32 (zlib's) of the next `count` bytes, continued from `value`."""
        while True:
            step = min(count, len(self._chunk) - self._at)
            value = zlib.crc32(self._chunk[self._at : self._at + step], value)
            self._at += step
            count -= step
            if not count:
                return value
            yield from self._more(may_end=False)

    def find(
        self, pattern: re.Pattern[bytes], width: int, *, may_end: bool = False
    ) -> Steps[bytes]:
        """Pass over everything up to a match of `pattern`, always `width` bytes, and return it.

        Without a match: nothing at the end if `may_end`.
        """
        carry = b""
        while True:
            if carry:
                joined = carry + bytes(self._chunk[self._at : self._at + width - 1])
                if match := pattern.search(joined):
                    self._at += match.end() - len(carry)
                    return match.group()
            if match := pattern.search(self._chunk, self._at):
                self._at = match.end()
                return bytes(match.group())
            keep_from = max(self._at, len(self._chunk) - width + 1)
            carry = (carry + bytes(self._chunk[keep_from:]))[1 - width :]
            self._at = len(self._chunk)
            yield from self._more(may_end=may_end)
            if self.ended:
                return b""

    def rest(self) -> Steps[None]:
        """Accept whatever follows the end of the container."""
        while not self.ended:
            self._at = len(self._chunk)
            yield

    def nothing_more(self) -> Steps[None]:
        """Accept nothing after the end of the container."""
        if (yield from self.some(1)):
            raise self.broken("more bytes follow the end of the file")

    def _more(self, *, may_end: bool) -> Steps[None]:
        """Wait until the next chunk is there, or until the body ends where it may."""
        if not self.ended:
            yield
        if self.ended and not may_end:
            raise self.cut()
