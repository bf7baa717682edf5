"""How thorough a measurement is: `ROUNDS=1 SCALE=0.1` is for a quick look."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SCALE = float(os.environ.get("SCALE", "1"))
CONCURRENCY = 16
"""Downloads at a time, for the project and for every peer."""
LARGE_BYTES = 1_000_000
LIMIT_SECONDS = 900.0
"""No command line may take longer."""


def scaled(many: int, least: int = 1) -> int:
    """Return how many make the work at this scale."""
    return max(least, round(many * SCALE))


def rounds(most: int) -> int:
    """Return how many rounds to make of a figure that is too slow for more than `most`."""
    return min(ROUNDS, most)


def put_away(folder: Path) -> None:
    """Remove the large files of a folder; the small ones stay until all is measured.

    To make a file takes ext4 without a journal up to 30 times as long while it remembers inodes
    that were freed within the last minute (`recently_deleted` in fs/ext4/ialloc.c): whoever comes
    after a removal of thousands of files would pay for it.
    """
    for path in folder.rglob("*"):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size >= LARGE_BYTES:
            path.unlink()


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a folder outside this tree on its disk: the temporary one may be in memory."""
    temporary = Path(tempfile.gettempdir())
    parent = temporary if temporary.stat().st_dev == ROOT.stat().st_dev else ROOT.parent
    with tempfile.TemporaryDirectory(prefix="archiver-bench-", dir=parent) as name:
        yield Path(name)
