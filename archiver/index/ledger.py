"""Reads and writes what is known of accounts, runs and destinations: the numbers of `status`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver.index import statements
from archiver.index.database import Index
from archiver.index.rows import stamp, stamp_or_none, unstamp
from archiver.model import State

PAGE_ROWS = 1000
COUNTED = (
    State.ARCHIVED,
    State.PENDING,
    State.IN_PROGRESS,
    State.FAILED,
    State.EXCLUDED,
    State.LOST,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """What is remembered of an account from one run to the next.

    `walk_is_complete` is false while a walk is under way: a walk that was cut off leaves a gap,
    so the next one must not stop early at what is known. `usual_total` is what the provider
    listed when it last looked right; a listing that falls below half of it is an alarm.
    `shrunk_from` is set while it stays below.
    `walk_gaps` are the cursors from which such a walk has to go on, the newest first. Of what the
    provider counts, `unreadable` rows could not be understood in the last sweep and `unlisted`
    ones did not come at all. `last_exit_code` is that of what stopped the account in its last run,
    else of its part in it; `first_tried_at` says when a first run over it came to its end. So many
    generations come `too_late` at the pace of the last runs, the first of them at `too_late_from`.
    `requests_spent_at` and `paused_until` are
    Unix times: the request budget outlives a run.
    """

    account: str
    provider: str
    walk_is_complete: bool = False
    last_walk_at: datetime | None = None
    last_sweep_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str | None = None
    last_exit_code: int = 0
    first_tried_at: datetime | None = None
    shrunk_from: int | None = None
    too_late: int = 0
    too_late_from: datetime | None = None
    provider_total: int | None = None
    usual_total: int = 0
    requests_spent_at: tuple[float, ...] = ()
    paused_until: float = 0.0
    walk_gaps: tuple[str, ...] = ()
    unreadable: int = 0
    unlisted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsecured:
    """Generations that are listed, not yet archived and have a deadline before some moment."""

    count: int
    first_deadline_at: datetime | None


UNSECURED = """state IN ('pending', 'failed') AND (
    EXISTS (SELECT 1 FROM assets a WHERE a.generation = number AND a.state IN ('pending', 'failed'))
    OR NOT EXISTS (SELECT 1 FROM assets a WHERE a.generation = number AND a.state = 'archived'))"""
"""What its provider alone has: not what one destination holds and another still has to get."""
_DEADLINE = """SELECT deadline_at FROM generations INDEXED BY generations_by_deadline
    WHERE account = :account AND deadline_at IS NOT NULL ORDER BY deadline_at {order} LIMIT 1"""
_MISSING_FILES = ", ".join(
    f"(SELECT {what} FROM assets a WHERE a.generation = number"
    f" AND a.state IN ('pending', 'failed')) AS {name}"
    for name, what in {
        "files": "COUNT(*)",
        "stated_files": "COUNT(stated_size_bytes)",
        "stated_bytes": "COALESCE(SUM(stated_size_bytes), 0)",
    }.items()
)


def load_account(index: Index, account: str, provider: str) -> AccountRecord:
    """Load what is remembered of an account; a new one has no past."""
    row: Mapping[str, Any] | None = index.row(
        "SELECT * FROM accounts WHERE account = :account", {"account": account}
    )
    if row is None:
        return AccountRecord(account=account, provider=provider)
    return AccountRecord(
        account=account,
        provider=row["provider"],
        walk_is_complete=bool(row["walk_is_complete"]),
        last_walk_at=unstamp(row["last_walk_at"]),
        last_sweep_at=unstamp(row["last_sweep_at"]),
        last_success_at=unstamp(row["last_success_at"]),
        last_error=row["last_error"],
        last_exit_code=row["last_exit_code"],
        first_tried_at=unstamp(row["first_tried_at"]),
        shrunk_from=row["shrunk_from"],
        too_late=row["too_late"],
        too_late_from=unstamp(row["too_late_from"]),
        provider_total=row["provider_total"],
        usual_total=row["usual_total"],
        requests_spent_at=tuple(json.loads(row["requests_spent"])),
        paused_until=row["paused_until"],
        walk_gaps=tuple(json.loads(row["walk_gaps"])),
        unreadable=row["unreadable"],
        unlisted=row["unlisted"],
    )


def save_account(index: Index, record: AccountRecord) -> None:
    """Remember an account as it is now, but for its budget (`save_budget`)."""
    with index.transaction() as db:
        statements.upsert(
            db,
            "accounts",
            ["account"],
            [
                {
                    "account": record.account,
                    "provider": record.provider,
                    "walk_is_complete": int(record.walk_is_complete),
                    "last_walk_at": stamp_or_none(record.last_walk_at),
                    "last_sweep_at": stamp_or_none(record.last_sweep_at),
                    "last_success_at": stamp_or_none(record.last_success_at),
                    "last_error": record.last_error,
                    "last_exit_code": record.last_exit_code,
                    "first_tried_at": stamp_or_none(record.first_tried_at),
                    "shrunk_from": record.shrunk_from,
                    "too_late": record.too_late,
                    "too_late_from": stamp_or_none(record.too_late_from),
                    "provider_total": record.provider_total,
                    "usual_total": record.usual_total,
                    "walk_gaps": json.dumps(record.walk_gaps),
                    "unreadable": record.unreadable,
                    "unlisted": record.unlisted,
                }
            ],
        )


def expect_one_more(index: Index, account: str) -> None:
    """Note that what a provider counts has grown by one that no walk met as new.

    Else the next walk would take the growth for something that came out of its sight, and read
    the whole history.
    """
    with index.transaction() as db:
        db.execute(
            "UPDATE accounts SET provider_total = provider_total + 1 WHERE account = ?", [account]
        )


def save_forecast(index: Index, account: str, too_late: int, since: datetime | None) -> None:
    """Remember how many generations will come too late at the pace of the last runs."""
    with index.transaction() as db:
        row = {"account": account, "too_late": too_late, "too_late_from": stamp_or_none(since)}
        statements.update(db, "accounts", ["account"], [row])


def save_budget(
    index: Index,
    account: str,
    provider: str,
    requests_spent_at: Sequence[float],
    paused_until: float,
) -> None:
    """Remember what an account has spent of its request budget; also while a run goes on."""
    with index.transaction() as db:
        row = {
            "account": account,
            "provider": provider,
            "requests_spent": json.dumps(requests_spent_at),
            "paused_until": paused_until,
        }
        statements.upsert(db, "accounts", ["account"], [row])


def provider_of(index: Index, account: str) -> str | None:
    """Tell at which provider the index knows an account; None when it does not know it."""
    row = index.row(
        "SELECT provider FROM accounts WHERE account = :account"
        " UNION ALL SELECT * FROM (SELECT provider FROM generations WHERE account = :account"
        " LIMIT 1) LIMIT 1",
        {"account": account},
    )
    return None if row is None else str(row["provider"])


def count_known(index: Index, account: str) -> int:
    """Count the generations of an account that were ever listed."""
    return sum(count_by_state(index, account).values())


def count_by_state(index: Index, account: str) -> dict[State, int]:
    """Count an account's generations by state; the sum is what was ever listed."""
    rows: Sequence[Mapping[str, Any]] = index.rows(
        "SELECT state, many FROM counts WHERE what = 'generations' AND subject = :account",
        {"account": account},
    )
    counts = {State(row["state"]): int(row["many"]) for row in rows}
    return {state: counts.get(state, 0) for state in COUNTED}


