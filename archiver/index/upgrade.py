"""Brings an index to the newest schema, and keeps beside it what it was before.

The caller holds SQLite's write lock, so that of several processes one does it, and a death on the
way leaves the index as it was: the steps are one transaction, and the copy is renamed when whole.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database, Migrations

from archiver.errors import IndexUnavailable
from archiver.units import format_size

KEPT_COPIES = 2


def upgrade(db: Database, steps: Migrations) -> None:
    """Apply the steps that are pending, after a copy if the index has some already.

    Raises IndexUnavailable when the copy cannot be made: then nothing was changed.
    """
    pending = steps.pending(db)
    if pending and steps.applied(db):
        _keep_copy(db, pending[0].name)
    steps.apply(db)


def refuse_unknown(db: Database, steps: Migrations) -> int:
    """Count the steps that the index has; raise IndexUnavailable when one is not known here."""
    with closing(sqlite3.connect(":memory:")) as nothing:
        known = {step.name for step in steps.pending(Database(nothing))}
    done = [step.name for step in steps.applied(db)]
    unknown = [name for name in done if name not in known]
    if unknown:
        raise IndexUnavailable(
            f"the index was made by another version of archiver (it has {unknown[-1]}, which this "
            f"one does not know): use that version; or move index.sqlite* away, then "
            f"{_advice(db, unknown[0])}`archiver rebuild --from NAME`"
        )
    return len(done)


def _advice(db: Database, step: str) -> str:
    """Name the copy from before the upgrade, where there is one."""
    path = _file_of(db)
    copy = _copy_of(path, step) if path else None
    return f"put {copy} in its place, or " if copy and copy.exists() else ""


def _keep_copy(db: Database, step: str) -> None:
    """Keep what is committed as a file of its own; the oldest copies of earlier steps go."""
    path = _file_of(db)
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


def _file_of(db: Database) -> Path | None:
    """The file of an index; a temporary one has none."""
    [name] = [file for _, schema, file in db.execute("PRAGMA database_list") if schema == "main"]
    return Path(name) if name else None
