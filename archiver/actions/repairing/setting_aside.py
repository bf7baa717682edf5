"""A target where what is there is set aside before another file takes its place.

Promise 7: a bad copy is kept under the quarantine prefix, never deleted. It is set aside only
when what replaces it is whole, checked and about to become visible, so a try that fails, or dies,
leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from archiver import keys
from archiver.actions.copying import digest_of
from archiver.errors import CopyDamaged
from archiver.model import Digest, Receipt
from archiver.storage.base import Chunk, Destination, Upload

Permit = Callable[[str, Digest], None]
"""Told key and digest of what is about to be stored; raises DestinationError to forbid it."""


class SettingAside:
    """A destination's target; `aside` maps each key that was replaced to where the old file is."""

    def __init__(self, destination: Destination, now: datetime, permit: Permit | None = None):
        self.name = destination.name
        self.aside: dict[str, str] = {}
        self._destination = destination
        self._now = now
        self._permit = permit

    def begin(self, key: str, media_type: str) -> _Upload:
        """Keep the port's promise."""
        return _Upload(self, key, self._destination.begin(key, media_type))

    def make_room(self, key: str, digest: Digest) -> None:
        """Set aside what is under a key, when it may be replaced by this file."""
        if self._permit is not None:
            self._permit(key, digest)
        aside = keep_aside(self._destination, key, self._now)
        if aside is not None:
            self.aside[key] = aside


class _Upload:
    def __init__(self, destination: SettingAside, key: str, upload: Upload) -> None:
        self._destination = destination
        self._key = key
        self._upload = upload

    def write(self, chunk: Chunk) -> None:
        self._upload.write(chunk)

    def commit(self, digest: Digest) -> Receipt:
        self._destination.make_room(self._key, digest)
        return self._upload.commit(digest)

    def abort(self) -> None:
        self._upload.abort()


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
