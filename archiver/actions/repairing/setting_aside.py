"""A target where what is there is set aside before another file takes its place.

Promise 7: a bad copy is kept under the quarantine prefix, never deleted. It is set aside only
when what replaces it is whole, checked and about to become visible, so a try that fails, or dies,
leaves everything as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from archiver import keys
from archiver.actions.copying import digest_of
from archiver.errors import CopyDamaged, DestinationError
from archiver.model import Digest, Receipt
from archiver.storage.base import Chunk, Destination, Upload

Permit = Callable[[str, Digest], None]
"""Told key and digest of what is about to be stored; raises DestinationError to forbid it."""


class SettingAside:
    """A destination's target; `aside` maps each key that was replaced to where the old file is.

    `trouble` is what the destination itself last refused: then no other source would help.
    """

    def __init__(
        self,
        destination: Destination,
        now: datetime,
        quarantine: Quarantine,
        permit: Permit | None = None,
    ) -> None:
        self.name = destination.name
        self.aside: dict[str, str] = {}
        self.trouble: DestinationError | None = None
        self._destination = destination
        self._now = now
        self._quarantine = quarantine
        self._permit = permit

    def begin(self, key: str, media_type: str) -> _Upload:
        """Keep the port's promise."""
        with self.watching():
            return _Upload(self, key, self._destination.begin(key, media_type))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Remember an error of the destination's own."""
        try:
            yield
        except DestinationError as error:
            self.trouble = error
            raise

    def make_room(self, key: str, digest: Digest) -> None:
        """Set aside what is under a key, when it may be replaced by this file.

        From then on others may look for it there: it may be the file that they lack.
        """
        if self._permit is not None:
            self._permit(key, digest)
        with self.watching():
            aside = keep_aside(self._destination, key, self._now)
            if aside is not None:
                self._quarantine.note(self._destination, aside)
        if aside is not None:
            self.aside[key] = aside


class _Upload:
    def __init__(self, target: SettingAside, key: str, upload: Upload) -> None:
        self._target = target
        self._key = key
        self._upload = upload

    def write(self, chunk: Chunk) -> None:
        with self._target.watching():
            self._upload.write(chunk)

    def commit(self, digest: Digest) -> Receipt:
        self._target.make_room(self._key, digest)
        with self._target.watching():
            return self._upload.commit(digest)

    def takes(self, size_bytes: int) -> bool:
        """Keep the port's promise."""
        return self._upload.takes(size_bytes)

    def abort(self) -> None:
        self._upload.abort()


class Quarantine:
    """What lies under the quarantine prefix of each destination, of all dates, by its size.

    A destination is listed once, when it is first asked about; what is set aside later is noted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, dict[int, list[str]]] = {}

    def note(self, destination: Destination, key: str) -> None:
        """Take in a file that was just set aside."""
        with self._lock:
            sizes = self._keys.get(destination.name)
        stored = None if sizes is None else destination.stat(key)
        if sizes is not None and stored is not None:
            sizes.setdefault(stored.size_bytes, []).append(key)

    def of_size(self, destination: Destination, size_bytes: int) -> list[str]:
        """Name the files of this size; raises DestinationError when they cannot be listed."""
        with self._lock:
            if destination.name not in self._keys:
                sizes: dict[int, list[str]] = {}
                for stored in destination.list(keys.QUARANTINE_PREFIX):
                    sizes.setdefault(stored.size_bytes, []).append(stored.key)
                self._keys[destination.name] = sizes
            return list(self._keys[destination.name].get(size_bytes, ()))


def keep_aside(destination: Destination, key: str, now: datetime) -> str | None:
    """Keep what is under a key under the quarantine prefix too; says where, None for nothing.

    A repair that died after this step finds the same file there, and keeps it once.
    """
    if destination.stat(key) is None:
        return None
    number = 1
    while True:
        ordinal = "" if number == 1 else f"~{number}"
        aside_key = f"{keys.QUARANTINE_PREFIX}{now:%Y-%m-%d}/{key}{ordinal}"
        if destination.stat(aside_key) is None:
            destination.set_aside(key, aside_key)
            return aside_key
        if _are_same(destination, key, aside_key):
            return aside_key
        number += 1


def _are_same(destination: Destination, key: str, other_key: str) -> bool:
    try:
        return digest_of(destination, key) == digest_of(destination, other_key)
    except CopyDamaged:  # one of them cannot be read, so nobody can tell
        return False
