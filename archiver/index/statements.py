"""Rows written by plain statements: many with the same columns at a time.

sqlite_utils looks at the schema before each statement of its own, which takes longer than the
writing. And each statement lets the other threads of the interpreter go first, so a run that
writes a row at a time mostly waits: one statement takes up to `MOST` rows.

A transaction MUST be open, and be taken back after an error. As it is, no statement has to be taken
back alone (OR FAIL): for that SQLite copies every page that it touches into a file beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = Mapping[str, object]
MOST = 64
"""Rows in one statement; fewer go in powers of two, so that few statements are ever compiled."""


def insert(db: Database, table: str, rows: Iterable[Row]) -> None:
    """Insert rows."""
    for many in _alike(rows):
        db.conn.execute(_insert(table, tuple(many[0]), len(many)), _values(many))


def update(db: Database, table: str, key: Sequence[str], rows: Iterable[Row]) -> None:
    """Change rows that are there; the columns of `key` say which."""
    for many in _alike(rows):
        statement = _update(table, tuple(key), tuple(many[0]), len(many))
        changed = db.conn.execute(statement, _values(many)).rowcount
        assert changed == len(many), f"{table} has {changed} of {len(many)} rows by {list(key)}"


def upsert(db: Database, table: str, key: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows, or change those that have the same key."""
    for many in _alike(rows):
        db.conn.execute(_upsert(table, tuple(key), tuple(many[0]), len(many)), _values(many))


def _alike(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Give rows with the same columns that follow each other, as many as a statement takes."""
    for _, group in groupby(rows, tuple):
        many = list(group)
        while many:
            size = min(MOST, 1 << (len(many).bit_length() - 1))
            yield many[:size]
            del many[:size]


def _values(rows: Sequence[Row]) -> tuple[object, ...]:
    return tuple(value for row in rows for value in row.values())


def _places(columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


@cache
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    places = _places(len(columns), rows)
    return f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES {places}"


@cache
def _update(table: str, key: tuple[str, ...], columns: tuple[str, ...], rows: int) -> str:
    new = {name: f"new.column{place}" for place, name in enumerate(columns, 1)}
    changes = ", ".join(f"{name} = {value}" for name, value in new.items() if name not in key)
    which = " AND ".join(f"{table}.{name} = {new[name]}" for name in key)
    rows_given = f"(VALUES {_places(len(columns), rows)})"
    return f"UPDATE {table} SET {changes} FROM {rows_given} AS new WHERE {which}"


@cache
def _upsert(table: str, key: tuple[str, ...], columns: tuple[str, ...], rows: int) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"{_insert(table, columns, rows)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
