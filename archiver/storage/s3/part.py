"""The bytes of one part, until a store has them (promise 10).

Few bytes lie in a bytearray, more in pages of their own: these go back to the system at once, where
malloc keeps what it frees, in each thread. Both are sent as they lie, without a copy.
"""

from __future__ import annotations

import mmap

from archiver.storage.base import SMALL_BYTES
from archiver.storage.memory_budget import UPLOADS, Budget


class PartBuffer:
    """Takes up to `part_bytes`, is sent as often as it takes, and starts anew."""

    def __init__(self, part_bytes: int, budget: Budget = UPLOADS) -> None:
        self._part_bytes = part_bytes
        self._lease = budget.lease(part_bytes)
        self._few = bytearray()
        self._pages: memoryview | None = None
        self._size_bytes = 0

    @property
    def room(self) -> int:
        """How many bytes it still takes."""
        return self._part_bytes - self._size_bytes

    def takes(self, size_bytes: int) -> bool:
        """Tell whether so many bytes more have their memory already."""
        end = self._size_bytes + size_bytes
        if self._pages is None and end <= SMALL_BYTES:
            return True
        return end <= min(self._part_bytes, self._lease.held_bytes)

    def add(self, chunk: memoryview) -> None:
        """Take bytes, at most `room`; waits for memory as the budget says."""
        end = self._size_bytes + len(chunk)
        if self._pages is None and end <= SMALL_BYTES:
            self._few += chunk
        else:
            self._lease.hold(end)
            self._open_pages()[self._size_bytes : end] = chunk
        self._size_bytes = end

    def _open_pages(self) -> memoryview:
        """Map them at the first use; one takes memory only when it is written."""
        if self._pages is None:
            pages = mmap.mmap(-1, self._part_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._pages = memoryview(pages)
            self._pages[: len(self._few)] = self._few
            self._few = bytearray()
        return self._pages

    @property
    def view(self) -> bytearray | memoryview:
        """All its bytes."""
        return self._few if self._pages is None else self._pages[: self._size_bytes]

    def clear(self) -> None:
        """Start anew, and give the memory back."""
        self._few, self._pages = bytearray(), None
        self._size_bytes = 0
        self._lease.give_back()

    def close(self) -> None:
        """Give everything back. May be called twice."""
        self.clear()
        self._lease.close()
