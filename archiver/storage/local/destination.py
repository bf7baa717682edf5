"""A destination in a local directory (promises 1, 2, 8 and 10).

Write order: a temporary file in the folder of the final name, its bytes, fsync, rename, fsync
of the folder. A folder's own name is made durable before the first file in it is begun.
A symbolic link below the root is no part of the archive: it is not listed, read or written
through. The root itself may be one. Only `prepare` creates the root, so that a disk that is
not mounted is an error and not an empty archive.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn

from archiver.errors import CopyDamaged, CopyExists, CopyMissing, DestinationUnavailable
from archiver.keys import validate_key
from archiver.model import Stored
from archiver.storage.base import READ_BYTES, Capabilities, Created
from archiver.storage.checks import check_prefix, is_key
from archiver.storage.local.files import (
    files_below,
    os_errors,
    remove_if_dead,
    sync_folder,
)
from archiver.storage.local.new import link_new, write_new
from archiver.storage.local.options import Options
from archiver.storage.local.upload import LocalUpload, open_temporary

__all__ = ["FOLDER_MODE", "LocalDestination", "Options", "open_destination"]

FOLDER_MODE = 0o750
_MAX_SETTLED_FOLDERS = 4096


def open_destination(name: str, options: Options) -> LocalDestination:
    """Open a directory; nothing is touched before `prepare`."""
    return LocalDestination(name, options.place)


class LocalDestination:
    """Keeps files below one directory."""

    capabilities = Capabilities(durable=True, buffer_bytes=0, is_near=True)

    def __init__(self, name: str, root: str) -> None:
        self.name = name
        self._root = root
        self._prepared: tuple[int, int] | None = None
        # Folders seen on disk under durable names; forgotten when there are too many.
        self._settled: set[str] = set()

    def prepare(self) -> None:
        """Create the root where it is missing, and prove that a file can be written there."""
        with os_errors(self.name, self._root):
            _make_durable_folders(self._root)
            self._prepared = _identify(self._root)
            descriptor, path = open_temporary(self._root)
            try:
                os.write(descriptor, b"archiver can write here")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
                os.unlink(path)

    def begin(self, key: str, media_type: str) -> LocalUpload:
        """Keep the port's promise; the media type is not kept."""
        folder = validate_key(key).rpartition("/")[0]
        return LocalUpload(self.name, self._root, key, partial(self._open_file, folder))

    def _open_file(self, folder: str) -> tuple[int, str]:
        """Make a temporary file in a folder of the root that was prepared."""
        try:
            descriptor, temporary = self._open_temporary(folder)
        except FileNotFoundError:  # someone removed a folder that was there before
            self._settled.clear()
            descriptor, temporary = self._open_temporary(folder)
        try:
            self._refuse_other_root()
        except BaseException:
            os.close(descriptor)
            os.unlink(temporary)
            raise
        return descriptor, temporary

    def _refuse_other_root(self) -> None:
        """Raise when the root is no more the directory that was prepared: its disk went away."""
        with os_errors(self.name, self._root):
            if self._prepared not in (None, _identify(self._root)):
                raise DestinationUnavailable(
                    f"{self.name}: {self._root} is another directory than when the run began: "
                    "was its disk unmounted?"
                )

    def _open_temporary(self, folder: str) -> tuple[int, str]:
        if folder not in self._settled:
            self._refuse_other_root()  # before a folder is made under a mount that has gone
            self._settle(folder)
        return open_temporary(os.path.join(self._root, folder))

    def _settle(self, folder: str) -> None:
        """Create the folders of a key below the root, each under a durable name."""
        if len(self._settled) >= _MAX_SETTLED_FOLDERS:
            self._settled.clear()
        parts = folder.split("/") if folder else []
        for depth in range(1, len(parts) + 1):
            ancestor = "/".join(parts[:depth])
            if ancestor not in self._settled:
                _make_folder(self.name, os.path.join(self._root, ancestor))
                self._settled.add(ancestor)

    def create(self, key: str, body: bytes, media_type: str) -> Created:
        """Keep the port's promise; the media type is not kept."""
        path = self._make_room(key)
        with os_errors(self.name, path):
            return Created.NEW if write_new(path, body) else Created.EXISTS

    def set_aside(self, key: str, aside_key: str) -> None:
        """Keep the port's promise by a second name, or by a copy where a file can have but one."""
        if self.stat(key) is None:
            raise CopyMissing(f"{self.name}: there is no {key} in {self._root}")
        path = self._make_room(aside_key)
        with os_errors(self.name, path):
            if not link_new(os.path.join(self._root, key), path):
                raise CopyExists(f"{self.name}: there is a file {aside_key} already")

    def _make_room(self, key: str) -> str:
        """Make the folder of a key in the root that was prepared; return the path of the file."""
        path = os.path.join(self._root, validate_key(key))
        with os_errors(self.name, path):
            self._refuse_other_root()
            if not os.path.isdir(os.path.dirname(path)):
                self._settled.clear()
            self._settle(key.rpartition("/")[0])
        return path

    @contextmanager
    def read(self, key: str) -> Iterator[Iterator[bytes]]:
        """Keep the port's promise; a link or a special file counts as missing."""
        with self._open(validate_key(key)) as file:
            yield self._chunks(file, key)

    def _open(self, key: str) -> io.FileIO:
        path = os.path.join(self._root, key)
        with os_errors(self.name, path):
            if self._stat(key) is None:
                raise CopyMissing(f"{self.name}: there is no {key} in {self._root}")
            try:
                # Nonblocking, so that a pipe put there meanwhile cannot hold us.
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                return io.FileIO(os.open(path, flags), "rb")
            except FileNotFoundError:
                raise CopyMissing(f"{self.name}: {key} has just been removed") from None

    def _chunks(self, file: io.FileIO, key: str) -> Iterator[bytes]:
        # No more room than the file needs: to get and clear a whole chunk takes longer than to read
        # a small file.
        room = min(READ_BYTES, os.fstat(file.fileno()).st_size + 1)
        while True:
            try:
                chunk = file.read(room)
            except OSError as error:
                raise CopyDamaged(
                    f"{self.name}: {key} cannot be read: {error.strerror}; check the disk, "
                    "then `archiver repair`"
                ) from error
            if not chunk:
                return
            yield chunk

    def stat(self, key: str) -> Stored | None:
        """Keep the port's promise; a link or a special file is none."""
        path = os.path.join(self._root, validate_key(key))
        with os_errors(self.name, path):
            found = self._stat(key)
        return None if found is None else _describe(key, found)

    def _stat(self, key: str) -> os.stat_result | None:
        path = self._root
        try:
            for part in key.split("/"):
                path = f"{path}/{part}"
                found = os.lstat(path)
                if stat.S_ISLNK(found.st_mode):
                    return None
        except (FileNotFoundError, NotADirectoryError):
            os.stat(f"{self._root}/.")  # a missing root is not a missing file
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Keep the port's promise, with one open directory for each level."""
        return self._list(check_prefix(prefix), prefix)

    def _list(self, folder: str, prefix: str) -> Iterator[Stored]:
        with os_errors(self.name, os.path.join(self._root, folder)):
            for key, entry in files_below(self._root, folder):
                if not key.startswith(prefix) or not is_key(key):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield _describe(key, found)

    def as_of(self, moment: datetime) -> NoReturn:
        """Refuse: a directory has no memory."""
        raise DestinationUnavailable(
            f"{self.name}: a directory keeps no earlier versions; mount a snapshot of the file "
            "system, and read that"
        )

    def request_thaw(self, key: str, days: int) -> None:
        """Find nothing to thaw: what is on a disk can be read."""
        if self.stat(key) is None:
            raise CopyMissing(f"{self.name}: there is no {key} in {self._root}")

    def clean(self, older_than_seconds: float) -> int:
        """Remove temporary files that no living upload holds."""
        oldest_kept = datetime.now(UTC).timestamp() - older_than_seconds
        with os_errors(self.name, self._root):
            return sum(
                remove_if_dead(entry, oldest_kept) for _, entry in files_below(self._root, "")
            )

    def close(self) -> None:
        """Nothing to give back: no file stays open between calls."""


def _identify(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _make_folder(name: str, path: str) -> None:
    try:
        os.mkdir(path, FOLDER_MODE)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise DestinationUnavailable(
                f"{name}: {path} is a link or a file where a directory is needed: move it away, "
                "or mount the other place there"
            ) from None
    # Also when another worker made it: its fsync may not have happened yet.
    sync_folder(os.path.dirname(path))


def _make_durable_folders(path: str) -> None:
    if not os.path.isdir(path):
        _make_durable_folders(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, FOLDER_MODE)
        sync_folder(os.path.dirname(path))


def _describe(key: str, found: os.stat_result) -> Stored:
    modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
    return Stored(key=key, size_bytes=found.st_size, modified_at=modified_at)
