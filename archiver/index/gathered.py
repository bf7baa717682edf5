"""What triggers do for each new generation, done once for thousands of them.

The full text and the counts: row by row they took longer than all else in a rebuild together, as
FTS5 writes out what it has gathered at every row. Everything here happens inside the one
transaction of the rows, so no other process, and no crash, sees one without the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from archiver.index import fulltext
from archiver.index.counted import COUNTED

_RESTING = (fulltext.COMING, *(one.coming for one in COUNTED))
_CATCH_UP = (fulltext.ADDED_SINCE, *(one.added_since for one in COUNTED))


@contextmanager
def gathered(db: sqlite3.Connection) -> Iterator[int]:
    """Count and index all generations added inside at its end; gives the last number before.

    Nothing else MUST be written inside, and a transaction MUST be open: after an error nothing is
    put right here, it has to be taken back.
    """
    [last] = db.execute("SELECT COALESCE(MAX(number), 0) FROM generations").fetchone()
    marks = ", ".join("?" * len(_RESTING))
    triggers = db.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})",
        _RESTING,
    ).fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    yield last
    for statement in _CATCH_UP:
        db.execute(statement, (last,))
    for _, text in triggers:
        db.execute(text)
