"""Directories and leftovers of a local destination, and what its errors mean (promise 2)."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from archiver.errors import DestinationUnavailable
from archiver.keys import TEMPORARY_PREFIX
from archiver.storage.checks import is_key

_LOST_AND_FOUND = "lost+found"
_LEFTOVER = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}\d+-[0-9a-f]{{16}}")
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)
_HINTS = {
    errno.ENOSPC: "free some space or move the archive to a larger disk",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EROFS: "mount it for writing; a disk that became read-only by itself may be failing",
    errno.EACCES: "let the user that runs archiver read and write there",
    errno.EPERM: "let the user that runs archiver read and write there",
    errno.ENOTDIR: "a file stands where a directory is needed: move it away",
    errno.EISDIR: "a directory stands where the file belongs: move it away",
    errno.ENOENT: "is the disk mounted? If the directory is meant to be new, create it",
    errno.ELOOP: "a symbolic link stands where the file belongs: move it away",
    errno.EIO: "check the disk and the kernel's log",
    errno.EMFILE: "raise the limit of open files (ulimit -n) or lower transfer.concurrency",
}


def explain(name: str, path: str, error: OSError) -> DestinationUnavailable:
    """Say what failed where, why, and what to do."""
    hint = _HINTS.get(error.errno or 0, "check the disk")
    where = path if error.filename is None else os.fsdecode(error.filename)
    return DestinationUnavailable(f"{name}: cannot use {where}: {error.strerror}; {hint}")


@contextmanager
def os_errors(name: str, path: str) -> Iterator[None]:
    """Turn the operating system's errors into DestinationUnavailable."""
    try:
        yield
    except OSError as error:
        raise explain(name, path, error) from error


def sync_folder(path: str) -> None:
    """Make the names in a directory durable, where the file system can (as most can)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network and FUSE mounts refuse it
            raise
    finally:
        os.close(descriptor)


def files_below(root: str, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Name all regular files below a folder with their keys; one directory a level is open.

    Links are not followed, and folders that no key can name are not entered; nor is the
    `lost+found` of a disk's root, which only root may read.
    """
    levels: list[tuple[str, os._ScandirIterator[str]]] = []
    try:
        _enter(levels, root, folder)
        while levels:
            folder, entries = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()[1].close()
                continue
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_file(follow_symlinks=False):
                yield key, entry
            elif entry.is_dir(follow_symlinks=False) and is_key(key) and key != _LOST_AND_FOUND:
                _enter(levels, root, key)
    finally:
        for _, entries in levels:
            entries.close()


def _enter(levels: list[tuple[str, os._ScandirIterator[str]]], root: str, folder: str) -> None:
    """Open a directory; one below the root may be missing or a link, and then holds nothing."""
    path = root
    for part in folder.split("/") if folder else ():
        path = f"{path}/{part}"
        if os.path.islink(path):
            return
    try:
        levels.append((folder, os.scandir(path)))
    except (FileNotFoundError, NotADirectoryError):
        os.stat(f"{root}/.")
        if not folder:
            raise


def remove_if_dead(entry: os.DirEntry[str], oldest_kept: float) -> bool:
    """Remove a temporary file last written before `oldest_kept` whose writer has died."""
    if not _LEFTOVER.fullmatch(entry.name):
        return False
    with suppress(FileNotFoundError):
        if entry.stat(follow_symlinks=False).st_mtime <= oldest_kept and not _is_held(entry.path):
            os.unlink(entry.path)
            return True
    return False


def _is_held(path: str) -> bool:
    """Tell whether an upload still locks its file; the kernel frees the lock of a dead one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks: the age must do
    finally:
        os.close(descriptor)
    return False
