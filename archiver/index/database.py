"""Opens the index: one connection, one writer, migrations, and who may read beside it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from archiver.errors import ArchiveMissing, IndexUnavailable
from archiver.index.fulltext import fold
from archiver.index.migrations import STEPS, Step
from archiver.index.reader import Reader, Row, read_rows
from archiver.index.rows import stamp, unstamp
from archiver.index.upgrade import done_steps, refuse_unknown, upgrade
from archiver.index.writing import LightDatabase

if TYPE_CHECKING:
    from sqlite_utils import Database

FILE_NAME = "index.sqlite"
BUSY_TIMEOUT_SECONDS = 30.0
READER_CACHE_KIB = 512
CACHE_KIB, FILLING_CACHE_KIB = 2000, 16_000
LOG_PAGES, FILLING_LOG_PAGES = 1000, 16_000
"""SQLite's own first; then what a rebuild takes: 64 MB of log on the disk."""
"""Of each thread: memory is to stay flat, and the system keeps the file's pages anyway."""
_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


class Index:
    """A handle on the open index. Thread-safe: whoever writes holds the one lock.

    The holder of the run lock writes, and `verify` what it has proven, a short transaction at a
    time; other processes read beside them (WAL).
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        steps: Sequence[Step] = STEPS,
        make_reader: Callable[[], sqlite3.Connection] | None = None,
    ) -> None:
        """`make_reader` opens another connection to the same file, where there can be one."""
        self._lock = threading.RLock()
        self._home, self._writer = threading.get_ident(), 0
        self._own = threading.local()
        self._readers: list[Reader] = []
        self._steps = steps
        self._steps_done: list[str] | None = None
        self._connection = connection
        self._make_reader = make_reader
        self._has_scratch = False

    def _reader(self) -> Reader:
        """Give this thread its own connection, to read beside whoever writes."""
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            assert self._make_reader is not None, "without it all reads use the one connection"
            reader = self._own.reader = Reader(self._make_reader())
            self._readers.append(reader)
        return reader

    def _may_use_writer(self) -> bool:
        """Take the lock of the writing connection, if this read belongs there; tells whether.

        It does inside a transaction, and where there is no other one. The thread that opened the
        index uses it as well while it is free: most commands have only that thread.
        """
        is_only = self._make_reader is None or self._has_scratch
        if not is_only and threading.get_ident() not in (self._writer, self._home):
            return False
        return self._lock.acquire(blocking=is_only)

    @cached_property
    def _db(self) -> Database:
        """What is written with."""
        return cast("Database", LightDatabase(self._connection))

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Write: everything inside is committed durably together, or not at all.

        Inside another transaction only this part is taken back when it fails.
        """
        with self._lock:
            db, connection = self._db, self._connection
            if connection.in_transaction:
                yield from self._part()
                return
            connection.execute("BEGIN IMMEDIATE")
            self._writer = threading.get_ident()
            try:
                self._refuse_newer()
                yield db
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise
            finally:
                self._writer = 0

    @contextmanager
    def scratch(self) -> Iterator[Database]:
        """Write temporary tables only: no other process has to wait."""
        with self._lock:
            db, connection, self._has_scratch = self._db, self._connection, True
            connection.execute("BEGIN")
            try:
                yield db
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Take more memory, and more room for the log, while thousands of rows are written at once.

        A page that does not fit is written before its time, and one that changes again after each
        time that the log was brought home (a checkpoint) is written as often.
        """
        with self._lock:
            _give_room(self._connection, FILLING_CACHE_KIB, FILLING_LOG_PAGES)
        try:
            yield
        finally:
            with self._lock:
                _give_room(self._connection, CACHE_KIB, LOG_PAGES)

    def _part(self) -> Iterator[Database]:
        """A part that is taken back alone; parts in parts may share the name."""
        connection = self._connection
        connection.execute("SAVEPOINT part")
        try:
            yield self._db
        except BaseException:
            if connection.in_transaction:  # else SQLite has taken everything back by itself
                connection.execute("ROLLBACK TO part")
                connection.execute("RELEASE part")
            raise
        connection.execute("RELEASE part")

    def migrate(self) -> None:
        """Bring the schema up to date; the write lock is taken only when there is something to do.

        Raises IndexUnavailable when another version of the program made the schema, or when
        what is there cannot be copied before it is changed.
        """
        with self._lock:
            self._steps_done = None
            if self.is_behind():
                with self.transaction() as db:
                    upgrade(db, self._steps)
            self._steps_done = refuse_unknown(self._connection, self._steps)

    def is_behind(self) -> bool:
        """Tell whether there are steps to do; nothing is written.

        Raises IndexUnavailable when another version of the program made the schema.
        """
        with self._lock:
            return len(refuse_unknown(self._connection, self._steps)) < len(self._steps)

    def _refuse_newer(self) -> None:
        """Write nothing more once a newer program upgraded the index beside this one."""
        if self._steps_done is None:
            return
        if done_steps(self._connection) != self._steps_done:
            raise IndexUnavailable(
                "a newer archiver has upgraded the index while this one was at work: stop this "
                "one and start that version; nothing is lost"
            )

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> list[Row]:
        """Read all rows of a query as mappings.

        Nobody waits for another thread's commit: what is read is what was committed.
        """
        if not self._may_use_writer():
            return self._reader().rows(sql, values)
        try:
            return read_rows(self._connection, sql, values)
        finally:
            self._lock.release()

    def row(self, sql: str, values: Mapping[str, object] | None = None) -> Row | None:
        """Read the first row of a query, or None."""
        return next(iter(self.rows(sql, values)), None)

    def check(self) -> None:
        """Read every page of the file, and raise sqlite3.DatabaseError when it is damaged.

        Other statements notice only what they happen to touch.
        """
        row = self.row("PRAGMA quick_check(1)")
        told = next(iter((row or {}).values()), None)
        if told != "ok":
            raise sqlite3.DatabaseError(f"the file is damaged: {told}")

    def fill_from(self, source: sqlite3.Connection) -> None:
        """Replace all content by that of another index."""
        with self._lock:
            source.backup(self._connection)

    def close(self) -> None:
        """Close the file. MAY be called twice."""
        for reader in self._readers:
            reader.close()
        with self._lock:
            self._connection.close()


def index_path(state_dir: Path) -> Path:
    """Name the index file of a state directory."""
    return state_dir / FILE_NAME


def open_index(
    state_dir: Path,
    *,
    create: bool = False,
    steps: Sequence[Step] = STEPS,
    busy_seconds: float = BUSY_TIMEOUT_SECONDS,
) -> Index:
    """Open the index of a state directory, brought to the newest schema.

    Raises ArchiveMissing when there is none and `create` is not set, or when the file there
    is no index or a damaged one. `steps` are those that this version of the program knows. While
    others write it waits for `busy_seconds`, then gives up.
    """
    path = index_path(state_dir)
    if not create and not path.exists():
        raise ArchiveMissing(
            f"there is no index at {path}: run `archiver run` first, or make one from a "
            "destination with `archiver rebuild --from NAME`"
        )
    with index_errors(state_dir):
        return _open(path, steps, busy_seconds)


@contextmanager
def index_errors(state_dir: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: trouble that may pass, or a file that is no index (more)."""
    try:
        yield
    except sqlite3.Error as error:
        path, code = index_path(state_dir), getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _PASSING:  # the low byte: the rest is detail
            raise IndexUnavailable(
                f"the index {path} cannot be used just now ({error}): {_advice(code)}; "
                "what is archived is safe, and the next run goes on from here"
            ) from error
        raise ArchiveMissing(
            f"the index {path} cannot be used ({error}): move it away, then "
            "`archiver rebuild --from NAME`; the archive itself is not touched"
        ) from error


