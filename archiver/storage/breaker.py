"""Leaves a destination that keeps failing alone for the rest of a run (promise 5).

A store that takes connections and never answers costs a request a minute (`s3/client.py`). Without
this every file of a run would wait for it, and the other destinations with it; with it one
minute is all it costs: what had begun meanwhile ends with its own, and nothing new begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime

from archiver.errors import DestinationUnavailable
from archiver.fibers import aside
from archiver.model import Digest, Receipt, Stored
from archiver.storage.base import Chunk, Created, Destination, Upload
from archiver.storage.memory_budget import UPLOADS

MAX_FAILURES = 5
MAX_LOST_SECONDS = 30.0


class Breaker:
    """A destination that is out after some failures in a row, or after they took too long.

    Only what makes it unavailable counts, while it is written or looked at; one committed file
    forgives all, and so does `prepare`, with which every run begins. While it is out, nothing is
    asked of it. `failed` counts what it did not take since then, `last_error` says why;
    `busy_seconds` adds up how long all threads waited for it, and not for memory.
    """

    def __init__(
        self,
        destination: Destination,
        max_failures: int = MAX_FAILURES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = destination.name
        self.capabilities = destination.capabilities
        self.failed = 0
        self.last_error: DestinationUnavailable | None = None
        self._destination = destination
        self._max_failures = max_failures
        self.now = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._lost_seconds = 0.0
        self._is_left_out = False
        self.busy_seconds = 0.0

    def __reduce__(self) -> tuple[type[Breaker], tuple[Destination, int]]:
        """Send another process the destination, with a breaker of its own."""
        return Breaker, (self._destination, self._max_failures)

    @property
    def is_out(self) -> bool:
        """Whether it is left out until it is prepared again."""
        is_failing = self._failures >= self._max_failures
        return is_failing or self._is_left_out or self._lost_seconds >= MAX_LOST_SECONDS

    def leave_out(self, reason: str) -> None:
        """Take no more files until it is prepared again, though it does not fail."""
        with self._lock:
            self._is_left_out = True
            self.last_error = DestinationUnavailable(reason)

    def prepare(self) -> None:
        """Keep the port's promise, and begin to trust it again."""
        self.forgive()
        self.failed, self.last_error = 0, None
        self._is_left_out, self.busy_seconds = False, 0.0
        self._destination.prepare()

    def begin(self, key: str, media_type: str) -> WatchedUpload:
        """Keep the port's promise; refuses at once while it is out."""
        with self.watching():
            return WatchedUpload(self, self._destination.begin(key, media_type))

    def watching(self) -> _Watch:
        """Count what makes the destination unavailable, and how long that took."""
        self._refuse_if_out()
        return _Watch(self)

    def note(self, began_at: float, waited_seconds: float, error: BaseException | None) -> None:
        """Remember how something ended that began then, and for how long it waited for memory."""
        seconds = self.now() - began_at
        with self._lock:
            self.busy_seconds += seconds - waited_seconds
            if isinstance(error, DestinationUnavailable):
                self.failed += 1
                self.last_error = error
                self._failures += 1
                self._lost_seconds += seconds

    def _refuse_if_out(self) -> None:
        if not self.is_out:
            return
        with self._lock:
            self.failed += 1
        raise DestinationUnavailable(
            f"{self.name} is left out for the rest of this run; the next one brings what it lacks: "
            f"{self.last_error}"
        )

    def forgive(self) -> None:
        """Forget the failures: it works."""
        with self._lock:
            self._failures, self._lost_seconds = 0, 0.0

    def create(self, key: str, body: bytes, media_type: str) -> Created:
        """Keep the port's promise; refuses at once while it is out."""
        with self.watching():
            return self._destination.create(key, body, media_type)

    def set_aside(self, key: str, aside_key: str) -> None:
        """Keep the port's promise; refuses at once while it is out."""
        with self.watching():
            self._destination.set_aside(key, aside_key)

    def read(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """Keep the port's promise; refuses at once while it is out."""
        self._refuse_if_out()
        return self._destination.read(key)

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise; refuses at once while it is out."""
        with self.watching():
            return self._destination.stat(key)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise."""
        return self._destination.list(prefix)

    def as_of(self, moment: datetime) -> Destination:
        """Keep the port's promise."""
        return self._destination.as_of(moment)

    def request_thaw(self, key: str, days: int) -> None:
        """Keep the port's promise."""
        self._destination.request_thaw(key, days)

    def clean(self, older_than_seconds: float) -> int:
        """Keep the port's promise."""
        return self._destination.clean(older_than_seconds)

    def close(self) -> None:
        """Keep the port's promise."""
        self._destination.close()


class _Watch:
    """Looks at the clock before and after something that a destination does."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._waited_before = UPLOADS.waited_seconds
        self._began_at = self._breaker.now()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        waited_seconds = UPLOADS.waited_seconds - self._waited_before
        self._breaker.note(self._began_at, waited_seconds, error)


class WatchedUpload:
    """An upload whose end tells how its destination does."""

    def __init__(self, breaker: Breaker, upload: Upload) -> None:
        self._breaker = breaker
        self._upload = upload
        self._is_over = False

    def write(self, chunk: Chunk) -> None:
        """Keep the port's promise; refuses at once while the destination is out."""
        if self.takes(len(chunk)):
            self._write(chunk)
        else:
            aside(self._write, chunk)

    def takes(self, size_bytes: int) -> bool:
        """Keep the port's promise."""
        return self._upload.takes(size_bytes)

    def _write(self, chunk: Chunk) -> None:
        with self._breaker.watching():
            self._upload.write(chunk)

    def commit(self, digest: Digest) -> Receipt:
        """Keep the port's promise; refuses at once while the destination is out."""
        is_near = self._breaker.capabilities.is_near
        receipt = self._commit(digest) if is_near else aside(self._commit, digest)
        self._is_over = True
        self._breaker.forgive()
        return receipt

    def _commit(self, digest: Digest) -> Receipt:
        with self._breaker.watching():
            return self._upload.commit(digest)

    def abort(self) -> None:
        """Keep the port's promise."""
        if not self._is_over:
            self._is_over = True
            aside(self._upload.abort)
