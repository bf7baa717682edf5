"""One file on its way into a local directory: written aside, made durable, renamed (promise 2)."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from archiver.errors import CopyDamaged, DestinationError
from archiver.fibers import gathered
from archiver.keys import TEMPORARY_PREFIX
from archiver.model import Digest, Receipt
from archiver.storage.base import SMALL_BYTES, Chunk
from archiver.storage.checks import Tally
from archiver.storage.local.files import os_errors, sync_folder

FILE_MODE = 0o640


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
    """Keeps what is small, writes what is more into a temporary file, and names it at `commit`.

    `open_file` makes the temporary file and gives what `open_temporary` does.
    """

    def __init__(
        self, name: str, root: str, key: str, open_file: Callable[[], tuple[int, str]]
    ) -> None:
        self._name = name
        self._key = key
        self._path = f"{root}/{key}"
        self._open_file = open_file
        self._few = bytearray()
        self._descriptor: int | None = None
        self._temporary = ""
        self._tally = Tally(name, key)

    @property
    def folder(self) -> str:
        """The directory of its final name."""
        return os.path.dirname(self._path)

    def write(self, chunk: Chunk) -> None:
        """Keep the port's promise; what is more than little goes to the kernel without a copy."""
        self._tally.refuse_if_over()
        if self.takes(len(chunk)):
            self._few += chunk
        else:
            self._append(chunk)
        self._tally.add(chunk)

    def takes(self, size_bytes: int) -> bool:
        """Keep the port's promise."""
        return self._descriptor is None and len(self._few) + size_bytes <= SMALL_BYTES

    def _append(self, chunk: Chunk) -> None:
        try:
            with os_errors(self._name, self._path):
                write_all(self._open(), chunk)
        except BaseException:
            self.abort()  # the file may hold part of the chunk: it must never be committed
            raise

    def _open(self) -> int:
        """Return the temporary file with all that was kept."""
        if self._descriptor is None:
            self._descriptor, self._temporary = self._open_file()
            few, self._few = self._few, bytearray()
            write_all(self._descriptor, few)
        return self._descriptor

    def commit(self, digest: Digest) -> Receipt:
        """Keep the port's promise."""
        try:
            self._tally.check(digest)
            gathered(self._name, make_visible, self)
        finally:
            self.abort()
        return Receipt(
            destination=self._name,
            key=self._key,
            digest=digest,
            stored_at=datetime.now(UTC),
            verified="sha256 while writing",
        )

    def settle(self) -> None:
        """Make all its bytes durable, under the name that no listing shows."""
        with os_errors(self._name, self._path):
            descriptor = self._open()
            os.fsync(descriptor)
            if os.fstat(descriptor).st_size != self._tally.size_bytes:
                raise CopyDamaged(f"{self._name}: {self._temporary} was changed by someone else")

    def take_name(self) -> None:
        """Give it the final name."""
        with os_errors(self._name, self._path):
            os.replace(self._temporary, self._path)
        self._temporary = ""
        self._close()

    def settle_name(self) -> None:
        """Make all names in its folder durable."""
        with os_errors(self._name, self.folder):
            sync_folder(self.folder)

    def abort(self) -> None:
        """Keep the port's promise."""
        if self._tally.is_over:
            return
        self._tally.is_over = True
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def make_visible(uploads: Sequence[LocalUpload]) -> list[Exception | None]:
    """Make files durable, then name them, then make their names durable: one by one or together.

    Returns what went wrong with each. Their folder is brought to the disk once for all of them.
    """
    errors = [_error_of(one.settle) for one in uploads]
    errors = [error or _error_of(one.take_name) for error, one in zip(errors, uploads, strict=True)]
    named = {one.folder: one for one, error in zip(uploads, errors, strict=True) if not error}
    unsettled = {folder: _error_of(one.settle_name) for folder, one in named.items()}
    return [error or unsettled[one.folder] for error, one in zip(errors, uploads, strict=True)]


def _error_of(step: Callable[[], None]) -> Exception | None:
    try:
        step()
    except DestinationError as error:
        return error
    return None


def write_all(descriptor: int, chunk: Chunk) -> None:
    """Write all bytes: the kernel may take fewer at once than it is given."""
    rest = memoryview(chunk).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
