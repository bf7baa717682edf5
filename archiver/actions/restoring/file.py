"""Gives one file back: looks at the target, then tries one copy after the other."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from archiver.actions.copying import holds
from archiver.actions.restoring.plan import Layout, Overwrite, RestoreOptions, Wanted
from archiver.actions.restoring.sources import Sources
from archiver.errors import CopyFrozen, DestinationError
from archiver.model import Digest
from archiver.storage.base import Destination
from archiver.storage.local.files import os_errors, remove_if_dead

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENXIO, errno.ESTALE)
"""What the target's disk says of itself: every further file would meet the same."""


class End(Enum):
    """How one file ended."""

    WRITTEN = auto()
    PRESENT = auto()
    KEPT = auto()
    FROZEN = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """How one file ended, and what was wrong with the copies that were no use."""

    wanted: Wanted
    end: End
    errors: tuple[DestinationError, ...] = ()


@dataclass(slots=True)
class Work:
    """What the workers share. `done_bytes` is how far they are, for whoever watches."""

    sources: Sources
    target: Destination
    folder: Path
    options: RestoreOptions
    done_bytes: int = 0
    began_at: float = field(default_factory=time.time)
    lock: threading.Lock = field(default_factory=threading.Lock)
    tidied: set[Path] = field(default_factory=set)

    def count(self, size_bytes: int) -> None:
        """Count bytes as they are written; less when their copy turned out to be bad."""
        with self.lock:
            self.done_bytes += size_bytes


def look(target: Destination, key: str, digest: Digest) -> bool | None:
    """Tell whether the target holds this file; its bytes are read when its size is right."""
    return None if target.stat(key) is None else holds(target, key, digest)


def judge(found: bool | None, overwrite: Overwrite) -> End | None:
    """Say how a file ends that is not written; None when it is to be written."""
    if overwrite is Overwrite.ALWAYS or found is None:
        return None
    if found:
        return End.PRESENT
    return End.KEPT if overwrite is Overwrite.NEVER else None


def give_back(wanted: Wanted, work: Work) -> Done:
    """Write one file from the first copy that proves to be right.

    Raises DestinationUnavailable when the target's disk is full or failing.
    """
    path = work.folder / wanted.target_key
    try:
        _tidy(path.parent, work)
        end = _end_without_writing(wanted, work)
        errors = () if end else _write(wanted, work)
    except DestinationError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _OF_THE_DISK:
            raise
        return Done(wanted, End.FAILED, (error,))
    if end is None and len(errors) == len(wanted.copies):
        return Done(wanted, _thaw(wanted, errors, work), errors)
    if end is not End.KEPT:
        _set_time(path, wanted)
    if end is not None:
        work.count(wanted.digest.size_bytes)
    return Done(wanted, end or End.WRITTEN, errors)


def _end_without_writing(wanted: Wanted, work: Work) -> End | None:
    """Look at the target; where names are given, that was done when this one was."""
    if work.options.layout is not Layout.ARCHIVE:
        return End.PRESENT if wanted.is_there else None
    if work.options.overwrite is Overwrite.ALWAYS:
        return None
    found = look(work.target, wanted.target_key, wanted.digest)
    return judge(found, work.options.overwrite)


def _write(wanted: Wanted, work: Work) -> tuple[DestinationError, ...]:
    """Try the copies in order; returns what was wrong with those that were no use."""
    errors: list[DestinationError] = []
    for name in wanted.copies:
        error = work.sources.copy(name, wanted, work.target, work.count)
        if error is None:
            break
        errors.append(error)
    return tuple(errors)


def _thaw(wanted: Wanted, errors: tuple[DestinationError, ...], work: Work) -> End:
    """Tell what failed from what is frozen; that is asked for when it was wished."""
    frozen = [
        name
        for name, error in zip(wanted.copies, errors, strict=True)
        if isinstance(error, CopyFrozen)
    ]
    if not frozen:
        return End.FAILED
    if work.options.thaw_days is not None:
        work.sources.request_thaw(frozen[0], wanted.key, work.options.thaw_days)
    return End.FROZEN


def _tidy(folder: Path, work: Work) -> None:
    """Remove what a restore that was killed left in a folder, the first time it is needed."""
    with work.lock:
        if folder in work.tidied:
            return
        work.tidied.add(folder)
    with (
        os_errors(work.target.name, str(folder)),
        suppress(FileNotFoundError),
        os.scandir(folder) as found,
    ):
        for entry in found:
            remove_if_dead(entry, work.began_at)


def _set_time(path: Path, wanted: Wanted) -> None:
    """Give a file the time of its generation, where the file system can hold it."""
    if wanted.created_at is None:
        return
    seconds = wanted.created_at.timestamp()
    with suppress(OSError, OverflowError):  # the bytes are what matters, and they are right
        os.utime(path, (seconds, seconds))
