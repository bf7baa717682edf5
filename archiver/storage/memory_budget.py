"""The memory that all uploads of this process share, so that it is bounded however many there are.

A store takes a large file in parts of some MiB, and a part has to be whole before it is sent. It is
lent here, in blocks that go from one upload to the next: pages of their own, since malloc keeps
what it frees, in each thread, and used again, since the system clears each page that it gives. A
thread that wants more than there is waits.

Nobody waits in a ring. One thread at a time is the first: it never waits, so it brings its parts to
their end, and room is left for that. Then those who hold the most come first, since they give back
the soonest. What is small is not counted: small files and sidecars never wait for large ones.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections import Counter

from archiver.fibers import owner

PARTS = 7
"""So many parts in all; a thread that fills more than that at once, one for each destination of its
file, has as many as it needs."""
BLOCK_BYTES = 512 << 10


class Budget:
    """Lends blocks, and counts bytes by the thread that holds them.

    `most_bytes` is the most that ever were held.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: Counter[int] = Counter()
        self._claims: Counter[int] = Counter()
        self._parts: Counter[int] = Counter()
        self._waiting: Counter[int] = Counter()
        self._first: int | None = None
        self._unused: list[mmap.mmap] = []
        self._mine = threading.local()
        self.held_bytes = 0
        self.most_bytes = 0

    @property
    def waited_seconds(self) -> float:
        """How long the thread that asks has ever waited here."""
        return float(getattr(self._mine, "waited_seconds", 0.0))

    def lease(self, part_bytes: int) -> Lease:
        """Open an account for an upload of the calling thread, which holds a part at most."""
        lease = Lease(self, owner(), -(-part_bytes // BLOCK_BYTES) * BLOCK_BYTES)
        with self._changed:
            self._claims[lease.thread] += lease.part_bytes
            self._parts[lease.part_bytes] += 1
        return lease

    def take(self, thread: int) -> mmap.mmap:
        """Lend a block, as soon as the thread may hold one more."""
        with self._changed:
            if not self._may_take(thread):
                self._wait(thread)
            block = self._unused.pop() if self._unused else _make_block()
            self._held[thread] += BLOCK_BYTES
            self.held_bytes += BLOCK_BYTES
            self.most_bytes = max(self.most_bytes, self.held_bytes)
            return block

    def _wait(self, thread: int) -> None:
        began_at = time.monotonic()
        self._waiting[thread] += 1
        try:
            self._changed.wait_for(lambda: self._may_take(thread))
        finally:
            _subtract(self._waiting, thread, 1)
            self._changed.notify_all()
            self._mine.waited_seconds = self.waited_seconds + time.monotonic() - began_at

    def _may_take(self, thread: int) -> bool:
        if thread == self._first:
            return True
        if any(self._held[other] > self._held[thread] for other in self._waiting):
            return False
        if self.held_bytes + BLOCK_BYTES <= self._shared_bytes:
            return True
        if self._first is None:
            self._first = thread
        return thread == self._first

    @property
    def _shared_bytes(self) -> int:
        """What all may hold together, beside what the first may need."""
        return max(0, PARTS * max(self._parts) - max(self._claims.values()))

    def give_back(self, thread: int, blocks: list[mmap.mmap], *, is_in_use: bool) -> None:
        """Count blocks no longer, and lend them anew unless somebody may still read them."""
        with self._changed:
            self._held[thread] -= len(blocks) * BLOCK_BYTES
            self.held_bytes -= len(blocks) * BLOCK_BYTES
            if not is_in_use:
                self._unused += blocks
            self._end_turn()

    def close(self, lease: Lease) -> None:
        """Forget an upload that is over."""
        with self._changed:
            _subtract(self._claims, lease.thread, lease.part_bytes)
            _subtract(self._parts, lease.part_bytes, 1)
            if not self._claims[lease.thread]:
                del self._held[lease.thread], self._claims[lease.thread]
            self._end_turn()

    def _end_turn(self) -> None:
        """Have the others look. The first is one like all when they have their share."""
        most_bytes = PARTS * max(self._parts, default=0)
        while self._unused and self.held_bytes + len(self._unused) * BLOCK_BYTES > most_bytes:
            # An error that is kept may keep the block as well, but not its memory.
            self._unused.pop().madvise(mmap.MADV_DONTNEED)
        is_within = not self._claims or self.held_bytes <= self._shared_bytes
        if self._first is not None and (is_within or not self._held[self._first]):
            self._first = None
        self._changed.notify_all()


def _make_block() -> mmap.mmap:
    return mmap.mmap(-1, BLOCK_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _subtract(counts: Counter[int], name: int, many: int) -> None:
    counts[name] -= many
    if not counts[name]:
        del counts[name]


class Lease:
    """What one upload holds; counted as the thread's that began it, which also writes it.

    `held_bytes` may be used without waiting: they lie in `blocks`.
    """

    def __init__(self, budget: Budget, thread: int, part_bytes: int) -> None:
        self._budget = budget
        self.thread = thread
        self.part_bytes = part_bytes
        self.blocks: list[mmap.mmap] = []
        self._is_closed = False

    @property
    def held_bytes(self) -> int:
        """How much it holds."""
        return len(self.blocks) * BLOCK_BYTES

    def hold(self, size_bytes: int) -> None:
        """Wait until the upload may hold so many bytes, block by block."""
        while self.held_bytes < size_bytes:
            self.blocks.append(self._budget.take(self.thread))

    def give_back(self, *, is_in_use: bool = False) -> None:
        """Hold nothing. Blocks that are still in use are lent to nobody else."""
        blocks, self.blocks = self.blocks, []
        if blocks:
            self._budget.give_back(self.thread, blocks, is_in_use=is_in_use)

    def close(self, *, is_in_use: bool = False) -> None:
        """End it. May be called twice."""
        self.give_back(is_in_use=is_in_use)
        if not self._is_closed:
            self._is_closed = True
            self._budget.close(self)


UPLOADS = Budget()
"""The one of this process: uploads of all destinations and lanes share its memory."""
