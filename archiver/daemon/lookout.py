"""Tells whether a hint waits, and opens the index only when it may have changed.

It is asked each second, and to open an index touches the disk: on a NAS that has nothing to do the
disks are to sleep.
"""

from __future__ import annotations

import time
from collections.abc import Set
from datetime import datetime
from pathlib import Path

from archiver.actions.archive import utc_now
from archiver.errors import ArchiverError
from archiver.index import hints, index_path, opened_index
from archiver.log import get_logger

LOOK_SECONDS = 30.0
"""It is opened so often anyway, should the times of its files say nothing."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Lookout:
    """Remembers what it saw last. Used by one thread."""

    def __init__(self, state_dir: Path) -> None:
        path = index_path(state_dir)
        self._state_dir = state_dir
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._seen: _Stamp | None = None
        self._looked_at = 0.0
        self._next_at: dict[str, datetime] = {}
        self._told: Set[str] = frozenset()

    def is_any(self, accounts: Set[str]) -> bool:
        """Tell whether a hint of these accounts is due; an unreadable index is a pass's to tell.

        Those of other accounts wait until the config has them again, which is logged once.
        """
        # Taken before the index is read: what is written meanwhile makes another one.
        stamp, now = tuple(_stamp(path) for path in self._files), time.monotonic()
        if stamp != self._seen or now - self._looked_at >= LOOK_SECONDS:
            self._seen, self._looked_at = stamp, now
            self._next_at = self._look()
        self._tell(self._next_at.keys() - accounts)
        clock = utc_now()
        return any(self._next_at[name] <= clock for name in self._next_at.keys() & accounts)

    def _tell(self, absent: Set[str]) -> None:
        if new := absent - self._told:
            get_logger().warning("hints.kept", accounts=sorted(new))
        self._told = absent

    def _look(self) -> dict[str, datetime]:
        try:
            with opened_index(self._state_dir) as index:
                return hints.next_at(index)
        except ArchiverError:
            return {}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
