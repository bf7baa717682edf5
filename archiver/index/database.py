"""Opens the index: one connection, one writer, migrations, and who may read beside it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from archiver.errors import ArchiveMissing
from archiver.index.migrations import migrations

FILE_NAME = "index.sqlite"
BUSY_TIMEOUT_SECONDS = 30.0

Row = Mapping[str, object]


class Index:
    """A handle on the open index. Thread-safe: every use holds the one lock.

    Only the holder of the run lock writes; other processes read beside it (WAL).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._lock = threading.RLock()
        self._db = Database(connection, execute_plugins=False)

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Write: everything inside is committed durably together, or not at all."""
        with self._lock:
            if self._db.conn.in_transaction:
                yield self._db
                return
            self._db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.conn.rollback()
                raise
            self._db.conn.execute("COMMIT")

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[Row]:
        """Read all rows of a query as mappings."""
        with self._lock:
            return list(self._db.query(sql, dict(values or {})))

    def row(self, sql: str, values: Mapping[str, object] | None = None) -> Row | None:
        """Read the first row of a query, or None."""
        return next(iter(self.rows(sql, values)), None)

    def fill_from(self, source: sqlite3.Connection) -> None:
        """Replace all content by that of another index."""
        with self._lock:
            source.backup(self._db.conn)

    def close(self) -> None:
        """Close the file. MAY be called twice."""
        with self._lock:
            self._db.close()


def index_path(state_dir: Path) -> Path:
    """Name the index file of a state directory."""
    return state_dir / FILE_NAME


def open_index(state_dir: Path, *, create: bool = False) -> Index:
    """Open the index of a state directory, brought to the newest schema.

    Raises ArchiveMissing when there is none and `create` is not set, or when the file there
    is no index or a damaged one.
    """
    path = index_path(state_dir)
    if not create and not path.exists():
        raise ArchiveMissing(
            f"there is no index at {path}: run `archiver run` first, or make one from a "
            "destination with `archiver rebuild --from NAME`"
        )
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        raise ArchiveMissing(
            f"the index {path} cannot be used ({error}): move it away, then "
            "`archiver rebuild --from NAME`; the archive itself is not touched"
        ) from error


def open_temporary_index() -> Index:
    """Open an empty index that SQLite spills to disk and removes when it is closed."""
    return _open("")


def _open(path: Path | str) -> Index:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    index = Index(connection)
    with index.transaction() as db:
        migrations.apply(db)
    return index


def copy_into(path: Path, target: Index) -> None:
    """Copy the index at `path` into an open, empty one; a writer beside it does not matter."""
    source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        target.fill_from(source)
    finally:
        source.close()
