"""One row written by one plain statement.

sqlite_utils looks at the schema before each statement of its own, which takes longer than the
writing, and a run writes some seven rows a generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = Mapping[str, object]


def insert(db: Database, table: str, row: Row) -> int:
    """Insert one row; gives its row number."""
    number = db.conn.execute(_insert(table, tuple(row)), tuple(row.values())).lastrowid
    assert number is not None, "a row was inserted"
    return number


def update(db: Database, table: str, key: Row, row: Row) -> None:
    """Change columns of the one row with this key."""
    statement = _update(table, tuple(key), tuple(row))
    changed = db.conn.execute(statement, (*row.values(), *key.values())).rowcount
    assert changed == 1, f"{table} has {changed} rows with the key {dict(key)}"


def upsert(db: Database, table: str, key: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows, or change those that have the same key."""
    for row in rows:
        db.conn.execute(_upsert(table, tuple(key), tuple(row)), tuple(row.values()))


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@cache
def _update(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table} SET {changes} WHERE {' AND '.join(f'{name} = ?' for name in key)}"


@cache
def _upsert(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{_insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
