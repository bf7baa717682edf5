"""Reads copies for a restore, and leaves a destination out that keeps failing.

A store that hangs costs a minute a file, and one that refuses the credentials refuses them for
every file: without this a restore of many files would never end, or end with a thousand lines
that all say the same.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from archiver.actions.restoring.plan import Wanted
from archiver.errors import (
    CopyDamaged,
    DestinationError,
    DestinationForbidden,
    DestinationUnavailable,
)
from archiver.model import Digest
from archiver.storage.base import Destination, Target

MAX_REFUSALS = 5
MAX_LOST_SECONDS = 60.0


class Sources:
    """The destinations that are read. `out` tells which were left out, and why. Thread-safe."""

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.out: dict[str, DestinationUnavailable] = {}
        self._destinations = destinations
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals = dict.fromkeys(destinations, 0)
        self._lost_seconds = dict.fromkeys(destinations, 0.0)

    def request_thaw(self, name: str, key: str, days: int) -> None:
        """Ask one destination for a frozen file."""
        self._destinations[name].request_thaw(key, days)

    @property
    def last_refusal(self) -> DestinationUnavailable | None:
        """Why nothing can be read any more; None while something can."""
        if not self._destinations or len(self.out) < len(self._destinations):
            return None
        refusals = [one for one in self.out.values() if isinstance(one, DestinationForbidden)]
        return next(iter(refusals or self.out.values()))

    def copy(
        self, name: str, wanted: Wanted, target: Target, on_bytes: Callable[[int], None]
    ) -> DestinationError | None:
        """Copy one file; returns what was wrong with the source, raises what the target says."""
        if name in self.out:
            return self.out[name]
        began_at = self._clock()
        reading = _Reading(self._destinations[name], wanted)
        upload = target.begin(wanted.target_key, wanted.media_type)
        try:
            for chunk in reading:
                upload.write(chunk)
                on_bytes(len(chunk))
            self._judge(name, reading.error, self._clock() - began_at)
            if reading.error is None:
                upload.commit(wanted.digest)
            else:
                on_bytes(-reading.size_bytes)
            return reading.error
        finally:
            upload.abort()

    def _judge(self, name: str, error: DestinationError | None, seconds: float) -> None:
        with self._lock:
            if not isinstance(error, DestinationUnavailable):
                self._refusals[name], self._lost_seconds[name] = 0, 0.0
                return
            self._refusals[name] += isinstance(error, DestinationForbidden)
            self._lost_seconds[name] += seconds
            is_out = self._refusals[name] >= MAX_REFUSALS
            if is_out or self._lost_seconds[name] >= MAX_LOST_SECONDS:
                self.out.setdefault(name, error)


class _Reading:
    """A copy being read, to its end or until it proves wrong: `error` tells afterwards."""

    def __init__(self, source: Destination, wanted: Wanted) -> None:
        self.error: DestinationError | None = None
        self.size_bytes = 0
        self._source = source
        self._wanted = wanted

    def __iter__(self) -> Iterator[bytes]:
        wanted, sha256 = self._wanted, hashlib.sha256()
        try:
            with self._source.read(wanted.key) as chunks:
                for chunk in chunks:
                    sha256.update(chunk)
                    self.size_bytes += len(chunk)
                    yield chunk
                    if self.size_bytes > wanted.digest.size_bytes:
                        break  # it is another file, however long
        except DestinationError as error:
            self.error = error
            return
        if Digest(size_bytes=self.size_bytes, sha256=sha256.hexdigest()) != wanted.digest:
            self.error = CopyDamaged(
                f"{self._source.name}: {wanted.key} is not what was stored there"
            )
