"""Writes what providers list: new generations, what changed about known ones, their assets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from archiver import keys
from archiver.index import statements
from archiver.index.database import Index
from archiver.index.rows import asset_row, generation_row, stamp, stamp_or_none
from archiver.model import Asset, Generation, Role, State, Status
from archiver.states import ASSETS, GENERATIONS, Event, after

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One listed generation and what our rules say of it.

    `fingerprint` changes when something that belongs into the sidecar changed. `assets` is
    None when the listing does not name all files. `excluded_because` names the rule that
    leaves the whole generation out. `link_expires_at` is when the first of its links stops working.
    """

    generation: Generation
    fingerprint: str
    stem: str
    deadline_at: datetime | None
    assets: tuple[Asset, ...] | None
    excluded_because: str | None
    link_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the index made of a listed generation."""

    number: int
    generation: Generation
    is_new: bool
    state: State


def record_page(
    index: Index, page: Sequence[Listed], wanted_roles: frozenset[Role], now: datetime
) -> list[Seen]:
    """Write one page of a listing in one transaction; unchanged generations cost no write."""
    with index.transaction() as db:
        known = _known(db, page)
        return [
            _record(db, listed, known.get(listed.generation.id), wanted_roles, now)
            for listed in _without_repeats(page)
        ]


def record_detail(
    index: Index,
    number: int,
    generation: Generation,
    wanted_roles: frozenset[Role],
    now: datetime,
) -> None:
    """Write what a provider says of one generation when it is asked by id."""
    with index.transaction() as db:
        columns = generation_row(generation)
        if columns["expires_at"] is not None:
            columns["deadline_at"] = columns["expires_at"]
        statements.update(db, "generations", {"number": number}, {**columns, "misses": 0})
        _add_assets(db, number, generation.assets, wanted_roles, now)


def want_roles(index: Index, wanted_roles: frozenset[Role], now: datetime) -> None:
    """Take back the exclusion of assets whose role the config keeps from now on.

    Where other files are lost, these may still be there: so a lost generation is tried again.
    """
    with index.transaction() as db:
        values = {
            "roles": json.dumps(sorted(wanted_roles)),
            "excluded": State.EXCLUDED.value,
            "now": stamp(now),
        }
        rows = db.query(
            "SELECT DISTINCT generation FROM assets INDEXED BY assets_excluded"
            " WHERE state = 'excluded' AND role IN (SELECT value FROM json_each(:roles))",
            values,
        )
        for row in list(rows):
            _take_back(db, row["generation"], values)


def _take_back(db: Database, number: int, values: Mapping[str, str]) -> None:
    db.execute(
        "UPDATE assets SET state = :pending, reason = NULL WHERE generation = :number"
        " AND state = :excluded AND role IN (SELECT value FROM json_each(:roles))",
        {**values, "pending": after(ASSETS, State.EXCLUDED, Event.WANTED), "number": number},
    )
    row = next(db.query("SELECT state FROM generations WHERE number = ?", [number]))
    state = after(GENERATIONS, State(row["state"]), Event.WANTED)
    if state is State.PENDING:
        due = {"state": state, "next_try_at": values["now"], "is_secured": 0}
        db.table("generations").update(number, due)


def move_deadlines(index: Index, account: str, retention: timedelta | None) -> None:
    """Count an account's deadlines anew, as when its retention was changed in the config.

    The provider's own word (`expires_at`) stays. What the index remembers is the retention that
    the deadlines were counted with, so that this costs nothing while it stays the same.
    """
    seconds = None if retention is None else retention.total_seconds()
    with index.transaction() as db:
        row = db.execute(
            "SELECT retention_seconds FROM accounts WHERE account = ?", [account]
        ).fetchone()
        if row is None or row[0] == seconds:
            return
        db.execute(
            "UPDATE accounts SET retention_seconds = ? WHERE account = ?", [seconds, account]
        )
        db.execute(
            "UPDATE generations SET deadline_at = later(created_at, :seconds)"
            " WHERE account = :account AND expires_at IS NULL",
            {"account": account, "seconds": seconds},
        )


def ask_later(index: Index, number: int, moment: datetime, misses: int = 0) -> None:
    """Leave a generation that the provider is still at work on alone until a moment.

    `misses` is how many times in a row the provider did not know it when asked by id.
    """
    with index.transaction() as db:
        db.table("generations").update(number, {"ask_at": stamp(moment), "misses": misses})


def _without_repeats(page: Sequence[Listed]) -> list[Listed]:
    return list({listed.generation.id: listed for listed in page}.values())


def _known(db: Database, page: Sequence[Listed]) -> dict[str, Mapping[str, object]]:
    if not page:
        return {}
    rows = db.query(
        "SELECT number, id, state, status, fingerprint FROM generations"
        " WHERE account = :account AND id IN (SELECT value FROM json_each(:ids))",
        {
            "account": page[0].generation.account,
            "ids": json.dumps([listed.generation.id for listed in page]),
        },
    )
    return {row["id"]: row for row in rows}


def _record(
    db: Database,
    listed: Listed,
    known: Mapping[str, object] | None,
    wanted_roles: frozenset[Role],
    now: datetime,
) -> Seen:
    state = _next_state(listed, known)
    if known is None:
        number = _insert(db, listed, state, now)
    else:
        number = int(str(known["number"]))
        if known["fingerprint"] == listed.fingerprint and known["state"] == state:
            return Seen(number=number, generation=listed.generation, is_new=False, state=state)
        _update(db, known, listed, state, now)
    if listed.assets is not None:
        _add_assets(db, number, listed.assets, wanted_roles, now)
    return Seen(number=number, generation=listed.generation, is_new=known is None, state=state)


def _next_state(listed: Listed, known: Mapping[str, object] | None) -> State:
    before = None if known is None else State(str(known["state"]))
    return after(GENERATIONS, before, _event_of(listed, known))


def _event_of(listed: Listed, known: Mapping[str, object] | None) -> Event:
    """Name what a listing says of a generation; a row without fingerprint is not compared."""
    if listed.excluded_because is not None:
        return Event.RULED_OUT
    if listed.generation.status is Status.IN_PROGRESS:
        return Event.UNFINISHED
    is_same = known is None or known["fingerprint"] in (listed.fingerprint, None)
    return Event.LISTED if is_same else Event.CHANGED


def _insert(db: Database, listed: Listed, state: State, now: datetime) -> int:
    stem = free_stem(db, listed.stem, listed.generation)
    columns = {
        **generation_row(listed.generation),
        **_standing(listed, state, now),
        "deadline_at": stamp_or_none(listed.deadline_at),
        "link_expires_at": stamp_or_none(listed.link_expires_at),
        "fingerprint": listed.fingerprint,
        "stem": stem,
        "stem_folded": keys.fold(stem),
        "listed_at": stamp(now),
    }
    return statements.insert(db, "generations", columns)


def _update(
    db: Database, known: Mapping[str, object], listed: Listed, state: State, now: datetime
) -> None:
    """Write what changed; what a row leaves out, and an earlier detail told, stays."""
    number = int(str(known["number"]))
    columns: dict[str, object] = {
        "fingerprint": listed.fingerprint,
        "deadline_at": stamp_or_none(listed.deadline_at),
        "link_expires_at": stamp_or_none(listed.link_expires_at),
    }
    if known["state"] != state:
        columns.update(_standing(listed, state, now))
    if known["fingerprint"] is not None or state is not State.ARCHIVED:
        told = generation_row(listed.generation)
        details = json.loads(str(told.pop("details")))
        columns.update({name: value for name, value in told.items() if value is not None})
        columns["details"] = _merged(db, number, details)
    statements.update(db, "generations", {"number": number}, columns)


def _standing(listed: Listed, state: State, now: datetime) -> dict[str, object]:
    return {
        "state": state.value,
        "reason": listed.excluded_because,
        "next_try_at": stamp(now) if state is State.PENDING else None,
        "is_secured": 0,
    }


def _merged(db: Database, number: int, details: dict[str, Any]) -> str:
    row = next(db.query("SELECT details FROM generations WHERE number = ?", [number]))
    before = json.loads(row["details"])
    for name in ("raw", "parameters"):
        details[name] = {**before[name], **details[name]}
    for name in ("cost", "error"):
        details[name] = details[name] or before[name]
    return json.dumps(details, ensure_ascii=False, sort_keys=True)


def free_stem(db: Database, stem: str, generation: Generation) -> str:
    """Return the stem, with a hash when another generation's differs only by case or form."""
    taken = db.execute(
        "SELECT 1 FROM generations WHERE stem_folded = ?", [keys.fold(stem)]
    ).fetchone()
    return keys.with_hash(stem, f"{generation.account}/{generation.id}") if taken else stem


