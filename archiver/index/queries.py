"""Reads generations: one by id, those that are due, those that a person filters for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from archiver.index import fulltext
from archiver.index.captured import SIDECAR
from archiver.index.database import Index
from archiver.index.paging import FOUND, newest_first
from archiver.index.reader import Row
from archiver.index.rows import Known, generation_from, known_asset_from, stamp, unstamp
from archiver.model import Digest, Fault, Kind, Receipt, Role, State

_ACCOUNTS = "SELECT subject FROM counts WHERE what = 'generations'"
"""All accounts: an id is found by the index of (account, id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a person wants to see or restore; every part that is set must hold."""

    ids: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    roles: tuple[Role, ...] = ()
    models: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy of one asset, or of the sidecar, with its receipt and what is known to be wrong.

    It was last read back, and found right, at `proven_at`.
    """

    asset_key: str
    receipt: Receipt
    fault: Fault | None = None
    proven_at: datetime | None = None

    @property
    def is_sidecar(self) -> bool:
        """Whether this is the copy of a sidecar."""
        return self.asset_key == SIDECAR


def load(index: Index, number: int) -> Known:
    """Load one generation with all its assets by its row number."""
    row = index.row("SELECT * FROM generations WHERE number = :number", {"number": number})
    assert row is not None, f"generation number {number} was just named by the index"
    return _known_from(index, row)


def by_id(index: Index, generation_id: str, account: str | None = None) -> list[Known]:
    """Load the generations of this id: one, unless several accounts have the same."""
    rows = index.rows(
        f"SELECT * FROM generations WHERE id = :id AND account IN ({_ACCOUNTS})"
        " AND (:account IS NULL OR account = :account) ORDER BY +account",
        {"id": _storable(generation_id), "account": account},
    )
    return [_known_from(index, row) for row in rows]


def _known_from(index: Index, row: Row) -> Known:
    fields: Mapping[str, Any] = row
    assets = tuple(
        known_asset_from(asset)
        for asset in index.rows(
            "SELECT * FROM assets WHERE generation = :number ORDER BY position, key",
            {"number": fields["number"]},
        )
    )
    return Known(
        number=fields["number"],
        generation=generation_from(fields, tuple(known.asset for known in assets)),
        state=State(fields["state"]),
        reason=fields["reason"],
        stem=fields["stem"],
        deadline_at=unstamp(fields["deadline_at"]),
        archived_at=unstamp(fields["archived_at"]),
        attempts=fields["attempts"],
        misses=fields["misses"],
        fingerprint=fields["fingerprint"],
        may_be_committed=bool(fields["may_be_committed"]),
        next_try_at=unstamp(fields["next_try_at"]),
        assets=assets,
    )


def due(
    index: Index, accounts: Collection[str], now: datetime, claimed: Collection[int], limit: int
) -> list[tuple[int, str]]:
    """Name what is to be captured now as (number, account), the least time to loss first.

    That is the deadline, then the end of a link; without either what was made first. What some
    destination holds already, and others lack, can wait. A run asks several times a second, so
    the index of what is due is named: SQLite would rather read all of an account.
    """
    rows = index.rows(
        "SELECT number, account FROM generations INDEXED BY generations_due"
        " WHERE next_try_at IS NOT NULL AND next_try_at <= :now"
        " AND account IN (SELECT value FROM json_each(:accounts))"
        " AND number NOT IN (SELECT value FROM json_each(:claimed))"
        " ORDER BY is_secured, COALESCE(deadline_at, '9999'), COALESCE(link_expires_at, '9999'),"
        " created_at, number LIMIT :limit",
        {
            "now": stamp(now),
            "accounts": json.dumps(sorted(accounts)),
            "claimed": json.dumps(sorted(claimed)),
            "limit": limit,
        },
    )
    return [(int(str(row["number"])), str(row["account"])) for row in rows]


def is_any_unsecured(index: Index, now: datetime) -> bool:
    """Tell whether something is due that only its provider has."""
    row = index.row(
        "SELECT 1 FROM generations INDEXED BY generations_due"
        " WHERE next_try_at IS NOT NULL AND next_try_at <= :now AND is_secured = 0 LIMIT 1",
        {"now": stamp(now)},
    )
    return row is not None


def in_progress(index: Index, account: str, now: datetime) -> list[str]:
    """Name the generations of an account that the provider had not finished, and may have now."""
    rows = index.rows(
        "SELECT id FROM generations WHERE account = :account AND state = 'in_progress'"
        " AND (ask_at IS NULL OR ask_at <= :now) ORDER BY created_at",
        {"account": account, "now": stamp(now)},
    )
    return [str(row["id"]) for row in rows]


def copies(index: Index, number: int) -> list[Copy]:
    """Load all copies of a generation's assets and of its sidecar."""
    rows = index.rows(
        "SELECT * FROM copies WHERE generation = :number ORDER BY key, destination",
        {"number": number},
    )
    return [_copy_from(row) for row in rows]


def _copy_from(row: Mapping[str, Any]) -> Copy:
    stored_at = unstamp(row["stored_at"])
    assert stored_at is not None, "the column is NOT NULL"
    receipt = Receipt(
        destination=row["destination"],
        key=row["path"],
        digest=Digest(size_bytes=row["size_bytes"], sha256=row["sha256"]),
        stored_at=stored_at,
        verified=row["verified"],
        etag=row["etag"],
        version_id=row["version_id"],
    )
    fault = None if row["fault"] is None else Fault(row["fault"])
    proven_at = unstamp(row["proven_at"])
    return Copy(asset_key=row["key"], receipt=receipt, fault=fault, proven_at=proven_at)


def find(index: Index, filters: Filters) -> Iterator[Known]:
    """Find generations, the newest first, page by page: memory stays flat."""
    where, values = conditions(index, filters)
    rows = newest_first(
        index,
        where,
        values,
        filters.limit,
        are_few=bool(filters.ids),
        has_text=fulltext.has_words(len(_words(filters.text))),
    )
    for row in rows:
        yield _known_from(index, row)


def numbers(index: Index, filters: Filters) -> list[int]:
    """Number what the filters choose, the oldest first, in an order that no rebuild changes."""
    where, values = conditions(index, filters)
    rows = index.rows(
        "SELECT number FROM (SELECT number, created_at, account, id FROM generations"
        f" WHERE {where} ORDER BY COALESCE(created_at, '') DESC, number DESC LIMIT :limit)"
        " ORDER BY COALESCE(created_at, ''), account, id",
        {**values, "limit": -1 if filters.limit is None else filters.limit},
    )
    return [int(str(row["number"])) for row in rows]


def weigh(index: Index, filters: Filters) -> tuple[int, int]:
    """Count the archived files of what the filters choose, and their bytes."""
    where, values = conditions(index, filters)
    parts = ["assets.state = 'archived'"]
    if filters.roles:
        parts.append("assets.role IN (SELECT value FROM json_each(:roles))")
    if filters.kinds:
        kinds = "IN (SELECT value FROM json_each(:kinds))"
        parts.append(f"(assets.kind {kinds} OR chosen.kind {kinds})")
    row = index.row(
        "SELECT COUNT(*) AS files, COALESCE(SUM(size_bytes), 0) AS bytes FROM ("
        f"SELECT number, kind FROM generations WHERE {where}"
        " ORDER BY COALESCE(created_at, '') DESC, number DESC LIMIT :limit) AS chosen"
        f" JOIN assets ON assets.generation = chosen.number WHERE {' AND '.join(parts)}",
        {**values, "limit": -1 if filters.limit is None else filters.limit},
    )
    assert row is not None, "an aggregate always has one row"
    return int(str(row["files"])), int(str(row["bytes"]))


def count(index: Index, filters: Filters) -> Iterator[tuple[str, State, int]]:
    """Count what the filters choose, by account and state."""
    where, values = conditions(index, filters)
    for row in index.rows(
        f"SELECT account, state, COUNT(*) AS many FROM generations WHERE {where}"
        " GROUP BY account, state ORDER BY account, state",
        values,
    ):
        yield str(row["account"]), State(str(row["state"])), int(str(row["many"]))


def conditions(index: Index, filters: Filters) -> tuple[str, dict[str, object]]:
    """Make the WHERE clause; user text only ever travels as values."""
    parts, values = ["1"], dict[str, object]()
    for column, wanted in (
        ("id", filters.ids),
        ("account", filters.accounts),
        ("provider", filters.providers),
        ("model", filters.models),
    ):
        if wanted:
            parts.append(f"{column} IN (SELECT value FROM json_each(:{column}))")
            values[column] = json.dumps(wanted)
    if filters.ids:
        parts.append(f"account IN ({_ACCOUNTS})")
    if filters.states:
        also_failed = " OR status = 'failed'" if State.FAILED in filters.states else ""
        parts.append(f"(state IN (SELECT value FROM json_each(:states)){also_failed})")
        values["states"] = json.dumps(filters.states)
    for sign, column, moment in ((">=", "since", filters.since), ("<", "until", filters.until)):
        if moment is not None:
            parts.append(f"COALESCE(created_at, '') {sign} :{column} AND created_at IS NOT NULL")
            values[column] = stamp(moment)
    _add_asset_conditions(filters, parts, values)
    _add_text_conditions(index, filters.text, parts, values)
    return " AND ".join(parts), values


def _add_asset_conditions(filters: Filters, parts: list[str], values: dict[str, object]) -> None:
    if filters.kinds:
        kinds = "kind IN (SELECT value FROM json_each(:kinds))"
        parts.append(f"({kinds} OR number IN (SELECT generation FROM assets WHERE {kinds}))")
        values["kinds"] = json.dumps(filters.kinds)
    if filters.roles:
        roles = "role IN (SELECT value FROM json_each(:roles))"
        parts.append(f"number IN (SELECT generation FROM assets WHERE {roles})")
        values["roles"] = json.dumps(filters.roles)


def _add_text_conditions(
    index: Index, text: str | None, parts: list[str], values: dict[str, object]
) -> None:
    """Every word must occur somewhere; one that is nearly everywhere is looked for row by row."""
    words = _words(text)
    matches = [fulltext.match_of(index, word) for word in words]
    if "" in matches:
        parts.append("0")
        return
    values.update((f"word{place}", fulltext.fold(word)) for place, word in enumerate(words))
    if any(matches):
        parts.append(FOUND)
        values["match"] = " AND ".join(match for match in matches if match)
    parts += [fulltext.has_word(place) for place, match in enumerate(matches) if match is None]


def _words(text: str | None) -> list[str]:
    return _storable(text or "").replace("\0", " ").split()


def _storable(text: str) -> str:
    """Replace what SQLite cannot be asked for: bytes of a command line that are no UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
