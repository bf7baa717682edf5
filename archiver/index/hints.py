"""Which generations are to be asked for now, as somebody said that there is news of them.

A hint is only a name: what is true is asked of the provider (promise 1). It is durable before its
sender is told so, and goes away when what it was about is archived, or is left to polling. An
event that was heard before adds nothing, so whoever repeats it, or replays it, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from archiver.index.database import Index
from archiver.index.rows import stamp, unstamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One generation to ask for; `tries` says how often that was done in vain."""

    account: str
    generation_id: str
    received_at: datetime
    tries: int = 0


def add(index: Index, account: str, generation_id: str, event: str, now: datetime) -> bool:
    """Write a hint down, durably; False when its event was heard before: nothing has changed.

    Another event of a generation that is waited for already makes it due at once.
    """
    with index.transaction() as db:
        heard = db.execute(
            "INSERT INTO hint_events (account, event, seen_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [account, event, stamp(now)],
        )
        if not heard.rowcount:
            return False
        db.execute(
            "INSERT INTO hints (account, generation_id, received_at, due_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET"
            " received_at = excluded.received_at, due_at = excluded.due_at, tries = 0",
            [account, generation_id, stamp(now), stamp(now)],
        )
    return True


def waiting(index: Index, now: datetime, limit: int, besides: Collection[str] = ()) -> list[Hint]:
    """Load the hints whose time has come, the oldest first, but those of the accounts `besides`."""
    rows = index.rows(
        "SELECT account, generation_id, received_at, tries FROM hints WHERE due_at <= :now"
        " AND account NOT IN (SELECT value FROM json_each(:besides))"
        " ORDER BY received_at LIMIT :limit",
        {"now": stamp(now), "limit": limit, "besides": json.dumps(sorted(besides))},
    )
    return [
        Hint(
            account=str(row["account"]),
            generation_id=str(row["generation_id"]),
            received_at=unstamp(row["received_at"]) or now,
            tries=int(str(row["tries"])),
        )
        for row in rows
    ]


def next_at(index: Index) -> datetime | None:
    """Tell when the next hint comes, or came, to be due; None when there is none."""
    row = index.row("SELECT MIN(due_at) AS next_at FROM hints")
    return None if row is None else unstamp(row["next_at"])


def later(index: Index, hint: Hint, moment: datetime) -> None:
    """Have a hint that was tried in vain wait until then; one that was repeated since does not."""
    with index.transaction() as db:
        db.execute(
            "UPDATE hints SET due_at = ?, tries = tries + 1"
            " WHERE account = ? AND generation_id = ? AND received_at = ?",
            [stamp(moment), hint.account, hint.generation_id, stamp(hint.received_at)],
        )


def put_off(index: Index, account: str, moment: datetime) -> None:
    """Have all hints of an account wait until then: it cannot be asked before."""
    with index.transaction() as db:
        db.execute(
            "UPDATE hints SET due_at = :moment WHERE account = :account AND due_at < :moment",
            {"account": account, "moment": stamp(moment)},
        )


def done(
    index: Index, account: str, generation_id: str, received_at: datetime | None = None
) -> None:
    """Take a hint away; given when it came, one that was repeated since stays."""
    with index.transaction() as db:
        db.execute(
            "DELETE FROM hints WHERE account = ? AND generation_id = ?"
            " AND received_at = COALESCE(?, received_at)",
            [account, generation_id, None if received_at is None else stamp(received_at)],
        )


def forget_events(index: Index, before: datetime) -> None:
    """Forget what was heard so long ago: it is not sent again, or refused as too old."""
    with index.transaction() as db:
        db.execute("DELETE FROM hint_events WHERE seen_at < ?", [stamp(before)])


def forget_unheeded(index: Index, before: datetime) -> None:
    """Forget hints that no daemon has taken up for so long: polling has found what they named."""
    with index.transaction() as db:
        db.execute("DELETE FROM hints WHERE received_at < ?", [stamp(before)])