def _add_assets(
    db: Database,
    number: int,
    assets: Sequence[Asset],
    wanted_roles: frozenset[Role],
    now: datetime,
) -> None:
    query = "SELECT key, state FROM assets WHERE generation = ?"
    known = {row["key"]: row["state"] for row in db.query(query, [number])}
    for position, asset in enumerate(assets):
        columns = asset_row(asset, position)
        if known.get(asset.key) == State.ARCHIVED:
            columns = {"position": position}  # the rest says what was kept, and from where
        if asset.key in known:
            statements.update(db, "assets", {"generation": number, "key": asset.key}, columns)
            continue
        is_wanted = asset.role in wanted_roles
        statements.insert(
            db,
            "assets",
            {
                **columns,
                "generation": number,
                "ordinal": next_ordinal(db, number, asset.role),
                "state": after(ASSETS, None, Event.LISTED if is_wanted else Event.RULED_OUT).value,
                "reason": None if is_wanted else f"role {asset.role} is not kept",
                "failed_at": None if is_wanted else stamp(now),
            },
        )


def next_ordinal(db: Database, number: int, role: Role) -> int:
    """Give the next asset of a role its number, from 1, for good."""
    row = db.execute(
        "SELECT COALESCE(MAX(ordinal), 0) + 1 FROM assets WHERE generation = ? AND role = ?",
        [number, role.value],
    ).fetchone()
    return int(row[0])
