"""Prove, chunk by chunk, that one body is a whole file of its format."""

from archiver.fetch.containers import formats
from archiver.fetch.containers.faults import Damaged
from archiver.fetch.containers.media_types import MediaType
from archiver.fetch.containers.stream import ByteStream


class Checker:
    """The check of one body, from its first byte (the recognised head is fed, too).

    It holds a few KiB at most (FLAC: one audio frame), whatever the size of the body. Chunks may
    have any size, and are not kept. Once `Damaged` has been raised, every later call raises it
    again.
    """

    __slots__ = ("_fault", "_finished", "_stream", "_walk")

    def __init__(self, media_type: MediaType) -> None:
        """Begin a check of a body that `recognise` called `media_type`."""
        found = formats.format_of(media_type)
        self._stream = ByteStream(found.name)
        self._walk = found.walk(self._stream)
        self._fault: Damaged | None = None
        self._finished = False
        next(self._walk)

    @property
    def size_bytes(self) -> int:
        """How many bytes have been fed."""
        return self._stream.position

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Look at the next bytes of the body; raise `Damaged` if they cannot belong to it."""
        if self._finished:
            raise RuntimeError("fed after finish")
        if len(chunk):
            self._stream.supply(memoryview(chunk))
            self._advance()

    def finish(self) -> None:
        """Say that the body has ended; raise `Damaged` if it is not whole."""
        if not self._finished:
            self._finished = self._stream.ended = True
            self._advance()
        elif self._fault:
            raise self._fault

    def _advance(self) -> None:
        if self._fault:
            raise self._fault
        try:
            next(self._walk, None)
        except Damaged as fault:
            self._fault = fault
            raise
        finally:
            self._stream.release()
