"""The full text of many new generations, brought up to date once instead of row by row.

A trigger does it for each row that is inserted. For the thousands of a rebuild that took longer
than all else together: FTS5 writes out what it has gathered at every row. Everything here happens
inside the one transaction of the rows, so no other process, and no crash, sees a full text that
lacks some.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from archiver.index.migrations import SEARCHED

_COLUMNS = ", ".join(SEARCHED)
_ADD_NEW = (
    f"INSERT INTO generations_fts (rowid, {_COLUMNS}) SELECT number, {_COLUMNS} FROM generations"
    " WHERE number > (SELECT COALESCE(MAX(id), 0) FROM generations_fts_docsize)"
)
"""Numbers only grow, and FTS5 keeps the size of each row that it has in `docsize`."""
_TRIGGER = "generations_ai"


@contextmanager
def words_at_once(db: sqlite3.Connection) -> Iterator[None]:
    """Add the words of all generations inserted inside at its end; a transaction MUST be open.

    After an error nothing is put right here: the transaction has to be taken back.
    """
    [(trigger,)] = db.execute(
        "SELECT sql FROM sqlite_master WHERE name = ?", (_TRIGGER,)
    ).fetchall()
    db.execute(f"DROP TRIGGER {_TRIGGER}")
    yield
    add_new_words(db)
    db.execute(trigger)


def add_new_words(db: sqlite3.Connection) -> None:
    """Add what is new so far: before a row is changed, as the change takes back its old words."""
    db.execute(_ADD_NEW)
