"""Reads rows beside whoever writes: over a connection that belongs to one thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping

CACHE_KIB = 512
"""Of each thread: memory is to stay flat, and the system keeps the file's pages anyway."""
Row = Mapping[str, object]


class Reader:
    """The connection of one thread; its lock is for whoever closes it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._lock = threading.Lock()
        self._connection = connection
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def rows(self, sql: str, values: Mapping[str, object] | None) -> list[Row]:
        """Read all rows of a query, as they were committed."""
        with self._lock:
            return read_rows(self._connection, sql, values)

    def close(self) -> None:
        """Close it once nothing is being read."""
        with self._lock:
            self._connection.close()


def read_rows(
    connection: sqlite3.Connection, sql: str, values: Mapping[str, object] | None
) -> list[Row]:
    """Read all rows of a query as mappings."""
    cursor = connection.execute(sql, dict(values or {}))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
