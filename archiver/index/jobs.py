"""When verify and drill were last tried, and how that ended: the schedule survives restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from archiver.errors import Interrupted
from archiver.index.database import Index
from archiver.index.rows import stamp, unstamp

RELOAD = "reload"
"""The daemon reads its config anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is remembered of a job. `error` says why its last try failed, None when it did not."""

    name: str
    tried_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    error: str | None = None

    @property
    def was_cut(self) -> bool:
        """Whether its last try came to no end: it was stopped, or killed."""
        if self.tried_at is None:
            return False
        return self.ended_at is None or self.ended_at < self.tried_at


def load_jobs(index: Index) -> list[JobRecord]:
    """Load what is remembered of all jobs."""
    rows = index.rows("SELECT name FROM jobs ORDER BY name")
    return [load_job(index, str(row["name"])) for row in rows]


def load_job(index: Index, name: str) -> JobRecord:
    """Load what is remembered of a job; a new one has no past."""
    row = index.row("SELECT * FROM jobs WHERE name = :name", {"name": name})
    if row is None:
        return JobRecord(name=name)
    return JobRecord(
        name=name,
        tried_at=unstamp(row["tried_at"]),
        ended_at=unstamp(row["ended_at"]),
        succeeded_at=unstamp(row["succeeded_at"]),
        error=None if row["error"] is None else str(row["error"]),
    )


def remember_try(index: Index, name: str, now: datetime) -> None:
    """Remember that a job begins."""
    with index.transaction() as db:
        db.table("jobs").upsert({"name": name, "tried_at": stamp(now)}, pk="name")


def remember_end(index: Index, name: str, now: datetime, error: str | None = None) -> None:
    """Remember how a job that began has ended."""
    how = {"ended_at": stamp(now), "error": error}
    if error is None:
        how["succeeded_at"] = stamp(now)
    with index.transaction() as db:
        db.table("jobs").update(name, how)


@contextmanager
def breaking_off_noted(index: Index, name: str, clock: Callable[[], datetime]) -> Iterator[None]:
    """Remember what breaks a job off, so that it is told; one that is stopped did not fail."""
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        with suppress(sqlite3.Error):  # the index may be what failed, and that error tells more
            remember_end(index, name, clock(), f"broke off: {error or type(error).__name__}")
        raise
