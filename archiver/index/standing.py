"""How well each destination is proven: since when, and when a drill last worked (promise 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver.index.captured import SIDECAR
from archiver.index.database import Index
from archiver.index.rows import stamp, unstamp
from archiver.model import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How well a destination is proven.

    Each of its `copies` was read back, or written and checked, at `proven_since` or later. Of those
    `at_fault` so many are `too_new`: sidecars that only a newer archiver reads.
    """

    destination: str
    copies: int
    size_bytes: int
    at_fault: int
    too_new: int
    strays: int
    proven_since: datetime | None
    verified_at: datetime | None
    drilled_at: datetime | None


def standing(index: Index, destination: str) -> Standing:
    """Tell how well a destination is proven; each part of it comes from an index alone."""
    row: Mapping[str, Any] | None = index.row(
        "SELECT COALESCE(SUM(many), 0) AS copies, COALESCE(SUM(size_bytes), 0) AS bytes,"
        " (SELECT COUNT(*) FROM copies WHERE destination = :name AND fault IS NOT NULL)"
        " AS at_fault,"
        " (SELECT COUNT(*) FROM copies WHERE destination = :name AND fault IS NOT NULL"
        "  AND fault = :too_new) AS too_new,"
        " (SELECT MIN(COALESCE(proven_at, stored_at)) FROM copies WHERE destination = :name)"
        " AS proven_since,"
        " (SELECT COUNT(*) FROM strays WHERE destination = :name) AS strays,"
        " (SELECT verified_at FROM destinations WHERE name = :name) AS verified_at,"
        " (SELECT drilled_at FROM destinations WHERE name = :name) AS drilled_at"
        " FROM counts WHERE what = 'copies' AND subject = :name",
        {"name": destination, "too_new": Fault.TOO_NEW.value},
    )
    assert row is not None, "an aggregate always has a row"
    return Standing(
        destination=destination,
        copies=row["copies"],
        size_bytes=row["bytes"],
        at_fault=row["at_fault"],
        too_new=row["too_new"],
        strays=row["strays"],
        proven_since=unstamp(row["proven_since"]),
        verified_at=unstamp(row["verified_at"]),
        drilled_at=unstamp(row["drilled_at"]),
    )


def remember_verify(index: Index, destination: str, now: datetime) -> None:
    """Remember that a destination was listed, and that all that was due there was read."""
    with index.transaction() as db:
        db.table("destinations").update(destination, {"verified_at": stamp(now)})


def drill_cursor(index: Index, destination: str) -> str:
    """Tell the sidecar at which the last drill ended; "" before the first one."""
    row = index.row(
        "SELECT drill_cursor FROM destinations WHERE name = :name", {"name": destination}
    )
    return "" if row is None else str(row["drill_cursor"] or "")


def next_sidecars(index: Index, destination: str, many: int) -> list[str]:
    """Name the sidecars behind the one at which the last drill ended, then from the first one."""
    rows = index.rows(
        "SELECT path FROM copies WHERE destination = :name AND key = :sidecar"
        " ORDER BY path <= :cursor, path LIMIT :many",
        {
            "name": destination,
            "sidecar": SIDECAR,
            "cursor": drill_cursor(index, destination),
            "many": many,
        },
    )
    return [str(row["path"]) for row in rows]


def remember_drill(index: Index, destination: str, cursor: str, proven_at: datetime | None) -> None:
    """Remember how far a drill came, and, when all of it could be restored, since when."""
    with index.transaction() as db:
        db.execute(
            "UPDATE destinations SET drill_cursor = ?, drilled_at = COALESCE(?, drilled_at)"
            " WHERE name = ?",
            [cursor, None if proven_at is None else stamp(proven_at), destination],
        )