def stored_bytes(index: Index, account: str) -> tuple[int, int]:
    """Count an account's archived files and their bytes, each file once."""
    row: Mapping[str, Any] | None = index.row(
        "SELECT many, size_bytes FROM counts WHERE what = 'assets' AND subject = :account",
        {"account": account},
    )
    return (0, 0) if row is None else (int(row["many"]), int(row["size_bytes"]))


def unsecured(index: Index, account: str, before: datetime | None = None) -> Unsecured:
    """Count what would be lost if nothing more were captured (before a moment, when given)."""
    row: Mapping[str, Any] | None = index.row(
        "SELECT COUNT(*) AS many, MIN(deadline_at) AS first FROM generations"
        f" WHERE account = :account AND {UNSECURED}"
        + (" AND COALESCE(deadline_at, '9999') < :before" if before else ""),
        {"account": account, "before": stamp_or_none(before)},
    )
    assert row is not None, "an aggregate always has a row"
    return Unsecured(count=int(row["many"]), first_deadline_at=unstamp(row["first"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One generation that is not secured yet, with the files that are missing.

    `stated_bytes` adds up what the provider said of `stated_files` among them.
    """

    id: str
    created_at: datetime | None
    files: int
    stated_files: int
    stated_bytes: int
    deadline_at: datetime | None
    attempts: int
    reason: str | None


def waiting(index: Index, account: str) -> Iterator[Waiting]:
    """Name what is not secured, in the order in which it will be captured, page by page."""
    cursor: tuple[str, int] = ("", -1)
    while True:
        rows: Sequence[Mapping[str, Any]] = index.rows(
            "SELECT number, COALESCE(deadline_at, '9999') AS due, deadline_at, attempts, reason,"
            f" id, created_at, {_MISSING_FILES}"
            " FROM generations INDEXED BY generations_unsecured"
            f" WHERE account = :account AND {UNSECURED}"
            " AND COALESCE(deadline_at, '9999') >= :due"
            " AND (COALESCE(deadline_at, '9999') > :due OR number > :number)"
            " ORDER BY COALESCE(deadline_at, '9999'), number LIMIT :limit",
            {"account": account, "due": cursor[0], "number": cursor[1], "limit": PAGE_ROWS},
        )
        if not rows:
            return
        for row in rows:
            yield Waiting(
                id=row["id"],
                created_at=unstamp(row["created_at"]),
                files=row["files"],
                stated_files=row["stated_files"],
                stated_bytes=row["stated_bytes"],
                deadline_at=unstamp(row["deadline_at"]),
                attempts=row["attempts"],
                reason=row["reason"],
            )
        cursor = (rows[-1]["due"], rows[-1]["number"])


def last_runs(index: Index, limit: int) -> Sequence[Mapping[str, Any]]:
    """The last runs that came to an end, the newest first, with their summaries as JSON."""
    return index.rows(
        "SELECT * FROM runs WHERE ended_at IS NOT NULL ORDER BY rowid DESC LIMIT :limit",
        {"limit": limit},
    )


def deadlines(index: Index, account: str) -> tuple[datetime | None, datetime | None]:
    """Tell the earliest and the latest deadline among an account's generations."""
    row: Mapping[str, Any] | None = index.row(
        f"SELECT ({_DEADLINE.format(order='ASC')}) AS first, ({_DEADLINE.format(order='DESC')})"
        " AS last",
        {"account": account},
    )
    assert row is not None, "there is no FROM"
    return unstamp(row["first"]), unstamp(row["last"])


def last_run_died(index: Index) -> bool:
    """Tell whether the run that was started last never came to its end."""
    row = index.row("SELECT ended_at FROM runs ORDER BY rowid DESC LIMIT 1")
    return row is not None and row["ended_at"] is None


def last_started_at(index: Index) -> datetime | None:
    """Tell when the last run began, however it ended."""
    row = index.row("SELECT started_at FROM runs ORDER BY rowid DESC LIMIT 1")
    return None if row is None else unstamp(row["started_at"])


def first_run_at(index: Index) -> datetime | None:
    """Tell when the first run began that is remembered."""
    row = index.row("SELECT MIN(started_at) AS first FROM runs")
    return None if row is None else unstamp(row["first"])


def start_run(index: Index, run_id: str, now: datetime) -> None:
    """Write that a run began."""
    with index.transaction() as db:
        moment = stamp(now)
        row = {"id": run_id, "started_at": moment, "alive_at": moment}
        statements.insert(db, "runs", [row])


def show_life(index: Index, run_id: str, now: datetime) -> None:
    """Write that a run goes on: who looks from outside cannot know its process."""
    with index.transaction() as db:
        statements.update(db, "runs", ["id"], [{"id": run_id, "alive_at": stamp(now)}])


def break_off(index: Index, run_id: str, exit_code: int, summary: Mapping[str, object]) -> None:
    """Write why a run did not come to its end; the next one still takes it for one that died."""
    told = json.dumps(summary, ensure_ascii=False)
    with index.transaction() as db:
        row = {"id": run_id, "exit_code": exit_code, "summary": told}
        statements.update(db, "runs", ["id"], [row])


def end_run(
    index: Index, run_id: str, now: datetime, exit_code: int, summary: Mapping[str, object]
) -> None:
    """Write how a run ended."""
    with index.transaction() as db:
        row = {
            "id": run_id,
            "ended_at": stamp(now),
            "exit_code": exit_code,
            "summary": json.dumps(summary, ensure_ascii=False),
        }
        statements.update(db, "runs", ["id"], [row])


def same_archive(index: Index, destination: str, identity: str) -> str | None:
    """Name another destination that is remembered to hold this very archive, if there is one."""
    row = index.row(
        "SELECT name FROM destinations WHERE archive_id = :id AND name <> :name",
        {"id": identity, "name": destination},
    )
    return None if row is None else str(row["name"])


def cleaned_at(index: Index, destination: str) -> datetime | None:
    """Tell when leftovers were last looked for at a destination."""
    row = index.row("SELECT cleaned_at FROM destinations WHERE name = :name", {"name": destination})
    return None if row is None else unstamp(row["cleaned_at"])


def remember_cleaning(index: Index, destination: str, now: datetime) -> None:
    """Remember that leftovers were looked for."""
    with index.transaction() as db:
        row = {"name": destination, "cleaned_at": stamp(now)}
        statements.update(db, "destinations", ["name"], [row])


def archive_id(index: Index, destination: str) -> str | None:
    """Tell which archive a destination held when it was last seen."""
    row = index.row("SELECT archive_id FROM destinations WHERE name = :name", {"name": destination})
    return None if row is None else str(row["archive_id"])


def remember_archive(index: Index, destination: str, identity: str, now: datetime) -> None:
    """Remember which archive a destination holds."""
    with index.transaction() as db:
        row = {"name": destination, "archive_id": identity, "first_seen_at": stamp(now)}
        statements.upsert(db, "destinations", ["name"], [row])


def is_empty(index: Index) -> bool:
    """Tell whether the index knows no generation at all."""
    return index.row("SELECT 1 FROM generations LIMIT 1") is None
