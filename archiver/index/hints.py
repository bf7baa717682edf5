"""Which generations are to be asked for now, as somebody said that there is news of them.

A hint is only a name: what is true is asked of the provider (promise 1). It is durable before its
sender is told so, and goes away when what it was about is archived, or is left to polling. An
event of a generation that was heard before adds nothing, so who repeats it changes nothing; where
its hint came to nothing it is forgotten, and news again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from archiver.index.database import Index
from archiver.index.rows import stamp, unstamp

KEPT = timedelta(days=30)
"""So long is remembered what was heard, and waits what nobody takes up."""


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
            "INSERT INTO hint_events (account, generation_id, event, seen_at)"
            " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [account, generation_id, event, stamp(now)],
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


def waiting(index: Index, now: datetime, limit: int, accounts: Collection[str]) -> list[Hint]:
    """Load the hints of these accounts whose time has come, the oldest first."""
    rows = index.rows(
        "SELECT account, generation_id, received_at, tries FROM hints WHERE due_at <= :now"
        " AND account IN (SELECT value FROM json_each(:accounts))"
        " ORDER BY received_at LIMIT :limit",
        {"now": stamp(now), "limit": limit, "accounts": json.dumps(sorted(accounts))},
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


def next_at(index: Index) -> dict[str, datetime]:
    """Tell when the next hint of each account comes, or came, to be due, where there is one."""
    rows = index.rows("SELECT account, MIN(due_at) AS next_at FROM hints GROUP BY account")
    moments = {str(row["account"]): unstamp(row["next_at"]) for row in rows}
    return {name: moment for name, moment in moments.items() if moment is not None}


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
) -> bool:
    """Take a hint away; given when it came, one that was repeated since stays: False."""
    with index.transaction() as db:
        gone = db.execute(
            "DELETE FROM hints WHERE account = ? AND generation_id = ?"
            " AND received_at = COALESCE(?, received_at)",
            [account, generation_id, None if received_at is None else stamp(received_at)],
        )
    return gone.rowcount > 0


def give_up(index: Index, hint: Hint) -> None:
    """Take a hint away that came to nothing, and its events: whoever sends them again is heard.

    One that was repeated since stays.
    """
    with index.transaction() as db:
        if done(index, hint.account, hint.generation_id, hint.received_at):
            db.execute(
                "DELETE FROM hint_events WHERE account = ? AND generation_id = ?",
                [hint.account, hint.generation_id],
            )


def forget_old(index: Index, now: datetime) -> None:
    """Forget the events of long ago, and the hints that nobody took up: polling has the rest."""
    before = stamp(now - KEPT)
    with index.transaction() as db:
        db.execute("DELETE FROM hint_events WHERE seen_at < ?", [before])
        db.execute("DELETE FROM hints WHERE received_at < ?", [before])
