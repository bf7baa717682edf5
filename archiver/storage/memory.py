"""A destination in memory: for tests and rehearsals; what it holds ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from archiver.errors import CopyExists, CopyMissing, DestinationUnavailable
from archiver.keys import validate_key
from archiver.model import Digest, Receipt, Stored
from archiver.storage.base import READ_BYTES, Capabilities, Chunk, Created
from archiver.storage.checks import Tally, check_prefix, is_key
from archiver.storage.trial import Surroundings, check_trial_key


class Options(BaseModel):
    """Config of a destination in memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["memory"] = Field(description="keep files in memory: only for tests")


def open_destination(name: str, options: Options) -> MemoryDestination:
    """Make an empty destination."""
    return MemoryDestination(name)


class MemoryDestination:
    """Keeps files in a dictionary."""

    # Whole files are held here by design, so nothing is counted as an upload's own buffer.
    capabilities = Capabilities(durable=False, buffer_bytes=0)

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, tuple[bytes, datetime]] = {}
        self.lock = threading.Lock()

    def prepare(self) -> None:
        """Nothing to do: memory is always there."""

    def begin(self, key: str, media_type: str) -> _MemoryUpload:
        """Keep the port's promise; the media type is not kept."""
        return _MemoryUpload(self, validate_key(key))

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        """Keep the port's promise."""
        with self.lock:
            found = self.files.get(validate_key(key))
        if found is None:
            raise CopyMissing(f"{self.name}: there is no {key}")
        data = found[0]
        yield (data[start : start + READ_BYTES] for start in range(0, len(data), READ_BYTES))

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise."""
        with self.lock:
            found = self.files.get(validate_key(key))
        return None if found is None else _describe(key, *found)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise, for the files that are there when it is called."""
        check_prefix(prefix)
        with self.lock:
            found = list(self.files.items())
        return (
            _describe(key, *file) for key, file in found if key.startswith(prefix) and is_key(key)
        )

    def create(self, key: str, body: bytes, media_type: str) -> Created:
        """Keep the port's promise."""
        with self.lock:
            if validate_key(key) in self.files:
                return Created.EXISTS
            self.files[key] = (bytes(body), datetime.now(UTC))
        return Created.NEW

    def set_aside(self, key: str, aside_key: str) -> None:
        """Keep the port's promise."""
        with self.lock:
            if validate_key(key) not in self.files:
                raise CopyMissing(f"{self.name}: there is no {key}")
            if validate_key(aside_key) in self.files:
                raise CopyExists(f"{self.name}: there is a file {aside_key} already")
            self.files[aside_key] = self.files[key]

    def as_of(self, moment: datetime) -> NoReturn:
        """Refuse: what was replaced here is gone."""
        raise DestinationUnavailable(f"{self.name}: memory keeps no earlier versions")

    def request_thaw(self, key: str, days: int) -> None:
        """Find nothing to thaw."""
        if self.stat(key) is None:
            raise CopyMissing(f"{self.name}: there is no {key}")

    def clean(self, older_than_seconds: float) -> int:
        """Find nothing: what died here has left nothing."""
        return 0

    def close(self) -> None:
        """Keep what is held: tests look at it afterwards."""


class MemoryTrial(MemoryDestination):
    """A dictionary in which something can be removed."""

    clock_skew_seconds = None

    def look_around(self) -> Surroundings:
        """Tell nothing: memory is always there."""
        return Surroundings(place="memory")

    def refuses_damaged(self, key: str) -> None:
        """Keep the port's promise: there is no way on which bytes could change."""
        check_trial_key(key)

    def remove(self, key: str) -> bool:
        """Keep the port's promise."""
        with self.lock:
            self.files.pop(check_trial_key(key), None)
        return True


class _MemoryUpload:
    def __init__(self, destination: MemoryDestination, key: str) -> None:
        self._destination = destination
        self._key = key
        self._tally = Tally(destination.name, key)
        self._body = bytearray()

    def write(self, chunk: Chunk) -> None:
        self._tally.refuse_if_over()
        self._tally.add(chunk)
        self._body += chunk

    def takes(self, size_bytes: int) -> bool:
        return True

    def commit(self, digest: Digest) -> Receipt:
        try:
            self._tally.check(digest)
            stored_at = datetime.now(UTC)
            with self._destination.lock:
                self._destination.files[self._key] = (bytes(self._body), stored_at)
        finally:
            self.abort()
        return Receipt(
            destination=self._destination.name,
            key=self._key,
            digest=digest,
            stored_at=stored_at,
            verified="sha256 while writing",
        )

    def abort(self) -> None:
        self._tally.is_over = True
        self._body = bytearray()


def _describe(key: str, data: bytes, modified_at: datetime) -> Stored:
    return Stored(key=key, size_bytes=len(data), modified_at=modified_at)
