"""Names in a local directory that must not replace another file (promises 2 and 7).

A hard link gives a whole file a second name, in one step that fails where the name is taken.
File systems without links (FAT, some network shares) get a rename instead, under a lock of the
folder: it keeps out whoever asks here, and the kernel frees it when its holder dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from archiver.storage.base import READ_BYTES
from archiver.storage.local.files import sync_folder
from archiver.storage.local.upload import open_temporary, write_all

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def write_new(path: str, body: bytes) -> bool:
    """Write a small file, durable, under a free name; False where the name is taken."""
    descriptor, temporary = open_temporary(os.path.dirname(path))
    try:
        write_all(descriptor, body)
        return _name_new(descriptor, temporary, path)
    finally:
        _forget(descriptor, temporary)


def link_new(source: str, path: str) -> bool:
    """Give a file a second name, durable, where it is free; False where it is taken.

    Its bytes are made durable first: whoever wrote them may not have cared.
    """
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(reader)
        try:
            os.link(source, path, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _copy_new(reader, path)
    finally:
        os.close(reader)
    sync_folder(os.path.dirname(path))
    return True


def _copy_new(reader: int, path: str) -> bool:
    descriptor, temporary = open_temporary(os.path.dirname(path))
    try:
        while chunk := os.read(reader, READ_BYTES):
            write_all(descriptor, chunk)
        return _name_new(descriptor, temporary, path)
    finally:
        _forget(descriptor, temporary)


def _name_new(descriptor: int, temporary: str, path: str) -> bool:
    os.fsync(descriptor)
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with _locked(os.path.dirname(path)):
            if os.path.lexists(path):
                return False
            os.rename(temporary, path)
    sync_folder(os.path.dirname(path))
    return True


def _forget(descriptor: int, temporary: str) -> None:
    with suppress(OSError):
        os.unlink(temporary)
    with suppress(OSError):
        os.close(descriptor)


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold a folder for oneself; where there are no locks either, nothing better is left."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
