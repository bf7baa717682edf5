"""Brings an index to the newest schema, and keeps beside it what it was before.

The caller holds SQLite's write lock, so that of several processes one does it, and a death on the
way leaves the index as it was: the steps are one transaction, and the copy is renamed when whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import IndexUnavailable
from archiver.index.migrations import Step
from archiver.units import format_size

if TYPE_CHECKING:
    from sqlite_utils import Database

KEPT_COPIES = 2
_SET = "archiver.index"


def upgrade(db: Database, steps: Sequence[Step]) -> None:
    """Apply the steps that are pending, after a copy if the index has some already.

    Raises IndexUnavailable when the copy cannot be made: then nothing was changed.
    """
    from sqlite_utils import Migrations

    from archiver.index.upserting import UpsertingDatabase

    done = done_steps(db.conn)
    pending = [step.__name__ for step in steps if step.__name__ not in done]
    if pending and done:
        _keep_copy(db.conn, pending[0])
    migrations = Migrations(_SET)
    for step in steps:
        migrations()(step)
    migrations.apply(UpsertingDatabase(db.conn, execute_plugins=False))


def done_steps(connection: sqlite3.Connection) -> list[str]:
    """Name the steps that an index has, as sqlite_utils notes them; an empty file has none."""
    table = "SELECT name FROM sqlite_master WHERE name = '_sqlite_migrations'"
    if connection.execute(table).fetchone() is None:
        return []
    steps = "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY rowid"
    return [name for (name,) in connection.execute(steps, [_SET])]


def refuse_unknown(connection: sqlite3.Connection, steps: Sequence[Step]) -> list[str]:
    """Name the steps that the index has; raise IndexUnavailable when one is not known here."""
    done = done_steps(connection)
    known = {step.__name__ for step in steps}
    unknown = [name for name in done if name not in known]
    if unknown:
        raise IndexUnavailable(
            f"the index was made by another version of archiver (it has {unknown[-1]}, which this "
            f"one does not know): use that version; or move index.sqlite* away, then "
            f"{_advice(connection, unknown[0])}`archiver rebuild --from NAME`"
        )
    return done


def _advice(connection: sqlite3.Connection, step: str) -> str:
    """Name the copy from before the upgrade, where there is one."""
    path = _file_of(connection)
    copy = _copy_of(path, step) if path else None
    return f"put {copy} in its place, or " if copy and copy.exists() else ""


def _keep_copy(connection: sqlite3.Connection, step: str) -> None:
    """Keep what is committed as a file of its own; the oldest copies of earlier steps go."""
    path = _file_of(connection)
    if path is None:
        return
    target = _copy_of(path, step)
    part = target.with_suffix(".part")
    try:
        part.unlink(missing_ok=True)
        _copy(path, part)
        part.replace(target)
        _flush(path.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise IndexUnavailable(
            f"the index {path} needs the newer schema {step}, and could not be copied before "
            f"({error}): it takes {format_size(path.stat().st_size)} twice in {path.parent}; make "
            "room there, then try again; nothing was changed"
        ) from error
    for old in sorted(path.parent.glob(_copy_of(path, "*").name))[:-KEPT_COPIES]:
        old.unlink()


def _copy(path: Path, target: Path) -> None:
    """Copy an index, for its owner only; a second connection sees what is committed."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a -wal beside it
    _flush(target)


def _flush(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_of(path: Path, step: str) -> Path:
    return path.with_name(f"{path.stem}-before-{step}{path.suffix}")


def _file_of(connection: sqlite3.Connection) -> Path | None:
    """The file of an index; a temporary one has none."""
    [name] = [
        file for _, schema, file in connection.execute("PRAGMA database_list") if schema == "main"
    ]
    return Path(name) if name else None
