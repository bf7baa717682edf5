"""One file on its way into a local directory: written aside, made durable, renamed (promise 2)."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from archiver.errors import CopyDamaged
from archiver.fibers import aside, gathered
from archiver.keys import TEMPORARY_PREFIX
from archiver.model import Digest, Receipt
from archiver.storage.base import Chunk
from archiver.storage.checks import Tally
from archiver.storage.local.files import os_errors, sync_folder

FILE_MODE = 0o640
LARGE_BYTES = 1 << 20


def open_temporary(folder: str) -> tuple[int, str]:
    """Create a file in `folder` that no listing shows; return its descriptor and its path.

    It is locked for as long as it is open, which tells `clean` that its writer lives.
    """
    path = f"{folder}/{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, FILE_MODE)
    with suppress(OSError):  # some network file systems have no locks: `clean` goes by age then
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor, path


class LocalUpload:
    """Writes one temporary file and renames it at `commit`."""

    def __init__(self, name: str, root: str, key: str, *, descriptor: int, temporary: str) -> None:
        self._name = name
        self._key = key
        self._path = f"{root}/{key}"
        self._descriptor = descriptor
        self._temporary = temporary
        self._tally = Tally(name, key)

    def write(self, chunk: Chunk) -> None:
        """Keep the port's promise; the bytes go to the kernel without a copy."""
        self._tally.refuse_if_over()
        try:
            with os_errors(self._name, self._path):
                write_all(self._descriptor, chunk)
        except BaseException:
            self.abort()  # the file may hold part of the chunk: it must never be committed
            raise
        self._tally.add(chunk)

    def commit(self, digest: Digest) -> Receipt:
        """Keep the port's promise."""
        try:
            self._tally.check(digest)
            with os_errors(self._name, self._path):
                self._make_visible(digest.size_bytes)
        finally:
            self.abort()
        return Receipt(
            destination=self._name,
            key=self._key,
            digest=digest,
            stored_at=datetime.now(UTC),
            verified="sha256 while writing",
        )

    def _make_visible(self, size_bytes: int) -> None:
        if size_bytes > LARGE_BYTES:  # what is small must not wait for it
            aside(os.fsync, self._descriptor)
        if os.fstat(self._descriptor).st_size != size_bytes:
            raise CopyDamaged(f"{self._name}: {self._temporary} was changed by someone else")
        written = Written(self._descriptor, self._temporary, self._path)
        gathered(self._name, make_visible, written)
        self._temporary = ""

    def abort(self) -> None:
        """Keep the port's promise."""
        if self._tally.is_over:
            return
        self._tally.is_over = True
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)
        with suppress(OSError):
            os.close(self._descriptor)


class Written(NamedTuple):
    """A file that is whole, under the name that no listing shows."""

    descriptor: int
    temporary: str
    path: str


def make_visible(files: Sequence[Written]) -> list[OSError | None]:
    """Make files durable, then name them, then make their names durable: one by one or together.

    Returns what went wrong with each. Their folder is brought to the disk once for all of them.
    """
    errors = [_error_of(os.fsync, one.descriptor) for one in files]
    for at, one in enumerate(files):
        errors[at] = errors[at] or _error_of(os.replace, one.temporary, one.path)
    folders = [os.path.dirname(one.path) for one in files]
    unsettled = {one: _error_of(sync_folder, one) for one in set(folders)}
    return [error or unsettled[folder] for error, folder in zip(errors, folders, strict=True)]


def _error_of(step: Callable[..., object], *args: object) -> OSError | None:
    try:
        step(*args)
    except OSError as error:
        return error
    return None


def write_all(descriptor: int, chunk: Chunk) -> None:
    """Write all bytes: the kernel may take fewer at once than it is given."""
    rest = memoryview(chunk).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
