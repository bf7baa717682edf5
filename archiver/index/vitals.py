"""The few facts that say whether all is well, each from an SQL index alone (promise 9).

They are asked for every few seconds, by health checks and by Prometheus, beside a run and over
millions of rows: what would read a table from end to end does not belong here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from archiver.index.database import Index
from archiver.index.ledger import UNSECURED, Unsecured
from archiver.index.rows import stamp, unstamp
from archiver.model import Fault

ALIVE_FOR = timedelta(minutes=10)
"""A run writes every 5 s that it goes on; one that was silent for so long is dead."""
RUNS_LOOKED_AT = 200
"""So far back it is told since when something went wrong."""
_HALF_LIVED = """(created_at IS NULL OR julianday(:now)
    >= (julianday(created_at) + julianday(deadline_at)) / 2)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How a run went. One without `ended_at` is under way, or `error` broke it off, or it died."""

    started_at: datetime
    alive_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    error: str | None
    destinations_failed: Mapping[str, str]

    @property
    def tried_destinations(self) -> bool:
        """Whether it says which destinations could be used: all that ended do."""
        return self.ended_at is not None or bool(self.destinations_failed)

    def is_under_way(self, now: datetime) -> bool:
        """Whether it still goes on."""
        is_open = self.ended_at is None and self.exit_code is None
        return is_open and now - self.alive_at < ALIVE_FOR


def runs(index: Index, limit: int = RUNS_LOOKED_AT) -> list[RunRecord]:
    """Load the last runs, the newest first, however they ended.

    By the order in which they began: a clock that was ahead once must not hide what came after.
    """
    rows = index.rows(
        "SELECT * FROM runs WHERE rowid > (SELECT MAX(rowid) FROM runs) - :limit"
        " ORDER BY rowid DESC",
        {"limit": limit},
    )
    return [_run_from(row) for row in rows]


def concluded_run(index: Index) -> RunRecord | None:
    """Load the last run that is over, and said how it went."""
    return next((run for run in runs(index) if run.exit_code is not None), None)


def _run_from(row: Mapping[str, Any]) -> RunRecord:
    told: Mapping[str, Any] = json.loads(row["summary"] or "{}")
    return RunRecord(
        started_at=datetime.fromisoformat(row["started_at"]),
        alive_at=datetime.fromisoformat(row["alive_at"]),
        ended_at=unstamp(row["ended_at"]),
        exit_code=row["exit_code"],
        error=told.get("error"),
        destinations_failed=dict(told.get("destinations_failed", {})),
    )


def at_risk(index: Index, account: str, now: datetime, margin: timedelta) -> Unsecured:
    """Count what is not secured and this close to its deadline.

    What lives for less than twice the margin is so only when half of its time has gone: else
    each one would be, from the moment it is listed.
    """
    row: Mapping[str, Any] | None = index.row(
        "SELECT COUNT(*) AS many, MIN(deadline_at) AS first FROM generations"
        f" WHERE account = :account AND COALESCE(deadline_at, '9999') < :before"
        f" AND {UNSECURED} AND {_HALF_LIVED}",
        {"account": account, "before": stamp(now + margin), "now": stamp(now)},
    )
    assert row is not None, "an aggregate always has a row"
    return Unsecured(count=int(row["many"]), first_deadline_at=unstamp(row["first"]))


def first_deadline(index: Index, account: str) -> datetime | None:
    """Tell the earliest deadline of what is not secured."""
    row = index.row(
        f"SELECT deadline_at FROM generations WHERE account = :account AND {UNSECURED}"
        " AND deadline_at IS NOT NULL ORDER BY COALESCE(deadline_at, '9999') LIMIT 1",
        {"account": account},
    )
    return None if row is None else unstamp(row["deadline_at"])


def count_missing(index: Index, account: str) -> int:
    """Count the assets that are still to be fetched, of what is listed."""
    return _count(
        index,
        "SELECT COUNT(*) AS many FROM generations g JOIN assets a ON a.generation = g.number"
        " WHERE g.account = :account AND g.state IN ('pending', 'failed')"
        " AND a.state IN ('pending', 'failed')",
        account=account,
    )


def count_lost(index: Index, account: str) -> int:
    """Count the lost assets; a generation that was lost before it had any counts once."""
    return _count(
        index,
        "SELECT COALESCE(SUM(MAX(1, (SELECT COUNT(*) FROM assets a"
        " WHERE a.generation = number AND a.state = 'lost'))), 0) AS many"
        " FROM generations WHERE account = :account AND state = 'lost'",
        account=account,
    )


def count_damaged(index: Index, destination: str) -> int:
    """Count the copies that were found damaged or missing; not what is only too new to be read."""
    return _count(
        index,
        "SELECT COUNT(*) AS many FROM copies WHERE destination = :name"
        " AND fault IS NOT NULL AND fault <> :too_new",
        name=destination,
        too_new=Fault.TOO_NEW.value,
    )


def size_bytes(index: Index) -> int:
    """Tell how large the index is."""
    return _count(
        index, "SELECT page_count * page_size AS many FROM pragma_page_count, pragma_page_size"
    )


def _count(index: Index, sql: str, **values: str) -> int:
    row = index.row(sql, values)
    assert row is not None, "an aggregate always has a row"
    return int(str(row["many"]))
