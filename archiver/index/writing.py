"""What the index writes with: plain statements, and sqlite_utils for all else.

To load sqlite_utils takes 30 ms: a poll with no news writes a few rows, and does without.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

Values = Sequence[object] | Mapping[str, object]


class LightDatabase:
    """A `Database` of sqlite_utils, which is loaded when more is asked for than a statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.conn = connection
        connection.execute("PRAGMA recursive_triggers = ON")

    def execute(self, sql: str, parameters: Values = ()) -> sqlite3.Cursor:
        """Execute one statement, as part of the transaction that is open."""
        return self.conn.execute(sql, parameters)

    def query(self, sql: str, parameters: Values = ()) -> Iterator[dict[str, Any]]:
        """Give the rows that a statement returns."""
        cursor = self.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @cached_property
    def _whole(self) -> Database:
        from archiver.index.upserting import UpsertingDatabase

        return UpsertingDatabase(self.conn, execute_plugins=False)
