"""The port every destination keeps: where files go to, and come back from.

A destination maps validated keys (archiver.keys) to whole files. It never retries, logs or
decides; differences between destinations are told by their `Capabilities`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from archiver.errors import CopyDamaged
from archiver.model import Digest, Receipt, Stored

Chunk = bytes | bytearray | memoryview
READ_BYTES = 1 << 20
SMALL_BYTES = 64 << 10
"""So much of each upload waits for nobody: see `Upload.write`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a destination can promise beyond the port.

    `durable`: a receipt survives power loss. `buffer_bytes`: what one upload may hold in
    memory at a time. `may_keep_past`: `as_of` may work (a bucket has to be versioned).
    `may_freeze`: files may lie in an archive tier, where `request_thaw` reaches them.
    `is_near`: it is read by calls to this machine's system, which do not wait long. Another
    process can read it as well, so it MUST be possible to send it there (pickled).
    """

    durable: bool
    buffer_bytes: int
    may_keep_past: bool = False
    may_freeze: bool = False
    is_near: bool = False


class Created(StrEnum):
    """What became of a file that was to be made only where there is none."""

    NEW = "new"
    """It was made, and nobody else can have made it as well."""

    EXISTS = "exists"
    """There is one, which was left alone; after a lost answer it may be one's own."""

    UNPROVEN = "unproven"
    """It was made, but this place cannot refuse a second one that comes at the same moment."""


class Upload(Protocol):
    """One file on its way in. Exactly one of `commit` and `abort` MUST end it."""

    def write(self, chunk: Chunk) -> None:
        """Take the next bytes. MUST NOT keep the chunk after it returns (copy what is held).

        Neither `begin` nor the first SMALL_BYTES may touch the place: nobody is to wait for it
        before there is something to store.
        """

    def takes(self, size_bytes: int) -> bool:
        """Tell whether so many bytes more can be written without waiting for anything."""

    def commit(self, digest: Digest) -> Receipt:
        """Make the file visible under its key, whole and durable, replacing what was there.

        MUST raise CopyDamaged, and leave nothing visible, when what was written is not
        `digest`; the receipt's `verified` says how that was proven. After an error the upload
        is over: `abort` MAY still be called and does nothing.
        """

    def abort(self) -> None:
        """Leave nothing behind. MAY be called twice, and MUST NOT raise."""


class Target(Protocol):
    """Where files can be put: all of a destination that a writer needs."""

    @property
    def name(self) -> str:
        """The destination's name in the config."""

    def begin(self, key: str, media_type: str) -> Upload:
        """Start an upload to `key`. Nothing is visible under `key` before `commit`."""


class Destination(Protocol):
    """A named place that keeps files. All methods MAY be called from several threads."""

    name: str
    capabilities: Capabilities

    def prepare(self) -> None:
        """Make the place ready (directories) and prove that it can be written.

        MUST raise DestinationUnavailable, with what to do, when it cannot.
        """

    def begin(self, key: str, media_type: str) -> Upload:
        """Start an upload to `key`. Nothing is visible under `key` before `commit`."""

    def create(self, key: str, body: bytes, media_type: str) -> Created:
        """Store a small file, whole and durable, only where there is none under `key`.

        After UNPROVEN the caller MUST wait a moment and read what is there.
        """

    def set_aside(self, key: str, aside_key: str) -> None:
        """Keep what is under `key` under `aside_key` too, durable, where it can without reading it.

        MUST leave `key` as it is. Raises CopyMissing, and CopyExists where `aside_key` is taken:
        it MUST NOT be replaced. One caller at a time MAY use an `aside_key`: not every place can
        refuse two at the same moment.
        """

    def read(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a file: its bytes in chunks of at most READ_BYTES.

        Raises CopyMissing, and CopyFrozen for a file that must be thawed first.
        """

    def stat(self, key: str) -> Stored | None:
        """Tell size and time of one file, or None when there is none."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Name all files whose key starts with `prefix`, in no promised order, lazily.

        Files that are not whole yet, and names that are no valid keys, MUST NOT appear.
        """

    def as_of(self, moment: datetime) -> Destination:
        """Open the same place as it was at that moment, for reading only.

        What was overwritten or deleted since is there again, what came since is not. Raises
        DestinationUnavailable when no earlier versions are kept. It shares the connections of
        this destination: closing either closes both.
        """

    def request_thaw(self, key: str, days: int) -> None:
        """Ask that a frozen file can be read for so many days; MAY be called again.

        Does nothing for a file that can be read already. Raises CopyMissing.
        """

    def clean(self, older_than_seconds: float) -> int:
        """Remove leftovers of uploads that died at least that long ago; say how many."""

    def close(self) -> None:
        """Give back connections. MAY be called twice."""


def put(destination: Target, key: str, chunks: Iterable[Chunk], media_type: str) -> Receipt:
    """Store a file whose bytes are at hand, in one go."""
    upload = destination.begin(key, media_type)
    sha256, size = hashlib.sha256(), 0
    try:
        for chunk in chunks:
            upload.write(chunk)
            sha256.update(chunk)
            size += len(chunk)
        return upload.commit(Digest(size_bytes=size, sha256=sha256.hexdigest()))
    finally:
        upload.abort()


def read_whole(destination: Destination, key: str, max_bytes: int) -> bytes:
    """Read a small file into memory; raises CopyDamaged when it is larger than `max_bytes`."""
    body = bytearray()
    with destination.read(key) as chunks:
        for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                raise CopyDamaged(f"{destination.name}: {key} is larger than {max_bytes} bytes")
    return bytes(body)
