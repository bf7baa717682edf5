"""Where an export grows: a hidden directory beside its target, which appears only when whole.

Keeps promise 2 for exports: the last step is one rename. The name is the same each time, so a
later export to the same target finds what an interrupted one left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archiver.errors import ArchiverError, LockHeld
from archiver.storage.base import Destination
from archiver.storage.local.destination import FOLDER_MODE, Options, open_destination
from archiver.storage.local.files import os_errors, sync_folder

NAME = "export"
"""What stands before messages about the export's own disk."""


def refuse_taken(target: Path) -> None:
    """Raise ArchiverError unless the target is free: missing, or an empty directory."""
    if target.is_mount():
        raise ArchiverError(f"{target} is a mounted disk: name a folder or file below it")
    is_free = not any(target.iterdir()) if target.is_dir() else not target.exists()
    if not is_free:
        raise ArchiverError(f"{target} is there already: give another name")


@contextmanager
def open_part(target: Path, kind: str) -> Iterator[Path]:
    """Make or find the directory in which `target` grows, for this process alone."""
    part = target.with_name(f".{target.name}.archiver-{kind}-part")
    with os_errors(NAME, str(part)):
        part.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not _is_ours(descriptor, part):
            raise LockHeld(f"another export to {target} is at work: let it end, then try again")
        yield part
    finally:
        os.close(descriptor)


def _is_ours(descriptor: int, part: Path) -> bool:
    """Lock the directory; false when another has the lock, or finished and renamed it just now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return part.exists() and os.path.samestat(part.stat(), os.fstat(descriptor))


def open_room(folder: Path) -> Destination:
    """Make a directory that files can be put into, each one whole and under a validated key."""
    room = open_destination(NAME, Options(type="local", path=folder))
    room.prepare()
    return room


def publish(whole: Path, target: Path) -> None:
    """Give the finished export its name, in one durable step."""
    refuse_taken(target)
    with os_errors(NAME, str(target)):
        whole.rename(target)
        sync_folder(str(target.parent))
