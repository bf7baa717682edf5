"""The bytes of one part, until a store has them (promise 10).

Few bytes lie in a bytearray, more in blocks that all uploads share (`storage/memory_budget.py`).
Both are hashed and sent as they lie, without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archiver.storage.base import SMALL_BYTES
from archiver.storage.memory_budget import BLOCK_BYTES, UPLOADS, Budget
from archiver.storage.s3.proof import Body


class PartBuffer:
    """Takes up to `part_bytes`, is sent as often as it takes, and starts anew."""

    def __init__(self, part_bytes: int, budget: Budget = UPLOADS) -> None:
        self._part_bytes = part_bytes
        self._lease = budget.lease(part_bytes)
        self._few = bytearray()
        self._size_bytes = 0
        self._is_in_use = False

    @property
    def room(self) -> int:
        """How many bytes it still takes."""
        return self._part_bytes - self._size_bytes

    def takes(self, size_bytes: int) -> bool:
        """Tell whether so many bytes more have their memory already."""
        end = self._size_bytes + size_bytes
        if not self._lease.blocks and end <= SMALL_BYTES:
            return True
        return end <= min(self._part_bytes, self._lease.held_bytes)

    def add(self, chunk: memoryview) -> None:
        """Take bytes, at most `room`; waits for memory as the budget says."""
        end = self._size_bytes + len(chunk)
        if not self._lease.blocks:
            if end <= SMALL_BYTES:
                self._few += chunk
                self._size_bytes = end
                return
            self._lease.hold(end)
            self._lease.blocks[0][: len(self._few)] = self._few
            self._few = bytearray()
        self._lease.hold(end)
        while chunk:
            number, start = divmod(self._size_bytes, BLOCK_BYTES)
            fits = chunk[: BLOCK_BYTES - start]
            self._lease.blocks[number][start : start + len(fits)] = fits
            self._size_bytes += len(fits)
            chunk = chunk[len(fits) :]

    @contextmanager
    def in_use(self) -> Iterator[Body]:
        """Show all its bytes, as they lie: nothing else comes there before this ends."""
        blocks = [memoryview(block) for block in self._lease.blocks]
        full, rest = divmod(self._size_bytes, BLOCK_BYTES)
        self._is_in_use = True
        try:
            yield [*blocks[:full], *(block[:rest] for block in blocks[full:])] or [self._few]
        finally:
            self._is_in_use = False

    def clear(self) -> None:
        """Start anew, and give the memory back."""
        self._few = bytearray()
        self._size_bytes = 0
        self._lease.give_back(is_in_use=self._is_in_use)

    def close(self) -> None:
        """Give everything back. May be called twice, and while it is in use elsewhere."""
        self.clear()
        self._lease.close()
