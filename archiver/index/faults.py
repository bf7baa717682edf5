"""Reads and writes what is known to be wrong with copies, and files that no copy accounts for.

What a look at the destinations found stays here until it is healed (promise 7): a fault is taken
back only together with the receipt of what healed it, in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from archiver import keys
from archiver.index.database import Index
from archiver.index.queries import Filters, conditions
from archiver.index.rows import stamp, stamp_or_none, unstamp
from archiver.model import Fault, Receipt

PAGE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One copy as it is now. `proven_at` is set only when it was read back."""

    asset_key: str
    receipt: Receipt
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A file at a destination that no copy accounts for."""

    destination: str
    path: str
    size_bytes: int


def at_fault(index: Index, filters: Filters, destinations: Collection[str]) -> Iterator[int]:
    """Number the generations with a copy at fault at one of these destinations, page by page."""
    where, values = conditions(index, filters)
    after, left = 0, filters.limit
    while left is None or left > 0:
        rows = index.rows(
            "SELECT DISTINCT generation FROM copies WHERE fault IS NOT NULL"
            " AND destination IN (SELECT value FROM json_each(:names)) AND generation > :after"
            f" AND generation IN (SELECT number FROM generations WHERE {where})"
            " ORDER BY generation LIMIT :many",
            {
                **values,
                "names": json.dumps(sorted(destinations)),
                "after": after,
                "many": PAGE_ROWS if left is None else min(PAGE_ROWS, left),
            },
        )
        if not rows:
            return
        yield from (int(str(row["generation"])) for row in rows)
        after = int(str(rows[-1]["generation"]))
        left = None if left is None else left - len(rows)


def paths_at_fault(index: Index, fault: Fault) -> Iterator[tuple[str, str]]:
    """Name the places of all copies with this fault, as destination and path, page by page."""
    after = ("", "")
    while True:
        rows = index.rows(
            "SELECT destination, path FROM copies WHERE fault = :fault"
            " AND (destination, path) > (:destination, :path)"
            " ORDER BY destination, path LIMIT :many",
            {
                "fault": fault.value,
                "destination": after[0],
                "path": after[1],
                "many": PAGE_ROWS,
            },
        )
        if not rows:
            return
        yield from ((str(row["destination"]), str(row["path"])) for row in rows)
        after = str(rows[-1]["destination"]), str(rows[-1]["path"])


def record_fault(index: Index, number: int, asset_key: str, destination: str, fault: Fault) -> None:
    """Write that a copy was looked at and is not right."""
    with index.transaction() as db:
        db.execute(
            "UPDATE copies SET fault = ? WHERE generation = ? AND key = ? AND destination = ?",
            [fault.value, number, asset_key, destination],
        )


def clear(index: Index, number: int, asset_key: str, destination: str, proven_at: datetime) -> None:
    """Write that a copy was read, and is right after all."""
    with index.transaction() as db:
        db.execute(
            "UPDATE copies SET fault = NULL, proven_at = ?"
            " WHERE generation = ? AND key = ? AND destination = ?",
            [stamp(proven_at), number, asset_key, destination],
        )


def record_placed(index: Index, number: int, placed: Iterable[Placed]) -> None:
    """Write receipts of copies that are right now; what was wrong with them is over."""
    rows = [
        {
            "generation": number,
            "key": one.asset_key,
            "destination": one.receipt.destination,
            "path": one.receipt.key,
            "size_bytes": one.receipt.digest.size_bytes,
            "sha256": one.receipt.digest.sha256,
            "stored_at": stamp(one.receipt.stored_at),
            "verified": one.receipt.verified,
            "etag": one.receipt.etag,
            "version_id": one.receipt.version_id,
            "proven_at": stamp_or_none(one.proven_at),
            "fault": None,
        }
        for one in placed
    ]
    with index.transaction() as db:
        db.table("copies").upsert_all(rows, pk=("generation", "key", "destination"))
        for row in rows:
            _forget_stray(index, str(row["destination"]), str(row["path"]))


def strays(index: Index, destinations: Collection[str]) -> Iterator[Stray]:
    """Name the files that no copy accounts for, page by page; sidecars come first."""
    for is_sidecar in (1, 0):
        yield from _strays(index, destinations, is_sidecar)


def _strays(index: Index, destinations: Collection[str], is_sidecar: int) -> Iterator[Stray]:
    cursor = ("", "")
    while True:
        rows = index.rows(
            "SELECT * FROM strays WHERE (destination, path) > (:destination, :path)"
            " AND destination IN (SELECT value FROM json_each(:names))"
            " AND (path LIKE :suffix) = :is_sidecar"
            " ORDER BY destination, path LIMIT :many",
            {
                "destination": cursor[0],
                "path": cursor[1],
                "names": json.dumps(sorted(destinations)),
                "suffix": f"%{keys.SIDECAR_SUFFIX}",
                "is_sidecar": is_sidecar,
                "many": PAGE_ROWS,
            },
        )
        if not rows:
            return
        for row in rows:
            yield Stray(
                destination=str(row["destination"]),
                path=str(row["path"]),
                size_bytes=int(str(row["size_bytes"])),
            )
        cursor = (str(rows[-1]["destination"]), str(rows[-1]["path"]))


def note_stray(index: Index, stray: Stray, now: datetime) -> None:
    """Write that a file stands where one of the archive's own belongs."""
    with index.transaction() as db:
        db.table("strays").upsert(
            {
                "destination": stray.destination,
                "path": stray.path,
                "size_bytes": stray.size_bytes,
                "found_at": stamp(now),
            },
            pk=("destination", "path"),
        )


def is_stray(index: Index, stray: Stray) -> bool:
    """Tell whether a file still counts as one that no copy accounts for."""
    found = index.row(
        "SELECT 1 FROM strays WHERE destination = :destination AND path = :path",
        {"destination": stray.destination, "path": stray.path},
    )
    return found is not None


def forget_stray(index: Index, stray: Stray) -> None:
    """Forget a file that is gone, or that a copy accounts for now."""
    with index.transaction():
        _forget_stray(index, stray.destination, stray.path)


def _forget_stray(index: Index, destination: str, path: str) -> None:
    with index.transaction() as db:
        db.execute("DELETE FROM strays WHERE destination = ? AND path = ?", [destination, path])


def file_at(index: Index, path: str) -> tuple[int, str] | None:
    """Tell which archived asset has this path, as generation number and asset key."""
    row = index.row(
        "SELECT generation, key FROM assets WHERE path_folded = :folded AND path = :path",
        {"folded": keys.fold(path), "path": path},
    )
    return None if row is None else (int(str(row["generation"])), str(row["key"]))


def last_verified(index: Index) -> dict[str, datetime | None]:
    """Tell when each destination was last looked at."""
    rows = index.rows("SELECT name, verified_at FROM destinations ORDER BY name")
    return {str(row["name"]): unstamp(row["verified_at"]) for row in rows}
