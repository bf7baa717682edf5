"""Leaves a destination that keeps failing alone for the rest of a run (promise 5).

A store that hangs costs each request the whole of its timeouts: 40 s to connect, 4 minutes to
answer. Without this every file of a run would wait for it, and the other destinations with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from archiver.errors import DestinationUnavailable
from archiver.model import Digest, Receipt, Stored
from archiver.storage.base import Chunk, Destination, Upload

MAX_FAILURES = 5


class Breaker:
    """A destination that takes no more files after some uploads in a row have failed.

    Only what makes it unavailable counts; one committed file forgives all, and so does `prepare`,
    with which every run begins. Reading is never refused.
    """

    def __init__(self, destination: Destination, max_failures: int = MAX_FAILURES) -> None:
        self.name = destination.name
        self.capabilities = destination.capabilities
        self._destination = destination
        self._max_failures = max_failures
        self._lock = threading.Lock()
        self._failures = 0

    def prepare(self) -> None:
        """Keep the port's promise, and begin to trust it again."""
        self.forgive()
        self._destination.prepare()

    def begin(self, key: str, media_type: str) -> WatchedUpload:
        """Keep the port's promise; refuses at once when too many uploads have failed."""
        if self._failures >= self._max_failures:
            raise DestinationUnavailable(
                f"{self.name}: {self._failures} uploads in a row have failed, so it is left out "
                "for the rest of this run; the next one brings what it lacks"
            )
        with self.watching():
            return WatchedUpload(self, self._destination.begin(key, media_type))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what makes the destination unavailable."""
        try:
            yield
        except DestinationUnavailable:
            with self._lock:
                self._failures += 1
            raise

    def forgive(self) -> None:
        """Forget the failures: it works."""
        with self._lock:
            self._failures = 0

    def read(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """Keep the port's promise."""
        return self._destination.read(key)

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise."""
        return self._destination.stat(key)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise."""
        return self._destination.list(prefix)

    def clean(self, older_than_seconds: float) -> int:
        """Keep the port's promise."""
        return self._destination.clean(older_than_seconds)

    def close(self) -> None:
        """Keep the port's promise."""
        self._destination.close()


class WatchedUpload:
    """An upload whose end tells how its destination does."""

    def __init__(self, breaker: Breaker, upload: Upload) -> None:
        self._breaker = breaker
        self._upload = upload

    def write(self, chunk: Chunk) -> None:
        """Keep the port's promise."""
        with self._breaker.watching():
            self._upload.write(chunk)

    def commit(self, digest: Digest) -> Receipt:
        """Keep the port's promise."""
        with self._breaker.watching():
            receipt = self._upload.commit(digest)
        self._breaker.forgive()
        return receipt

    def abort(self) -> None:
        """Keep the port's promise."""
        self._upload.abort()