def _advice(code: int) -> str:
    """Say what to do about an error that may pass."""
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "it is busy, as another process writes to it: try again"
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return "this user must be able to write to it and its folder"
    return "look at its disk, then try again"


@contextmanager
def opened_index(state_dir: Path) -> Iterator[Index]:
    """Open an index, and close it again; raises as `open_index` does, also for what comes inside.

    For whoever looks in now and then, and must outlive an index that is damaged or locked.
    """
    with index_errors(state_dir), closing(open_index(state_dir)) as index:
        yield index


@contextmanager
def index_as_it_is(state_dir: Path) -> Iterator[Index]:
    """Open an index only to look at it: it is neither made nor changed, nor its schema.

    SQLite leaves `-shm` and an empty `-wal` beside it; whoever opens it next takes them away.
    Raises as `open_index` does, also for what comes to light inside.
    """
    path = index_path(state_dir)
    address = f"{path.absolute().as_uri()}?mode=ro"
    with (
        index_errors(state_dir),
        closing(
            sqlite3.connect(
                address,
                uri=True,
                timeout=BUSY_TIMEOUT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        ) as connection,
    ):
        _add_functions(connection)
        yield Index(connection)


def open_temporary_index() -> Index:
    """Open an empty index that SQLite spills to disk and removes when it is closed."""
    return _open("")


def _open(
    path: Path | str,
    steps: Sequence[Step] = STEPS,
    busy_seconds: float = BUSY_TIMEOUT_SECONDS,
) -> Index:
    connect = partial(_connect, path, busy_seconds)
    connection = connect()
    index = Index(connection, steps, connect if path else None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        index.migrate()
    except BaseException:
        index.close()
        raise
    return index


def _connect(path: Path | str, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    _add_functions(connection)
    return connection


def _give_room(connection: sqlite3.Connection, cache_kib: int, log_pages: int) -> None:
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {log_pages}")


def _add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("fold", 1, fold, deterministic=True)
    connection.create_function("later", 2, _later, deterministic=True)


def _later(text: str | None, seconds: float | None) -> str | None:
    """SQL: a time of the index, so many seconds later; NULL where there is none."""
    moment = unstamp(text)
    try:
        return stamp(moment + timedelta(seconds=seconds)) if moment and seconds else None
    except OverflowError:
        return None


def copy_into(path: Path, target: Index) -> None:
    """Copy the index at `path` into an open, empty one; a writer beside it does not matter."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    with (
        index_errors(path.parent),
        closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_SECONDS)) as source,
    ):
        target.fill_from(source)
        target.migrate()
